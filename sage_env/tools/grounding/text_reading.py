"""Text in a picture: the PP-OCR networks, run with onnxruntime alone.

PP-OCR (Du et al. 2020, arXiv:2009.09941) finds lines of text with one small network and reads each
with another, by CTC (Graves et al. 2006). The networks and their characters come inside the package
`rapidocr`; its own code is not run, so that OpenCV is not loaded. Upright text alone is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sage_env.errors import MissingExtra
from sage_env.frames import Box
from sage_env.lazy_exports import needs_extra
from sage_env.tools.grounding.text_regions import text_boxes

PACKAGE = "rapidocr"
"""Holds the networks PP-OCRv6 small, 31 MB, and their characters; Apache-2.0."""
LONGEST_SIDE = 736
"""Pixels of a picture's longer side when lines are looked for; larger ones are made smaller."""
_MULTIPLE = 32  # sides that the first network takes
_HEIGHT = 48  # of the lines that the second network reads
_WIDEST = 2_400  # pixels of such a line
_BATCH = 8  # lines read at once
_LEAST_SCORE = 0.6  # of a line that counts as read; PP-OCR's own value is 0.5


class SeenText(NamedTuple):
    """One line of text in a picture.

    Attributes:
        text: as it was read.
        score: the mean probability of its characters, from 0 to 1.
        box: where it stands, `(x0, y0, x1, y1)` in fractions of the picture.
    """

    text: str
    score: float
    box: Box


class TextReader(Protocol):
    """What reads the text in a picture: any function of this form is one."""

    def __call__(self, pixels: NDArray[np.uint8]) -> Sequence[SeenText]:
        """Return the lines of text in reading order.

        Args:
            pixels: uint8 `(H, W, 3)`, RGB.
        """


def read_text(pixels: NDArray[np.uint8]) -> list[SeenText]:
    """Return the lines of text in a picture, in reading order, by PP-OCR.

    Args:
        pixels: uint8 `(H, W, 3)`, RGB.

    Raises:
        MissingExtra: if onnxruntime or the networks are not installed.
    """
    find, read, characters = _networks()
    height, width = pixels.shape[:2]
    seen = _fitting(pixels)
    (found,) = find.run(None, {find.get_inputs()[0].name: _planes(seen)[None]})
    scale = np.array([height, height, width, width]) / np.repeat(seen.shape[:2], 2)
    boxes = np.rint(text_boxes(found[0, 0]) * scale).astype(int)
    boxes = boxes[(boxes[:, 1] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 2])]
    lines = [_line(pixels[top:bottom, left:right]) for top, bottom, left, right in boxes]
    words = _read_lines(read, characters, lines)
    return [
        SeenText(text, score, (left / width, top / height, right / width, bottom / height))
        for (text, score), (top, bottom, left, right) in zip(words, boxes.tolist(), strict=True)
        if text.strip() and score >= _LEAST_SCORE
    ]


def _read_lines(
    network: Any, characters: Sequence[str], lines: Sequence[NDArray[np.float32]]
) -> list[tuple[str, float]]:
    """Return text and score of each line, read in batches of like widths."""
    order = sorted(range(len(lines)), key=lambda i: lines[i].shape[2])
    read: dict[int, tuple[str, float]] = {}
    for first in range(0, len(order), _BATCH):
        rows = order[first : first + _BATCH]
        widest = max(lines[i].shape[2] for i in rows)
        batch = np.zeros((len(rows), 3, _HEIGHT, widest), np.float32)
        for place, i in enumerate(rows):
            batch[place, :, :, : lines[i].shape[2]] = lines[i]
        (likely,) = network.run(None, {network.get_inputs()[0].name: batch})
        read.update(zip(rows, (_decode(one, characters) for one in likely), strict=True))
    return [read[i] for i in range(len(lines))]


def _decode(likely: NDArray[np.float32], characters: Sequence[str]) -> tuple[str, float]:
    """Return the likeliest path without repetitions and blanks, and its mean probability.

    Args:
        likely: float32 `(steps, characters)`, of which character 0 is the blank.
        characters: what each stands for.
    """
    path, certain = likely.argmax(axis=1), likely.max(axis=1)
    firsts = [next(run) for _, run in groupby(range(len(path)), key=lambda i: path[i])]
    kept = [i for i in firsts if path[i] != 0]
    if not kept:
        return "", 0.0
    return "".join(characters[path[i]] for i in kept), float(certain[kept].mean())


def _fitting(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture at a size that the first network takes."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    tall, wide = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in (height, width))
    return np.asarray(Image.fromarray(pixels).resize((wide, tall), Image.Resampling.BILINEAR))


def _line(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a line at the height that is read, float32 `(3, 48, width)`."""
    height, width = pixels.shape[:2]
    wide = min(_WIDEST, max(1, round(width * _HEIGHT / height)))
    resized = Image.fromarray(pixels).resize((wide, _HEIGHT), Image.Resampling.BILINEAR)
    return _planes(np.asarray(resized))


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels as the networks were trained on them: BGR planes from -1 to 1."""
    return np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1.0


@lru_cache(maxsize=1)
def _networks() -> tuple[Any, Any, tuple[str, ...]]:
    """Return what finds lines, what reads them, and its characters."""
    with needs_extra("reading text on screen", "tools"):
        import onnxruntime

    folder = _folder()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # as many episodes run side by side as there are cores
    options.log_severity_level = 3
    sessions = [
        onnxruntime.InferenceSession(
            str(next(folder.glob(name))), options, providers=["CPUExecutionProvider"]
        )
        for name in ("*_det_*.onnx", "*_rec_*.onnx")
    ]
    listed = sessions[1].get_modelmeta().custom_metadata_map["character"].splitlines()
    return sessions[0], sessions[1], ("", *listed, " ")


def _folder() -> Path:
    """Return the folder of the networks."""
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if any((Path(place) / "models").glob("*_rec_*.onnx")):
            return Path(place) / "models"
    raise MissingExtra(
        f"reading text on screen needs the networks inside the package {PACKAGE!r}: "
        "pip install 'sage-video-qa[tools]'"
    )
