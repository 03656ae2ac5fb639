"""The frames of a planned video with the captions of its script written on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from sage_env.rendering.lettering import font
from sage_env.synth.plan import VideoPlan
from sage_env.synth.render import Image, render_frames
from sage_env.synth.spoken.script import Script

_LETTERS = 0.085
"""Height of the font as a fraction of the picture's: 19 pixels of 224, capitals of 14."""
_EDGE = 0.04
"""From the picture's edge to the plate, as a fraction of its side."""
_PLATE, _INK = (245, 245, 245), (10, 10, 10)


def captioned_frames(plan: VideoPlan, script: Script, side: int) -> Iterator[Image]:
    """Draw every frame of a video in order, captions on top: uint8 `(side, side, 3)` each."""
    for image, second in zip(render_frames(plan, side), plan.times.tolist(), strict=True):
        for caption in script.captions:
            if caption.start <= second < caption.end:
                plate = _plate(caption.text, side)
                height, width = plate.shape[:2]
                edge, left = round(_EDGE * side), (side - width) // 2
                top = edge if caption.at_top else side - edge - height
                image[top : top + height, left : left + width] = plate
        yield image


@lru_cache(maxsize=64)
def _plate(text: str, side: int) -> NDArray[np.uint8]:
    """Return a text in dark letters on a light plate: uint8 `(height, width, 3)`."""
    letters = font(round(_LETTERS * side))
    left, _, right, _ = letters.getbbox(text, anchor="ls")
    ascent, descent = letters.getmetrics()
    pad = round(0.3 * ascent)
    size = (round(right - left) + 2 * pad, ascent + descent + pad)
    plate = PillowImage.new("RGB", size, _PLATE)
    ImageDraw.Draw(plate).text(
        (pad - left, ascent + pad // 2), text, fill=_INK, font=letters, anchor="ls"
    )
    return np.asarray(plate)
