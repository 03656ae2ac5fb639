"""An observation as arrays of fixed sizes: pictures on a contact sheet, numbers, hashed words.

Letters: F frames per observation, H W their pixels, h w the pixels of a tile, R C rows and columns
of the sheet, N choices, K places of a word hash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sage_env.wrappers.raw_space import raw_space

SMALLEST_SHEET = 36
"""Pixels on a side that the default network of Stable-Baselines3 needs (`NatureCNN`: 36 x 36)."""
_TILE = 32  # pixels on a side of a tile; a choice: 16 of them make a sheet of 128 x 128
_DAY = 86_400.0  # seconds; longer videos count as this long
_BUDGETS = ("turns_left", "frames_left")
_WORD = re.compile(r"\w+")
_BITS = 2  # places of one word: of two words that share one place few share both

Float = NDArray[np.float32]


@dataclass(frozen=True)
class NumericFeatures:
    """The arrays that an observation of `VideoQAEnv` becomes, as a pure function of it.

    | key | space | is |
    |---|---|---|
    | `frames` | uint8 (R h, C w, 3) | tiles of one picture, row by row; the rest is black |
    | `shown` | float32 (F,) | 1 for each frame that is there, else 0 |
    | `seconds` | float32 (F,) | when each is shown, as a fraction of the video; 0 for the rest |
    | `cursor` | float32 (1,) | as a fraction of the video |
    | `duration` | float32 (1,) | its logarithm: 0 is no time, 1 is a day or more |
    | `turns_left`, `frames_left` | float32 (1,) | as fractions of the budget |
    | `question` | float32 (K,) | its words: 1 at the places that they hash to, else 0 |
    | `choices` | float32 (N K,) | the same for each choice, one after the other |
    | `has_choice` | float32 (N,) | 1 for each choice that there is, else 0 |

    Every float is in [0, 1]. `message`, `text`, `picture`, and choices beyond the first N are left
    out: tiles are of whole frames, black bars included. Hashes do not depend on the process or the
    machine.

    Attributes:
        num_frames: F.
        frame_size: (H, W).
        max_turns: budget of turns.
        max_frames: budget of frames.
        tile: (h, w); frames are averaged down (or repeated up) to it.
        max_choices: N.
        hash_size: K.

    Raises:
        ValueError: if one of these is below 1, or the sheet is smaller than `SMALLEST_SHEET`.
    """

    num_frames: int
    frame_size: tuple[int, int]
    max_turns: int
    max_frames: int
    tile: tuple[int, int]
    max_choices: int = 4
    hash_size: int = 128

    def __post_init__(self) -> None:
        """Refuse illegal values; lists, as read from JSON, become tuples."""
        for name in ("frame_size", "tile"):
            value = tuple(int(x) for x in getattr(self, name))
            if len(value) != 2 or min(value) < 1:
                raise ValueError(f"{name} must be (height, width) in pixels, got {value}")
            object.__setattr__(self, name, value)
        for name in ("num_frames", "max_turns", "max_frames", "max_choices", "hash_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        height, width = self.sheet_size
        if min(height, width) < SMALLEST_SHEET:
            raise ValueError(
                f"the contact sheet would have {height} x {width} pixels, and the networks of "
                f"Stable-Baselines3 need {SMALLEST_SHEET} on each side: make tile larger than "
                f"{self.tile}"
            )

    @classmethod
    def of(
        cls,
        space: gym.Space[Any],
        *,
        tile: tuple[int, int] | None = None,
        max_choices: int = 4,
        hash_size: int = 128,
    ) -> NumericFeatures:
        """Return the features of observations in a space.

        Args:
            space: that of `VideoQAEnv`'s observations.
            tile: (h, w); by default (32, 32), or as much larger as the smallest sheet needs.
            max_choices: N.
            hash_size: K.

        Raises:
            ValueError: if `space` is another one, or a value is out of range.
        """
        space = raw_space(space, "NumericFeatures")
        count, height, width = (space["frames"].shape or ())[:3]
        if tile is None:
            rows, columns = (max(_TILE, math.ceil(SMALLEST_SHEET / n)) for n in _grid(count))
            tile = rows, columns
        turns, left = (int(cast(gym.spaces.Discrete, space[key]).n) - 1 for key in _BUDGETS)
        return cls(count, (height, width), turns, left, tile, max_choices, hash_size)

    @property
    def grid(self) -> tuple[int, int]:
        """Return (R, C)."""
        return _grid(self.num_frames)

    @property
    def sheet_size(self) -> tuple[int, int]:
        """Return (R h, C w)."""
        rows, columns = self.grid
        return rows * self.tile[0], columns * self.tile[1]

    def space(self) -> gym.spaces.Dict:
        """Return the space of `encode`'s results."""
        sizes = {
            "shown": self.num_frames,
            "seconds": self.num_frames,
            "cursor": 1,
            "duration": 1,
            "turns_left": 1,
            "frames_left": 1,
            "question": self.hash_size,
            "choices": self.max_choices * self.hash_size,
            "has_choice": self.max_choices,
        }
        spaces: dict[str, gym.Space[Any]] = {
            "frames": gym.spaces.Box(0, 255, (*self.sheet_size, 3), np.uint8)
        }
        spaces |= {key: gym.spaces.Box(0.0, 1.0, (n,), np.float32) for key, n in sizes.items()}
        return gym.spaces.Dict(spaces)

    def encode(self, observation: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return an observation of `VideoQAEnv` as arrays; it shares nothing with it.

        The sheet is uint8 `(R h, C w, 3)`, everything else float32; the class has every shape.

        Raises:
            ValueError: if its frames have another number or size than these features are for.
        """
        pixels = np.asarray(observation["frames"])
        if pixels.shape != (self.num_frames, *self.frame_size, 3):
            raise ValueError(
                f"expected frames of shape {(self.num_frames, *self.frame_size, 3)}, got "
                f"{pixels.shape}: make the environment with the frames_per_turn, overview_frames "
                "and frame_size that these features were made for"
            )
        count, duration = int(observation["num_frames"]), float(observation["duration"])
        shown, seconds = (np.zeros(self.num_frames, np.float32) for _ in range(2))
        shown[:count] = 1.0
        seconds[:count] = np.asarray(observation["seconds"])[:count] / max(duration, 1e-9)
        text = str(observation["choices"])
        choices = text.split("\n")[: self.max_choices] if text else []
        hashed = np.zeros((self.max_choices, self.hash_size), np.float32)
        has_choice = np.zeros(self.max_choices, np.float32)
        for k, choice in enumerate(choices):
            hashed[k], has_choice[k] = hash_words(choice, self.hash_size), 1.0
        return {
            "frames": self._sheet(pixels[:count]),
            "shown": shown,
            "seconds": seconds,
            "cursor": _fraction(float(observation["cursor"]), max(duration, 1e-9)),
            "duration": _fraction(math.log1p(duration), math.log1p(_DAY)),
            "turns_left": _fraction(observation["turns_left"], self.max_turns),
            "frames_left": _fraction(observation["frames_left"], self.max_frames),
            "question": hash_words(str(observation["question"]), self.hash_size),
            "choices": hashed.reshape(-1),
            "has_choice": has_choice,
        }

    def _sheet(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        sheet: NDArray[np.uint8] = np.zeros((*self.sheet_size, 3), np.uint8)
        height, width = self.tile
        for k, picture in enumerate(pixels):
            y, x = (side * n for side, n in zip(self.tile, divmod(k, self.grid[1]), strict=True))
            sheet[y : y + height, x : x + width] = _resized(picture, self.tile)
        return sheet


def hash_words(text: str, size: int) -> Float:
    """Return the places that the words of a text hash to: float32 `(size,)`, 0 or 1.

    A Bloom filter of the set of words (Bloom 1970, doi.org/10.1145/362686.362692) with 2 hashes:
    case, order and repetition do not matter.
    """
    found: Float = np.zeros(size, np.float32)
    found[list(_places(_WORD.findall(text.casefold()), size))] = 1.0
    return found


def _places(words: Iterable[str], size: int) -> set[int]:
    return {place for word in words for place in _word_places(word, size)}


@lru_cache(maxsize=1 << 14)
def _word_places(word: str, size: int) -> tuple[int, ...]:
    digest = blake2b(word.encode(errors="replace"), digest_size=8 * _BITS).digest()
    return tuple(
        int.from_bytes(digest[8 * bit : 8 * bit + 8], "little") % size for bit in range(_BITS)
    )


def _grid(count: int) -> tuple[int, int]:
    """Return the rows and columns of a sheet of so many tiles, as square as can be."""
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.shape[:2] == size:
        return picture
    image = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BOX)
    return np.asarray(image, np.uint8)


def _fraction(part: float, whole: float) -> Float:
    return np.array([min(max(part / whole, 0.0), 1.0)], np.float32)
