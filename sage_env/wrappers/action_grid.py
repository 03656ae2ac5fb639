"""A fixed grid of actions: each index is an answer letter, or a look relative to the cursor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from sage_env.actions.action import Action, Answer, Invalid, Sample, Skip, Zoom
from sage_env.frames import Box

CORNERS: Mapping[str, Box] = {
    "top left": (0.0, 0.0, 0.5, 0.5),
    "top right": (0.5, 0.0, 1.0, 0.5),
    "bottom left": (0.0, 0.5, 0.5, 1.0),
    "bottom right": (0.5, 0.5, 1.0, 1.0),
}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_Kind = Literal["answer", "skip", "sample", "zoom", "corner"]


@dataclass(frozen=True)
class ActionGrid:
    """A fixed list of actions, and what each means in a given situation.

    All fractions are of the whole video, in (0, 1]. In this order:

    | actions | number | by default |
    |---|---|---|
    | answer with a letter | `max_choices` | A, B, C, D |
    | skip to the start | 1 | |
    | skip ahead of the cursor | `skips` | 1/2, 1/4, 1/8, 1/16 |
    | sample the stretch from the cursor on | `samples` | 1, 1/2, 1/4, 1/8, 1/16 |
    | zoom into a window around the cursor | `zooms` | 1/4, 1/8, 1/16, 1/32 |
    | zoom into a corner, in the narrowest window | 4, or 0 without `zooms` | |

    Attributes:
        max_choices: letters that can be answered, 1 to 26.
        num_frames: frames that one look asks for.
        skips: fractions, in the order of their indices; may be empty, as the next two.
        samples: fractions.
        zooms: fractions.

    Raises:
        ValueError: if one of these is out of range.
    """

    max_choices: int = 4
    num_frames: int = 8
    skips: tuple[float, ...] = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
    samples: tuple[float, ...] = (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16)
    zooms: tuple[float, ...] = (1 / 4, 1 / 8, 1 / 16, 1 / 32)

    def __post_init__(self) -> None:
        """Refuse illegal values; lists, as read from JSON, become tuples."""
        if not 1 <= self.max_choices <= len(_ALPHABET):
            raise ValueError(f"max_choices must be from 1 to 26, got {self.max_choices}")
        if self.num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {self.num_frames}")
        for name in ("skips", "samples", "zooms"):
            fractions = tuple(float(fraction) for fraction in getattr(self, name))
            if not all(0 < fraction <= 1 for fraction in fractions):
                raise ValueError(
                    f"{name} must be fractions of the video in (0, 1], got {fractions}"
                )
            object.__setattr__(self, name, fractions)

    def __len__(self) -> int:
        """Return the number of actions."""
        return len(self._rows)

    @property
    def meanings(self) -> list[str]:
        """Return what each action does, in words."""
        return [_meaning(kind, value) for kind, value in self._rows]

    def action(self, index: int, observation: Mapping[str, Any]) -> Action | Invalid:
        """Return what action `index` is after this observation of `VideoQAEnv`.

        Sampled stretches may go beyond the end of the video: the environment cuts them there, and
        says so. A letter that the question does not have is `Invalid`.

        Raises:
            IndexError: if the index is out of range.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"expected an action from 0 to {len(self) - 1}, got {index}")
        kind, value = self._rows[index]
        cursor, duration = float(observation["cursor"]), float(observation["duration"])
        match kind, value:
            case "answer", str(letter):
                return _answer(letter, str(observation["choices"]))
            case "skip", float(fraction):
                to = min(cursor + fraction * duration, duration) if fraction else 0.0
                return Skip(to)
            case "sample", float(fraction):
                return Sample(cursor, _after(cursor, cursor + fraction * duration), self.num_frames)
            case "zoom", float(fraction):
                return Zoom(*_window(cursor, duration, fraction), self.num_frames)
            case _:
                window = _window(cursor, duration, min(self.zooms))
                return Zoom(*window, self.num_frames, CORNERS[str(value)])

    @cached_property
    def _rows(self) -> tuple[tuple[_Kind, str | float], ...]:
        rows: list[tuple[_Kind, str | float]] = []
        rows += [("answer", letter) for letter in _ALPHABET[: self.max_choices]]
        rows += [("skip", fraction) for fraction in (0.0, *self.skips)]
        rows += [("sample", fraction) for fraction in self.samples]
        rows += [("zoom", fraction) for fraction in self.zooms]
        rows += [("corner", corner) for corner in CORNERS if self.zooms]
        return tuple(rows)


def _meaning(kind: _Kind, value: str | float) -> str:
    share = value if isinstance(value, str) else f"{_written(value)} of the video"
    match kind:
        case "answer":
            return f"answer {value}"
        case "skip":
            return f"skip ahead by {share}" if value else "skip to the start"
        case "sample":
            return f"sample the next {share}"
        case "zoom":
            return f"zoom into {share} around the cursor"
        case _:
            return f"zoom into the {value} around the cursor"


def _written(fraction: float) -> str:
    """Write a fraction as `1/8` where it is a simple one."""
    simple = Fraction(fraction).limit_denominator(1000)
    return str(simple) if float(simple) == fraction else f"{fraction:.4g}"


def _answer(letter: str, choices: str) -> Action | Invalid:
    count = len(choices.split("\n")) if choices else 0
    if _ALPHABET.index(letter) < count:
        return Answer(letter)
    has = f"has the choices {', '.join(_ALPHABET[:count])}" if count else "has no choices"
    return Invalid(letter, f"the question {has}, and {letter} was answered")


def _window(cursor: float, duration: float, fraction: float) -> tuple[float, float]:
    """Return `fraction` of the video around the cursor, moved to lie inside the video."""
    width = fraction * duration
    start = max(0.0, min(cursor - width / 2, duration - width))
    return start, _after(start, start + width)


def _after(start: float, end: float) -> float:
    """Return `end`, or the next number after `start` where rounding left nothing between them."""
    return max(end, math.nextafter(start, math.inf))
