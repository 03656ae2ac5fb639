"""Lines of text as boxes, from a map that says for each pixel how likely it is text.

The map is that of Differentiable Binarization (Liao et al. 2020, arXiv:1911.08947, section 3.5): a
region of text is shrunk in it, so each box is grown again by an offset of area times a ratio over
perimeter. Boxes are upright: text that stands at an angle is boxed with what is around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TEXT = 0.3  # a pixel is text above it; this and the next two are PP-OCR's own values
_LEAST_MEAN = 0.5  # of the map inside a box
_GROWTH = 1.6
_LEAST_SIDE = 3  # pixels of the map


def text_boxes(probability: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the boxes of text, int64 `(N, 4)`: top, bottom, left, right, half-open, in pixels.

    They are in reading order: from top to bottom, and from left to right where the tops are level.

    Args:
        probability: float32 `(H, W)`, from 0 to 1.
    """
    height, width = probability.shape
    found = []
    for top, bottom, left, right in _components(probability > _TEXT):
        rows, columns = bottom - top, right - left
        if min(rows, columns) < _LEAST_SIDE:
            continue
        if probability[top:bottom, left:right].mean() < _LEAST_MEAN:
            continue
        offset = round(rows * columns * _GROWTH / (2 * (rows + columns)))
        found.append(
            (
                max(0, top - offset),
                min(height, bottom + offset),
                max(0, left - offset),
                min(width, right + offset),
            )
        )
    return np.array(_reading_order(found), np.int64).reshape(-1, 4)


def _reading_order(boxes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Sort boxes by rows, then by columns: a box is in a row whose first box it is level with."""
    rows: list[list[tuple[int, int, int, int]]] = []
    for box in sorted(boxes):
        top, bottom = box[:2]
        if rows and (top + bottom) / 2 < rows[-1][0][1]:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row, key=lambda one: one[2])]


def _components(mask: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Return the bounds of the connected parts of a mask, neighbours by corners included.

    Runs of each row are joined with those of the row before that they touch: text is few, long
    runs, so that no pixel is looked at in Python.
    """
    parent: list[int] = []
    bounds: list[list[int]] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above: list[tuple[int, int, int]] = []
    for row in np.flatnonzero(mask.any(axis=1)).tolist():
        runs = []
        if above and bounds[above[0][2]][1] < row:  # an empty row between them
            above = []
        for left, right in _runs(mask[row]):
            label = len(parent)
            parent.append(label)
            bounds.append([row, row + 1, left, right])
            for other_left, other_right, other in above:
                if other_left <= right and left <= other_right:
                    parent[root(other)] = root(label)
            runs.append((left, right, label))
        above = runs
    merged: dict[int, list[int]] = {}
    for label, (top, bottom, left, right) in enumerate(bounds):
        whole = merged.setdefault(root(label), [top, bottom, left, right])
        whole[0], whole[1] = min(whole[0], top), max(whole[1], bottom)
        whole[2], whole[3] = min(whole[2], left), max(whole[3], right)
    return [(box[0], box[1], box[2], box[3]) for box in merged.values()]


def _runs(row: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where a row is True: `[left, right)` of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    return [(int(left), int(right)) for left, right in edges.reshape(-1, 2)]
