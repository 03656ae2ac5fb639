"""Laws of `sage_env.video` on damaged files: frames or a typed error, in time; no crash or leak."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sage_env.errors import CorruptFrame, DecodeTimeout, VideoError
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import SHORT_GOPS, Picture, number_in, uncached, write_clip

FASTSTART = {"movflags": "+faststart"}


def noise(number: int, height: int, width: int) -> Picture:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def damaged(tmp_path, packet: int) -> tuple[Path, Path]:
    """Write a clip, and a copy of it in which a packet is overwritten; GOPs have 12 frames."""
    whole = tmp_path / "whole.mp4"
    options = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=0"}
    write_clip(whole, range(60), draw=noise, options=options)
    index = read_index(whole)
    content = bytearray(whole.read_bytes())
    at, size = int(index.packet_offset[packet]), int(index.packet_size[packet])
    content[at + 4 : at + size] = bytes([0xFF]) * (size - 4)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    return whole, path


@pytest.mark.parametrize("packet", [12, 17])
def test_a_damaged_packet_is_named_and_spares_what_does_not_depend_on_it(tmp_path, packet):
    whole, path = damaged(tmp_path, packet)
    good = [frame for frame in range(60) if not packet <= frame < 24]
    with uncached(path) as video, uncached(whole) as intact:
        expected = intact.frames_at([frame / 25 for frame in good]).pixels
        np.testing.assert_array_equal(
            video.frames_at([frame / 25 for frame in good]).pixels, expected
        )
        for frame in range(packet, 24):
            with pytest.raises(CorruptFrame, match=r"damaged\.mp4: the frame at") as raised:
                video.frames_at([0.0, frame / 25, 2.0])
            assert raised.value.seconds == pytest.approx(frame / 25)
            assert raised.value.packet == packet
            assert raised.value.frames == (frame,)
            assert f"packet {packet}, for {packet / 25:.3f} s" in str(raised.value)
        again = pickle.loads(pickle.dumps(raised.value))
        assert (str(again), again.packet) == (str(raised.value), packet)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_damage_in_a_transport_stream_names_a_packet_and_spares_other_gops(tmp_path, share):
    whole, path = tmp_path / "whole.ts", tmp_path / "damaged.ts"
    options = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=0"}
    write_clip(whole, range(60), draw=noise, options=options)
    content = bytearray(whole.read_bytes())
    at = int(len(content) * share)
    content[at : at + 100] = b"\xff" * 100
    path.write_bytes(content)
    lost = []
    with uncached(path) as video, uncached(whole) as intact:
        for frame in range(60):
            try:
                batch = video.frames_at([frame / 25])
            except CorruptFrame as error:
                assert error.frames == (frame,) and f"packet {error.packet}, for" in str(error)
                assert error.packet <= frame < (error.packet // 12 + 1) * 12
                lost.append(frame)
            else:
                expected = intact.frames_at([frame / 25])
                np.testing.assert_array_equal(batch.pixels, expected.pixels)
    assert lost and lost == list(range(lost[0], lost[-1] + 1)) and len(lost) <= 12


def test_the_nearest_good_frame_stands_in_when_allowed(tmp_path):
    whole, path = damaged(tmp_path, 17)
    times = [frame / 25 for frame in range(60)]
    expected = [f if not 17 <= f < 24 else 16 if f <= 20 else 24 for f in range(60)]
    with uncached(whole) as intact:
        pixels = intact.frames_at([frame / 25 for frame in expected]).pixels
    with uncached(path) as video:
        for _ in range(2):
            batch = video.frames_at(times, on_error="nearest")
            assert batch.index.tolist() == expected
            assert batch.exact.tolist() == (np.arange(60) == expected).tolist()
            np.testing.assert_array_equal(batch.pixels, pixels)
    with uncached(path) as video:  # the same, asked alone
        assert video.frames_at([19 / 25], on_error="nearest").index.tolist() == [16]
        with pytest.raises(ValueError, match='on_error must be "raise" or "nearest"'):
            video.frames_at([0.0], on_error="guess")


def test_a_file_of_which_nothing_decodes_is_an_error_even_if_any_frame_would_do(tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(30), draw=noise)
    index, content = read_index(path), bytearray(path.read_bytes())
    for at, size in zip(index.packet_offset.tolist(), index.packet_size.tolist(), strict=True):
        content[at + 4 : at + size] = bytes([0xFF]) * (size - 4)
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.mp4"):
        uncached(path).frames_at([0.5], on_error="nearest")


@pytest.mark.parametrize("name", ["one-gop", "transport-stream"])
def test_a_request_has_a_deadline_and_the_video_goes_on_after_it(clip, name):
    read_index(clip(name))  # opening has the same deadline: it is remembered from here on
    video = open_video(clip(name), cache=FrameCache(0), timeout=1e-9)
    with pytest.raises(DecodeTimeout, match=r"decoding took longer than the 1e-09 s allowed"):
        video.frames_at([1.0])
    video._timeout = 60.0
    assert number_in(video.frames_at([1.0]).pixels[0]) == 25
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="timeout must be seconds above 0"):
            open_video(clip(name), timeout=wrong)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", ["short-gops", "open-gops", "irregular-mkv", "transport-stream"])
def test_threads_change_nothing(clip, name, threads):
    rng = np.random.default_rng(threads)
    with open_video(clip(name), cache=FrameCache(0), threads=threads) as video:
        for _ in range(4):
            times = rng.uniform(0, video.duration, 9)
            batch = video.frames_at(times, size=(32, 48))
            assert [number_in(picture) for picture in batch.pixels] == batch.index.tolist()
            np.testing.assert_array_equal(batch.index, read_index(clip(name)).frames_on_screen(
                np.sort(times)))  # fmt: skip


def test_an_error_in_a_helping_thread_reaches_the_caller(tmp_path):
    _, path = damaged(tmp_path, 17)
    for _ in range(10):
        with open_video(path, cache=FrameCache(0), threads=2) as video:
            with pytest.raises(CorruptFrame):
                video.frames_at([frame / 25 for frame in range(0, 60, 5)])
            assert video.frames_at([0.0, 1.2, 2.0]).index.tolist() == [0, 30, 50]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("times", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_file_or_thread_is_left_behind(clip, tmp_path, times):
    _, broken = damaged(tmp_path, 17)
    paths = [clip("short-gops"), clip("transport-stream"), broken]

    def once(number: int) -> None:
        video = open_video(paths[number % 3], cache=FrameCache(0), threads=2)
        try:
            video.frames_at([0.2, 0.9, 1.5], size=(8, 8))
        except VideoError:
            assert number % 3 == 2
        if number % 2:
            video.close()

    for number in range(30):
        once(number)
    files, threads = open_files(), threading.active_count()
    for number in range(times):
        once(number)
    # What was not closed goes with its object, once no thread has it in hand any more.
    until = time.monotonic() + 20
    while open_files() > files + 6 and time.monotonic() < until:
        gc.collect()
        time.sleep(0.05)
    assert open_files() <= files + 6
    assert threading.active_count() <= max(threads, (os.cpu_count() or 1) + 1)


def mutations(content: bytes, count: int):
    """Yield names and mutilated copies of an MP4 file."""
    rng = np.random.default_rng(4)
    for number in range(count):
        yield f"cut {number}", content[: int(rng.integers(0, len(content)))]
    for number in range(count):
        flipped = bytearray(content)
        flipped[int(rng.integers(0, len(content)))] ^= int(rng.integers(1, 256))
        yield f"flip {number}", bytes(flipped)
    moov, mdat = content.index(b"moov"), content.index(b"mdat")
    size = int.from_bytes(content[moov - 4 : moov], "big")
    yield "zeroed moov", content[: moov + 4] + bytes(size - 8) + content[moov - 4 + size :]
    for kind in (b"mvhd", b"mdhd", b"tkhd", b"elst", b"stts", b"stsz", b"stsc", b"stco", b"stss"):
        at = content.index(kind) + 12
        for value in (0, 1, 2**31, 2**32 - 1):
            wrong = content[: at + 4] + value.to_bytes(4, "big") + content[at + 8 :]
            yield f"{kind.decode()} of {value}", wrong
    head, tail = content[: moov - 4], content[moov - 4 + size :]
    yield "moov last", head + tail + content[moov - 4 : moov - 4 + size]
    swapped = bytearray(content)
    swapped[moov : moov + 4], swapped[mdat : mdat + 4] = b"mdat", b"moov"
    yield "moov and mdat swapped", bytes(swapped)
    for one, other in ((b"stts", b"stsz"), (b"stco", b"stsc"), (b"trak", b"udta")):
        if one in content and other in content:
            a, b = content.index(one), content.index(other)
            swapped = bytearray(content)
            swapped[a : a + 4], swapped[b : b + 4] = other, one
            yield f"{one.decode()} and {other.decode()} swapped", bytes(swapped)


READ_ALL = """
import json, sys, time
from pathlib import Path
import numpy as np
from sage_env.errors import VideoError
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video import open_video

