"""M-RoPE: where each token stands on the time, height and width axes. No torch.

Source: multimodal rotary position embedding, arXiv 2409.12191, section 2.1; Qwen3-VL (arXiv
2511.21631) interleaves the axes within the rotary dimensions, which is the model's affair. Time is
not in the positions there but in the text before each frame, so that one frame is one step of time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Grid = tuple[int, int]
"""A frame's visual tokens as (rows, columns)."""


def mrope_positions(
    ids: NDArray[np.int64], frame_pad: int, grids: Sequence[Grid], start: int = 0
) -> tuple[NDArray[np.int64], int]:
    """Return the positions of a stretch of tokens, and the position after it.

    A text token moves all three axes on by one. The tokens of a frame share one time, count rows
    and columns from there, and move all axes on by the longer side of the frame's grid. Two text
    tokens, a frame of 2 rows and 3 columns, and a text token, from 0:

        token    a b   v v v v v v   c     after
        time     0 1   2 2 2 2 2 2   5     6
        height   0 1   2 2 2 3 3 3   5
        width    0 1   2 3 4 2 3 4   5

    Args:
        ids: int64 `(L,)`.
        frame_pad: the id that stands for a visual token.
        grids: of the frames in `ids`, in order.
        start: position of the first token.

    Returns:
        int64 `(3, L)`: time, height and width; and the position of the next token.

    Raises:
        ValueError: if the frames do not fill the visual tokens exactly.
    """
    visual = ids == frame_pad
    needed = sum(rows * columns for rows, columns in grids)
    if int(visual.sum()) != needed:
        raise ValueError(
            f"{len(grids)} frames fill {needed} visual tokens, but the ids have {visual.sum()}"
        )
    advance = np.ones(len(ids), dtype=np.int64)
    offset = np.zeros((3, len(ids)), dtype=np.int64)
    if grids:
        advance[visual] = np.concatenate([_advance(grid) for grid in grids])
        offset[1:, visual] = np.concatenate(
            [np.indices(grid).reshape(2, -1) for grid in grids], axis=1
        )
    after = start + np.cumsum(advance)
    return after - advance + offset, int(after[-1]) if len(ids) else start


def _advance(grid: Grid) -> NDArray[np.int64]:
    """Only the last token of a frame moves the axes on."""
    advance = np.zeros(grid[0] * grid[1], dtype=np.int64)
    advance[-1] = max(grid)
    return advance
