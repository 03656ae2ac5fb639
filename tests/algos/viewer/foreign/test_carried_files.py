"""Laws of `algos.viewer.foreign`: `carried_files` (only a trace's own pictures), `named_videos`."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import pytest

from algos.viewer.foreign import carried_files
from algos.viewer.foreign.carried_files import CarriedPictures
from algos.viewer.foreign.named_videos import NamedVideos
from tests.helpers.viewer.traces import data_uri, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside.png").write_bytes(picture("green"))
    inside = tmp_path / "trace"
    (inside / "images").mkdir(parents=True)
    (inside / "images" / "a.png").write_bytes(picture())
    (inside / "link.png").symlink_to(tmp_path / "outside.png")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "up").symlink_to(tmp_path)
    (inside / "text.png").write_bytes(b"not a picture")
    return inside


def test_pictures_in_the_trace_and_in_its_folder_are_taken(folder: Path) -> None:
    pictures = CarriedPictures(folder, attachments={"k": data_uri()})
    bare = base64.b64encode(picture()).decode()
    sources = [
        data_uri(),
        {"url": data_uri()},
        {"type": "base64", "data": data_uri()},
        {"type": "base64", "media_type": "image/png", "data": bare},  # Anthropic's, however short
        {"bytes": bare, "path": "/etc/hostname"},
        "images/a.png",
        f"file://{folder}/images/a.png",
        {"bytes": None, "path": "images/../images/a.png"},
        "attachment://k",
        bare + "A" * (4 * (4100 - len(bare)) // 4),
    ]
    assert [pictures.bytes_of(source) == picture() for source in sources[:-1]] == [True] * 9
    assert pictures.left_out == 0


@pytest.mark.parametrize(
    "source",
    [
        "../outside.png",
        "link.png",
        "loop.png",
        "up/outside.png",
        "images/../../outside.png",
        "https://example.com/a.png",
        "http://127.0.0.1/a.png",
        "//host/a.png",
        "file:///etc/hostname",
        "/etc/hostname",
        "text.png",
        "images",
        "nowhere.png",
        "a\0b",
        "attachment://none",
        "data:image/png;base64,!!!!",
        "data:text/html;base64," + base64.b64encode(picture()).decode(),
        "x" * 300,
        "",
    ],
)
def test_nothing_else_is(folder: Path, source: str) -> None:
    pictures = CarriedPictures(folder)
    assert pictures.bytes_of(source) is None and pictures.left_out == 1


def huge_png() -> bytes:
    """Return a small PNG that says that it is 8,000 pixels wide and high."""
    head = struct.pack(">IIBBBBB", 8_000, 8_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0d" + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


def test_pictures_are_bounded_each_and_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "huge.png").write_bytes(huge_png())
    assert CarriedPictures(folder).bytes_of("huge.png") is None
    monkeypatch.setattr(carried_files, "ALL", 2 * len(picture()))
    pictures = CarriedPictures(folder)
    taken = [pictures.bytes_of("images/a.png") is not None for _ in range(3)]
    assert taken == [True, True, False] and pictures.left_out == 1
    monkeypatch.setattr(carried_files, "LARGEST", 10)
    assert CarriedPictures(folder).bytes_of("images/a.png") is None


def test_no_picture_is_read_where_none_is_wanted() -> None:
    pictures = CarriedPictures(None)
    assert pictures.bytes_of(data_uri()) is None and pictures.left_out == 0


def test_videos_are_found_by_path_name_and_id(tmp_path: Path) -> None:
    beside, given = tmp_path / "trace", tmp_path / "videos"
    for path in (beside / "own.mp4", given / "a" / "v1.mp4", given / "b.webm", given / "c.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    finder = NamedVideos(given)
    for name in ("/data/elsewhere/v1.mp4", "v1.mp4", "v1", "C:\\videos\\v1.mp4"):
        assert finder.find(name, beside) == given / "a" / "v1.mp4", name
    assert finder.find("b", beside) == given / "b.webm"
    for name in ("c.txt", "own.mp4", None, "", "a\0b", "x" * 5000):
        assert finder.find(name, beside) is None, name
    alone = NamedVideos(None)
    assert alone.find("/data/own.mp4", beside) == alone.find("own", beside) == beside / "own.mp4"
    assert alone.find("../videos/b.webm", beside) is None
    assert NamedVideos(given / "b.webm").find(None, beside) == given / "b.webm"
