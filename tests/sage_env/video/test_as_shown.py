"""Laws of `sage_env.video.video_file`: pictures as the container and the stream say, as FFmpeg's.

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
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import copy_clip, four_colours, numbered, uncached, write_clip
from tests.helpers.video.as_shown import (
    EIGHT,
    orientation_message,
    shown_by_ffmpeg,
    with_display_size,
    with_matrix,
    with_messages,
    with_pixel_aspect,
    with_pose,
    with_shown_size,
)

FRAMES = 8
TWO_GOPS = {"x264-params": "keyint=4:min-keyint=4:scenecut=0:bframes=1"}
HEVC = {"x265-params": "keyint=4:min-keyint=4:scenecut=0:bframes=1:log-level=none:pools=none"}
OPTIONS = {
    "libx264": TWO_GOPS,
    "libx265": HEVC,
    "libvpx-vp9": {"cpu-used": "8"},
    "mjpeg": {"strict": "unofficial"},
}
FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov"}


def clip(path: Path, codec: str = "libx264", **more) -> Path:
    """Write 8 frames in two GOPs, each a number in colours."""
    options = OPTIONS.get(codec, {})
    return write_clip(path, range(FRAMES), codec=codec, options=options, draw=_drawn, **more)


def _drawn(number: int, height: int, width: int) -> np.ndarray:
    return four_colours(0, height, width) // 2 + numbered(number + 4097, height, width) // 3


def assert_as_ffmpeg(path: Path) -> tuple[int, int]:
    """Compare all frames, forwards and backwards, with FFmpeg's; return `(H, W)`."""
    wanted = [picture for _, picture in shown_by_ffmpeg(path)]
    with uncached(path) as video:
        times = video._index.seconds(np.arange(len(wanted))).tolist()
        np.testing.assert_array_equal(video.frames_at(times).pixels, wanted)
        for number in (len(wanted) - 1, len(wanted) // 2, 1):
            (picture,) = video.frames_at([times[number]]).pixels
            np.testing.assert_array_equal(picture, wanted[number])
        assert video.size == wanted[0].shape[:2]
        return video.size


@pytest.mark.parametrize("name", EIGHT)
@pytest.mark.parametrize(
    ("file", "codec", "flags"),
    [
        ("a.mp4", "libx264", None),
        ("a.mov", "libx264", None),
        ("a.mp4", "libx264", FRAGMENTS),
        ("a.mov", "mpeg4", None),
    ],
    ids=["mp4", "mov", "fragments", "demuxed"],
)
def test_all_eight_orientations_of_a_track_are_those_of_ffmpeg(tmp_path, name, file, codec, flags):
    path = clip(tmp_path / file, codec, container_options=flags)
    size = assert_as_ffmpeg(with_matrix(path, EIGHT[name]))
    assert size == ((96, 64) if EIGHT[name][0] == 0 else (64, 96))


@pytest.mark.parametrize("movie", EIGHT)
def test_the_movie_turns_what_the_track_has_turned(tmp_path, movie):
    plain = clip(tmp_path / "a.mp4").read_bytes()
    for track in EIGHT.values():
        path = tmp_path / "both.mp4"
        path.write_bytes(plain)
        assert_as_ffmpeg(with_matrix(with_matrix(path, track), EIGHT[movie], movie=True))


@pytest.mark.parametrize(
    "matrix",
    [
        (0, 0, 0, 0),
        (-1, 0, 0, 0),
        (0, 1, 0, 1),
        (0.5, 0, 0, 0.5),
        (-3, 0, 0, 3),
        (0, 2, 2, 0),
        (2, 0, 0, 1),
        (0, 3, -1, 0),
        (1, 0, 0, -2),
    ],
)
def test_scaled_and_flat_matrices_are_those_of_ffmpeg(tmp_path, matrix):
    assert_as_ffmpeg(with_matrix(clip(tmp_path / "a.mp4"), matrix))


@pytest.mark.parametrize("yaw", [0, 180])
@pytest.mark.parametrize("roll", [0, 90, 180, -90])
def test_all_eight_poses_of_matroska_are_those_of_ffmpeg(tmp_path, yaw, roll):
    path = with_pose(clip(tmp_path / "a.mkv", rotation=90), yaw, roll)
    assert assert_as_ffmpeg(path) == ((96, 64) if roll % 180 else (64, 96))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_webm_is_turned(tmp_path, rotation):
    size = assert_as_ffmpeg(clip(tmp_path / "a.webm", "libvpx-vp9", rotation=rotation))
    assert size == ((96, 64) if rotation % 180 else (64, 96))


MESSAGES = [
    (90, False, False),
    (180, False, False),
    (270, False, False),
    (0, True, False),
    (0, False, True),
    (90, True, False),
    (270, True, False),
]


@pytest.mark.parametrize(
    ("ending", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx264"),
        ("mkv", "libx264"),
        ("ts", "libx264"),
        ("mp4", "libx265"),
        ("mkv", "libx265"),
    ],
)
def test_the_orientation_in_the_stream_is_that_of_ffmpeg_in_every_container(
    tmp_path, ending, codec
):
    source = clip(tmp_path / f"source.{'ts' if ending == 'ts' else 'mp4'}", codec)
    for turn, across, down in MESSAGES:
        message = orientation_message(codec == "libx265", turn, across=across, down=down)
        path = with_messages(source, tmp_path / f"a.{ending}", lambda _, unit=message: unit)
        assert (open_directly(path) is not None) == (ending in ("mp4", "mov"))
        assert assert_as_ffmpeg(path) == ((96, 64) if turn % 180 else (64, 96))


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_the_stream_overrules_the_container_as_in_ffmpeg(tmp_path, ending):
    source, message = clip(tmp_path / "source.mp4"), orientation_message(False, 90)
    path = with_messages(source, tmp_path / f"a.{ending}", lambda _: message, matrix=180)
    assert assert_as_ffmpeg(path) == (96, 64)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "ts"])
