"""Laws of `sage_env.viewer` and `sage_env.frames`: counts go on, contracts hold at every read."""

import copy
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.errors import VideoError
from sage_env.frames import FrameBatch, check_batch
from sage_env.testing import MemoryVideo
from sage_env.viewer import Viewer

A, B = Path("60.memory"), Path("10.memory")


class Counted(MemoryVideo):
    """Counts what it shows, from a number that others have left."""

    def __init__(self, path):
        super().__init__(float(Path(path).stem))
        self.stats = SimpleNamespace(decoded=1_000, hits=50)

    def frames_at(self, seconds, **options):
        self.stats.decoded += len(seconds)
        self.stats.hits += 2 * len(seconds)
        return super().frames_at(seconds, **options)


def spent(viewer):
    return viewer.frames_decoded, viewer.frames_cached


@given(st.lists(st.sampled_from(["look", "close", "copy", "pickle"]), max_size=8))
def test_counts_go_on_over_closing_copying_and_opening_again(steps):
    viewer, looks = Viewer((6, 8), Counted), 0
    viewer.open(A)
    for step in steps:
        if step == "look":
            viewer.look((0.0, 30.0), 3)
            looks += 1
        elif step == "close":
            viewer.close()
        elif step == "copy":
            viewer = copy.deepcopy(viewer)
        else:
            viewer = pickle.loads(pickle.dumps(viewer))
        assert spent(viewer) == (3 * looks, 6 * looks)
    viewer.open(A)  # the next episode, of the same video or of another
    assert spent(viewer) == (0, 0) and viewer.decode_seconds == 0


def test_a_video_stays_open_for_the_next_episode_and_counts_anew():
    opened = []
    viewer = Viewer((6, 8), lambda path: opened.append(path) or Counted(path))
    for path in (A, A, B):
        viewer.open(path)
        viewer.look((0.0, 5.0), 4)
        assert spent(viewer) == (4, 8)
    assert opened == [A, B]


def test_what_a_video_does_not_count_is_not_measured():
    viewer = Viewer((6, 8), lambda path: MemoryVideo(60.0))
    viewer.open(A)
    viewer.look((0.0, 5.0), 4)
    assert spent(viewer) == (None, None)
    viewer.close()
    assert spent(viewer) == (None, None)


def test_a_view_is_for_one_turn_of_one_episode():
    viewer = Viewer((6, 8), Counted)
    viewer.open(A)
    view = viewer.view()
    assert len(view.frames_at([1.0, 2.0])) == 2 and viewer.frames_decoded == 2
    viewer.open(A)
    with pytest.raises(VideoError, match="do not keep it"):
        view.frames_at([1.0])


def batch(count=2, size=(6, 8), seconds=None):
    times = np.arange(count) + 0.5 if seconds is None else np.array(seconds, np.float64)
    return FrameBatch(np.zeros((count, *size, 3), np.uint8), times)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (batch().pixels, "a FrameBatch, got ndarray"),
        (batch(3), "one frame per time"),
        (batch(size=(8, 6)), "of the size asked for"),
        (batch(seconds=[-0.5, 1.0]), "got them from -0.5 to 1.0 s"),
        (batch(seconds=[0.0, 60.0]), r"frames of \[0, 60.0\) s"),
    ],
)
def test_what_a_video_must_not_return(returned, words):
    with pytest.raises(VideoError, match=words):
        check_batch(returned, "a.mp4: must return", count=2, size=(6, 8), duration=60.0)


def test_a_video_without_a_sensible_duration_is_closed():
    video = MemoryVideo(60.0)
    video.duration = float("nan")
    with pytest.raises(VideoError, match="a video must have a duration"):
        Viewer((6, 8), lambda path: video).open(A)
    assert video.closed


def test_native_sizes_and_no_times_are_fine():
    check_batch(batch(size=(3, 4)), "", count=2, size=None, duration=60.0)
    check_batch(batch(0), "", count=0, size=(6, 8), duration=60.0)


def test_a_budget_of_pixels_gives_a_look_the_size_of_its_own_shape_open_or_closed():
    """48 by 64 in 4096 pixels: 64 by 64 holds 48 by 64, and a quarter of the width 96 by 32."""
    viewer = Viewer((128, 128), lambda path: MemoryVideo(60.0), pixels=4096)
    viewer.open(A)
    for _ in range(2):
        assert viewer.look((0.0, 30.0), 2, (0.0, 0.0, 0.25, 1.0)).pixels.shape == (2, 96, 32, 3)
        assert viewer.look((0.0, 30.0), 2).pixels.shape == (2, 64, 64, 3)
        viewer.close()  # as a tool that outlives its call does


def test_the_size_that_a_video_says_is_taken_if_it_is_one():
    video = MemoryVideo(60.0)
    viewer = Viewer((6, 8), lambda path: video)
    viewer.open(A)
    for said, taken in (
        ((9, 7), (9, 7)), ("9x7", None), ((9, 0), None), ((9.0, 7.0), None), (9, None),
        ((1, 2, 3), None), (None, None), ((True, 7), None),
    ):  # fmt: skip
        video.size = said
        assert viewer.native_size == taken

    class Unsure(MemoryVideo):
        size = property(lambda self: 1 / 0, lambda self, value: None)

    viewer = Viewer((6, 8), lambda path: Unsure(60.0))
    viewer.open(A)
    with pytest.raises(VideoError, match="size of its pictures cannot be read.*division"):
        _ = viewer.native_size
