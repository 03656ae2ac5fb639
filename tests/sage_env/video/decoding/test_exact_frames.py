"""Laws of `sage_env.video.decoding` on all kinds of clip: pixels equal a full sequential decode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.frame_access.clips import LONG, SHORT, make_clip
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.decoding.decode_plan import AUTO_TOLERANCE
from sage_env.video.video_file import open_video
from tests.helpers.clips import decoded
from tests.helpers.real_clips import REAL_CLIPS

KINDS = [replace(recipe, height=96, width=160, frames=130) for recipe in SHORT]
KINDS.append(replace(LONG[0], height=96, width=160, frames=100, repeats=3))
BY_NAME = {recipe.name: recipe for recipe in KINDS}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))  # indexes of webm files are kept there


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return the file of a kind of clip, and times and pixels as a sequential decode has them."""
    folder, known = tmp_path_factory.mktemp("exact"), {}

    def get(name):
        if name not in known:
            path = make_clip(BY_NAME[name], folder).path
            shown = [(second, frame.to_ndarray(format="rgb24")) for second, frame in decoded(path)]
            known[name] = path, *(np.array(part) for part in zip(*shown, strict=True))
        return known[name]

    return get


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", BY_NAME)
def test_every_frame_is_the_sequentially_decoded_one(film, name, threads):
    path, seconds, pixels = film(name)
    order = np.random.default_rng(threads).permutation(len(seconds))
    with open_video(path, cache=FrameCache(0), threads=threads) as video:
        for numbers in np.array_split(order, 9):  # calls of many groups of pictures, unsorted
            batch = video.frames_at(seconds[numbers].tolist())
            np.testing.assert_array_equal(batch.pixels, pixels[np.sort(numbers)])
            np.testing.assert_allclose(batch.seconds, seconds[np.sort(numbers)], atol=1e-9)
            assert batch.index.tolist() == np.sort(numbers).tolist()
            assert batch.exact.all()


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pixels_do_not_depend_on_what_was_asked_before_or_beside_them(film, name, data):
    path, seconds, pixels = film(name)
    frames = st.lists(st.integers(0, len(seconds) - 1), min_size=1, max_size=5)
    with open_video(path, cache=FrameCache(0), threads=1) as video:
        for numbers in data.draw(st.lists(frames, min_size=1, max_size=4)):
            batch = video.frames_at(seconds[numbers].tolist())
            np.testing.assert_array_equal(batch.pixels, pixels[sorted(numbers)])


@pytest.mark.parametrize("name", BY_NAME)
def test_shrunk_pictures_are_the_same_alone_and_in_company(film, name):
    path, seconds, _ = film(name)
    size = (54, 90)
    with open_video(path, cache=FrameCache(0), threads=2) as video:
        together = video.frames_at(seconds.tolist(), size=size).pixels
    with open_video(path, cache=FrameCache(0), threads=1) as video:
        for number in np.random.default_rng(0).permutation(len(seconds))[:6].tolist():
            alone = video.frames_at([seconds[number]], size=size).pixels
            np.testing.assert_array_equal(alone[0], together[number])


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("tolerance", [0.2, "auto"])
def test_with_tolerance_a_frame_is_another_but_never_a_broken_one(film, name, tolerance):
    path, seconds, pixels = film(name)
    asked = np.linspace(0, seconds[-1], 7)
    with open_video(path, cache=FrameCache(0)) as video:
        batch = video.frames_at(asked.tolist(), tolerance=tolerance)
    allowed = 0.2 if tolerance == 0.2 else min(asked[1] / 2, AUTO_TOLERANCE)
    on_screen = np.searchsorted(seconds, asked + 1e-6, side="right") - 1
    for row, (frame, wanted) in enumerate(zip(batch.index.tolist(), on_screen, strict=True)):
        np.testing.assert_array_equal(batch.pixels[row], pixels[frame])
        assert batch.seconds[row] == pytest.approx(seconds[frame])
        assert batch.exact[row] == (frame == wanted)
        assert frame == wanted or abs(seconds[frame] - asked[row]) <= allowed + 1e-6


REAL = sorted(path.name for path in REAL_CLIPS.glob("*.mp4"))


@pytest.mark.parametrize("name", REAL or [pytest.param("", marks=pytest.mark.skip("not here"))])
def test_real_clips_are_exact(name):
    with open_video(REAL_CLIPS / name, cache=FrameCache(0), threads=2) as video:
        rng, expected = np.random.default_rng(3), {}
        count = round(video.fps * video.duration)
        wanted = set(rng.integers(0, count, 14).tolist()) | {0, count - 1}
        for number, (second, frame) in enumerate(decoded(REAL_CLIPS / name)):
            if number in wanted:
                expected[number] = second, frame.to_ndarray(format="rgb24")
        seconds = [second for second, _ in expected.values()]
        rng.shuffle(seconds)
        batch = video.frames_at(seconds)
    assert batch.index.tolist() == list(expected)
    for picture, (_, pixels) in zip(batch.pixels, expected.values(), strict=True):
        np.testing.assert_array_equal(picture, pixels)
