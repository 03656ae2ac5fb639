"""MkDocs hook: files of the repository outside docs/ come onto the site when a page links to them.

The pages link to each other as files do (`../CONTRIBUTING.md`), so that the links also work where
the repository is read. The site has no folder above it: a linked file gets a page of its own, at
its path from the repository's root, and the link is written anew.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent.name
ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)\s#]+)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add every file that a page links to, and those that these link to."""
    waiting = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    while waiting:
        uri, markdown = waiting.pop()
        for target in _outside(uri, markdown):
            if files.get_file_from_path(_site_uri(target)) is None and (ROOT / target).is_file():
                level = InclusionLevel.NOT_IN_NAV  # the navigation may name it, and need not
                path = str(ROOT / target)
                file = File.generated(config, target, abs_src_path=path, inclusion=level)
                files.append(file)
                if file.is_documentation_page():
                    waiting.append((target, file.content_string))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Write links anew that lead out of docs/, or into it from outside."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewritten(link: re.Match[str]) -> str:
        target = _target(page.file.src_uri, link[0])
        leaves = not target.startswith(f"{DOCS}/") or not _is_ours(page.file.src_uri)
        return posixpath.relpath(_site_uri(target), folder or ".") if leaves else link[0]

    return LINK.sub(rewritten, markdown)


def _outside(uri: str, markdown: str) -> Iterator[str]:
    """Yield the targets of a page's links that are not below docs/."""
    for link in LINK.findall(markdown):
        target = _target(uri, link)
        if not target.startswith((f"{DOCS}/", "..")):
            yield target


def _target(uri: str, link: str) -> str:
    """Return where a link of a page leads, from the repository's root: a folder to its README."""
    page = posixpath.join(DOCS, uri) if _is_ours(uri) else uri
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    return posixpath.join(target, "README.md") if (ROOT / target).is_dir() else target


def _site_uri(target: str) -> str:
    """Return where a file of the repository is on the site."""
    return "index.md" if target == "README.md" else target.removeprefix(f"{DOCS}/")


def _is_ours(uri: str) -> bool:
    return (ROOT / DOCS / uri).exists()
