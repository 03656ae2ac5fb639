"""Scripts of the page by themselves, in a browser without a page around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from algos.viewer.page.page_files import HERE
from tests.helpers.viewer.browser import chromium


@contextmanager
def scripts(files: Sequence[str], names: Sequence[str], stubs: str = "") -> Iterator[Any]:
    """Load scripts into an empty page of Playwright.

    Args:
        files: of `page/scripts`, in their order.
        names: of what they define, then known to the page.
        stubs: JavaScript that stands for what they need beside it.
    """
    context = chromium().new_context()
    page = context.new_page()
    texts = [(HERE / "scripts" / file).read_text("utf-8") for file in files]
    known = ", ".join(names)
    try:
        page.evaluate(f"() => {{ {stubs}\n{''.join(texts)}\nObject.assign(window, {{{known}}}); }}")
        yield page
    finally:
        context.close()
