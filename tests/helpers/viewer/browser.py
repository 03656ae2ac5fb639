"""A real browser for tests of pages: Chromium without a screen, and what a page did in it.

Tests that need it skip where there is no Chromium or no Playwright. A page may ask for nothing:
whatever it wanted is in `requests`, and is refused.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
_RUNNING: dict[int, tuple[Any, Any]] = {}  # one browser a process; it ends with the process


@dataclass
class Opened:
    """A page that is open, and what came of it.

    Attributes:
        page: of Playwright.
        problems: errors and warnings of its console, and exceptions that nobody caught.
        requests: addresses that it asked for, beside its own file and what lies in it.
    """

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def require_quiet(self) -> None:
        """Check that nothing went wrong, nothing was asked for, and no planted script ran."""
        assert self.problems == []
        assert self.requests == []
        assert self.page.evaluate("typeof window.planted") == "undefined"


def chromium() -> Any:
    """Return the browser of this process, started when first asked for; skip without one."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(NAMES)}, as Debian's chromium")
    if os.getpid() not in _RUNNING:
        running = playwright.sync_playwright().start()
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = running.chromium.launch(executable_path=program, args=options)
        _RUNNING[os.getpid()] = running, browser
    return _RUNNING[os.getpid()][1]


@contextmanager
def opened(
    where: Path | str,
    *,
    width: int = 1200,
    height: int = 800,
    script: bool = True,
    dark: bool = False,
    allow: str | None = None,
    early: str = "",
) -> Iterator[Opened]:
    """Open a page in a window of its own.

    Args:
        where: a file, or the address of a loopback server; `#…` at its end is kept.
        width: of the window, in CSS pixels.
        height: of the window.
        script: whether scripts may run.
        dark: whether the user prefers dark colours.
        allow: beginning of addresses that it may ask for.
        early: a script that runs before those of the page.
    """
    address = where if isinstance(where, str) else where.resolve().as_uri()
    context = chromium().new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=script,
        color_scheme="dark" if dark else "light",
    )
    context.set_default_timeout(20_000)
    if early:
        context.add_init_script(early)
    page = context.new_page()
    found = Opened(page)
    page.on("console", lambda m: _note(found, m.type, m.text))
    page.on("pageerror", lambda error: found.problems.append(f"not caught: {error}"))
    own = address.partition("#")[0]

    def decide(route: Any) -> None:
        url = route.request.url
        if url.partition("#")[0] == own or (allow and url.startswith(allow)):
            route.continue_()
        else:
            found.requests.append(url)
            route.abort()

    page.route(lambda url: not url.startswith(("data:", "blob:")), decide)
    try:
        page.goto(address)
        yield found
    finally:
        page.unroute_all(behavior="ignoreErrors")  # a served page may be asking just now
        context.close()


def serious_violations(found: Opened) -> list[str]:
    """Return what axe finds serious or critical on the page as it is now."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    results = axe.Axe().run(found.page)
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:5]}"
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def colour_in(canvas: Any, x: int, y: int) -> list[int]:
    """Return red, green and blue of a pixel of a canvas (an element of Playwright)."""
    pixel = """(canvas, [x, y]) => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    }"""
    found: list[int] = canvas.evaluate(pixel, [x, y])
    return found


def worked(found: Opened, act: Callable[[], Any]) -> float:
    """Return for how long the page's own thread worked while something was done, in seconds.

    The clock on the wall would measure what else the machine does.
    """
    session = found.page.context.new_cdp_session(found.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    before = spent()
    act()
    after = spent()
    session.detach()
    return after - before


def _note(found: Opened, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        found.problems.append(f"{kind}: {text}")
