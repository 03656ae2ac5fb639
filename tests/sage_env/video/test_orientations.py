"""Laws of `sage_env.video.video_file`: turned and mirrored as container and stream say, as FFmpeg.

FFmpeg's own pictures are those of `tests.helpers.video.as_shown`: its decoder and its filters.
"""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.video.index.mp4_direct import open_directly
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import copy_clip, uncached, write_clip
from tests.helpers.video.as_shown import (
    EIGHT,
    orientation_message,
    shown_by_ffmpeg,
    with_matrix,
    with_messages,
    with_pose,
)
from tests.helpers.video.two_gops import assert_as_ffmpeg, clip, drawn

FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov"}


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
    source = write_clip(tmp_path / "source.mp4", range(18), options=open_gops, draw=drawn)
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
