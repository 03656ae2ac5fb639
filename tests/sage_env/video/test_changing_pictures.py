"""Laws of `sage_env.video.video_file`: a stream whose pictures change in the middle.

Each part of a joined stream looks as it does alone, whichever part it is joined to.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.picture_geometry import box_size
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import open_video
from tests.helpers.clips import four_colours, numbered, uncached
from tests.helpers.video.joined import joined

FRAMES = 8
X264 = {"x264-params": "keyint=4:min-keyint=4:scenecut=0:bframes=2"}
PARTS = [  # size, width of a pixel over its height, pixel format
    ((64, 96), Fraction(4, 3), "yuv420p"),
    ((96, 64), Fraction(1), "yuv420p"),
    ((64, 96), Fraction(1, 2), "yuv420p"),
    ((128, 192), Fraction(1), "yuv444p"),
]


def part(path: Path, size, aspect, pixel_format, codec: str = "libx264") -> Path:
    """Write 8 frames in two GOPs."""
    options = X264 if codec == "libx264" else {"g": "4", "cpu-used": "8"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = size
        stream.pix_fmt, stream.sample_aspect_ratio = pixel_format, aspect
        for number in range(FRAMES):
            drawn = four_colours(0, *size) // 2 + numbered(number + 4097, *size) // 3
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> list[Path]:
    """Return four parts, no two of one size, shape of pixels and format."""
    folder = tmp_path_factory.mktemp("parts")
    return [part(folder / f"{n}.ts", *how) for n, how in enumerate(PARTS)]


@pytest.fixture(scope="module")
def alone(parts):
    """Return what the parts give by themselves, `(N, H, W, 3)` each."""

    def frames(number: int, **how) -> np.ndarray:
        with uncached(parts[number]) as video:
            times = video._index.seconds(np.arange(FRAMES)).tolist()
            return video.frames_at(times, **how).pixels

    return frames


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    """Return a joined file by its ending: all parts, and the first again."""
    folder = tmp_path_factory.mktemp("whole")
    order = [0, 1, 2, 3, 0]

    def get(ending: str) -> tuple[Path, list[int]]:
        path = folder / f"a.{ending}"
        if not path.exists():
            joined([parts[number] for number in order], path)
        return path, order

    return get


def in_order(video, places: list[int], **how) -> np.ndarray:
    """Return frames by their numbers, asked for one by one, in that order."""
    times = video._index.seconds(np.array(places)).tolist()
    return np.concatenate([video.frames_at([time], **how).pixels for time in times])


BOX = (0.1, 0.3, 0.6, 0.9)


@pytest.mark.parametrize("ending", ["ts", "mkv", "mp4", "mov", "flv"])
@pytest.mark.parametrize("box", [None, BOX])
def test_each_part_looks_as_it_does_alone(whole, alone, ending, box):
    path, order = whole(ending)
    wanted = np.concatenate([alone(number, size=(60, 80), box=box) for number in order])
    places = np.random.default_rng(0).permutation(len(wanted)).tolist()
    with uncached(path) as video:
        assert video.size == (64, 128) and len(video._index.pts) == len(wanted)
        times = video._index.seconds(np.arange(len(wanted))).tolist()
        np.testing.assert_array_equal(video.frames_at(times, size=(60, 80), box=box).pixels, wanted)
        shuffled = in_order(video, places[:12], size=(60, 80), box=box)
        np.testing.assert_array_equal(shuffled, wanted[places[:12]])


EDGES = st.tuples(st.floats(0, 0.8), st.floats(0.1, 1)).map(lambda p: (p[0], min(1, p[0] + p[1])))


@given(EDGES, EDGES, st.none() | st.tuples(st.integers(8, 150), st.integers(8, 150)))
@settings(max_examples=8)
def test_a_box_is_a_part_of_each_frames_own_picture_in_one_common_size(
    whole, alone, across, down, size
):
    path, order = whole("mkv")
    box = (across[0], down[0], across[1], down[1])
    common = size or box_size(box, 64, 128)
    with uncached(path) as video:
        got = in_order(video, [n * FRAMES for n in range(len(order))], size=size, box=box)
    wanted = [alone(number, size=common, box=box)[0] for number in order]
    np.testing.assert_array_equal(got, wanted)


def test_whole_frames_in_native_size_are_fitted_into_the_first_ones(whole):
    path, _ = whole("mkv")
    with uncached(path) as video:
        got = in_order(video, [0, 8, 16, 24])
    assert got.shape == (4, 64, 128, 3)
    lit = got.any(axis=3)
    rows, columns = lit.any(axis=2).sum(axis=1), lit.any(axis=1).sum(axis=1)
    # 64x128, 96x64, 128x96 and 128x192 on the screen, each as large as it fits.
    assert rows.tolist() == [64, 64, 64, 64] and columns.tolist() == [128, 43, 48, 96]


@pytest.mark.parametrize("codec", ["libvpx-vp9", "mpeg2video"])
def test_other_codecs_change_their_size_too(tmp_path, codec):
    ending = "webm" if codec == "libvpx-vp9" else "ts"
    make = partial(part, codec=codec)
    sizes = [((64, 96), Fraction(1)), ((96, 64), Fraction(1)), ((64, 96), Fraction(3, 2))]
    files = [
        make(tmp_path / f"{n}.{ending}", size, aspect, "yuv420p")
        for n, (size, aspect) in enumerate(sizes)
    ]
    with uncached(joined(files, tmp_path / f"a.{ending}")) as video:
        got = in_order(video, [20, 1, 12, 23], size=(60, 80), box=BOX)
    for picture, (number, place) in zip(got, [(2, 4), (0, 1), (1, 4), (2, 7)], strict=True):
        with uncached(files[number]) as lone:
            (wanted,) = in_order(lone, [place], size=(60, 80), box=BOX)
        np.testing.assert_array_equal(picture, wanted)


@pytest.mark.parametrize("threads", [1, 4])
def test_threads_a_cache_and_a_proxy_show_the_same(whole, alone, tmp_path, threads):
    path, order = whole("ts")
    wanted = np.concatenate([alone(number, size=(60, 80)) for number in order])
    cache = FrameCache(10**8)
    with open_video(path, cache=cache, threads=threads, proxy_folder=tmp_path) as video:
        times = video._index.seconds(np.arange(len(wanted)))
        for _ in range(2):
            batch = video.frames_at(times.tolist(), size=(60, 80))
            np.testing.assert_array_equal(batch.pixels, wanted)
    with open_video(path, cache=FrameCache(0), proxy_folder=tmp_path) as video:
        for place in video._recorder._proxy.frames.tolist():
            near = video.frames_at([times[place]], size=(60, 80), tolerance=0.001)
            assert video.stats.decoded == 0 and near.index.tolist() == [place]
            got, exact = near.pixels[0].astype(int), wanted[place].astype(int)
            assert np.abs(got - exact).mean() < 6
            assert ((got.max(axis=2) > 20) == (exact.max(axis=2) > 20)).mean() > 0.97
