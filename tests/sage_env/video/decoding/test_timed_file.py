"""Laws of `timed_file`: a demuxer that reads far on its way to a packet ends in time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.storage.steady_file import SteadyFile
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.deadline import Deadline
from sage_env.video.decoding import decode_pool
from sage_env.video.decoding.counted_packets import CountedPackets
from sage_env.video.decoding.demuxed_packets import DemuxedPackets
from sage_env.video.decoding.timed_file import TimedFile
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import copy_clip

PADDING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 2**14  # 3 MB of null packets


@pytest.fixture(scope="module")
def padded(clip, tmp_path_factory):
    """Return a transport stream with long padding in its middle, and where that begins."""
    path = copy_clip(clip("transport-stream"), tmp_path_factory.mktemp("padded") / "padded.ts")
    whole = path.read_bytes()
    middle = len(whole) // 188 // 2 * 188
    path.write_bytes(whole[:middle] + PADDING + whole[middle:])
    return path, middle


@pytest.fixture
def slow(monkeypatch, padded):
    """Return a switch that makes each read of the padding take 20 ms, 2 s in all."""
    on, real = [], SteadyFile.read_at

    def read_at(self, offset, nbytes):
        inside = offset > padded[1] and offset < padded[1] + len(PADDING)
        time.sleep(0.02 if on and inside else 0)
        return real(self, offset, nbytes)

    monkeypatch.setattr(SteadyFile, "read_at", read_at)
    return on


@pytest.mark.parametrize("kind", [DemuxedPackets, CountedPackets])
def test_one_long_call_of_the_demuxer_ends_in_time_and_the_next_one_goes_on(
    padded, slow, kind, capfd
):
    index = read_index(padded[0])
    source, last = kind(index), len(index.packet_pts)
    source.seek(0)
    source.read_until(Deadline.after(0.1))
    slow.append(True)
    start = time.monotonic()
    with pytest.raises(DecodeTimeout, match=r"padded.ts: decoding took longer than the 0.1 s"):
        list(source.packets(0, last, last))
    assert time.monotonic() - start < 1
    assert capfd.readouterr().err == "", "an error was told twice, and one was printed"
    slow.clear()
    source.read_until(Deadline.after(60))
    for key in (int(index.key_packets[-1]), 0):  # one ahead, one behind
        source.seek(key)
        assert [packet.number for packet in source.packets(key, last, last)] == [*range(key, last)]
    source.close()


@pytest.mark.parametrize("kind", [DemuxedPackets, CountedPackets])
def test_a_request_has_its_own_deadline_whichever_request_opened_the_file(
    padded, slow, kind, monkeypatch
):
    monkeypatch.setattr(decode_pool, "_source_of", lambda index, deadline: kind(index, deadline))
    video = open_video(padded[0], cache=FrameCache(0))
    every = np.arange(0, video.duration, 0.2)
    video._timeout = 60.0
    expected = video.frames_at(every).pixels
    np.testing.assert_array_equal(video.frames_at([0.0]).index, [0])
    slow.append(True)
    video._timeout = 0.1
    start = time.monotonic()
    with pytest.raises(DecodeTimeout):
        video.frames_at(every)
    assert time.monotonic() - start < 1
    slow.clear()
    video._timeout = 60.0
    np.testing.assert_array_equal(video.frames_at(every).pixels, expected)
    video.close()


def test_a_closed_video_ends_reading_too(padded):
    file = TimedFile(padded[0])
    assert len(file.read(10)) == 10
    file.deadline = Deadline.after(None, lambda: True)
    with pytest.raises(VideoError, match="closed by another thread"):
        file.read(10)
    file.close()