found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    began = time.monotonic()
    outcome = []
    try:
        video = open_video(path, cache=FrameCache(0), timeout=5.0)
        times = np.linspace(0, min(video.duration, 1e6), 5)
    except VideoError as error:
        assert path.name in str(error), str(error)
        found[path.name] = [type(error).__name__, time.monotonic() - began]
        continue
    for on_error in ("raise", "nearest"):
        try:
            batch = video.frames_at(times, size=(16, 24), on_error=on_error)
            assert len(batch) == 5 and np.isfinite(batch.seconds).all()
            outcome.append("frames")
            break
        except VideoError as error:
            assert path.name in str(error), str(error)
            outcome.append(type(error).__name__)
    video.close()
    found[path.name] = [*outcome, time.monotonic() - began]
status = Path("/proc/self/status").read_text()  # getrusage counts the parent's memory as well
memory = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({"found": found, "kilobytes": memory}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("count", [200])
def test_a_mutilated_file_gives_frames_or_a_typed_error_in_time(tmp_path, count):
    source = write_clip(
        tmp_path / "whole.mp4", range(30), options=SHORT_GOPS, container_options=FASTSTART
    )
    folder = tmp_path / "mutilated"
    folder.mkdir()
    for name, content in mutations(source.read_bytes(), count):
        (folder / f"{name}.mp4").write_bytes(content)
    began = time.monotonic()
    child = subprocess.run(  # a crash of the decoder would take the tests along
        [sys.executable, "-c", READ_ALL, str(folder)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    result = json.loads(child.stdout.splitlines()[-1])
    outcomes = [outcome for *outcome, _ in result["found"].values()]
    assert len(outcomes) == len(list(folder.iterdir())) > 2 * count
    assert sum(outcome[0] == "frames" for outcome in outcomes) > count / 2
    assert any(outcome == ["CorruptFrame", "frames"] for outcome in outcomes)
    assert max(seconds for *_, seconds in result["found"].values()) < 12
    assert result["kilobytes"] < 600_000
    assert time.monotonic() - began < 120


def test_frames_on_the_way_are_recorded_and_serve_tolerant_requests(clip, tmp_path):
    name = "two-a-second"
    with open_video(clip(name), cache=FrameCache(0), proxy_folder=tmp_path) as video:
        exact = video.frames_at([20.0], size=(32, 48))
        assert exact.exact.all() and exact.index.tolist() == [40]
    with open_video(clip(name), cache=FrameCache(0), proxy_folder=tmp_path) as video:
        batch = video.frames_at([5.2, 40.0], size=(32, 48), tolerance=0.6)
        assert [number_in(picture) for picture in batch.pixels] == batch.index.tolist()
        assert batch.index.tolist()[0] == 10 and not batch.exact[0]
        nearer = video.frames_at([5.7], size=(32, 48), tolerance=0.9)  # decoding would take 10
        assert [number_in(picture) for picture in nearer.pixels] == nearer.index.tolist() == [12]
        decoded = video.stats.decoded
        again = video.frames_at([5.2, 12.3], size=(32, 48), tolerance=0.6)
        assert video.stats.decoded == decoded and not again.exact.any()
        untouched = video.frames_at([5.2], size=(32, 48))  # exact requests stay exact
        with uncached(clip(name)) as plain:
            np.testing.assert_array_equal(
                untouched.pixels, plain.frames_at([5.2], size=(32, 48)).pixels
            )
