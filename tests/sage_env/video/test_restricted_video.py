"""Laws of `sage_env.video.restricted_video`: stretches are seen alone, by the video's own clock."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.actions.action import Sample
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import VideoError
from sage_env.openers import RestrictedOpener, read_restricted, restricted_path
from sage_env.testing import MemoryVideo, check_video
from sage_env.testing.memory_video import open_memory
from sage_env.timeline import rest_of
from sage_env.video.restricted_video import RestrictedVideo

FPS = 4.0
QUARTERS = st.integers(0, 80).map(lambda k: k / 8)  # on frames, and half-way between two


def stretches() -> st.SearchStrategy[list[tuple[float, float]]]:
    pair = st.tuples(QUARTERS, QUARTERS).filter(lambda pair: pair[0] < pair[1])
    return st.lists(pair, min_size=1, max_size=3)


def begins(spans, duration: float = 10.0) -> list[float]:
    """Return when the frames begin that begin in the spans: the law in one line."""
    all_frames = [k / FPS for k in range(math.ceil(duration * FPS))]
    return [t for t in all_frames if any(start <= t < end for start, end in spans)]


@settings(deadline=None)
@given(stretches(), st.lists(st.floats(-1, 12), min_size=1, max_size=12))
def test_what_is_on_screen_is_the_last_frame_of_the_stretches_shown_by_then(spans, asked) -> None:
    frames = begins(spans)
    if not frames:
        with pytest.raises(VideoError, match="no frame begins"):
            RestrictedVideo(MemoryVideo(10.0, FPS), spans)
        return
    video = RestrictedVideo(MemoryVideo(10.0, FPS), spans)
    expected = [max((f for f in frames if f <= t + 1e-6), default=frames[0]) for t in sorted(asked)]
    batch = video.frames_at(asked, size=(8, 8))
    for shown, wanted, time in zip(batch.seconds, expected, sorted(asked), strict=True):
        near = min(abs(time - frame) for frame in frames)
        assert shown == wanted or near < 1e-6  # closer to a frame than its time can be written
        assert shown in frames
    whole = MemoryVideo(10.0, FPS).frames_at(batch.seconds.tolist(), size=(8, 8))
    assert (batch.pixels == whole.pixels).all(), "the picture of its own time"


@settings(deadline=None)
@given(stretches())
def test_no_frame_is_both_in_stretches_and_in_the_rest_and_none_in_neither(spans) -> None:
    rest = rest_of(spans, 10.0)
    every = np.arange(0, 10, 1 / 16).tolist()
    seen = []
    for part in (spans, rest):
        if begins(part):
            batch = RestrictedVideo(MemoryVideo(10.0, FPS), part).frames_at(every, size=(8, 8))
            seen.append(set(batch.seconds.tolist()))
    union = set().union(*seen)
    assert len(union) == sum(map(len, seen)), "in both"
    assert union == {k / FPS for k in range(40)}, "in neither"


def test_a_frame_that_begins_at_the_end_is_outside_and_one_at_the_start_inside() -> None:
    video = RestrictedVideo(MemoryVideo(10.0, FPS), [(2.0, 3.0)])
    shown = video.frames_at([0.0, 1.99, 2.0, 2.999999999, 3.0, 9.0], size=(8, 8)).seconds
    assert shown.tolist() == [2.0, 2.0, 2.0, 2.75, 2.75, 2.75]


def test_a_frame_that_began_before_the_stretch_is_outside() -> None:
    video = RestrictedVideo(MemoryVideo(10.0, FPS), [(2.1, 2.6)])
    assert video.frames_at([0.0, 2.2, 2.4, 9.0], size=(8, 8)).seconds.tolist() == [
        2.25,
        2.25,
        2.25,
        2.5,
    ]


def test_a_stretch_in_which_no_frame_begins_cannot_be_seen() -> None:
    with pytest.raises(VideoError, match=r"no frame begins in \[2.1, 2.2\)"):
        RestrictedVideo(MemoryVideo(10.0, FPS), [(2.1, 2.2)])
    with pytest.raises(VideoError, match="no frame begins"):
        RestrictedVideo(MemoryVideo(10.0, FPS), [(11.0, 12.0)])
    with pytest.raises(VideoError, match="no frame begins"):
        RestrictedVideo(MemoryVideo(10.0, FPS), [])


def test_it_is_a_video_as_the_environment_asks_for() -> None:
    opener = RestrictedOpener(open_memory)
    check_video(opener, restricted_path(Path("10.memory"), [(2.0, 3.0), (7.1, 8.0)]))


def test_duration_and_clock_stay_and_closing_closes_the_whole() -> None:
    whole = MemoryVideo(10.0, FPS)
    video = RestrictedVideo(whole, [(4.0, 5.0)])
    assert (video.duration, video.fps, video.size) == (10.0, FPS, whole.size)
    video.close()
    assert whole.closed


class Drifts(MemoryVideo):
    """A video that gives another frame the second time."""

    drift = 0.0

    def frames_at(self, seconds, *, size=None, box=None):
        return super().frames_at([t + self.drift for t in seconds], size=size, box=box)


def test_a_video_that_gives_a_frame_outside_is_refused_rather_than_shown() -> None:
    for drift, second in ((1.0, 4.9), (-1.0, 4.5), (2.0, 4.9), (-1.0, 8.1)):
        whole = Drifts(10.0, FPS)
        video = RestrictedVideo(whole, [(4.0, 5.0), (8.0, 9.0)])
        whole.drift = drift
        with pytest.raises(VideoError, match="outside of the stretches"):
            video.frames_at([second], size=(8, 8))


@given(stretches())
def test_a_path_says_its_stretches_exactly(spans) -> None:
    video = Path("folder/talk #t=1,2.mp4")
    assert read_restricted(restricted_path(video, spans)) == (video, tuple(spans))


@pytest.mark.parametrize("name", ["talk.mp4", "talk.mp4#t=", "talk.mp4#t=1", "talk.mp4#t=a,b"])
def test_another_path_is_refused_in_a_sentence(name) -> None:
    with pytest.raises(VideoError, match="no stretches of a video"):
        RestrictedOpener()(Path(name))


def test_an_episode_sees_nothing_but_the_stretch_whatever_it_asks_for() -> None:
    path = restricted_path(Path("60.memory"), [(30.0, 33.0)])
    item = QAItem("q", path, "Which?", answer="x", duration=60.0)
    env = VideoQAEnv(dataset=[item], opener=RestrictedOpener(open_memory), frame_size=(32, 32))
    _, info = env.reset(seed=0)
    seen = list(info["frame_seconds"])
    for span in [(0.0, 60.0), (29.0, 34.0), (32.9, 33.0), (50.0, 60.0)]:
        *_, info = env.step(Sample(*span, 8))
        seen += info["frame_seconds"]
    env.close()
    assert seen and all(30.0 <= second < 33.0 for second in seen)
