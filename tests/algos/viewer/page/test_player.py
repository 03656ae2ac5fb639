"""Laws of `page/scripts/player`: the clip and the axis have one cursor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.clips import write_clip
from tests.helpers.viewer.browser import Opened, opened
from tests.helpers.viewer.one_question import write_question
from tests.helpers.viewer.run_table import until

STEPS = [{"turn": 0, "action": "overview", "frames": [[0.5, -1, -1], [1.0, -1, -1], [2.0, -1, -1]]}]
PLACE = "document.querySelector('video').currentTime"
CODEC = "document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.64000a\"')"


@contextmanager
def shown(folder: Path, href: str | None = "a%20clip.mp4") -> Iterator[Opened]:
    video = {"name": "a clip.mp4", "href": href}
    episodes = [{"entry": "a", "steps": STEPS}]
    path = write_question(
        folder / "page.html", {"duration": 4.0, "video": video, "episodes": episodes}
    )
    with opened(f"{path.as_uri()}#q=q", allow=folder.as_uri()) as found:
        found.page.wait_for_selector(".turns")
        yield found


def require_codec(found: Opened) -> None:
    if not found.page.evaluate(CODEC):
        pytest.skip("needs a browser that decodes H.264, as Debian's does")


def clip(folder: Path) -> Path:
    return write_clip(folder / "a clip.mp4", range(100), options={"x264-params": "keyint=12"})


def current(found: Opened) -> Any:
    return found.page.evaluate(PLACE)


def test_nothing_is_asked_for_before_play_and_the_clip_after_it(tmp_path: Path) -> None:
    clip(tmp_path)
    with shown(tmp_path) as found:
        require_codec(found)
        page, asked = found.page, []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(200)
        assert asked == []
        assert page.locator("video").count() == 0
        page.click("text=Play the clip")
        page.wait_for_selector("video")
        until(found, "document.querySelector('video').videoWidth > 0")
        assert {url.rsplit("/", 1)[1] for url in asked} == {"a%20clip.mp4"}
        assert page.evaluate("document.querySelector('video').videoWidth") == 96
        assert found.problems == []


def test_the_clip_and_the_axis_have_one_cursor(tmp_path: Path) -> None:
    clip(tmp_path)
    with shown(tmp_path) as found:
        require_codec(found)
        page = found.page
        page.click("text=Play the clip")
        until(found, f"{PLACE} > 0.3", 30)
        page.evaluate("document.querySelector('video').pause()")
        page.evaluate(f"document.querySelector('video').currentTime = {PLACE}")  # all are told
        page.wait_for_timeout(100)
        minutes, seconds = page.inner_text(".tl-flag").split(":")
        assert minutes == "0"
        assert float(seconds) == pytest.approx(current(found), abs=0.11)
        box = page.locator(".tl-row .tl-lane").bounding_box()
        page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 15)  # 3 of 4 seconds
        until(found, f"Math.abs({PLACE} - 3) < 0.05", 30)
        page.keyboard.press(" ")
        until(found, f"{PLACE} > 3.1", 30)


def test_a_clip_that_is_not_there_is_said_and_can_be_chosen(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    chosen = clip(elsewhere)
    with shown(tmp_path) as found:
        require_codec(found)
        page = found.page
        page.click("text=Play the clip")
        page.wait_for_selector(".player-says >> text=could not be played")
        assert page.locator("video").count() == 0
        page.set_input_files("input[type=file]", chosen)
        page.wait_for_selector("video")
        until(found, f"{PLACE} > 0", 30)
        assert page.evaluate("document.querySelector('video').src").startswith("blob:")
        assert page.inner_text(".player-says") == ""


def test_without_a_clip_the_frames_seen_are_played(tmp_path: Path) -> None:
    with shown(tmp_path, None) as found:
        page = found.page
        assert page.locator("text=Play the clip").count() == 0
        page.select_option(".player select", "8")
        page.click("text=Play the frames seen")
        page.wait_for_selector(".player >> text=Play the frames seen")  # it is through
        assert page.inner_text(".tl-flag") == "0:02.0"
        found.require_quiet()
