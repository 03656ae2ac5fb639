"""Pictures that a trace brings with it: opened with care, since anybody may have made them."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from algos.viewer.pictures.seen_frames import Picture

_FORMATS = ("JPEG", "PNG", "WEBP")
_MOST_PIXELS = 16_777_216
"""Pixels of a picture that is opened: 4096 by 4096, twice what cameras of 4K have. One of them
takes 48 MB; what claims more is a bomb, or nothing that a policy was shown."""


def open_picture(file: bytes) -> Picture | None:
    """Return a picture, uint8 `(h, w, 3)`; `None` for one that is broken, too large or no picture.

    The first picture of an animation is taken. Clear parts lie on black. Rotation by EXIF is not
    applied: nobody knows whether the policy's reader did.

    Args:
        file: JPEG, PNG or WebP.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of bombs and of broken tags
            with Image.open(io.BytesIO(file), formats=_FORMATS) as image:
                width, height = image.size
                if not 0 < width * height <= _MOST_PIXELS:
                    return None
                if image.has_transparency_data:
                    clear = image.convert("RGBA")
                    black = Image.new("RGBA", clear.size, "black")
                    return np.asarray(Image.alpha_composite(black, clear).convert("RGB"))
                return np.asarray(image.convert("RGB"))
    except Exception:  # Pillow has no end of errors for files that are none
        return None
