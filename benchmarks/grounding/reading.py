"""`python -m benchmarks.grounding.reading`: how well text is read, and how long it takes.

Two lines in each picture, in Pillow's own font of 14 to 30 pixels, on soft colours with grain.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import mean, median

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.grounding.sentences import HELD_OUT
from benchmarks.provenance import header, versions
from sage_env.tools.grounding.text_reading import read_text

_SIZE = (360, 640)


@dataclass(frozen=True)
class Settings:
    """What is read."""

    pictures: int = 40
    """How many, of the seeds from 0 on."""


def picture(seed: int) -> tuple[NDArray[np.uint8], str]:
    """Return a picture, uint8 `(360, 640, 3)`, and what stands in it, from top to bottom."""
    random = np.random.default_rng(seed)
    height, width = _SIZE
    coarse = random.integers(0, 256, (5, 8, 3)).astype(np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    grain = random.normal(0, 6, (height, width, 1))
    image = Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))
    draw, lines = ImageDraw.Draw(image), []
    for top in (30, 200):
        line = HELD_OUT[int(random.integers(len(HELD_OUT)))][0]
        line = line.upper() if random.random() < 0.3 else line
        font = ImageFont.load_default(float(random.integers(14, 31)))
        left = random.integers(0, max(1, width - int(font.getlength(line))))
        place = (float(left), float(top + random.integers(0, 100)))
        draw.text(place, line, font=font, fill="white", stroke_width=2, stroke_fill="black")
        lines.append(line)
    return np.asarray(image), " ".join(lines)


def main(settings: Settings) -> None:
    """Read all pictures, and print how much is right."""
    likeness, taken = [], []
    for seed in range(settings.pictures):
        pixels, written = picture(seed)
        begun = time.process_time()
        read = " ".join(one.text for one in read_text(pixels))
        taken.append(time.process_time() - begun)
        likeness.append(SequenceMatcher(None, read, written, autojunk=False).ratio())
    lines = header(
        "Reading text in pictures",
        "benchmarks.grounding.reading",
        libraries=versions("onnxruntime", "rapidocr"),
    )
    lines += [
        f"- {settings.pictures} pictures: letters and blanks alike {100 * mean(likeness):.1f} %, "
        f"without a fault {100 * mean(one == 1 for one in likeness):.0f} %",
        f"- processor seconds of a picture, median: {median(taken):.2f}",
    ]
    print("\n".join(lines))


if __name__ == "__main__":
    main(tyro.cli(Settings))
