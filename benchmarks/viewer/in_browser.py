"""How a page does in a browser: its first paint, the work for each frame, and its memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.viewer.screenshots import BROWSERS, NoBrowserError

_STEPS = 60
_TYPED = "colour 7"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_READY = '.grid-box[aria-busy="false"]'
_SCROLL = """async (k) => {
  const box = document.querySelector(".grid-box");
  box.scrollTop = k < 30 ? box.scrollTop + 400 : (box.scrollHeight * ((7 * k) % 30)) / 30;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
_TWO_FRAMES = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(done)))"""


class Use(NamedTuple):
    """What a page took.

    Attributes:
        paint: milliseconds of the wall clock from its opening to the first paint.
        table: the same to its table.
        scroll: longest work of its own thread for a step of scrolling, in milliseconds.
        typing: the same for a letter typed into the search.
        heap: of its scripts, in MB.
    """

    paint: float
    table: float
    scroll: float
    typing: float
    heap: float


def used(page: Path) -> Use:
    """Open a page of a run, scroll its table and type into the search.

    Raises:
        NoBrowserError: if there is no browser.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise NoBrowserError(f"this needs a browser: one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = running.chromium.launch(executable_path=program, args=options)
        found = _used(browser.new_page(viewport={"width": 1200, "height": 800}), page)
        browser.close()
    return found


def _used(tab: Any, page: Path) -> Use:
    tab.goto(page.resolve().as_uri())
    tab.wait_for_selector(_READY, state="attached", timeout=120_000)
    ready = tab.evaluate("performance.now()")
    session = tab.context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    scroll = max(_worked(session, lambda k=k: tab.evaluate(_SCROLL, k)) for k in range(_STEPS))
    tab.keyboard.press("/")

    def typed(letter: str) -> None:
        tab.keyboard.press(letter if letter != " " else "Space")
        tab.evaluate(_TWO_FRAMES)
        tab.wait_for_timeout(250)  # a search begins when the hand rests

    typing = max(_worked(session, lambda one=one: typed(one)) for one in _TYPED)
    heap = tab.evaluate("performance.memory.usedJSHeapSize")
    return Use(tab.evaluate(_PAINT), ready, scroll, typing, heap / 1e6)


def _worked(session: Any, act: Any) -> float:
    """Return for how long the page's thread worked while something was done, in milliseconds.

    The clock on the wall would measure what else the machine does.
    """
    before = _duration(session)
    act()
    return 1000 * (_duration(session) - before)


def _duration(session: Any) -> float:
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in found if one["name"] == "TaskDuration")
