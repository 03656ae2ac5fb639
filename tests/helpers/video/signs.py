"""A video of signs that come and go, and a reader that reads them without a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import FrameBatch
from sage_env.tools.grounding.text_reading import SeenText

HEIGHT, WIDTH = 90, 160
BOX = (0.25, 0.5, 0.75, 0.7)


@dataclass(frozen=True)
class Sign:
    """A text in `BOX`, moved down by `row` tenths of the height, in `[start, end)` seconds."""

    start: float
    end: float
    text: str
    row: int = 0


class SignVideo:
    """Signs before a background that drifts, in scenes that are cut; ten frames a second.

    A sign is a pattern of its own; its number stands in the pixel at the top left, in base 2, so
    that `read` knows it. `reads` counts the frames that were read.
    """

    fps = 10.0

    def __init__(self, duration: float, signs: list[Sign], cuts: tuple[float, ...] = ()) -> None:
        self.duration, self.signs, self.cuts, self.reads = duration, signs, cuts, 0

    def frames_at(self, seconds, *, size=None, box=None) -> FrameBatch:
        times = np.sort(np.floor(np.asarray(seconds, np.float64) * 10 + 1e-6) / 10)
        height, width = size or (HEIGHT, WIDTH)
        rows = (np.arange(height) * HEIGHT // height)[:, None]
        columns = np.arange(width) * WIDTH // width
        pixels = np.stack([self.paint(float(t))[rows, columns] for t in times])
        return FrameBatch(pixels, times)

    def close(self) -> None:
        pass

    def paint(self, second: float) -> NDArray[np.uint8]:
        scene = sum(cut <= second for cut in self.cuts)
        slope = np.linspace(20, 120, WIDTH) + 6 * np.sin(second)
        picture = np.repeat(np.repeat(slope[None, :, None], HEIGHT, 0), 3, 2)
        picture = 240 - picture if scene % 2 else picture
        there = 0
        for number, sign in enumerate(self.signs):
            if sign.start <= second < sign.end:
                there |= 1 << number
                pattern = np.random.default_rng(number).integers(0, 2, (9, 20)) * 255
                top = round((BOX[1] + sign.row / 10) * HEIGHT)
                picture[top : top + 18, 40:120] = np.kron(pattern, np.ones((2, 4)))[:, :, None]
        picture[0, 0, 0] = there
        return picture.astype(np.uint8)

    def read(self, pixels: NDArray[np.uint8]) -> list[SeenText]:
        self.reads += 1
        there = int(pixels[0, 0, 0])
        x0, y0, x1, y1 = BOX
        return [
            SeenText(sign.text, 0.9, (x0, y0 + sign.row / 10, x1, y1 + sign.row / 10))
            for number, sign in enumerate(self.signs)
            if there >> number & 1
        ]
