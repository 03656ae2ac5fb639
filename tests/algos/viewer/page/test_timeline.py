"""Laws of `page/scripts/axis`, `scene`, `lanes`, `timeline`, `timeline_input`: times and places."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.viewer.browser import Opened, colour_in, opened
from tests.helpers.viewer.one_question import write_question

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)
STEPS = [
    {"turn": 0, "action": "overview", "frames": [[12.5, 0, -1], [37.5, 1, -1], [62.5, 2, -1]]},
    {"turn": 1, "action": "skip", "span": [0, 20]},
    {"turn": 2, "action": "sample", "span": [20, 45], "frames": [[25, 0, -1], [40, 2, -1]]},
    {
        "turn": 3,
        "action": "zoom",
        "span": [50, 60],
        "box": [0.25, 0.5, 0.75, 1.0],
        "frame_size": [252, 448],
        "frames": [[50 + k, 1, 0] for k in range(10)],
    },
    {"turn": 4, "action": "zoom", "span": [70, 70.001], "frames": [[70.0, 1, -1]]},
    {"turn": 5, "action": "answer", "claimed": [[30, 40]]},
    {"turn": 6, "action": "zoom", "span": [80, 100], "frames": [[85, 1, -1], [95, 1, -1]]},
]
QUESTION = {
    "evidence": [[52, 55]],
    "frame_size": [224, 224],
    "cuts": [10, 90],
    "speech": [[5, 8, "first words"], [30, 31, "later words"]],
    "episodes": [{"entry": "a", "steps": STEPS}],
}


@contextmanager
def shown(
    folder: Path, question: Mapping[str, Any], state: str = "", **how: Any
) -> Iterator[Opened]:
    path = write_question(folder / "page.html", question, pictures=[RED, GREEN, BLUE])
    with opened(f"{path.as_uri()}#view=question&q=q{state}", early=AT_ONCE, **how) as found:
        found.page.wait_for_selector(".tl-row")
        yield found
        assert found.problems == []
        assert found.requests == []


def plot(found: Opened) -> float:
    return float(found.page.get_attribute(".tl-clocks", "width"))


def lane(turn: int) -> str:
    return f".tl-row >> nth={turn}"


def attributes(found: Opened, selector: str, *names: str) -> list[float]:
    return [float(found.page.get_attribute(selector, name)) for name in names]


AT_ONCE = """
const later = window.setTimeout;
window.setTimeout = (act, ms, ...more) => (ms === 300 ? (act(), 0) : later(act, ms, ...more));
"""
"""The address follows the cursor after 300 ms: here with it, for no test waits for it."""


def address(found: Opened) -> dict[str, str]:
    pairs = found.page.evaluate("location.hash").lstrip("#").split("&")
    return dict(pair.split("=", 1) for pair in pairs)


def spot(
    found: Opened, second: float, turn: int, window: Sequence[float] = (0, 100)
) -> list[float]:
    """Return where on the screen a second of a lane is."""
    box = found.page.locator(f"{lane(turn)} >> .tl-lane").bounding_box()
    share = (second - window[0]) / (window[1] - window[0])
    return [box["x"] + share * box["width"], box["y"] + box["height"] / 2]


@pytest.mark.parametrize(("state", "window"), [("", (0, 100)), ("&w=10-60", (10, 60))])
def test_everything_stands_where_its_second_is(
    tmp_path: Path, state: str, window: tuple[float, float]
) -> None:
    with shown(tmp_path, QUESTION, state) as found:
        width = plot(found)
        assert width > 500

        def x(second: float) -> float:
            return (second - window[0]) / (window[1] - window[0]) * width

        left, wide = attributes(found, f"{lane(2)} >> .tl-sample", "x", "width")
        assert (left, left + wide) == pytest.approx((x(20), x(45)), abs=0.01)
        left, wide = attributes(found, "rect.tl-evidence[y='18']", "x", "width")
        assert (left, left + wide) == pytest.approx((x(52), x(55)), abs=0.01)
        left, wide = attributes(found, f"{lane(5)} >> .tl-claimed", "x", "width")
        assert (left, left + wide) == pytest.approx((x(30), x(40)), abs=0.01)
        dots = found.page.get_attribute(f"{lane(2)} >> .tl-dots", "d")
        assert [float(one) for one in re.findall(r"M([-\d.]+)", dots)] == pytest.approx(
            [x(25), x(40)], abs=0.26
        )


def test_each_action_has_its_own_marks(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        assert re.fullmatch(
            r"url\(#tl-hatch-\d+\)", page.get_attribute(f"{lane(1)} >> .tl-skip", "fill")
        )
        assert "url(#tl-pattern" in page.get_attribute("rect.tl-evidence[y='18']", "fill")
        assert page.locator(f"{lane(0)} >> .tl-dots").get_attribute("d").count("M") == 3
        # 50 to 59 s each second: 52, 53 and 54 lie in [52, 55)
        assert page.locator(f"{lane(3)} >> .tl-diamonds").get_attribute("d").count("M") == 3
        assert page.locator(f"{lane(3)} >> .tl-dots").get_attribute("d").count("M") == 7
        x, y, wide, high = attributes(
            found, f"{lane(3)} >> .tl-box-part", "x", "y", "width", "height"
        )
        assert (x, y, wide, high) == (4, 5.5, 8, 5.5)  # of 16 by 11
        dashes = page.locator(f"{lane(5)} >> .tl-claimed").evaluate(
            "e => getComputedStyle(e).strokeDasharray"
        )
        assert dashes != "none"


def bracket(found: Opened, turn: int) -> tuple[float, float]:
    d = found.page.get_attribute(f"{lane(turn)} >> .tl-zoom", "d")
    left, foot, top, right = map(
        float, re.match(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V", d).groups()
    )
    return foot - top, right - left


def test_a_bracket_is_as_high_as_its_rate_and_never_too_narrow_to_see(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        high, wide = bracket(found, 3)
        assert high == pytest.approx(
            5 + 19 * math.log(100) / math.log(3000), abs=0.01
        )  # 1 a second
        assert wide == pytest.approx(plot(found) / 10, abs=0.02)
        high, wide = bracket(found, 4)  # a millisecond, 1000 frames a second
        assert (high, wide) == pytest.approx((24, 3), abs=0.01)
        high, _ = bracket(found, 6)  # one in ten seconds
        assert high == pytest.approx(5 + 19 * math.log(10) / math.log(3000), abs=0.01)
        sizes = [found.page.get_attribute(f"{lane(k)} >> .tl-zoom", "class") for k in (3, 4)]
        assert sizes == ["tl-zoom size-1", "tl-zoom size-0"]
        assert "448 × 252 pixels" in found.page.inner_text(".tl-legend")


def colour(found: Opened) -> list[int]:
    canvas = found.page.wait_for_selector(".stage canvas.drawn")
    return colour_in(canvas, 4, 4)


@pytest.mark.parametrize(
    ("turn", "second", "frame", "expected"),
    [(2, 39.0, "0:40.0", BLUE), (2, 31.0, "0:25.0", RED), (0, 25.3, "0:37.5", GREEN)],
)
def test_a_click_puts_the_cursor_there_and_shows_the_nearest_frame_of_the_lane(
    tmp_path: Path, turn: int, second: float, frame: str, expected: tuple[int, int, int]
) -> None:
    with shown(tmp_path, QUESTION, "&turn=5") as found:
        found.page.mouse.click(*spot(found, second, turn))
        assert f"Frame at {frame}" in found.page.inner_text(".stage")
        assert colour(found) == pytest.approx(expected, abs=8)
        now = address(found)
        assert int(now["turn"]) == turn
        assert float(now["t"]) == pytest.approx(second, abs=0.15)
        assert found.page.get_attribute("article.turn.active", "data-turn") == str(turn)
        assert frame in found.page.inner_text("article.turn.active .thumb.current")


def test_a_click_leaves_the_axis_under_the_pointer(tmp_path: Path) -> None:
    for width in (1200, 600):
        with shown(tmp_path, QUESTION, width=width, height=500) as found:
            before = found.page.locator(".tl-rows").bounding_box()
            found.page.mouse.click(*spot(found, 55, 3))
            found.page.wait_for_timeout(100)
            assert found.page.locator(".tl-rows").bounding_box() == before
            assert found.page.get_attribute("article.turn.active", "data-turn") == "3"


def test_a_click_on_a_frame_means_its_very_second(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        x, y = spot(found, 40, 2)
        found.page.mouse.click(x + 2, y)
        assert float(address(found)["t"]) == 40


def window_of(found: Opened) -> tuple[float, float]:
    start, end = address(found)["w"].split("-")
    return float(start), float(end)


@pytest.mark.parametrize("second", [20.0, 55.0])
def test_the_wheel_zooms_and_the_time_under_the_pointer_stays(
    tmp_path: Path, second: float
) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.mouse.move(*spot(found, second, 2))
        for _ in range(3):
            page.mouse.wheel(0, -120)
        start, end = window_of(found)
        assert end - start < 60
        share = (second - start) / (end - start)
        assert share == pytest.approx(second / 100, abs=0.002)
        page.mouse.dblclick(*spot(found, second, 1))
        assert "w" not in address(found)


def test_dragging_moves_the_window_with_the_pointer(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&w=20-60") as found:
        page, width = found.page, plot(found)
        x, y = spot(found, 40, 1, (20, 60))
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - width / 4, y, steps=3)
        page.mouse.up()
        assert window_of(found) == pytest.approx((30, 70), abs=0.2)
        assert "turn" not in address(found) or address(found)["turn"] == "0"  # no click


def test_the_bar_of_the_whole_video_shows_and_moves_the_window(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&w=20-40") as found:
        page, width = found.page, plot(found)
        left, wide = attributes(found, ".tl-map-window", "x", "width")
        assert (left, wide) == pytest.approx((width / 5, width / 5), abs=0.01)
        left, wide = attributes(found, ".tl-map-evidence", "x", "width")
        assert (left, left + wide) == pytest.approx((0.52 * width, 0.55 * width), abs=0.01)
        bar = page.locator(".tl-map").bounding_box()
        x, y = bar["x"], bar["y"] + bar["height"] / 2
        page.mouse.click(x + 0.7 * width, y)
        assert window_of(found) == pytest.approx((60, 80), abs=0.2)
        page.mouse.move(x + 0.7 * width, y)
        page.mouse.down()
        page.mouse.move(x + 0.6 * width, y, steps=3)
        page.mouse.up()
        assert window_of(found) == pytest.approx((50, 70), abs=0.2)


def test_keys_do_what_the_pointer_does(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.focus(".tl-rows")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert "2 sample" in page.inner_text(".tl-row.active")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert page.inner_text(".tl-flag") == "0:25.0"
        page.keyboard.press("ArrowRight")
        assert float(address(found)["t"]) == 40
        assert page.get_attribute(".tl-rows", "aria-activedescendant") == page.get_attribute(
            ".tl-row[aria-selected=true]", "id"
        )
        page.keyboard.press("+")
        assert window_of(found) == pytest.approx((20, 70))  # half as wide around 40 of 100
        page.keyboard.press("Shift+ArrowRight")
        assert window_of(found) == pytest.approx((32.5, 82.5))
        page.keyboard.press("0")
        assert "w" not in address(found)
        page.keyboard.press("ArrowDown")  # ten frames, from 50 to 59
        for key, flag in (
            ("ArrowRight", "0:51.0"),
            ("ArrowRight", "0:52.0"),
            ("ArrowLeft", "0:51.0"),
        ):
            page.keyboard.press(key)
            assert page.inner_text(".tl-flag") == flag
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert "frame at 0:40.0" in page.inner_text("dialog.enlarged")


def test_buttons_zoom_to_the_evidence_and_to_a_turn(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&turn=2") as found:
        found.page.click("button[aria-label='Zoom to the evidence']")
        assert window_of(found) == pytest.approx((49, 58))
        found.page.click("button[aria-label='Zoom to what this turn looked at']")
        assert window_of(found) == pytest.approx((0, 75))  # 20 to 45, moved off the start


def test_speech_is_read_by_pointer_and_by_keys(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&t=0") as found:
        page = found.page
        page.focus(".spoken")
        page.keyboard.press("ArrowRight")
        assert "first words" in page.inner_text(".tl-caption")
        page.keyboard.press("ArrowRight")
        assert "later words" in page.inner_text(".tl-caption")
        assert float(address(found)["t"]) == 30
        box = page.locator(".spoken svg").bounding_box()
        page.mouse.move(box["x"] + 0.06 * box["width"], box["y"] + 8)
        page.wait_for_selector(".tl-tip >> text=first words")
        assert page.get_attribute(".tl-sound .tl-cuts", "d").count("M") == 2


def test_a_thousand_turns_and_ten_thousand_frames_are_few_elements(tmp_path: Path) -> None:
    steps = [
        {
            "turn": k,
            "action": "sample",
            "span": [7 * k, 7 * k + 7],
            "frames": [[7 * k + 0.7 * n, -1, -1] for n in range(10)],
        }
        for k in range(1, 1001)
    ]
    crowd = {"turn": 1001, "action": "zoom", "span": [0, 7000]}
    crowd["frames"] = [[0.7 * n, -1, -1] for n in range(10_000)]
    question = {
        "duration": 7200.0,
        "speech": [[k, k + 0.5, "x"] for k in range(5000)],
        "cuts": [k / 2 for k in range(10_000)],
        "episodes": [{"entry": "a", "steps": [*steps, crowd]}],
    }
    with shown(tmp_path, question, "&turn=1001") as found:
        count = "document.querySelectorAll('#question-view *').length"
        assert found.page.evaluate(count) < 2500
        dots = found.page.get_attribute(".tl-row.active .tl-dots", "d")
        assert 500 < dots.count("M") <= 2 * plot(found) + 2
        found.page.focus(".tl-rows")
        found.page.keyboard.press("Home")
        assert "1 sample" in found.page.inner_text(".tl-row.active")
        assert found.page.evaluate("document.querySelector('.tl-rows').scrollTop") == 0
        for _ in range(12):
            found.page.keyboard.press("+")
        assert found.page.evaluate(count) < 2500
