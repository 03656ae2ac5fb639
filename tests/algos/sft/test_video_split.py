"""Laws of `algos.sft.video_split`: no video is on both sides, and the draw is seeded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.sft.settings import FineTuningError
from algos.sft.video_split import hold_out, require_disjoint

VIDEOS = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40).filter(
    lambda names: len(set(names)) > 1
)


@given(VIDEOS, st.floats(0.01, 0.99), st.integers(0, 9))
def test_a_video_is_on_one_side_and_both_have_some(videos, share, seed) -> None:
    held = hold_out(videos, share, seed)
    out = {video for video, is_out in zip(videos, held, strict=True) if is_out}
    kept = {video for video, is_out in zip(videos, held, strict=True) if not is_out}
    assert not out & kept and out and kept
    count = len({*videos})
    assert len(out) == min(count - 1, max(1, round(share * count)))
    assert hold_out(videos[::-1], share, seed) == held[::-1]


def test_the_seed_draws() -> None:
    videos = [f"v{k}" for k in range(40)]
    assert hold_out(videos, 0.5, 0) != hold_out(videos, 0.5, 1)
    assert hold_out(videos, 0.0, 0) == [False] * 40


@pytest.mark.parametrize(
    ("videos", "share", "said"),
    [
        (["a", "a"], 0.5, "all of one video, a, so that none can be held out"),
        (["a", "b"], 1.0, r"in \[0, 1\), got 1.0"),
    ],
)
def test_what_cannot_be_divided_is_refused(videos, share, said) -> None:
    with pytest.raises(FineTuningError, match=said):
        hold_out(videos, share, 0)


def test_a_video_on_both_sides_is_refused() -> None:
    require_disjoint({"q0": "a"}, {"q1": "b"})
    with pytest.raises(FineTuningError, match=r"video a is in training \(item 'q0'\).*'q1'"):
        require_disjoint({"q0": "a", "q2": "c"}, {"q1": "a"})
