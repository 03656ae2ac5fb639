"""Laws of `sage_env.video.health`: what a file is, and where it is broken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from algos.cli.entry import main
from sage_env.video.decoding.nearest_frame import frames_of_gop
from sage_env.video.health import check_health, first_fault
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import copy_clip, uncached, write_clip


def test_a_sound_file_is_described(clip):
    health = check_health(clip("short-gops"))
    assert health.sound and health.codec == "h264" and health.size == (64, 96)
    assert (health.duration, health.fps) == (pytest.approx(4.8), pytest.approx(25))
    assert not health.variable_rate and health.sliceable
    assert health.keyframe_seconds == pytest.approx(4.8 / 12)
    assert check_health(clip("irregular-mkv")).variable_rate
    assert check_health(clip("one-gop")).longest_gap == pytest.approx(4.8)
    for name in ("open-gops", "transport-stream", "intra-refresh", "vp9", "program-stream"):
        assert check_health(clip(name)).sound, name
        assert check_health(clip(name), quick=True).sound, name


def test_undecodable_stretches_are_those_where_reading_fails(clip, tmp_path):
    path = copy_clip(clip("short-gops"), tmp_path / "damaged.mp4")
    index, content = read_index(path), bytearray(path.read_bytes())
    key = int(index.key_packets[5])
    at, size = int(index.packet_offset[key]), int(index.packet_size[key])
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    health = check_health(path)
    start, end = index.seconds(np.flatnonzero(np.isin(index.pts, index.key_pts)))[5:7]
    assert health.undecodable == ((pytest.approx(start), pytest.approx(end)),)
    assert check_health(path, quick=True).undecodable == health.undecodable
    assert not health.sound and "UNDECODABLE" in str(health)
    batch = uncached(path).frames_at((np.arange(120) / 25).tolist(), on_error="nearest")
    lost = index.seconds(np.flatnonzero(~batch.exact))
    assert start <= lost.min() and lost.max() < end


def test_the_command_prints_a_line_for_each_and_fails_if_one_is_broken(clip, tmp_path, capsys):
    write_clip(tmp_path / "good.mp4", range(30))
    (tmp_path / "notes.txt").write_text("not a video")
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "1 video, 0.00 hours, 0 broken" in capsys.readouterr().out
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "bad.mkv").write_bytes(b"nothing" * 100)
    assert main(["data", "check", str(tmp_path), "--quick"]) == 2
    out, err = capsys.readouterr()
    lines = sorted(line for line in out.splitlines() if str(tmp_path) in line)
    assert [line.split()[0] for line in lines] == ["BROKEN", "ok"]
    assert "bad.mkv: reading it as a video failed" in lines[0]
    assert "2 videos" in out and "1 of 2 videos are broken" in err
    assert main(["data", "check", str(tmp_path / "none")]) == 2
    assert "no video here" in capsys.readouterr().err


def test_of_a_file_of_questions_the_videos_that_it_names_are_checked(tmp_path, capsys):
    videos, file = tmp_path / "videos", tmp_path / "q.jsonl"
    videos.mkdir()
    for name in ("a.mp4", "unasked.mp4"):
        write_clip(videos / name, range(30))
    row = {"question": "What?", "answer": "it"}
    rows = [{"id": f"q{k}", "video": name, **row} for k, name in enumerate(["a.mp4", "a.mp4"])]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    check = ["data", "check", str(file), "--root", str(videos)]
    assert main(check) == 0
    out = capsys.readouterr().out
    assert "2 questions, all of which can be asked" in out and "unasked" not in out
    assert "1 video, " in out
    assert main(check[:3]) == 2
    assert "BROKEN" in capsys.readouterr().out
    file.write_text(json.dumps({**rows[0], "answer": ""}))
    assert main(check) == 2
    assert "q.jsonl, line 1" in capsys.readouterr().err
    assert main(["data", "check", str(videos), "--root", str(videos)]) == 2
    assert "--root and --allow-outside are of a .jsonl file" in capsys.readouterr().err


def test_a_transport_stream_in_which_a_programme_begins_later_is_one_line_of_the_report(
    tmp_path, capsys
):
    write_clip(tmp_path / "a.ts", range(40))
    other = {"mpegts_service_id": "7", "mpegts_pmt_start_pid": "0x1100", "mpegts_start_pid": "0x30"}
    later = write_clip(tmp_path / "later.ts", range(40), container_options=other).read_bytes()
    (tmp_path / "b.ts").write_bytes((tmp_path / "a.ts").read_bytes() + later)
    (tmp_path / "later.ts").unlink()
    write_clip(tmp_path / "c.mkv", range(30))
    assert main(["data", "check", str(tmp_path)]) == 2
    lines = [line for line in capsys.readouterr().out.splitlines() if str(tmp_path) in line]
    assert [line.split()[0] for line in lines] == ["ok", "BROKEN", "ok"]
    assert "b.ts: its video goes on as another stream, 0x30" in lines[1]


def test_whatever_goes_wrong_with_one_file_is_a_finding(tmp_path, monkeypatch):
    def trip(*_):
        raise IndexError("list index out of range")

    monkeypatch.setattr("sage_env.video.health.read_index", trip)
    health = check_health(tmp_path / "a.ts")
    assert not health.sound and "checking it failed (IndexError: list index" in str(health)


def test_the_first_fault_is_found_in_three_pictures_or_in_opening(clip, tmp_path, monkeypatch):
    assert first_fault(clip("short-gops")) == "" == first_fault(clip("one-gop"), timeout=30.0)
    assert "gone.mp4" in first_fault(tmp_path / "gone.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    assert "text.mp4" in first_fault(tmp_path / "text.mp4")
    tried = []

    def frames(index, gop):
        tried.append(gop)
        return frames_of_gop(index, gop)

    monkeypatch.setattr("sage_env.video.health.frames_of_gop", frames)
    assert first_fault(clip("short-gops")) == ""
    gops = len(read_index(clip("short-gops")).key_pts)
    assert gops > 3 and tried == [0, gops // 2, gops - 1]


def test_the_first_fault_says_where_a_keyframe_does_not_decode(clip, monkeypatch):
    path = clip("short-gops")
    index = read_index(path)
    last = float(index.seconds(frames_of_gop(index, len(index.key_pts) - 1)[:1])[0])

    def none_of_the_last(pool, frames, deadline):
        return [frame for frame in frames if frame < round(last * 25)]

    monkeypatch.setattr("sage_env.video.health.DecodePool.good_frames", none_of_the_last)
    assert first_fault(path) == f"{path}: {last:.2f}-4.80 s does not decode"
