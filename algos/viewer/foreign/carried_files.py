"""Pictures that a trace carries: written in it, or files of its own folder. Nothing is fetched.

A path that leads out of the folder, by `..` or by a link, is not followed; what is no JPEG, PNG or
WebP, or is larger than a picture of a video gets, is left out and counted.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.viewer.foreign.loose_values import first, mapping

LARGEST = 8 * 2**20
"""Bytes of one picture."""
MOST_PIXELS = 40_000_000
ALL = 128 * 2**20
"""Bytes of all pictures of one question."""
_ATTACHED = "attachment://"
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")


@dataclass
class CarriedPictures:
    """The pictures of one question, as its trace refers to them.

    Attributes:
        folder: of the trace; `None` where no picture is wanted.
        images: of the record, for messages that only count theirs.
        attachments: of the record by name: what `attachment://NAME` stands for (inspect_ai).
        left_out: how many there were that could not be taken.
    """

    folder: Path | None
    images: list[Any] = field(default_factory=list)
    attachments: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    _taken: int = 0
    _next: int = 0

    def next_image(self) -> Any:
        """Return the next of `images`, for a picture that a message only marks."""
        self._next += 1
        return self.images[self._next - 1] if self._next <= len(self.images) else None

    def bytes_of(self, source: Any) -> bytes | None:
        """Return a picture as the bytes of its file; `None` where the trace does not carry it.

        Args:
            source: a data URI, a path, an object with `url`, `path`, `data` or `bytes`.
        """
        if self.folder is None or source is None:
            return None
        data = self._data(source)
        if data is None or not self._fits(data):
            self.left_out += 1
            return None
        self._taken += len(data)
        return data

    def _data(self, source: Any) -> bytes | None:
        if isinstance(source, Mapping):
            inner = first(mapping(source), "url", "data", "bytes", "path", "image")
            written = inner is not None and inner in (source.get("data"), source.get("bytes"))
            if written and isinstance(inner, str) and not inner.startswith("data:"):
                return _decoded(inner) if len(inner) <= 2 * LARGEST else None
            return None if isinstance(inner, Mapping) else self._data(inner)
        if not isinstance(source, str) or len(source) > 2 * LARGEST:
            return None
        if source.startswith(_ATTACHED):
            source = str(self.attachments.get(source.removeprefix(_ATTACHED), ""))
        if source.startswith("data:"):
            head, _, body = source.partition(",")
            return _decoded(body) if head.startswith("data:image/") and "base64" in head else None
        if len(source) > 4096:
            return _decoded(source)
        return self._file(source)

    def _file(self, name: str) -> bytes | None:
        if self.folder is None or "\0" in name or "://" in name.removeprefix("file://"):
            return None
        try:
            folder = self.folder.resolve()
            path = (folder / name.removeprefix("file://")).resolve()
            if not path.is_relative_to(folder) or not path.is_file():
                return None
            if path.stat().st_size > LARGEST:
                return None
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError):  # a loop of links, or no name of a file
            return None

    def _fits(self, data: bytes) -> bool:
        if len(data) > LARGEST or self._taken + len(data) > ALL or not data.startswith(_MAGIC):
            return False
        return picture_size(data) is not None


def _decoded(body: str) -> bytes | None:
    try:
        return base64.b64decode(body, validate=False)
    except (ValueError, binascii.Error):
        return None


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return `(H, W)` of a picture by its head; `None` if it is none, or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
                height, width = image.height, image.width
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    return (height, width) if 0 < height * width <= MOST_PIXELS else None
