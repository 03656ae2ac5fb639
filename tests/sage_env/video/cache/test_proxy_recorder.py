"""Laws of `sage_env.video.cache.proxy_recorder`: the first frame of each second, and the nearest.

What a whole video does with it is in `video/index/test_damage.py`.
"""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.timeline import nearest_places
from sage_env.video.cache.proxy_file import FrameProxy
from sage_env.video.cache.proxy_recorder import ProxyRecorder
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import number_in

SIZE = (32, 48)


@pytest.fixture
def recorder(clip, tmp_path):
    """A recorder of a clip with two frames a second that has been shown all 120 of them."""
    path = clip("two-a-second")
    recorder = ProxyRecorder(read_index(path), FrameProxy(tmp_path, "clip"))
    with av.open(str(path)) as container:
        for _ in range(2):
            for frame in container.decode(video=0):
                recorder.on_frame(frame.pts, frame, PictureForm())
            container.seek(0)
    return recorder


def test_the_first_frame_of_each_second_is_recorded_once(recorder):
    assert recorder._proxy.frames.tolist() == list(range(0, 120, 2))


def test_the_nearest_within_the_tolerance_is_served_with_its_picture(recorder):
    times = np.array([0.0, 0.4, 0.5, 0.6, 30.2, 59.4, 59.9])
    found = recorder.near(times, 0.4, SIZE)
    assert {i: frame for i, (frame, _) in found.items()} == {0: 0, 1: 0, 3: 2, 4: 60, 5: 118}
    assert all(number_in(picture) == frame for frame, picture in found.values())
    assert {picture.shape for _, picture in found.values()} == {(*SIZE, 3)}
    # Half a second is as far from both sides: the earlier is taken.
    assert recorder.near(np.array([0.5]), 0.5, SIZE)[0][0] == 0


def test_a_proxy_without_pictures_has_nothing_near(clip, tmp_path):
    recorder = ProxyRecorder(read_index(clip("two-a-second")), FrameProxy(tmp_path, "empty"))
    assert recorder.near(np.array([1.0]), 9.0, SIZE) == {}


@given(
    places=st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True).map(sorted),
    times=st.lists(st.integers(-5, 45), max_size=12).map(sorted),
)
def test_the_nearest_in_a_sorted_array_is_that_of_a_search_through_all(places, times):
    found = nearest_places(np.array(places) / 2, np.array(times, np.float64) / 2)
    slow = [min(range(len(places)), key=lambda i: (abs(places[i] - t), i)) for t in times]
    assert found.tolist() == slow
