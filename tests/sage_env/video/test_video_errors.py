"""Laws of `sage_env.video`: what cannot be read ends with one sentence that names the file."""

from __future__ import annotations

import os
import time

import av
import numpy as np
import pytest

from sage_env.actions.action import Answer
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import ResetNeeded, VideoError
from sage_env.video.index import stream as container
from sage_env.video.video_file import open_video
from tests.helpers.clips import (
    ONE_GOP,
    SHORT_GOPS,
    Picture,
    uncached,
    write_clip,
    write_tone,
)


def test_paths_without_a_video_say_so(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 50)
    write_tone(tmp_path / "tone.m4a")
    for name, message in [
        ("missing.mp4", "No such file"),
        (".", "got a folder"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "Invalid data"),
        ("tone.m4a", "expected a video stream, found audio"),
        ("nul\0l.mp4", "cannot read"),
    ]:
        with pytest.raises(VideoError, match=message):
            open_video(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="device"):
        open_video(tmp_path / "pipe.mp4")


def test_a_video_without_frames_is_refused(tmp_path):
    path = write_clip(tmp_path / "none.mp4", [])
    with pytest.raises(VideoError, match="none.mp4"):
        open_video(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_before_its_tables_is_refused(tmp_path, share):
    whole = write_clip(tmp_path / "whole.mp4", range(60)).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VideoError, match="cut.mp4"):
        open_video(cut)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts"])
def test_a_file_cut_in_its_frames_serves_those_it_holds_and_says_so(tmp_path, name):
    options = {"movflags": "+faststart"} if name.endswith("mp4") else {}
    path = tmp_path / f"whole.{name[-3:].strip('.')}"
    write_clip(path, range(60), options=SHORT_GOPS, container_options=options)
    with uncached(path) as whole:
        assert whole.absent == 0
        expected = whole.frames_at((np.arange(60) / 25).tolist())
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(video=0) if p.size]
        cut_at = packets[40].pos + packets[40].size // 2
    cut = tmp_path / name
    cut.write_bytes(path.read_bytes()[:cut_at])
    with uncached(cut) as video:
        assert video.absent > 0 or name == "cut.ts"  # which announces nothing
        held = round(video.duration * 25)
        assert 36 <= held <= 42
        batch = video.frames_at((np.arange(60) / 25).tolist())
        assert batch.seconds[-1] < video.duration < 42 / 25
        same = expected.pixels[batch.index.clip(max=38)]
        before = batch.seconds < 1.5
        np.testing.assert_array_equal(batch.pixels[before], same[before])
        assert f"cut short by {video.absent}" in repr(video) or not video.absent


def test_a_file_cut_between_two_packets_says_how_many_are_not_there(tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(60), container_options={"movflags": "+faststart"})
    with av.open(str(path)) as file:
        ends = [p.pos + p.size for p in file.demux(video=0) if p.size]
    path.write_bytes(path.read_bytes()[: ends[29]])
    assert uncached(path).absent == 30


def test_a_file_cut_after_opening_is_named_and_nothing_of_it_is_served(tmp_path):
    def noise(number: int, height: int, width: int) -> Picture:
        rng = np.random.default_rng(number)
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    path = tmp_path / "a.mp4"
    write_clip(path, range(60), draw=noise, container_options={"movflags": "+faststart"})
    video = uncached(path)
    first = video.frames_at([0.04]).pixels
    video.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for seconds in (0.04, 2.36):  # who cut it may have written something else, too
        with pytest.raises(VideoError, match=r"a\.mp4.* it has changed since it was opened"):
            video.frames_at([seconds])
    again = uncached(path)
    assert again.absent > 0
    np.testing.assert_array_equal(again.frames_at([0.04]).pixels, first)


def test_pictures_too_large_to_be_true_are_refused(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "huge.mp4", range(3), size=(64, 96))
    monkeypatch.setattr(container, "MAX_PIXELS", 64 * 96 - 1)
    with pytest.raises(VideoError, match="at most 6143 pixels, these have 96x64; make them small"):
        open_video(path)


