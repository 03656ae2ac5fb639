"""Laws of `sliced_packets`, `demuxed_packets`, `counted_packets`: all of the index, each once."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import av
import numpy as np
import pytest

from sage_env.video.decoding import demuxed_packets
from sage_env.video.decoding.counted_packets import CountedPackets
from sage_env.video.decoding.demuxed_packets import DemuxedPackets
from sage_env.video.decoding.sliced_packets import SlicedPackets
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import copy_clip
from tests.helpers.video.scripted_codec import PTS, scripted_index

SOURCES = [
    (SlicedPackets, "open-gops"),
    (SlicedPackets, "irregular-mkv"),
    (DemuxedPackets, "transport-stream"),
    (DemuxedPackets, "open-gops"),  # what is sliced can be demuxed as well
    (CountedPackets, "transport-stream"),
    (CountedPackets, "program-stream"),
    (CountedPackets, "vp9"),
]


def payloads(path):
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


@pytest.mark.parametrize(("kind", "name"), SOURCES)
def test_from_every_keyframe_on_come_the_packets_of_the_index(clip, kind, name):
    index, expected = read_index(clip(name)), payloads(clip(name))
    source, count = kind(index), len(index.packet_pts)
    for key in index.key_packets.tolist():
        source.seek(key)
        came = list(source.packets(key, key + 5, key + 2))
        came += source.packets(key + 2, key + 2, key + 2)
        came += source.packets(key + 2, count, count + 9)
        assert [packet.number for packet in came] == list(range(key, count))
        assert [packet.pts for packet in came] == index.packet_pts[key:].tolist()
        assert [packet.key for packet in came] == index.packet_key[key:].tolist()
        assert [bytes(packet.data) for packet in came] == expected[key:]
        assert not any(packet.fault for packet in came)
    source.close()


def test_counted_packets_end_before_a_joint_unless_more_are_needed(clip):
    index = replace(read_index(clip("transport-stream")), joints=(30, 60))
    source = CountedPackets(index)

    def numbers(first, stop, end):
        source.seek(first)
        return [packet.number for packet in source.packets(first, stop, end)]

    assert numbers(20, 25, 57) == [*range(20, 30)]
    assert numbers(20, 30, 62) == [*range(20, 30)]
    assert numbers(20, 31, 63) == [*range(20, 60)]
    assert numbers(70, 75, 107) == [*range(70, 107)]
    assert numbers(0, 1, 3) == [0, 1, 2]
    source.close()


def test_damage_is_a_false_alarm_right_before_a_joint_alone(clip):
    index = replace(read_index(clip("transport-stream")), joints=(30,))
    source = CountedPackets(index)
    source.seek(0)
    real = source._demuxed
    flagged = (
        SimpleNamespace(is_corrupt=True, is_keyframe=False, size=4, pts=0) for _ in range(30)
    )
    source._demuxed = (type("Bytes", (bytes,), vars(each))(b"data") for each in flagged)
    came = list(source.packets(0, 30, 30))
    assert [packet.number for packet in came if not packet.fault] == [28, 29]
    assert [packet.pts for packet in came] == index.packet_pts[:30].tolist()
    real.close()
    source.close()


def test_packets_beyond_the_end_of_a_file_that_became_shorter_are_faulty(clip, tmp_path):
    path = copy_clip(clip("short-gops"), tmp_path / "cut.mp4")
    index = replace(read_index(path), fingerprint=None)  # of whichever version is there
    last = int(index.packet_offset[30])
    with open(path, "r+b") as file:
        file.truncate(last + 1)
    source = SlicedPackets(index)
    came = list(source.packets(0, len(PTS), 40))
    assert [bool(packet.fault) for packet in came] == [n >= 30 for n in range(40)]
    assert came[30].fault == "is no longer in the file, which has become shorter"
    source.close()


class Container:
    """Demuxes what it is told to, after a seek to anywhere."""

    def __init__(self, packets):
        context = SimpleNamespace(name="h264", options={})
        self.streams = [SimpleNamespace(codec_context=context)]
        self.sought, self._packets = [], packets

    def seek(self, dts, *, stream):
        self.sought.append(dts)

    def demux(self, stream):
        return iter(self._packets)


class Payload(bytes):
    """A packet as PyAV has it."""

    def __new__(cls, pts, size=5, corrupt=False):
        made = super().__new__(cls, b"x" * size)
        made.pts, made.size, made.is_corrupt, made.is_keyframe = pts, size, corrupt, pts == 7
        return made


@pytest.fixture
def demuxed(monkeypatch):
    """Return packets of the scripted video as a demuxer that gives certain packets gives them."""

    def get(*packets, first=4, end=99):
        container = Container(packets)
        monkeypatch.setattr(demuxed_packets, "open_container", lambda file, deadline: container)
        monkeypatch.setattr(demuxed_packets, "TimedFile", lambda *_: SimpleNamespace(check=bool))
        source = DemuxedPackets(scripted_index())
        source.seek(first)
        return container, source, list(source.packets(first, end, end))

    return get


def test_what_lies_before_the_keyframe_is_dropped(demuxed):
    container, source, came = demuxed(*map(Payload, PTS[2:9]))
    assert container.sought == [7] and [packet.number for packet in came] == [4, 5, 6, 7, 8]
    assert [packet.packet.pts for packet in came] == PTS[4:9]
    assert [packet.key for packet in came] == [True, False, False, False, False]
    assert not demuxed(*map(Payload, PTS[:4]))[2]  # the keyframe is not found


def test_a_packet_that_the_demuxer_leaves_out_moves_the_count_on(demuxed):
    _, source, came = demuxed(*map(Payload, (7, 5, 6, 10)))
    assert [packet.number for packet in came] == [4, 5, 7, 8]
    assert source._next == 9


def test_a_packet_that_is_not_in_the_index_moves_it_not(demuxed):
    _, _, came = demuxed(*map(Payload, (7, 5, 99, 4, 6)))
    assert [packet.number for packet in came] == [4, 5, 5, 6, 7]


def test_damaged_packets_and_those_without_a_time_are_faulty_and_empty_ones_are_none(demuxed):
    damaged = Payload(4, corrupt=True)
    _, _, came = demuxed(Payload(7), Payload(5), damaged, Payload(None), Payload(10, size=0))
    assert [packet.fault for packet in came] == ["", "", "is damaged", "is damaged"]
    assert [packet.number for packet in came] == [4, 5, 6, 7]
    assert [packet.pts for packet in came] == [7, 5, 4, 6]
    assert not any(len(packet.data) for packet in came[2:])


def test_packets_behind_the_last_of_the_index_are_left_alone(demuxed):
    _, _, came = demuxed(*map(Payload, (*PTS[4:], 99, 100)))
    assert [packet.number for packet in came] == list(range(4, len(PTS)))


def test_a_packet_that_is_no_keyframe_stands_for_the_first_keyframe(demuxed):
    container, _, came = demuxed(*map(Payload, PTS), first=2)
    assert container.sought == [0] and [packet.number for packet in came][:2] == [0, 1]
    assert np.all(np.diff([packet.number for packet in came]) == 1)
