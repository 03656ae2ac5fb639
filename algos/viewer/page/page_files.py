"""The files that every page is made of: template, styles, scripts, in their order."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sage_env.release import __version__

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
SCRIPTS: tuple[str, ...] = ()
STYLES: tuple[str, ...] = ()


def script() -> str:
    """Return all scripts as one, wrapped in a function of its own."""
    texts = [(HERE / "scripts" / name).read_text("utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(texts) + "\n})();\n"


def styles() -> str:
    """Return all styles as one."""
    return "\n".join((HERE / "styles" / name).read_text("utf-8") for name in STYLES)


def generator() -> str:
    """Return what wrote a page: the release and its scripts. A page of another is made anew."""
    digest = hashlib.sha256((script() + styles()).encode()).hexdigest()
    return f"sage-vqa {__version__} {digest[:16]}"


def template() -> Template:
    """Return the template of the page; what it is given is escaped unless it is `Markup`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return found.get_template("page.html.j2")
