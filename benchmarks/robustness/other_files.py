"""Mutated videos of other containers, and files that are no videos whatever their name says.

The videos are judged by a sequential decode, as MP4 files are. Of what is no video nothing may be
opened: no picture may come out, no other file may be read, and nothing may hang. The other file is
a sound video beside it that playlists and scripts name: pictures prove that it was read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks.robustness.clips.graded_clips import B_FRAMES, write_graded
from benchmarks.robustness.clips.mp4_surgery import flip_bits, overwrite_run, truncate
from benchmarks.robustness.clips.sequential_check import check_reading
from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome
from sage_env.errors import VideoError
from sage_env.video import open_video

_SECONDS = 30.0
"""Seconds that one file may take."""
_MEMORY = 2 << 30
"""Bytes of address space that a worker may take."""
_IMPOSTORS = 3
"""One file in so many is no video."""

_SOURCES: dict[str, tuple[str, dict[str, str]]] = {
    "a.mkv": ("libx264", B_FRAMES),
    "b.ts": ("libx264", B_FRAMES),
    "c.avi": ("mpeg4", {"g": "10", "qscale": "2"}),
    "d.webm": ("libvpx-vp9", {"g": "10", "cpu-used": "8", "deadline": "realtime", "crf": "10"}),
    "e.mpg": ("mpeg2video", {"g": "10", "qscale": "2", "bf": "2"}),
    "f.flv": ("libx264", B_FRAMES),
}
"""The sound clips: names, encoders and their options."""

_ENDINGS = (".mp4", ".mkv", ".ts", ".avi", ".webm", ".mpg", ".flv", ".mov", ".wmv", ".m4v")


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Mutate and read files, and try what is no video; see `Campaign`.

    Args:
        tries: how many files.
        seed: of the mutations.
        folder: for the files.
    """
    os.environ["SAGE_ENV_CACHE"] = str(folder / "cache")
    for name, (codec, options) in _SOURCES.items():
        write_graded(folder / name, codec=codec, options=options)
    victim = folder / "victim.mp4"
    write_graded(victim, options=B_FRAMES)
    attempt = partial(_attempt, folder, seed)
    return run_isolated(attempt, range(tries), seconds=_SECONDS, memory=_MEMORY, prepare=_be_quiet)


def _attempt(folder: Path, seed: int, case: int) -> tuple[str, str]:
    """Try one file: a mutated video, or something else."""
    rng = np.random.default_rng([seed, case])
    if case % _IMPOSTORS == 0:
        return _try_impostor(folder, case, rng)
    names = sorted(_SOURCES)
    source = folder / names[int(rng.integers(len(names)))]
    mutation = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
    path = folder / f"case-{case}{source.suffix}"
    path.write_bytes(mutation(source.read_bytes(), rng))
    try:
        end, fault = check_reading(path)
    finally:
        path.unlink()
    return end, f"{source.suffix}, {mutation.__name__}: {fault}" if fault else ""


