"""Laws of `sage_env.video.video_file`: pixels become square, boxes and sizes are of that picture.

FFmpeg's own pictures are those of `tests.helpers.video.as_shown`: its decoder and its filters.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sage_env.video.index.mp4_direct import open_directly
from tests.helpers.clips import uncached
from tests.helpers.video.as_shown import (
    EIGHT,
    shown_by_ffmpeg,
    with_display_size,
    with_matrix,
    with_pixel_aspect,
    with_shown_size,
)
from tests.helpers.video.two_gops import assert_as_ffmpeg, clip

CONTAINERS = [
    ("mp4", "libx264"),
    ("mov", "libx264"),
    ("mov", "mjpeg"),
    ("mp4", "libx265"),
    ("mp4", "mpeg4"),
    ("mkv", "libx264"),
    ("avi", "mpeg4"),
    ("ts", "libx264"),
    ("mpg", "mpeg2video"),
    ("flv", "libx264"),
]


@pytest.mark.parametrize(("ending", "codec"), CONTAINERS)
def test_pixels_become_square_in_every_container_that_says_their_shape(tmp_path, ending, codec):
    for aspect in (Fraction(4, 3), Fraction(8, 9)):
        size = assert_as_ffmpeg(clip(tmp_path / f"a.{ending}", codec, aspect=aspect))
        assert size == (((64, 128), (72, 96))[aspect < 1] if ending != "mpg" else size)
        assert size != (64, 96)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_pixels_that_are_not_square_are_turned_too(tmp_path, rotation):
    for ending in ("mp4", "mkv"):
        path = clip(tmp_path / f"a.{ending}", aspect=Fraction(4, 3), rotation=rotation)
        assert assert_as_ffmpeg(path) == ((128, 64) if rotation % 180 else (64, 128))


@pytest.mark.parametrize("own", [Fraction(5, 4), Fraction(4, 3)])
@pytest.mark.parametrize(
    "pixel",
    [(1, 1), (2, 1), (3, 7), (0, 1), (1, 0), (0, 0), (16, 1), (2**31, 1), (1, 2**32 - 1)],
)
def test_the_box_of_pixel_aspect_overrules_the_stream_if_it_can_be_one(tmp_path, own, pixel):
    path = with_pixel_aspect(clip(tmp_path / "a.mp4", aspect=own), *pixel)
    assert_as_ffmpeg(path)


@given(st.sampled_from([(0, 0), (64, 96), (0, 96), (48, 96), (64, 200), (33.5, 66.9), (640, 97)]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
def test_the_size_on_the_screen_of_a_track_gives_the_shape_of_its_pixels(tmp_path, shown):
    path = with_shown_size(clip(tmp_path / "a.mp4"), *shown)
    assert open_directly(path) is not None
    assert_as_ffmpeg(path)


@pytest.mark.parametrize("shown", [(64, 100), (100, 64), (64, 96)])
def test_the_size_on_the_screen_of_matroska_gives_the_shape_of_its_pixels(tmp_path, shown):
    path = with_display_size(clip(tmp_path / "a.mkv", rotation=90), *shown)
    height, width = assert_as_ffmpeg(path)
    assert abs(width / height - shown[1] / shown[0]) < 0.02


@pytest.mark.parametrize("pixel", [(1, 1000), (1000, 1), (1, 2**31 - 1), (17, 1)])
def test_a_shape_that_no_pixel_has_counts_as_square(tmp_path, pixel):
    path = with_pixel_aspect(clip(tmp_path / "a.mp4", aspect=Fraction(4, 3)), *pixel)
    with uncached(path) as video:
        assert video.size == (64, 96)
        assert video.frames_at([0.0], size=(32, 32)).pixels[0].any(axis=2).sum() == 21 * 32


@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_what_the_stream_cuts_off_is_not_shown(tmp_path, ending):
    path = clip(tmp_path / f"a.{ending}", size=(66, 90), aspect=Fraction(4, 3))  # 80 by 96 coded
    assert assert_as_ffmpeg(path) == (66, 120)


Opened = Callable[[str, Fraction], Path]


@pytest.fixture(scope="module")
def shaped(tmp_path_factory) -> Opened:
    """Return a file of one orientation and shape of pixels; each is written once."""
    folder = tmp_path_factory.mktemp("shaped")

    def get(name: str, aspect: Fraction) -> Path:
        path = folder / f"{name}-{aspect.numerator}.mp4"
        if not path.exists():
            with_matrix(clip(path, aspect=aspect), EIGHT[name])
        return path

    return get


@cache
def _last_picture(path: Path) -> np.ndarray:
    *_, (_, picture) = shown_by_ffmpeg(path)
    return picture


EDGES = st.tuples(st.floats(0, 0.8), st.floats(0.1, 1)).map(lambda p: (p[0], min(1, p[0] + p[1])))


@given(
    st.sampled_from(sorted(EIGHT)),
    st.sampled_from([Fraction(1), Fraction(4, 3), Fraction(5, 8)]),
    st.none() | st.tuples(EDGES, EDGES),
    st.none() | st.tuples(st.integers(8, 150), st.integers(8, 150)),
)
@example("mirrored", Fraction(1), None, (60, 70))
@example("mirrored", Fraction(4, 3), None, (60, 70))
@example("half", Fraction(5, 8), None, (60, 70))
@settings(max_examples=80)
def test_any_box_in_any_size_is_that_part_of_the_picture_on_the_screen(
    shaped, name, aspect, edges, size
):
    path = shaped(name, aspect)
    whole = _last_picture(path)
    height, width = whole.shape[:2]
    (x0, x1), (y0, y1) = edges or ((0, 1), (0, 1))
    rows = slice(int(y0 * height + 0.5), max(int(y1 * height + 0.5), int(y0 * height + 0.5) + 1))
    columns = slice(int(x0 * width + 0.5), max(int(x1 * width + 0.5), int(x0 * width + 0.5) + 1))
    part = whole[rows, columns].astype(float)
    with uncached(path) as video:
        box = None if edges is None else (x0, y0, x1, y1)
        (picture,) = video.frames_at([1.0], size=size, box=box).pixels
    if size is None:
        np.testing.assert_array_equal(picture, part)
        return
    scale = min(size[0] / part.shape[0], size[1] / part.shape[1])
    inner = [max(1, round(length * scale)) for length in part.shape[:2]]
    top, left = [(size[axis] - inner[axis]) // 2 for axis in (0, 1)]
    shown = picture[top : top + inner[0], left : left + inner[1]].astype(float)
    assert shown.sum() == picture.astype(float).sum()  # the rest is black
    for half in (0, 1):  # of the rows and of the columns: nothing is mirrored or turned
        for axis in (0, 1):
            got = np.array_split(shown, 2, axis)[half] if shown.shape[axis] > 7 else shown
            wanted = np.array_split(part, 2, axis)[half] if shown.shape[axis] > 7 else part
            np.testing.assert_allclose(got.mean((0, 1)), wanted.mean((0, 1)), atol=14)
