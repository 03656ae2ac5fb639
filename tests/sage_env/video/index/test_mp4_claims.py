"""Laws of `sage_env.video.index.mp4_claims`, `mp4_boxes`: no memory for what a file only claims."""

from __future__ import annotations

import re
import struct
import subprocess
import sys

import pytest

from sage_env.errors import VideoError
from sage_env.video.index.mp4_boxes import UnsupportedLayout, boxes_inside, check_places
from sage_env.video.index.mp4_claims import check_claims
from tests.helpers.clips import number_in, uncached, write_clip

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
HUGE = (2**20, 2**24, 2**31, 2**32 - 1)

MEASURE = """
import re, sys
from pathlib import Path
from sage_env.errors import VideoError
from sage_env.video import open_video

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

open_video(sys.argv[1]).frames_at([0.0])
before = peak()
for name in sys.argv[2:]:
    try:
        open_video(name).frames_at([0.0])
        print("opened")
    except VideoError as error:
        assert name in str(error)
        print("refused")
print(peak() - before)
"""


def box(kind, *content):
    inside = b"".join(content)
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


@pytest.fixture
def clip_path(tmp_path):
    return write_clip(tmp_path / "a.mp4", range(20))


def with_field(path, kind, at, *values):
    """Write the file with other numbers in a box of a kind, `at` bytes behind its header."""
    content = bytearray(path.read_bytes())
    place = content.index(kind) + 4 + at
    content[place : place + 4 * len(values)] = numbers(*values)
    other = path.with_name(f"{kind.decode()}-{at}-{values[-1]}{path.suffix}")
    other.write_bytes(content)
    return other


@pytest.mark.parametrize("kind", [b"stts", b"ctts", b"stsc", b"stco", b"stss", b"elst"])
def test_a_table_holds_its_rows(clip_path, kind):
    check_claims(clip_path)
    for count in HUGE:
        with pytest.raises(VideoError, match=rf"claims {count} rows of its {kind.decode()} box"):
            check_claims(with_field(clip_path, kind, 4, count))


@pytest.mark.parametrize("size", [1, 1000])
def test_a_file_holds_no_more_samples_than_bytes(clip_path, size):
    for count in HUGE:
        with pytest.raises(VideoError, match=f"claims {count} samples, and holds at most"):
            check_claims(with_field(clip_path, b"stsz", 4, size, count))


def test_the_runs_of_fragments_hold_their_samples(tmp_path):
    path = write_clip(tmp_path / "f.mp4", range(60), container_options=FRAGMENTS)
    check_claims(path)
    assert uncached(path).duration == pytest.approx(2.4)
    for count in HUGE:
        with pytest.raises(VideoError, match="samples in fragments"):
            check_claims(with_field(path, b"trun", 4, count))


def test_an_edit_list_does_not_show_samples_without_end(tmp_path):
    track = box(
        b"trak",
        box(b"edts", box(b"elst", numbers(0, 30_000), bytes(12 * 30_000))),
        box(b"mdia", box(b"minf", box(b"stbl", box(b"stsz", numbers(0, 1, 20_000))))),
    )
    path = tmp_path / "edits.mp4"
    path.write_bytes(box(b"moov", track))
    with pytest.raises(VideoError, match="claims 600000000 samples in its edits"):
        check_claims(path)


def test_sound_that_costs_an_entry_per_chunk_may_be_longer_than_what_is_left_of_the_file(tmp_path):
    tables = box(b"stts", numbers(0, 1, 10**8, 1)), box(b"stsz", numbers(0, 4, 10**8))
    media = box(b"minf", box(b"stbl", *tables))
    path = tmp_path / "pcm.mov"
    path.write_bytes(box(b"moov", box(b"trak", box(b"mdia", sound := box(
        b"hdlr", numbers(0, 0), b"soun", bytes(13)), media))))  # fmt: skip
    check_claims(path)
    path.write_bytes(path.read_bytes().replace(sound, sound.replace(b"soun", b"vide")))
    with pytest.raises(VideoError, match="claims 100000000 samples"):
        check_claims(path)


def test_what_is_no_mp4_is_left_alone(tmp_path):
    for name, content in {"zeros": bytes(100), "text": b"moov" * 50, "short": b"\0\0\0"}.items():
        (tmp_path / name).write_bytes(content)
        check_claims(tmp_path / name)
    (tmp_path / "boxes").write_bytes(box(b"free") * (2**20 + 1))
    with pytest.raises(VideoError, match="more than 1048576 boxes"):
        check_claims(tmp_path / "boxes")


def test_small_files_with_huge_claims_cost_no_memory(clip_path, tmp_path):
    fragments = write_clip(tmp_path / "f.mp4", range(60), container_options=FRAGMENTS)
    hostile = [
        with_field(clip_path, b"stsz", 4, 1, 2**24),
        with_field(clip_path, b"stts", 4, 2**28),
        with_field(clip_path, b"ctts", 4, 2**32 - 1),
        with_field(fragments, b"trun", 4, 2**25),
        with_field(fragments, b"moof", -8, 2**31),  # the size of the box itself
        with_field(clip_path, b"avc1", 24, 2**32 - 1),  # 65535 x 65535
    ]
    sizes = bytearray(clip_path.read_bytes())
    place = sizes.index(b"stsz") + 8
    sizes[place : place + 8] = numbers(1, 2**24)
    (tmp_path / "all.mp4").write_bytes(sizes.replace(b"stts", b"free").replace(b"stsc", b"free"))
    names = [str(path) for path in (clip_path, *hostile, tmp_path / "all.mp4")]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *names], capture_output=True, text=True, check=True
    )
    *ends, kilobytes = run.stdout.split()
    assert ends.count("refused") >= 5 and int(kilobytes) < 60_000


def test_boxes_are_found_at_any_depth_and_end_with_the_one_around_them():
    deep = box(b"trak", box(b"mdia", box(b"free", b"xyz")))
    assert [(p, k) for p, k, _ in boxes_inside(memoryview(deep), b"moov")] == [
        (b"moov", b"trak"),
        (b"trak", b"mdia"),
        (b"mdia", b"free"),
    ]
    long = bytearray(deep)
    long[8:12] = numbers(1000)  # `mdia` claims to reach beyond `trak`
    assert len(list(boxes_inside(memoryview(bytes(long))))) == 3
    nested = b""
    for _ in range(500):
        nested = box(b"trak", nested)
    assert len(list(boxes_inside(memoryview(nested)))) == 10


def test_a_box_that_stands_elsewhere_leaves_the_file_to_ffmpeg(clip_path):
    moov = re.search(rb"(?s)moov(.*)", clip_path.read_bytes())
    assert moov is not None
    check_places(memoryview(moov[1]))
    for kind, parent in ((b"elst", b"udta"), (b"stts", b"moov"), (b"mdhd", b"trak")):
        inside = box(kind, bytes(8))
        with pytest.raises(UnsupportedLayout):
            check_places(memoryview(inside if parent == b"moov" else box(parent, inside)))
    assert number_in(uncached(clip_path).frames_at([0.2]).pixels[0]) == 5
