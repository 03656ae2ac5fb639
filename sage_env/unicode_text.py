"""The space of Unicode texts, and how Gymnasium batches, flattens and shares its elements.

`gymnasium.spaces.Text` lists its characters one by one, and its functions look each of them up.
There are 1,112,064 Unicode characters, so the functions that Gymnasium dispatches on the type of a
space have versions of their own here; importing this module registers them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from ctypes import c_uint8
from typing import Any, TypeAlias, overload

import gymnasium as gym
import numpy as np
from gymnasium.spaces.utils import flatten, flatten_space, unflatten
from gymnasium.vector.utils import (
    batch_differing_spaces,
    create_empty_array,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from numpy.typing import NDArray

from sage_env.actions.action import is_unicode
from sage_env.argument_checks import is_whole

MAX_TEXT = 65_536
"""Characters of the longest text of a space that is not told another length."""
_SAMPLED = "abc xyz ÄÖÜ éñ 汉字 0123456789.?\n"
_LONGEST_SAMPLE = 32
_SURROGATES, _AFTER_SURROGATES = 0xD800, 0xE000  # code points that are no characters
_NUM_SURROGATES = _AFTER_SURROGATES - _SURROGATES
_NUM_CHARACTERS = 0x110000 - _NUM_SURROGATES
_BYTES = 4  # of one character in UTF-8, at most; also of the length that stands before a text

SharedText: TypeAlias = Any
"""The ctypes array of `create_shared_memory`; its generic type has no name at run time."""


class UnicodeText(gym.spaces.Text):
    """Texts of up to `max_length` Unicode characters, the empty one included.

    Blanks, accents, emoji, NUL and every script belong to it; a lone surrogate does not, since it
    cannot be written as UTF-8. It is a `gymnasium.spaces.Text` whose characters are all of Unicode
    (in a space of that name one would list them), so that whatever takes the one takes the other:
    wrappers, `SyncVectorEnv`, and `AsyncVectorEnv` with and without shared memory.

    | Gymnasium | of a text |
    |---|---|
    | batches | a tuple of N strings |
    | flattens | int32 (`max_length`,): numbers of characters, padded with their count |
    | shares | its UTF-8, 4 x (`max_length` + 1) bytes for each environment |

    Attributes:
        max_length: characters (code points) of the longest text.
    """

    def __init__(
        self, max_length: int = MAX_TEXT, *, seed: int | np.random.Generator | None = None
    ) -> None:
        """Make the space.

        Raises:
            ValueError: if `max_length` is not a whole number above 0.
        """
        if not is_whole(max_length) or max_length < 1:
            raise ValueError(f"max_length must be a whole number above 0, got {max_length!r}")
        self.min_length, self.max_length = 0, int(max_length)
        gym.Space.__init__(self, None, str, seed)  # Text's own would list every character

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """Draw a string of up to 32 characters; takes neither mask nor probability."""
        if mask is not None or probability is not None:
            raise ValueError("this space samples without a mask or probability: pass neither")
        longest = min(self.max_length, _LONGEST_SAMPLE)
        letters: Sequence[int] = self.np_random.integers(
            len(_SAMPLED), size=self.np_random.integers(longest + 1)
        ).tolist()
        return "".join(_SAMPLED[i] for i in letters)

    def contains(self, x: Any) -> bool:
        """Return whether `x` is a string without lone surrogates, and not too long."""
        return isinstance(x, str) and len(x) <= self.max_length and is_unicode(x)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same texts."""
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    def __repr__(self) -> str:
        """Show the length."""
        return f"UnicodeText({self.max_length})"

    @property
    def character_set(self) -> Any:
        """Return all characters; a sequence that takes no memory, as the next two."""
        return _CHARACTERS

    @property
    def character_list(self) -> Any:
        """Return all characters in the order of their numbers."""
        return _CHARACTERS

    @property
    def characters(self) -> Any:
        """Return all characters in the order of their numbers."""
        return _CHARACTERS

    def character_index(self, char: str) -> np.int32:
        """Return the number of a character."""
        return np.int32(_CHARACTERS.index(char))


class _AllCharacters(Sequence[str]):
    """The characters of Unicode in order, without the surrogates."""

    def __len__(self) -> int:
        return _NUM_CHARACTERS

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(_NUM_CHARACTERS)[index]  # refuses what is out of range
        return chr(number if number < _SURROGATES else number + _NUM_SURROGATES)

    def __contains__(self, char: object) -> bool:
        return isinstance(char, str) and len(char) == 1 and is_unicode(char)

    def index(self, char: str, start: int = 0, stop: int | None = None) -> int:
        if char not in self:
            raise ValueError(f"{char!r} is not one character of Unicode")
        code = ord(char)
        return code if code < _SURROGATES else code - _NUM_SURROGATES