def test_what_the_first_frame_alone_says_holds_for_all(tmp_path, ending):
    source = clip(tmp_path / f"source.{'ts' if ending == 'ts' else 'mp4'}")
    unit = orientation_message(False, 90)
    path = with_messages(source, tmp_path / f"a.{ending}", lambda n: unit if n == 0 else b"")
    coded = [picture for _, picture in shown_by_ffmpeg(source)]
    with uncached(path) as video:
        for number in (7, 0, 5, 2):
            (picture,) = video.frames_at([number / 25]).pixels
            np.testing.assert_array_equal(picture, np.rot90(coded[number]))


@pytest.mark.parametrize("hidden", [0, 2])
def test_the_stream_is_heard_in_a_file_that_is_not_plain(tmp_path, hidden):
    """Its edit list hides frames: the tables are compared with FFmpeg's demuxer."""
    source, unit = clip(tmp_path / "source.mp4"), orientation_message(False, 90, across=True)
    told = with_messages(source, tmp_path / "told.mp4", lambda n: unit if n == 0 else b"")
    path = copy_clip(told, tmp_path / "a.mp4", shift=hidden * 512)
    assert (open_directly(path) is None) == (hidden > 0)
    coded = [picture for _, picture in shown_by_ffmpeg(source)]
    with uncached(path) as video:
        (picture,) = video.frames_at([0.0]).pixels
    np.testing.assert_array_equal(picture, np.rot90(coded[hidden][:, ::-1]))


def test_each_keyframe_may_say_another_orientation(tmp_path):
    for ending in ("ts", "mkv", "mp4"):
        source = clip(tmp_path / f"source.{'ts' if ending == 'ts' else 'mp4'}")
        turns = {0: 90, 4: 180}
        units = {number: orientation_message(False, turn) for number, turn in turns.items()}
        path = with_messages(source, tmp_path / f"a.{ending}", lambda n, u=units: u.get(n, b""))
        coded = [picture for _, picture in shown_by_ffmpeg(source)]
        with uncached(path) as video:
            for number in (7, 0, 5, 3, 4):
                half_of_it = {"box": (0.0, 0.0, 0.5, 1.0), "size": (64, 64)}
                (picture,) = video.frames_at([number / 25], **half_of_it).pixels
                wanted = np.rot90(coded[number], 1 if number < 4 else 2)
                half = wanted[:, : wanted.shape[1] // 2]
                lit = picture.any(axis=2)
                assert (lit.any(axis=1).sum(), lit.any(axis=0).sum()) == (
                    (64, 21) if number < 4 else (64, 48)
                )
                np.testing.assert_allclose(picture[lit].mean(0), half.mean((0, 1)), atol=6)


def test_a_keyframe_that_says_nothing_is_as_the_first_frame_whatever_came_before_it(tmp_path):
    open_gops = {"x264-params": "keyint=6:min-keyint=6:scenecut=0:bframes=2:open-gop=1"}
    source = write_clip(tmp_path / "source.mp4", range(18), options=open_gops, draw=_drawn)
    index = read_index(source)
    unit, second = orientation_message(False, 90), index.key_packets[1]
    path = with_messages(source, tmp_path / "a.mp4", lambda n: unit if n == second else b"")
    starts, times = index.key_pts[1:3], index.seconds(np.arange(18)).tolist()
    wanted = np.where((index.pts >= starts[0]) & (index.pts < starts[1]), 64, 96)
    assert index.open_gops and sorted(set(wanted.tolist())) == [64, 96]
    with uncached(path) as video:  # jobs that decode one GOP's pictures with another's are merged
        together = video.frames_at(times, size=(96, 96)).pixels
        alone = np.concatenate([video.frames_at([t], size=(96, 96)).pixels for t in times[::-1]])
    assert together.any(axis=(1, 3)).sum(axis=1).tolist() == wanted.tolist()
    np.testing.assert_array_equal(together, alone[::-1])


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