def bad_files(folder):
    """Write a file for each way in which it is no video to ask about."""
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video at all\n" * 50)
    write_tone(folder / "tone.m4a")
    write_clip(folder / "none.mp4", [])
    whole = write_clip(folder / "whole.mp4", range(60)).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    write_clip(folder / "aeons.mkv", [0, 25, 2**35], options={"x264-params": "bframes=0"})
    names = ["missing.mp4", "empty.mp4", "text.mp4", "tone.m4a", "none.mp4", "cut.mp4"]
    return [folder / name for name in [*names, "aeons.mkv"]]


def test_no_bad_file_is_ever_a_reward_and_none_hangs(tmp_path):
    good = QAItem("good", write_clip(tmp_path / "good.mp4", range(60)), "?", (), "x")
    bad = [QAItem(path.name, path, "?", (), "x") for path in bad_files(tmp_path)]
    env = VideoQAEnv(dataset=[good, *bad], frame_size=(8, 8))
    began = time.monotonic()
    for item in bad:
        with pytest.raises(VideoError, match=item.id):
            env.reset(options={"item_id": item.id})
        with pytest.raises(ResetNeeded):
            env.step(Answer("x"))
        env.reset(options={"item_id": "good"})  # nothing is left of it
        assert env.step(Answer("x"))[1] == 1.0
    assert time.monotonic() - began < 10


def test_odd_files_are_played_as_they_are(tmp_path):
    turned = write_clip(tmp_path / "turned.mp4", range(50), size=(64, 128), rotation=90)
    slow = write_clip(tmp_path / "slow.mkv", [0, 1, 2, 9, 250, 2500])  # 25 ticks a second
    single = write_clip(tmp_path / "single.mp4", [0])
    items = [QAItem(path.name, path, "?", (), "x") for path in (turned, slow, single)]
    env = VideoQAEnv(dataset=items, frame_size=(32, 32), overview_frames=8)
    observation, _ = env.reset(options={"item_id": "turned.mp4"})
    middle = observation["frames"][-9 + 8, 16]  # a row of a picture that stands upright
    assert not middle[:8].any() and not middle[24:].any()
    observation, info = env.reset(options={"item_id": "slow.mkv"})
    assert info["frame_seconds"] == pytest.approx([0.36, 10.0], abs=2e-3)
    assert observation["num_frames"] == 2 and observation["frames_left"] == 126
    assert "only 2 distinct frames for 8 times" in observation["message"]
    observation, info = env.reset(options={"item_id": "single.mp4"})
    assert (info["frame_seconds"], observation["num_frames"]) == ([0.0], 1)
    assert observation["duration"] > 0


def test_times_that_the_file_does_not_hold_are_refused(tmp_path):
    path = write_clip(tmp_path / "reordered.avi", range(30), options=ONE_GOP)
    with pytest.raises(VideoError, match="reordered frames"):
        open_video(path)
    path = write_clip(tmp_path / "raw.h264", range(30))
    with pytest.raises(VideoError, match="no presentation times"):
        open_video(path)


@pytest.mark.parametrize("seconds", [[float("nan")], [0.0, float("inf")], [[1.0]]])
def test_times_must_be_finite_and_flat(clip, seconds):
    with uncached(clip("one-gop")) as video, pytest.raises(ValueError, match="seconds must be"):
        video.frames_at(seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 10)},
        {"size": (10,)},
        {"box": (0.5, 0.0, 0.5, 1.0)},
        {"box": (0.0, 0.0, 1.1, 1.0)},
        {"box": (0.0, float("nan"), 1.0, 1.0)},
    ],
)
def test_size_and_box_must_be_legal(clip, wrong):
    with uncached(clip("one-gop")) as video, pytest.raises(ValueError, match="must be"):
        video.frames_at([0.0], **wrong)
