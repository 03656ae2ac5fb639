"""Laws of `sage_env.video.index`: tables, scan and demuxer agree, and what is kept is the same.

The tables of an MP4 file say what a pass over its packets says; files of other kinds are scanned.
"""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.errors import DecodeTimeout
from sage_env.video.deadline import Deadline
from sage_env.video.index import index_cache, video_index
from sage_env.video.index.mp4_boxes import UnsupportedLayout
from sage_env.video.index.mp4_direct import _reorder_depth, open_directly
from sage_env.video.index.packet_scan import _ebml_size, scan_packets
from sage_env.video.index.sample_table import SampleTable, _sample_offsets, read_sample_table
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import (
    CLIPS,
    OPEN_GOPS,
    copy_clip,
    decoded,
    four_colours,
    number_in,
    uncached,
    write_clip,
)
from tests.helpers.real_clips import REAL_CLIPS

TICK = 12800 // 25
MP4S = [name for name, (file, *_) in CLIPS.items() if file.endswith(".mp4")]


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def demuxed(path):
    """Return the id of the video track and its packets, as FFmpeg gives them."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        rows = [
            (p.pts, p.duration, p.pos, p.size, p.is_keyframe, not p.is_discard)
            for p in container.demux(stream)
            if p.size
        ]
        return stream.id, np.array(rows, dtype=np.int64).T


def differing_columns(path):
    """Return the columns in which the table of a file is not what its packets say."""
    track, (pts, duration, position, size, key, shown) = demuxed(path)
    table = read_sample_table(path, track)
    assert table is not None
    start = int(np.argmax(table.offset == position[0]))  # an edit may leave out what is before
    part = slice(start, start + len(pts))
    visible = shown > 0
    assert table.shown.sum() == visible.sum()
    columns = {
        "shown": (table.shown[part], visible),
        "pts": (table.pts[part][visible], pts[visible]),
        "duration": (table.duration[part][visible], duration[visible]),
        "offset": (table.offset[part], position),
        "size": (table.size[part], size),
        "key": (table.key[part], key > 0),
    }
    return [name for name, (ours, theirs) in columns.items() if not np.array_equal(ours, theirs)]


@pytest.mark.parametrize("name", MP4S)
def test_tables_equal_the_packets(clip, name):
    assert not differing_columns(clip(name))


@pytest.mark.parametrize("path", sorted(REAL_CLIPS.glob("*.mp4")), ids=lambda path: path.name)
def test_tables_of_real_clips_equal_the_packets(path):
    assert not differing_columns(path)


@pytest.mark.parametrize("shift", [0, 5, 17, 40])
def test_tables_equal_the_packets_after_an_edit(clip, tmp_path, shift):
    assert not differing_columns(
        copy_clip(clip("open-gops"), tmp_path / "edited.mp4", shift=shift * TICK)
    )


@pytest.mark.parametrize("frames", [1, 59, 60, 119])
def test_an_edit_that_ends_where_a_frame_begins_hides_that_frame(clip, tmp_path, frames):
    data = bytearray(clip("short-gops").read_bytes())
    at = data.index(b"elst") + 12  # the length of the only edit, in thousandths of a second
    assert struct.unpack_from(">II", data, at - 8) == (0, 1)
    struct.pack_into(">I", data, at, 40 * frames)
    path = tmp_path / "ends.mp4"
    path.write_bytes(data)
    assert not differing_columns(path)
    table = read_sample_table(path, 1)
    assert table.shown.sum() == frames


def test_a_wait_before_the_first_frame_is_an_empty_edit(clip, tmp_path):
    path = copy_clip(clip("short-gops"), tmp_path / "late.mp4", shift=-30 * TICK)
    assert not differing_columns(path)
    with uncached(path) as video:
        assert number_in(video.frames_at([1.0]).pixels[0]) == 25


def test_chunks_with_sound_between_them(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        picture = container.add_stream("libx264", rate=25, options={"g": "12"})
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        for second in range(4):
            tone = np.zeros((1, 16000), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, second * 16000
            container.mux(sound.encode(frame))
            for number in range(25):
                shade = np.full((64, 96, 3), 10 * number, dtype=np.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux([*picture.encode(), *sound.encode()])
    assert not differing_columns(path)


def same_but(first, second, *names):
    for key, value in vars(first).items():
        if key not in names:
            other = getattr(second, key)
            same = np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other
            assert same, key


def test_all_ways_give_one_index(clip, monkeypatch):
    for name in ("open-gops", "irregular-mp4", "one-gop"):
        video_index._remembered.cache_clear()
        plain = read_index(clip(name))
        assert open_directly(clip(name)) is not None
        monkeypatch.setattr(video_index, "open_directly", lambda _: None)
        video_index._remembered.cache_clear()
        opened = read_index(clip(name))
        same_but(plain, opened)
        monkeypatch.setattr(video_index, "read_tables", lambda *_: None)
        video_index._remembered.cache_clear()
        scanned = read_index(clip(name))
        assert scanned.sliceable
        same_but(opened, scanned, "key_dts")  # only the scan knows where to seek
        monkeypatch.undo()
    video_index._remembered.cache_clear()


@pytest.mark.parametrize("path", sorted(REAL_CLIPS.glob("*.mp4")), ids=lambda path: path.name)
def test_real_clips_are_opened_as_ffmpeg_opens_them(path, monkeypatch):
    plain = open_directly(path)
    if plain is None:
        pytest.skip("not a plain file")
    monkeypatch.setattr(video_index, "open_directly", lambda _: None)
    video_index._remembered.cache_clear()
    opened = read_index(path)
    video_index._remembered.cache_clear()
    monkeypatch.undo()
    direct = read_index(path)
    same_but(direct, opened, "config")
    # FFmpeg has looked into the stream for the rest, as our decoder will.
    assert direct.config[:3] == opened.config[:3]
    assert direct.config.time_base == opened.config.time_base


def with_colors(path: Path, colr: bytes) -> Path:
    """Name colours in the sample entry of a file that has its `moov` behind everything else."""
    data = path.read_bytes()
    at = data.index(b"avcC") - 4
    grown = bytearray(data[:at] + colr + data[at:])
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        start = grown.index(kind, 0 if kind == b"moov" else grown.index(b"moov")) - 4
        size = struct.unpack_from(">I", grown, start)[0]
        struct.pack_into(">I", grown, start, size + len(colr))
    path.write_bytes(grown)
    return path


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("spread", [0x00, 0x80])
def test_colours_that_only_the_container_names_are_those_of_ffmpeg(tmp_path, matrix, spread):
    colr = box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 1, matrix, spread))
    path = write_clip(tmp_path / "c.mp4", range(5), size=(64, 96), draw=four_colours)
    path = with_colors(path, colr)
    assert open_directly(path) is not None
    shown = [frame.to_ndarray(format="rgb24") for _, frame in decoded(path)]
    with uncached(path) as video:
        np.testing.assert_array_equal(video.frames_at([0.0, 0.1]).pixels, [shown[0], shown[2]])


@pytest.mark.parametrize(
    ("change", "to"),
    [(b"vide", b"soun"), (b"avc1", b"encv"), (b"avcC", b"avcX"), (b"stsz", b"stz2")],
)
def test_what_is_not_plain_is_left_to_ffmpeg(clip, tmp_path, change, to):
    data = clip("open-gops").read_bytes()
    start = data.index(b"moov")
    path = tmp_path / "other.mp4"
    path.write_bytes(data[:start] + data[start:].replace(change, to))
    assert open_directly(clip("open-gops")) is not None and open_directly(path) is None


def test_a_turned_an_edited_and_a_cut_file_are_left_to_ffmpeg(clip, tmp_path):
    turned = write_clip(tmp_path / "turned.mp4", range(20), rotation=90)
    edited = copy_clip(clip("open-gops"), tmp_path / "edited.mp4", shift=17 * TICK)
    cut = write_clip(tmp_path / "cut.mp4", range(60), container_options={"movflags": "+faststart"})
    cut.write_bytes(cut.read_bytes()[:-200])
    assert [open_directly(path) for path in (turned, edited, cut)] == [None] * 3


@pytest.mark.parametrize("flags", ["+frag_keyframe+empty_moov", "+frag_keyframe"])
def test_fragments_are_scanned(tmp_path, flags):
    path = write_clip(tmp_path / "f.mp4", range(60), container_options={"movflags": flags})
    assert read_sample_table(path, 1) is None
    with uncached(path) as video:
        assert [number_in(p) for p in video.frames_at([1.0, 2.36]).pixels] == [25, 59]


@pytest.mark.parametrize(
    "hostile",
    [
        box(b"moov", box(b"trak", b"")),
        struct.pack(">I", 2**31) + b"moov" + bytes(64),
        struct.pack(">I", 1) + b"moov" + struct.pack(">Q", 2**63) + bytes(64),
        struct.pack(">I", 4) + b"moov" + bytes(64),
        box(b"free", b"") * 20_000,
    ],
)
def test_boxes_that_claim_what_is_not_there_are_not_read(tmp_path, hostile):
    path = tmp_path / "hostile.mp4"
    path.write_bytes(hostile)
    assert read_sample_table(path, 1) is None


@settings(max_examples=150)
@given(st.data())
def test_no_change_to_the_tables_breaks_the_reading_of_them(clip, tmp_path_factory, data):
    whole = bytearray(clip("open-gops").read_bytes())
    start = whole.index(b"moov")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(start, len(whole) - 5))
        whole[at : at + 4] = data.draw(st.sampled_from([b"\0\0\0\0", b"\xff" * 4, b"\x7f" * 4]))
    path = tmp_path_factory.getbasetemp() / "changed.mp4"
    path.write_bytes(whole)
    table = read_sample_table(path, 1)
    if table is not None:
        assert len({len(v) for v in vars(table).values() if isinstance(v, np.ndarray)}) == 1
        assert table.shown.any()


def test_a_cached_index_is_the_index_again_and_a_damaged_one_is_made_anew(
    clip, tmp_path, monkeypatch
):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    monkeypatch.setattr(video_index, "_WORTH_KEEPING", -1.0)
    scans = []

    def counted(path, deadline):
        scans.append(path)
        return scan_packets(path, deadline)

    monkeypatch.setattr(video_index, "scan_packets", counted)

    def index():
        video_index._remembered.cache_clear()
        return read_index(clip("vp9"))

    first = index()
    (kept,) = (tmp_path / "index").iterdir()
    assert kept.name.startswith(first.content_id)
    again = index()
    assert len(scans) == 1
    same_but(first, again)
    assert isinstance(again.time_base, Fraction) and isinstance(again.missing_frames, int)
    for damage in (b"", b"PK nonsense", kept.read_bytes()[:300]):
        kept.write_bytes(damage)
        np.testing.assert_array_equal(index().pts, first.pts)
    index_cache.save_cached(first.content_id, {"pts": first.pts, "surprise": 3})
    np.testing.assert_array_equal(index().pts, first.pts)
    assert len(scans) == 5
    assert [path.suffix for path in (tmp_path / "index").iterdir()] == [".index"]


def test_the_oldest_cached_indexes_go_when_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    monkeypatch.setattr(index_cache, "MAX_FILES", 3)
    for number in range(5):
        index_cache.save_cached(f"{number:032x}", {"number": number})
        (newest,) = (tmp_path / "index").glob(f"{number:032x}-*")
        os.utime(newest, (number, number))
    kept = [index_cache.load_cached(f"{number:032x}") for number in range(5)]
    assert kept == [None, None, {"number": 2}, {"number": 3}, {"number": 4}]


def test_of_a_long_mp4_file_only_what_its_tables_lack_is_kept(clip, tmp_path, monkeypatch):
    path = copy_clip(clip("open-gops"), tmp_path / "edited.mp4", shift=17 * TICK)
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    video_index._remembered.cache_clear()
    first = read_index(path)
    assert not (tmp_path / "index").exists()
    monkeypatch.setattr(video_index, "_LONG", 100)
    video_index._remembered.cache_clear()
    read_index(path)
    (kept,) = (tmp_path / "index").iterdir()
    assert kept.stat().st_size < 2000
    monkeypatch.setattr(video_index, "open_container", None)  # not needed any more
    video_index._remembered.cache_clear()
    again = read_index(path)
    same_but(first, again)
    video_index._remembered.cache_clear()


def test_the_content_id_names_bytes_and_version(tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(30), options=OPEN_GOPS)
    first = read_index(path).content_id
    other = tmp_path / "b.mp4"
    other.write_bytes(path.read_bytes())
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_index(other).content_id == first
    os.utime(other, ns=(1, 1))
    assert read_index(other).content_id != first


def test_a_scan_has_a_deadline(clip):
    with pytest.raises(DecodeTimeout, match="packet by packet took longer than the 1e-09 s"):
        scan_packets(clip("one-gop"), Deadline.after(1e-9))


def test_offsets_of_samples_in_chunks_as_worked_by_hand():
    table = {
        b"stco": [memoryview(struct.pack(">4x4I", 3, 100, 500, 900))],
        b"stsc": [memoryview(struct.pack(">4x7I", 2, 1, 2, 1, 3, 1, 1))],
    }
    size = np.array([10, 20, 30, 40, 50])
    assert _sample_offsets(table, size).tolist() == [100, 110, 500, 530, 900]
    wide = {**table, b"co64": [memoryview(struct.pack(">4xI3Q", 3, 100, 500, 2**40))]}
    assert _sample_offsets(wide, size).tolist() == [100, 110, 500, 530, 2**40]


@pytest.mark.parametrize(
    "rows",
    [
        (1, 2, 1, 3, 2, 1),  # six samples
        (2, 2, 1, 3, 1, 1),  # nothing of the first chunk
        (1, 2, 1, 1, 1, 1),  # a chunk twice
        (1, 2, 2, 3, 1, 1),  # another description
        (1, 2**31, 1, 3, 1, 1),
    ],
)
def test_chunks_that_do_not_hold_the_samples_are_refused(rows):
    table = {
        b"stco": [memoryview(struct.pack(">4x4I", 3, 100, 500, 900))],
        b"stsc": [memoryview(struct.pack(">4x7I", 2, *rows))],
    }
    with pytest.raises(UnsupportedLayout):
        _sample_offsets(table, np.array([10, 20, 30, 40, 50]))


def test_the_frames_that_a_decoder_holds_back_as_worked_by_hand():
    def depth(*pts):
        times = np.array(pts)
        same = np.zeros(len(pts), dtype=np.int64)
        return _reorder_depth(SampleTable(times, same, same, same, same > 0, same == 0, True))

    assert depth(0, 1, 2) == 0
    assert depth(0, 3, 1, 2) == 1
    assert depth(0, 4, 2, 1, 3) == 2  # a pyramid


@pytest.mark.parametrize(
    ("head", "start", "size"),
    [(b"\x82", 1, 2), (b"\x40\x02", 2, 2), (b"\x01" + b"\xff" * 7, 8, 0), (b"\xff", 1, 0)],
)
def test_sizes_of_ebml_elements_as_worked_by_hand(head, start, size):
    assert _ebml_size(b"\x1a" + head, 1) == (1 + start, size)
