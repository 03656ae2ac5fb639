"""The key of a cached picture, and the protocol of a store of pictures."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box

Picture = NDArray[np.uint8]
"""Pixels of one frame, uint8 `(H, W, 3)`, RGB."""


class FrameKey(NamedTuple):
    """The identity of a cached picture: file, frame, size and region.

    Attributes:
        content: names the video file and its version.
        frame: number of the frame in order of presentation, from 0.
        size: `(H, W)` of the picture, or `None` for native pixels.
        box: the region shown, or `None` for the whole picture.
        native: `(H, W)` of the picture where `size` is `None`; `None` if that is not known.
    """

    content: Hashable
    frame: int
    size: tuple[int, int] | None
    box: Box | None
    native: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int] | None:
        """Return `(H, W)` of the picture, `None` if that is not known."""
        return self.native if self.size is None else self.size


Decode = Callable[[list[FrameKey]], Iterable[tuple[FrameKey, Picture]]]
"""Yields the pictures of the keys that it is given, in any order; it may add others."""


class FetchedPicture(NamedTuple):
    """A picture that a store brings.

    Attributes:
        key: what it is of.
        picture: uint8 `(H, W, 3)`.
        decoded: whether it was decoded for this request, rather than found in the store.
    """

    key: FrameKey
    picture: Picture
    decoded: bool


class PictureStore(Protocol):
    """A store of pictures that other processes can read too; `FrameStore` is one, in a folder."""

    def fetch(
        self, keys: Sequence[FrameKey], decode: Decode, deadline: float | None = None
    ) -> Iterable[FetchedPicture]:
        """Yield pictures, uint8 `(H, W, 3)`: those that are stored, the others decoded here.

        Args:
            keys: of the pictures, each once.
            decode: makes those that are not stored and that no other process is making.
            deadline: seconds on the clock of `time.monotonic`; `None` for no limit.

        Raises:
            TimeoutError: if others take longer than the deadline allows.
        """
