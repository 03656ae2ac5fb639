"""What a cached picture is of, and what a store of pictures must offer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box

Picture = NDArray[np.uint8]


class FrameKey(NamedTuple):
    """What a cached picture is of.

    Attributes:
        content: names the video file and its version.
        frame: number of the frame in order of presentation, from 0.
        size: `(H, W)` of the picture, or `None` for native pixels.
        box: the region shown, or `None` for the whole picture.
    """

    content: Hashable
    frame: int
    size: tuple[int, int] | None
    box: Box | None


Decode = Callable[[list[FrameKey]], Iterable[tuple[FrameKey, Picture]]]
"""Yields the pictures of the keys it is given, uint8 `(H, W, 3)` each, in any order."""


class PictureStore(Protocol):
    """Where pictures lie that other processes can read too; `FrameStore` is one, in a folder."""

    def fetch(
        self, keys: Sequence[FrameKey], decode: Decode, deadline: float | None = None
    ) -> Iterable[tuple[FrameKey, Picture]]:
        """Yield pictures, uint8 `(H, W, 3)` each: those that are stored, the others decoded here.

        Args:
            keys: of the pictures, each once.
            decode: makes those that are not stored and that no other process is making.
            deadline: on the clock of `time.monotonic`; `None` for no limit.

        Raises:
            TimeoutError: if others take longer than the deadline allows.
        """
