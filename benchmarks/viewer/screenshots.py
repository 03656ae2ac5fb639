"""`python -m benchmarks.viewer.screenshots RUN`: pictures of a run's page for the documentation.

Needs Chromium of the system, and Playwright (`pip install -e .[dev]`), which drives it.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import tyro

from algos.viewer.reading.run_folders import read_run
from algos.viewer.view_data import RunView
from algos.viewer.writing.view_file import write_view
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_write

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MOST_BYTES = 300_000
"""Of a picture: more would make the repository heavy, and its pages slow."""
_COLOURS = (256, 128, 64, 32)
"""Sizes of a picture's palette that are tried: pages have few colours, frames many."""


class NoBrowserError(SageEnvError):
    """No browser can be driven here."""


class BrokenPageError(SageEnvError):
    """The page says that something went wrong: no picture for the documentation."""


@dataclass(frozen=True)
class Shot:
    """One picture of the page.

    Attributes:
        name: of the file.
        state: of the page, as its address has it.
        width, height: of the window, in pixels.
        dark: whether the reader prefers dark colours.
    """

    name: str
    state: dict[str, str]
    width: int = 1200
    height: int = 860
    dark: bool = False


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is drawn."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")] = Path(
        "runs/first-light"
    )
    """Folder of a run whose videos are there."""
    out: Path = Path("docs/images")
    """Folder of the pictures."""
    question: str | None = None
    """Question of the question view; by default the first one, which tells most."""


def main(settings: Settings) -> list[Path]:
    """Write the page of a run into a temporary folder, and draw it.

    Raises:
        NoBrowserError: if there is none.
        BrokenPageError: if a script of the page failed.
        SageEnvError: if the run cannot be read.
    """
    run = read_run(settings.run)
    with tempfile.TemporaryDirectory() as folder:
        page = write_view(run, Path(folder) / "report.html").path
        found = []
        for shot, data in draw(page, shots(run, settings.question or run.order[0])):
            path = settings.out / f"{shot.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, data)
            found.append(path)
            print(f"{path}: {len(data)} bytes")
        return found


def shots(run: RunView, question: str) -> list[Shot]:
    """Return the pictures of a run's page: three views, and one of a narrow dark window.

    Args:
        run: on the page.
        question: of the views of one question.
    """
    asked = {"view": "question", "q": question, "e": run.shown}
    found = [Shot("viewer-run", {}), Shot("viewer-question", asked)]
    if run.before is not None:
        found.append(Shot("viewer-compare", {**asked, "view": "compare", "f": run.before}))
    return [*found, Shot("viewer-narrow", asked, width=420, height=900, dark=True)]


def draw(page: Path, wanted: list[Shot]) -> Iterator[tuple[Shot, bytes]]:
    """Yield each picture as a PNG of at most `MOST_BYTES`.

    Args:
        page: the file.
        wanted: pictures of it.

    Raises:
        NoBrowserError: if there is no browser.
        BrokenPageError: if a script of the page failed.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise NoBrowserError(f"pictures need a browser: one of {', '.join(BROWSERS)}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for shot in wanted:
            context = browser.new_context(
                viewport={"width": shot.width, "height": shot.height},
                color_scheme="dark" if shot.dark else "light",
                reduced_motion="reduce",
            )
            yield shot, small_png(_drawn(context.new_page(), page, shot))
            context.close()
        browser.close()


def _drawn(tab: Any, page: Path, shot: Shot) -> bytes:
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(f"{page.resolve().as_uri()}#{urlencode(shot.state)}")
    tab.wait_for_load_state("networkidle")
    tab.wait_for_timeout(1500)  # rows and pictures are unpacked after the first paint
    said = tab.locator("#trouble")
    if wrong or said.is_visible():
        raise BrokenPageError(f"{shot.name}: {'; '.join([*wrong, said.inner_text()])}")
    return bytes(tab.screenshot())


def small_png(data: bytes) -> bytes:
    """Return a PNG with a palette, in as many colours as `MOST_BYTES` allow.

    Args:
        data: of a PNG.
    """
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    found = data
    for colours in _COLOURS:
        few = picture.quantize(colours, dither=Image.Dither.NONE)
        packed = io.BytesIO()
        few.save(packed, "PNG", optimize=True)
        found = packed.getvalue()
        if len(found) <= MOST_BYTES:
            break
    return found


if __name__ == "__main__":
    try:
        main(tyro.cli(Settings))
    except SageEnvError as error:
        raise SystemExit(f"screenshots: {error}") from None
