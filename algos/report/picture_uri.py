"""A picture as an address that holds it: a page with it needs no file beside it."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def jpeg_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture, uint8 `(H, W, 3)`, as a JPEG that stands in the page itself."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
