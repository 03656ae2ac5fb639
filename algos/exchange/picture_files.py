"""Pictures of observations as files, one for each content."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sage_env.storage.atomic_file import atomic_write

Encoding = Literal["png", "jpeg"]
QUALITY = 90
"""Of JPEG, of Pillow's 0 to 95: as `ChatObservations` has it."""
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}


def encoded(picture: NDArray[np.uint8] | Image.Image, encoding: Encoding) -> bytes:
    """Return a picture, uint8 `(H, W, 3)` or of Pillow, as the bytes of a file.

    PNG is exact; JPEG is smaller.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    if encoding == "png":
        image.save(buffer, "PNG", compress_level=3)
    else:
        image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


@dataclass
class PictureFolder:
    """A folder of pictures whose names are digests of their bytes: none is written twice.

    Attributes:
        folder: where they are written; made with the first.
        encoding: of all of them.
        beside: what the returned names are relative to.
    """

    folder: Path
    encoding: Encoding = "png"
    beside: Path = field(default_factory=Path)

    def add(self, picture: NDArray[np.uint8] | Image.Image) -> str:
        """Write a picture, uint8 `(H, W, 3)`; return its path below `beside`, with slashes."""
        data = encoded(picture, self.encoding)
        name = hashlib.blake2b(data, digest_size=12).hexdigest()
        path = self.folder / f"{name}.{'jpg' if self.encoding == 'jpeg' else 'png'}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, data)
        return path.relative_to(self.beside).as_posix()
