"""Laws of `sage_env.video.index.presentation_order`: ties, and what precedes the first frame."""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.video.index.presentation_order import first_stray, order_frames
from sage_env.video.index.sample_table import SampleTable
from tests.helpers.clips import number_in, uncached, write_clip


def table_of(pts, keys=(0,)):
    number = np.arange(len(pts))
    same = np.ones(len(pts), dtype=np.int64)
    return SampleTable(np.array(pts), same, same, same, np.isin(number, keys), number >= 0, True)


def test_frames_at_one_time_follow_each_other_by_a_tick():
    frames = order_frames(table_of([0, 40, 40, 40, 41, 80], keys=(0, 2)), 0, "h264")
    assert frames.pts.tolist() == frames.packet_pts.tolist() == [0, 40, 41, 42, 43, 80]
    assert frames.packet_of_frame.tolist() == [0, 1, 2, 3, 4, 5]
    assert frames.key_pts.tolist() == [0, 41] and frames.key_packets.tolist() == [0, 2]


@pytest.mark.parametrize(("pts", "codec"), [([0, 40, 40, 80], "vp8"), ([0, 80, 40, 40], "h264")])
def test_where_the_later_of_two_is_not_known_they_are_one(pts, codec):
    table = table_of(pts)
    frames = order_frames(table, 0, codec)
    assert frames.pts.tolist() == [0, 40, 80] and frames.packet_pts is table.pts


def test_a_film_with_ties_shows_every_frame(tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(6), options={"x264-params": "bframes=0"})
    content = bytearray(path.read_bytes())
    at = content.index(b"stts") + 8
    assert content[at : at + 4] == b"\0\0\0\1"  # one run of equal durations
    runs = b"".join(n.to_bytes(4, "big") + d.to_bytes(4, "big") for n, d in ((2, 512), (2, 0)))
    runs += (2).to_bytes(4, "big") + (512).to_bytes(4, "big")
    content[at : at + 12] = (3).to_bytes(4, "big") + runs
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        place = content.index(kind) - 4
        size = int.from_bytes(content[place : place + 4], "big") + 16
        content[place : place + 4] = size.to_bytes(4, "big")
    path = tmp_path / "ties.mp4"
    path.write_bytes(content)
    with uncached(path) as video:
        shown = video._index.seconds(np.arange(6))
        assert shown[2:5] == pytest.approx([0.08, 0.08, 0.08], abs=3 / 12800)
        assert [number_in(video.frames_at([s]).pixels[0]) for s in shown] == list(range(6))
        assert number_in(video.frames_at([0.1]).pixels[0]) == 4


def test_leading_pictures_are_no_strays_and_what_lies_further_is():
    leading = table_of([50, 30, 40, 80, 60, 70], keys=(0,))
    assert first_stray(leading, 50) is None and first_stray(leading, 30) is None
    cut = table_of([10, 20, 50, 30, 40, 60], keys=(2,))  # begins in the middle of a GOP
    assert first_stray(cut, 50) is None
    assert first_stray(table_of([50, 60, 70, 80, 40, 90], keys=(0, 3)), 50) == 4
    assert first_stray(table_of([50_000, 1, 2, 3, 4]), 50_000) == 1