_CHARACTERS = _AllCharacters()


class SharedTexts(Sequence[str]):
    """The texts of N environments as they stand in shared memory now; a deep copy is a tuple.

    `AsyncVectorEnv` reads the memory once, when it is made, and after each step returns a deep copy
    of what it has read then. Numbers are views that follow the memory; so are these texts.
    """

    def __init__(self, memory: SharedText, num_envs: int, max_length: int) -> None:
        """Look at the memory that `create_shared_memory` gave."""
        self._slots = _slots(memory, max_length)[:num_envs]

    def __len__(self) -> int:
        """Return N."""
        return len(self._slots)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return the text of one environment."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        slot = self._slots[index]
        length = int(slot[:_BYTES].view(np.uint32)[0])
        written: bytes = slot[_BYTES : _BYTES + length].tobytes()
        return written.decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        """Iterate over the texts."""
        return (self[number] for number in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Return whether these are the same texts, whatever they stand in."""
        if isinstance(other, SharedTexts | tuple | list):
            return tuple(self) == tuple(other)
        return NotImplemented

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        """Return the texts themselves."""
        return tuple(self)

    def __repr__(self) -> str:
        """Show the texts."""
        return f"SharedTexts({list(self)})"


def _slots(memory: SharedText, max_length: int) -> NDArray[np.uint8]:
    """Return the bytes of each environment: the length of its UTF-8, then the UTF-8."""
    flat = np.frombuffer(memory.get_obj(), np.uint8)
    return flat.reshape(-1, _BYTES * (max_length + 1))


@create_shared_memory.register(UnicodeText)
def _create_shared(space: UnicodeText, n: int = 1, ctx: Any = multiprocessing) -> SharedText:
    return ctx.Array(c_uint8, n * _BYTES * (space.max_length + 1))


@read_from_shared_memory.register(UnicodeText)
def _read_shared(space: UnicodeText, shared_memory: SharedText, n: int = 1) -> SharedTexts:
    return SharedTexts(shared_memory, n, space.max_length)


@write_to_shared_memory.register(UnicodeText)
def _write_shared(space: UnicodeText, index: int, value: str, shared_memory: SharedText) -> None:
    _require(space, value)
    written = np.frombuffer(value.encode("utf-8"), np.uint8)
    slot = _slots(shared_memory, space.max_length)[index]
    slot[:_BYTES].view(np.uint32)[0] = len(written)
    slot[_BYTES : _BYTES + len(written)] = written


@create_empty_array.register(UnicodeText)
def _create_empty(
    space: UnicodeText, n: int = 1, fn: Callable[..., Any] = np.zeros
) -> tuple[str, ...]:
    return ("",) * n


@batch_differing_spaces.register(UnicodeText)
def _batch_differing(spaces: Sequence[UnicodeText]) -> gym.spaces.Tuple[Any]:  # type: ignore[misc]
    return gym.spaces.Tuple(
        [deepcopy(space) for space in spaces], seed=deepcopy(spaces[0].np_random)
    )


@flatten_space.register(UnicodeText)
def _flatten_space(space: UnicodeText) -> gym.spaces.Box:
    return gym.spaces.Box(0, _NUM_CHARACTERS, (space.max_length,), np.int32)


@flatten.register(UnicodeText)
def _flatten(space: UnicodeText, x: str) -> NDArray[np.int32]:  # type: ignore[misc]
    _require(space, x)
    codes = np.frombuffer(x.encode("utf-32-le"), "<u4").astype(np.int32)
    flat = np.full(space.max_length, _NUM_CHARACTERS, np.int32)
    flat[: len(codes)] = np.where(codes < _SURROGATES, codes, codes - _NUM_SURROGATES)
    return flat


@unflatten.register(UnicodeText)
def _unflatten(space: UnicodeText, x: NDArray[Any]) -> str:  # type: ignore[misc]
    numbers = np.asarray(x).astype(np.int64)
    numbers = numbers[(numbers >= 0) & (numbers < _NUM_CHARACTERS)]
    codes = np.where(numbers < _SURROGATES, numbers, numbers + _NUM_SURROGATES)
    return codes.astype("<u4").tobytes().decode("utf-32-le")


def _require(space: UnicodeText, text: str) -> None:
    """Refuse a text that the space does not hold, instead of cutting it."""
    if text not in space:
        what = f"a text of {len(text)} characters" if isinstance(text, str) else repr(text)
        raise ValueError(
            f"{space} holds strings without lone surrogates of at most {space.max_length} "
            f"characters, got {what}: shorten it, or make the space larger"
        )