def _try_impostor(folder: Path, case: int, rng: np.random.Generator) -> tuple[str, str]:
    """Open what is no video, with the ending of one; return how it ended and the fault."""
    make = _MAKERS[int(rng.integers(len(_MAKERS)))]
    ending = str(rng.choice(_ENDINGS)) if rng.random() < 0.8 else _OWN_ENDING.get(make, ".mp4")
    path = folder / f"case-{case}{ending}"
    make(path, folder / "victim.mp4", rng)
    try:
        with open_video(path, timeout=5.0) as video:
            size = video.frames_at([0.0]).pixels.shape
        return "opened", f"{make.__name__} as {ending}: served a picture {size}"
    except VideoError as error:
        named = path.name in str(error)
        return "no video: VideoError", "" if named else f"the error names no file: {error}"
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def remove_run(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out up to a tenth of the file."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, max(2, len(data) // 10)))
    return data[:at] + data[at + length :]


def repeat_run(data: bytes, rng: np.random.Generator) -> bytes:
    """Put up to a tenth of the file there twice."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, max(2, len(data) // 10)))
    return data[: at + length] + data[at:]


def join_twice(data: bytes, rng: np.random.Generator) -> bytes:
    """Put the file behind a part of itself."""
    return data[: int(rng.integers(1, len(data) + 1))] + data


def odd_number(data: bytes, rng: np.random.Generator) -> bytes:
    """Put a huge or odd number somewhere into the first bytes, where headers are."""
    at, width = int(rng.integers(min(len(data), 600))), int(rng.choice([1, 2, 4, 8]))
    byte = int(rng.choice([0xFF, 0x7F, 0x80, 0]))
    return data[:at] + bytes([byte] * width) + data[at + width :]


_MUTATIONS = (flip_bits, overwrite_run, truncate, remove_run, repeat_run, join_twice, odd_number)

Maker = Callable[[Path, Path, np.random.Generator], None]


def playlist(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write a playlist (HLS) that names the other file."""
    live = "" if rng.random() < 0.5 else "#EXT-X-ENDLIST\n"
    where = other.name if rng.random() < 0.5 else str(other)
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{where}\n{live}")


def concat_script(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write a script of FFmpeg's concat demuxer that names the other file."""
    where = other.name if rng.random() < 0.5 else str(other)
    path.write_text(f"ffconcat version 1.0\nfile '{where}'\nfile '{where}'\n")


def session(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write an SDP session description, which waits for packets of a network."""
    path.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


def manifest(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write a DASH or Smooth Streaming manifest that names the other file."""
    path.write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="0" bandwidth="1"><BaseURL>{other.name}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    )


def text(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write a text, which FFmpeg can draw as legible pictures (its `tty` demuxer)."""
    path.write_text(f"{rng.integers(1000)} frame=1 fps=25 a line of a text, no video\n" * 40)


def subtitles(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write subtitles."""
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nno video\n\n" * 5)


def page(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write an HTML page that shows the other file, as a failed download leaves it."""
    path.write_text(f"<!doctype html><title>404</title><video src='{other.name}'></video>" * 20)


def still(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write one still picture, which FFmpeg plays as a video of one frame."""
    form = str(rng.choice(["PNG", "BMP", "PPM", "TIFF", "JPEG"]))
    pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path, format=form)


def noise(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write random bytes, behind the signature of a container or not."""
    heads = (
        b"",
        b"\x1aE\xdf\xa3",
        b"RIFF\xff\xff\xff\xffAVI ",
        b"FLV\x01\x05\0\0\0\x09",
        b"G@\0\x10",
    )
    path.write_bytes(heads[int(rng.integers(len(heads)))] + rng.bytes(int(rng.integers(1, 5000))))


def empty(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Write nothing."""
    path.touch()


def directory(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Make a folder."""
    path.mkdir()


def pipe(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Make a named pipe into which nobody writes."""
    os.mkfifo(path)


def device(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Make a link to a device that never ends, or is empty."""
    path.symlink_to(str(rng.choice(["/dev/zero", "/dev/null", "/dev/random"])))


def broken_link(path: Path, other: Path, rng: np.random.Generator) -> None:
    """Make a link to itself, or to nowhere."""
    path.symlink_to(path if rng.random() < 0.5 else path.parent / "nowhere.mp4")


_MAKERS: tuple[Maker, ...] = (
    playlist,
    concat_script,
    session,
    manifest,
    text,
    subtitles,
    page,
    still,
    noise,
    empty,
    directory,
    pipe,
    device,
    broken_link,
)
_OWN_ENDING: dict[Maker, str] = {
    playlist: ".m3u8",
    concat_script: ".ffconcat",
    session: ".sdp",
    manifest: ".mpd",
    text: ".txt",
    subtitles: ".srt",
    page: ".html",
    still: ".png",
}
"""The ending that files of a kind have, by which FFmpeg may choose how to read them."""


def _be_quiet() -> None:
    """Keep FFmpeg's own messages about broken files to itself."""
    av.logging.set_level(None)
