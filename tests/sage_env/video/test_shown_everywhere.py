"""Laws of `sage_env.video.video_file`: cache, store, proxy, threads and kept indexes show the same.

The video is mirrored, turned, of pixels that are not square, and begins after its sound.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sage_env.picture_geometry import crop_bounds, fitted
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.index import index_cache, video_index
from sage_env.video.index.picture_form import PictureForm
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import uncached, write_clip
from tests.helpers.video.as_shown import EIGHT, shown_by_ffmpeg, with_matrix
from tests.helpers.video.two_gops import drawn

FORM = PictureForm(turns=1, mirrored=True, aspect=Fraction(4, 3), aspect_fixed=False)
FRAMES = 60


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Return a file of 2.4 s whose picture is 128 by 64 on the screen, and 64 by 96 in the file."""
    options = {"x264-params": "keyint=20:min-keyint=20:scenecut=0:bframes=2"}
    path = tmp_path_factory.mktemp("odd") / "odd.mp4"
    write_clip(path, range(FRAMES), options=options, aspect=Fraction(4, 3), draw=drawn)
    return with_matrix(path, EIGHT["transposed"])


@pytest.fixture(scope="module")
def shown(odd) -> np.ndarray:
    """Return what FFmpeg shows, uint8 `(60, 128, 64, 3)`."""
    return np.stack([picture for _, picture in shown_by_ffmpeg(odd)])


TIMES = [0.0, 0.9, 1.3, 2.0, 2.36]
NUMBERS = [0, 22, 32, 50, 59]
BOX = (0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_show_what_ffmpeg_shows(odd, shown, threads):
    with open_video(odd, cache=FrameCache(0), threads=threads) as video:
        np.testing.assert_array_equal(video.frames_at(TIMES).pixels, shown[NUMBERS])
        part = video.frames_at(TIMES, box=BOX).pixels
        np.testing.assert_array_equal(part, shown[NUMBERS, 64:, 16:48])


def test_a_cache_and_a_store_give_what_was_decoded(odd, tmp_path):
    with uncached(odd) as video:
        wanted = {size: video.frames_at(TIMES, size=size) for size in (None, (40, 50))}
    for _ in range(2):  # another process has a cache of its own
        cache = FrameCache(10**8, FrameStore(tmp_path))
        for size, batch in wanted.items():
            with open_video(odd, cache=cache) as video:
                for _ in range(2):
                    read = video.frames_at(TIMES, size=size)
                    np.testing.assert_array_equal(read.pixels, batch.pixels)
                    np.testing.assert_array_equal(read.seconds, batch.seconds)
    assert cache.misses == 0


def test_a_proxy_gives_upright_pictures_with_square_pixels(odd, shown, tmp_path):
    with open_video(odd, cache=FrameCache(0), proxy_folder=tmp_path) as video:
        video.frames_at([2.36, 1.5, 0.7])
    with open_video(odd, cache=FrameCache(0), proxy_folder=tmp_path) as video:
        batch = video.frames_at([0.0, 1.0], size=(128, 100), tolerance=0.01)
        assert video.stats.decoded == 0
    assert batch.index.tolist() == [0, 25]
    assert not batch.pixels[:, :, :18].any() and not batch.pixels[:, :, 82:].any()
    off = batch.pixels[:, :, 18:82].astype(int) - shown[[0, 25]].astype(int)
    assert np.abs(off).mean() < 6


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_kept_index_shows_the_same(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(video_index, "_WORTH_KEEPING", -1.0)
    monkeypatch.setattr(video_index, "_LONG", 1)
    monkeypatch.setattr(index_cache, "cache_folder", lambda: tmp_path / "cache")
    path = tmp_path / f"a.{ending}"
    write_clip(path, range(8), aspect=Fraction(3, 4), rotation=90, draw=drawn)
    first = read_index(path)
    assert list((tmp_path / "cache").rglob("*.*"))
    video_index._remembered.cache_clear()
    again = read_index(path)
    assert again is not first
    assert (again.form, again.lead, again.size) == (first.form, first.lead, first.size)
    assert again.form == PictureForm(1, False, Fraction(3, 4), False) and again.size == (96, 85)


@pytest.mark.parametrize("box", [(0.0, 0.0, 0.4, 0.4), (0.6, 0.1, 0.9, 0.4), (0.1, 0.6, 0.4, 0.9)])
def test_a_box_in_the_whole_picture_is_what_a_zoom_shows(odd, box):
    """The contact sheet draws boxes so, and an agent names them so."""
    assert read_index(odd).form == FORM
    with uncached(odd) as video:
        (whole,) = video.frames_at([1.0], size=(100, 90)).pixels
        (zoomed,) = video.frames_at([1.0], size=(40, 40), box=box).pixels
        height, width = fitted(*video.size, (100, 90))
    inner = whole[(100 - height) // 2 :, (90 - width) // 2 :][:height, :width]
    top, bottom, left, right = crop_bounds(box, height, width)
    wanted = inner[top + 1 : bottom - 1, left + 1 : right - 1].mean((0, 1))
    lit = zoomed[zoomed.any(axis=2)]
    np.testing.assert_allclose(lit.mean(0), wanted, atol=12)
