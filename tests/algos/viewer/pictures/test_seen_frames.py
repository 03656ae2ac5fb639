"""Laws of `algos.viewer.pictures`: `wanted_frames`, `seen_frames`, `carried_pictures`.

A picture of the page is what the policy saw, pixel by pixel, without the bars; equal frames are
decoded once; nothing that a file can hold is an exception.
"""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import sage_env  # noqa: F401
from algos.viewer.pictures.carried_pictures import open_picture
from algos.viewer.pictures.page_pictures import NO_PICTURE
from algos.viewer.pictures.seen_frames import decode_looks
from algos.viewer.pictures.wanted_frames import Look, frames_of, left_out, with_most
from algos.viewer.view_data import EpisodeView, FrameView, QuestionView, StepView
from sage_env import QAItem
from sage_env.actions.action import Zoom
from sage_env.video.cache.frame_cache import FrameCache
from tests.helpers.clips import SHORT_GOPS, four_colours, write_clip

SIZE = (48, 48)
BOX = (0.5, 0.0, 1.0, 0.5)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 96 by 64, 25 a second."""
    return write_clip(tmp_path_factory.mktemp("wide") / "wide.mp4", range(40), options=SHORT_GOPS)


def asked(*steps: StepView, video: Path | None = Path("v.mp4"), **more) -> QuestionView:
    episodes = more.pop("episodes", None) or [EpisodeView(entry="a", steps=steps)]
    return QuestionView(id="q", question="?", video=video, episodes=episodes, **more)


def step(*seconds: float, turn: int = 0, **more) -> StepView:
    frames = [FrameView(second) for second in seconds]
    return StepView(turn=turn, action="sample", frames=frames, **more)


def decode(path: Path, looks, seconds: float = 20.0, keep=lambda picture: picture.copy()):
    return decode_looks(path, looks, keep, seconds=seconds, cache=FrameCache(0))


# ------------------------------------------------------------------ which pictures are wanted


def test_equal_frames_are_wanted_once_over_all_episodes_and_places_name_them() -> None:
    episodes = [
        EpisodeView(entry="a", steps=[step(2.0, 1.0), step(1.0, turn=1)]),
        EpisodeView(entry="b", steps=[step(1.0, 3.0)]),
    ]
    wanted = frames_of(asked(episodes=episodes), SIZE)
    assert [look.second for look in wanted.looks] == [1.0, 2.0, 3.0]
    none = NO_PICTURE
    assert wanted.places == [[[(1, none), (0, none)], [(0, none)]], [[(0, none), (2, none)]]]


def test_box_and_size_tell_frames_apart_and_a_crop_has_its_whole_frame() -> None:
    steps = step(1.0), step(1.0, 2.0, turn=1, box=BOX), step(1.0, turn=2, frame_size=(24, 24))
    wanted = frames_of(asked(*steps), SIZE)
    assert list(wanted.looks) == [
        Look(1.0, None, (24, 24)),
        Look(1.0, None, SIZE),
        Look(1.0, BOX, SIZE),
        Look(2.0, None, SIZE),  # wanted for the box alone
        Look(2.0, BOX, SIZE),
    ]
    assert wanted.places[0][1] == [(2, 1), (4, 3)]


def test_a_whole_frame_of_any_size_stands_behind_a_crop() -> None:
    wanted = frames_of(asked(step(1.0, frame_size=(24, 24)), step(1.0, turn=1, box=BOX)), SIZE)
    assert list(wanted.looks) == [Look(1.0, None, (24, 24)), Look(1.0, BOX, SIZE)]
    assert wanted.places[0][1] == [(1, 0)]


def test_a_box_of_all_has_no_source_and_a_list_is_a_box_too() -> None:
    whole = frames_of(asked(step(1.0, box=(0, 0, 1, 1))), SIZE)
    assert len(whole.looks) == 1 and whole.places == [[[(0, NO_PICTURE)]]]
    assert frames_of(asked(step(1.0, box=list(BOX))), SIZE).looks[1].box == BOX


def test_the_size_is_the_steps_else_the_questions_else_the_runs() -> None:
    def size(**more):
        return frames_of(asked(step(1.0, frame_size=more.pop("own", None)), **more), SIZE)

    assert size(own=(8, 8), frame_size=(9, 9)).looks[0].size == (8, 8)
    assert size(frame_size=(9, 9)).looks[0].size == (9, 9)
    assert size().looks[0].size == SIZE


def test_the_first_entries_frames_are_needed_most_and_after_them_what_their_crops_are_of() -> None:
    episodes = [
        EpisodeView(entry="a", steps=[step(5.0, 6.0)]),
        EpisodeView(entry="b", steps=[step(1.0, 2.0, turn=1, box=BOX), step(6.0, turn=2)]),
    ]
    one = asked(episodes=episodes)

    def needed(*first: str) -> list[tuple[float, bool]]:
        wanted = frames_of(one, SIZE, first)
        return [(wanted.looks[k].second, wanted.looks[k].box is None) for k in wanted.need]

    crops, sources = [(1.0, False), (2.0, False)], [(1.0, True), (2.0, True)]
    plain = [(5.0, True), (6.0, True)]
    assert needed() == needed("a") == needed("gone", "a", "b") == [*plain, *crops, *sources]
    assert needed("b") == needed("b", "a") == [*crops, (6.0, True), *sources, (5.0, True)]
    assert frames_of(one, SIZE, ("b",)).places == frames_of(one, SIZE).places


def test_what_there_is_no_room_for_is_left_out_and_said() -> None:
    wanted = frames_of(asked(step(5.0, 6.0), step(1.0, 2.0, turn=1, box=BOX)), SIZE)
    fewer = with_most(wanted, 4)
    assert [(look.second, look.box) for look in fewer.looks] == [
        (1.0, BOX), (2.0, BOX), (5.0, None), (6.0, None),
    ]  # fmt: skip
    assert fewer.places[0][1] == [(0, NO_PICTURE), (1, NO_PICTURE)]
    assert "2 of 6 pictures are left out" in left_out(fewer) and left_out(wanted) == ""
    one = with_most(fewer, 1)
    assert one.places[0] == with_most(wanted, 1).places[0] == [
        [(0, NO_PICTURE), (NO_PICTURE, NO_PICTURE)], [(NO_PICTURE, NO_PICTURE)] * 2,
    ]  # fmt: skip
    assert one.need == (0,) and "5 of 6" in left_out(one)
    assert with_most(wanted, 6) is wanted


@pytest.mark.parametrize(
    "question, told",
    [
        (asked(step(1.0), video=None), "not known"),
        (asked(step(float("nan"))), "at which time"),
        (asked(step(1.0, frame_size=(0, 9))), "0 by 9"),
        (asked(step(1.0, frame_size=(10**6, 10**6))), "not drawn"),
        (asked(step(1.0, box=(0.5, 0.0, 0.5, 1.0))), "is none"),
        (asked(step(1.0, box=(0.0, 0.0, 1.0, float("nan")))), "is none"),
    ],
)
def test_what_cannot_be_asked_of_a_video_is_said(question: QuestionView, told: str) -> None:
    wanted = frames_of(question, SIZE)
    assert wanted.looks == () and told in " ".join(wanted.notes)
    assert wanted.places == [[[(NO_PICTURE, NO_PICTURE)]]]


# ------------------------------------------------------------------ decoded anew


@pytest.mark.parametrize("size, turned", [((48, 48), 0), ((33, 80), 0), ((64, 40), 90)])
def test_a_picture_is_what_the_environment_showed_without_the_bars(
    tmp_path: Path, size: tuple[int, int], turned: int
) -> None:
    clip = write_clip(tmp_path / "c.mp4", range(50), options=SHORT_GOPS, rotation=turned)
    env = gym.make(
        "SageVideoQA-v0",
        dataset=[QAItem("q", clip, "?", answer="a")],
        frame_size=size,
        overview_frames=5,
        frames_per_turn=4,
        max_turns=3,
        max_frames=20,
    )
    start, told = env.reset(seed=0)
    tall = (0.5, 0.0, 0.75, 1.0)  # of another shape than the whole: the bars lie elsewhere
    zoomed, _, _, _, info = env.unwrapped.step(Zoom(0.2, 1.6, 4, tall))
    for observation, seconds, box in (
        (start, told["frame_seconds"], None),
        (zoomed, info["frame_seconds"], tall),
    ):
        looks = [Look(second, box, size) for second in seconds]
        found = decode(clip, looks)
        assert found.failed == "" and len(looks) >= 4 and not found.inexact
        for look, frame, region in zip(
            looks, observation["frames"], observation["picture"], strict=False
        ):
            top, bottom, left, right = region
            assert np.array_equal(found.pictures[look], frame[top:bottom, left:right])
    env.close()


@pytest.mark.parametrize(
    "size, shape",
    [
        ((48, 48), (32, 48)),  # of 64 by 96: bars of 8 above and below
        ((64, 48), (32, 48)),
        ((30, 90), (30, 45)),  # bars left and right, one a pixel wider
        ((64, 96), (64, 96)),
    ],
)
def test_bars_are_cut_to_the_pixel(wide: Path, size, shape) -> None:
    look = Look(0.2, None, size)
    assert decode(wide, [look]).pictures[look].shape == (*shape, 3)


def test_bars_in_the_video_itself_stay(tmp_path: Path) -> None:
    def barred(_: int, height: int, width: int) -> np.ndarray:
        picture = np.zeros((height, width, 3), np.uint8)
        picture[16:48] = 200
        return picture

    clip = write_clip(tmp_path / "b.mp4", range(5), draw=barred)
    look = Look(0.0, None, (48, 48))
    picture = decode(clip, [look]).pictures[look]
    assert picture.shape == (32, 48, 3) and picture[:6].max() < 30 and picture[16].min() > 150


def test_a_crop_shows_its_quarter(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "q.mp4", range(5), draw=four_colours)
    boxes = {(0, 0, 0.5, 0.5): (255, 0, 0), (0.5, 0, 1, 0.5): (0, 255, 0)}
    looks = [Look(0.0, box, (48, 48)) for box in boxes]
    found = decode(clip, looks)
    for look, colour in zip(looks, boxes.values(), strict=True):
        assert found.pictures[look].shape == (32, 48, 3)
        middle = found.pictures[look][8:24, 12:36].reshape(-1, 3).astype(int)
        assert np.abs(middle - colour).mean() < 20


def test_times_that_are_no_frames_are_noted_and_those_after_the_end_have_no_picture(
    wide: Path,
) -> None:
    exact, rounded, between, late = (Look(second, None, SIZE) for second in (0.2, 0.2411, 0.3, 9.0))
    found = decode(wide, [late, between, rounded, exact])
    assert set(found.pictures) == {exact, rounded, between} and found.inexact == {between}
    assert "ends at 1.60 s, before 1 of the recorded times" in found.failed


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "cut", "pipe"])
def test_a_broken_video_is_a_sentence(tmp_path: Path, wide: Path, kind: str) -> None:
    path = tmp_path / "broken.mp4"
    if kind == "text":
        path.write_text("no video")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "cut":
        data = wide.read_bytes()
        path.write_bytes(data[: len(data) // 3])
    began = time.monotonic()
    found = decode(path, [Look(0.2, None, SIZE)], seconds=2.0)
    assert found.pictures == {} and found.failed.endswith(".") and time.monotonic() - began < 8
    assert str(tmp_path) not in found.failed


def test_a_video_that_takes_too_long_keeps_what_it_gave(wide: Path) -> None:
    looks = [Look(k / 25, None, SIZE) for k in range(40)]

    def slow(picture: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return picture.copy()

    found = decode(wide, looks, seconds=0.3, keep=slow)
    assert 0 < len(found.pictures) < 40 and "took too long" in found.failed


# ------------------------------------------------------------------ brought by a trace


def saved(format_: str, mode: str = "RGB", size=(7, 5), **more) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 200 if mode == "L" else None).save(file, format_, **more)
    return file.getvalue()


def test_pictures_of_a_trace_take_the_place_of_frames_once_each() -> None:
    one, other = saved("PNG"), saved("JPEG")
    frames = [FrameView(1.0, one), FrameView(1.0, other), FrameView(1.0, one), FrameView(2.0)]
    question = asked(StepView(turn=0, action="look", frames=frames), video=None)
    wanted = frames_of(question, SIZE)
    assert sorted(wanted.carried.values()) == sorted([one, other])
    numbers = [pair[0] for pair in wanted.places[0][0]]
    assert numbers[0] == numbers[2] != numbers[1] and numbers[3] == NO_PICTURE


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_opened(format_: str) -> None:
    picture = open_picture(saved(format_))
    assert picture is not None and picture.shape == (5, 7, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "I;16", "1"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    picture = open_picture(saved("PNG", mode))
    assert picture is not None and picture.shape == (5, 7, 3)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG that says it is so large, and holds a few rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * min(width, 1000) * 4))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "file",
    [
        b"", b"no picture", saved("PNG")[:30], saved("JPEG")[:200], saved("GIF"), saved("BMP"),
        bomb(30_000, 30_000), bomb(2**31 - 1, 2**31 - 1), bomb(5000, 4000), bomb(0, 5),
        saved("PNG", "1", (5000, 4000)),
    ],
)  # fmt: skip
def test_bombs_and_broken_pictures_are_none(file: bytes) -> None:
    assert open_picture(file) is None


def test_a_file_beyond_the_bound_is_not_even_kept() -> None:
    frames = [FrameView(1.0, bytes(9 * 2**20))]
    wanted = frames_of(asked(StepView(turn=0, action="look", frames=frames)), SIZE)
    assert wanted.looks == () and "8 MiB" in " ".join(wanted.notes)
