"""Laws of `sage_env.video.index.content_kind` and `stream`: only files of video are opened."""

from __future__ import annotations

import os
import socket
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.index.content_kind import content_kind
from sage_env.video.index.stream import FORMATS, decoding_errors, open_container
from sage_env.video.video_file import open_video
from tests.helpers.clips import write_clip

# What FFmpeg plays, or tries to, though it is no video: text as pictures of its letters, files and
# addresses that a file names, still pictures. `VIDEO` stands for the name of a real one beside it.
NO_VIDEO = {
    "notes.txt": ("hello, this is legible\n" * 40, "text"),
    "notes.mp4": ("hello, this is legible\n" * 40, "text"),
    "escapes.txt": ("\x1b[1mbold\x1b[0m\n" * 40, "text"),
    "live.m3u8": ("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nVIDEO\n", "a playlist"),
    "done.m3u8": ("#EXTM3U\n#EXTINF:10,\nVIDEO\n#EXT-X-ENDLIST\n", "a playlist"),
    "playlist.mp4": ("\ufeff #EXTM3U\n#EXTINF:10,\nVIDEO\n#EXT-X-ENDLIST\n", "a playlist"),
    "joined.ffconcat": ("ffconcat version 1.0\nfile VIDEO\n", "a script that joins files"),
    "joined.mp4": ("ffconcat version 1.0\nfile VIDEO\n", "a script that joins files"),
    "session.sdp": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "a description of a live session",
    ),
    "stream.mpd": ('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', "XML"),
    "drawing.svg": ("<svg xmlns='http://www.w3.org/2000/svg'></svg>" + " " * 99, "text"),
    "said.srt": ("1\n00:00:01,000 --> 00:00:02,000\nhello\n\n" * 9, "text"),
    "said.vtt": ("WEBVTT\n\n00:01.000 --> 00:04.000\nhello\n", "text"),
    "page.html": ("<!DOCTYPE html><html></html>", "a web page"),
    "row.json": ('{"id": "q"}', "text"),
    "pointer.mp4": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS"),
}  # fmt: skip
SOON = 10.0


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("real") / "real.mp4", range(10))


@pytest.mark.parametrize("name", NO_VIDEO)
def test_what_is_no_video_is_refused_and_named(video, tmp_path, name) -> None:
    text, kind = NO_VIDEO[name]
    path = tmp_path / name
    path.write_text(text.replace("VIDEO", str(video)))
    began = time.monotonic()
    with pytest.raises(VideoError, match=f"{name}.*expected one of mp4.*found {kind}"):
        open_video(path, timeout=5.0)
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "kind"),
    [
        ("still.png", "png", "rgb24", "a PNG picture"),
        ("still.mp4", "png", "rgb24", "a PNG picture"),
        ("still.jpg", "mjpeg", "yuvj420p", "a JPEG picture"),
    ],
)
def test_still_pictures_are_no_video(tmp_path, name, codec, pixels, kind) -> None:
    coder = av.CodecContext.create(codec, "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = 16, 16, pixels, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8)).reformat(format=pixels)
    (tmp_path / name).write_bytes(b"".join(map(bytes, coder.encode(frame) + coder.encode(None))))
    with pytest.raises(VideoError, match=f"found {kind}"):
        open_video(tmp_path / name)


@pytest.mark.parametrize("brand", [b"avif", b"heic", b"mif1"])
def test_pictures_in_the_format_of_mp4_are_no_video(tmp_path, brand) -> None:
    content = write_clip(tmp_path / "one.mp4", [0]).read_bytes()  # which FFmpeg would play
    assert content[4:8] == b"ftyp"
    (tmp_path / "still.mp4").write_bytes(content[:8] + brand + content[12:])
    with pytest.raises(VideoError, match="a still picture.*found a HEIF or AVIF picture"):
        open_container(tmp_path / "still.mp4", Deadline.after(None))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and sockets")
def test_what_is_no_file_is_named_and_not_waited_for(video, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    os.symlink(tmp_path / "pipe.mp4", tmp_path / "to_pipe.mp4")
    os.symlink("/dev/zero", tmp_path / "zero.mp4")
    os.symlink(tmp_path / "round.mp4", tmp_path / "round.mp4")
    (tmp_path / "folder.mp4").mkdir()
    places = [
        ("pipe.mp4", "got a named pipe"),
        ("to_pipe.mp4", "got a named pipe"),
        ("zero.mp4", "got a device"),
        ("round.mp4", "cannot read"),
        ("folder.mp4", "got a folder"),
    ]
    for name, words in places:
        with pytest.raises(VideoError, match=words):
            open_video(tmp_path / name)
    os.symlink(video, tmp_path / "link.mp4")
    open_video(tmp_path / "link.mp4").close()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/a.mp4",
        "concat:VIDEO|VIDEO",
        "subfile:,,start,0,end,9,,:VIDEO",
        "file:VIDEO",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "-",
        "lavfi:testsrc",
        "x" * 5000,
    ],
)
def test_addresses_are_no_files(video, address, monkeypatch) -> None:
    monkeypatch.chdir(video.parent)
    monkeypatch.setattr(socket.socket, "connect", None)
    with pytest.raises(VideoError, match="cannot read this video file"):
        open_video(address.replace("VIDEO", "real.mp4"))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"), ("a.m4v", "libx264"), ("a.mov", "libx264"), ("a.3gp", "libx264"),
        ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.ts", "libx264"),
        ("a.m2ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.vob", "mpeg2video"),
        ("a.flv", "flv"), ("a.wmv", "wmv2"), ("a.mxf", "mpeg2video"), ("a.nut", "libx264"),
        ("a.ivf", "libvpx"), ("a.m2v", "mpeg2video"), ("a.rm", "rv20"),
    ],
)  # fmt: skip
def test_every_format_of_a_benchmark_is_opened_whatever_its_name(tmp_path, name, codec) -> None:
    path = write_clip(tmp_path / name, range(12), codec=codec, options={"bf": "0"}, size=(96, 128))
    renamed = path.rename(tmp_path / "notes.txt")
    with open_video(renamed) as opened:
        assert len(opened.frames_at([0.0, 0.2])) == 2


def test_the_formats_are_ffmpegs() -> None:
    known = {name for names in av.formats_available for name in names.split(",")}
    assert set(FORMATS) <= known and len(set(FORMATS)) == len(FORMATS)
    assert not set(FORMATS) & {"hls", "concat", "dash", "sdp", "tty", "image2", "lavfi", "imf"}


def test_ffmpeg_gives_up_when_the_time_is_over(video, monkeypatch) -> None:
    monkeypatch.setattr("sage_env.video.index.stream._LEAST_WAIT", 1e-9)
    with (
        pytest.raises(DecodeTimeout, match=r"real\.mp4: opening it took longer"),
        decoding_errors(video, "opening it"),
    ):
        open_container(video, Deadline.after(1e-9))
    open_container(video, Deadline.after(None)).close()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "text"),
        ("ä".encode() * 256 + b"x", "text"),  # cut inside a letter
        (b"text\x00", "data of no such format"),
        (b"\xff\xfe\x00", "data of no such format"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP picture"),
        (b"RIFF\0\0\0\0AVI LIST", "data of no such format"),
        (b"PK\x03\x04", "a ZIP archive"),
    ],
)
def test_what_first_bytes_look_like(tmp_path, head, kind) -> None:
    (tmp_path / "file").write_bytes(head)
    assert content_kind(tmp_path / "file") == kind
