"""Laws of `sage_env.tools.grounding.glances`: even looks that cover a stretch, and cuts."""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.tools.grounding.glances import STEP, find_looks, find_shots, take_glances
from tests.helpers.video.signs import Sign, SignVideo


@pytest.mark.parametrize(("start", "end"), [(0.0, 30.0), (12.3, 13.1), (5.0, 5.1)])
def test_glances_tile_a_stretch_and_nothing_outside_of_it_is_looked_at(start, end) -> None:
    glances = take_glances(SignVideo(30.0, []), start, end)
    last = len(glances.seconds) - 1
    assert glances.begin(0) == start and glances.stop(last) == end
    assert glances.step <= STEP
    assert ((glances.seconds > start) & (glances.seconds < end)).all()
    for i in range(last):
        assert glances.stop(i) == pytest.approx(glances.begin(i + 1), abs=1e-9)


def test_a_long_stretch_has_no_more_glances_than_the_most(monkeypatch) -> None:
    monkeypatch.setattr("sage_env.tools.grounding.glances.MOST", 40)
    glances = take_glances(SignVideo(70.0, []), 0.0, 70.0)
    assert len(glances.grey) == 40 and glances.step == pytest.approx(70 / 40)
    assert glances.grey.dtype == np.uint8 and max(glances.grey.shape[1:]) <= 256


def test_shots_begin_at_cuts_and_what_drifts_is_no_cut() -> None:
    video = SignVideo(30.0, [Sign(14.0, 19.0, "a sign")], cuts=(8.0, 22.5))
    glances = take_glances(video, 0.0, 30.0)
    shots = [(glances.begin(a), glances.stop(b - 1)) for a, b in find_shots(glances)]
    assert [start for start, _ in shots] == [0.0, 8.0, 22.5]
    assert [end for _, end in shots] == [8.0, 22.5, 30.0]


def test_a_sign_that_comes_is_another_look_in_a_still_picture() -> None:
    glances = take_glances(SignVideo(30.0, [Sign(14.0, 19.0, "a sign")]), 0.0, 30.0)
    looks = [glances.begin(a) for a, _ in find_looks(glances)]
    assert 14.0 in looks and 19.0 in looks


def test_one_glance_is_one_shot_and_one_look() -> None:
    glances = take_glances(SignVideo(1.0, []), 0.2, 0.3)
    assert find_shots(glances) == find_looks(glances) == [(0, 1)]
