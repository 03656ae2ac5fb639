"""Laws of `sage_env.tools.grounding.screen_text`: few frames are read, and text keeps its times."""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.tools.grounding.glances import take_glances
from sage_env.tools.grounding.screen_text import frames_to_read, read_screen
from tests.helpers.video.signs import Sign, SignVideo

SIGNS = [Sign(4.0, 9.5, "Fire drill at noon"), Sign(20.0, 26.0, "Lift out of order")]


def read(video: SignVideo, start: float = 0.0, end: float = 40.0, most: int = 120):
    return read_screen(video, take_glances(video, start, end), video.read, most)


def test_a_text_has_the_times_at_which_it_comes_and_goes() -> None:
    found = read(SignVideo(40.0, SIGNS, cuts=(13.0, 23.0)))
    assert [one.text for one in found] == [sign.text for sign in SIGNS]
    for one, sign in zip(found, SIGNS, strict=True):
        assert one.start == pytest.approx(sign.start, abs=0.26)
        assert one.end == pytest.approx(sign.end, abs=0.26)


def test_times_do_not_hang_on_how_often_it_was_read() -> None:
    cuts = tuple(np.arange(1.0, 40.0, 1.5))
    often, seldom = (SignVideo(40.0, SIGNS, cuts) for _ in range(2))
    assert read(often) == read(seldom, most=9)
    assert seldom.reads <= 9 < often.reads


def test_no_more_frames_are_read_than_one_in_two_seconds() -> None:
    video = SignVideo(40.0, SIGNS, cuts=tuple(np.arange(0.5, 40, 0.5)))
    read(video)
    assert video.reads == 20


def test_where_nothing_changes_one_frame_is_read() -> None:
    still = SignVideo(40.0, [])
    still.paint = lambda second: np.full((90, 160, 3), 80, np.uint8)
    assert frames_to_read(take_glances(still, 0.0, 40.0), 120) == [40]


def test_a_text_that_comes_again_is_two() -> None:
    found = read(SignVideo(40.0, [Sign(4.0, 9.0, "Goal"), Sign(20.0, 25.0, "Goal")]))
    assert [(one.text, round(one.start), round(one.end)) for one in found] == [
        ("Goal", 4, 9),
        ("Goal", 20, 25),
    ]


def test_readings_of_one_line_that_differ_in_a_letter_are_one_and_the_surest_is_kept() -> None:
    video = SignVideo(40.0, [SIGNS[0]], cuts=(5.0, 6.5, 8.0))
    surer = iter([0.7, 0.99, 0.8, 0.75])

    def unsure(pixels):
        seen = video.read(pixels)
        if not seen:
            return []
        score = next(surer)
        text = "Fire drill at noon" if score == 0.99 else "Fire dri11 at noon"
        return [seen[0]._replace(text=text, score=score)]

    glances = take_glances(video, 0.0, 40.0)
    assert [one.text for one in read_screen(video, glances, unsure)] == ["Fire drill at noon"]


def test_lines_that_stand_together_are_also_one_text() -> None:
    signs = [Sign(4.0, 9.0, "Chapter two"), Sign(4.0, 9.0, "The harbour", row=2)]
    texts = [one.text for one in read(SignVideo(40.0, signs))]
    assert texts == ["Chapter two", "The harbour", "Chapter two The harbour"]


def test_what_stood_before_the_stretch_begins_with_it() -> None:
    found = read(SignVideo(40.0, SIGNS), start=6.0, end=23.0)
    assert [(one.start, one.end) for one in found] == [(6.0, 9.5), (20.0, 23.0)]
