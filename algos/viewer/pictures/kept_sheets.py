"""Finished sheets in a folder, named by what they follow from: a page is cheap to make again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from algos.viewer.pictures.wanted_frames import QuestionFrames
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.fingerprint import fingerprint
from sage_env.storage.sealed_file import SealedContent, read_sealed, seal

_VERSION = 1
"""Raise it when the same name comes to mean another sheet."""
_LENGTH = 4
"""Bytes of the number, little-endian, that says how long the facts of a file are."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """The sheet of one question.

    Attributes:
        cell: `(width, height)`, pixels.
        across: cells in a row.
        shown: number of the look in each cell.
        file: WebP; empty where there is no picture, or only its size was asked for.
        sizes: bytes of the sheet by longest side of a picture, where that was measured.
        inexact: pictures that are of another time than was recorded.
        failed: why looks have no picture; "" where all have one.
    """

    cell: tuple[int, int] = (0, 0)
    across: int = 0
    shown: tuple[int, ...] = ()
    file: bytes = b""
    sizes: Mapping[int, int] = field(default_factory=dict)
    inexact: int = 0
    failed: str = ""


class KeptSheets:
    """A folder of sheets, bounded in bytes; one that does not work costs time and no page."""

    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        """Use a folder.

        Args:
            folder: `None` for one in the cache folder of the user.
            max_bytes: of all sheets; 0 keeps none.
        """
        self._files: BoundedFolder | None = None
        if max_bytes > 0:
            place = cache_folder() / "sheets" if folder is None else folder
            self._files = BoundedFolder(place, max_bytes, suffix=".sheet", contents="sheets")

    def get(self, name: str | None) -> Drawn | None:
        """Return the sheet of a name; `None` where they are not kept."""
        if self._files is None or name is None:
            return None
        return self._files.read(name, lambda path: read_sealed(path, _unpacked))

    def put(self, name: str | None, drawn: Drawn) -> None:
        """Keep a sheet, if all pictures are in it: what failed today may be there tomorrow."""
        if self._files is None or name is None or drawn.failed:
            return
        facts = {
            "cell": drawn.cell,
            "across": drawn.across,
            "shown": drawn.shown,
            "sizes": list(drawn.sizes.items()),
            "inexact": drawn.inexact,
        }
        told = json.dumps(facts).encode()
        parts = [len(told).to_bytes(_LENGTH, "little"), told, drawn.file]
        self._files.put(name, seal(name, parts))


def sheet_name(frames: QuestionFrames, side: int, quality: int) -> str | None:
    """Return the name of a question's sheet: hex digits; `None` if its video cannot be read.

    Args:
        frames: what is drawn.
        side: most pixels of the longer side of a picture; 0 where all are only measured.
        quality: of the sheet.
    """
    content = ""
    if frames.video is not None and any(not look.carried for look in frames.looks):
        try:
            content = _content_id(frames.video)
        except OSError:
            return None
    told = repr((_VERSION, _codecs(), content, frames.looks, side, quality))
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _content_id(path: Path) -> str:
    if not path.is_file():  # opening a pipe would wait for a writer
        raise FileNotFoundError(path)
    file = os.open(path, os.O_RDONLY)
    try:
        return fingerprint(file).content_id
    finally:
        os.close(file)


@cache
def _codecs() -> tuple[str, str]:
    """Return the versions of what decodes and encodes: another one may give other bytes."""
    return version("av"), version("pillow")


def _unpacked(content: SealedContent) -> Drawn | None:
    """Return the sheet in a file, `None` if it holds something else."""
    try:
        facts = json.loads(content.take(int.from_bytes(content.take(_LENGTH), "little")))
        width, height = facts["cell"]
        return Drawn(
            (int(width), int(height)),
            int(facts["across"]),
            tuple(int(number) for number in facts["shown"]),
            bytes(content.take(content.left)),
            {int(side): int(size) for side, size in facts["sizes"]},
            int(facts["inexact"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
