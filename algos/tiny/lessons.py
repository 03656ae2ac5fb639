"""Step (b): captions and look-ups, which teach reading, time alignment and retrieval.

A lesson shows labelled frames of a made-up video (a few coloured stretches on grey, like SageSynth)
and asks for one of

* a caption of each frame: `12.5 blue star; 37.5 grey empty; …`
* a look-up of each colour: what was on it and when, between which frames it lies, and around it
* a look-up of symbols: when each was first seen on a coloured backdrop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algos.sft import Example
from algos.tiny.pictures import Pictures
from policies.sage_mm.prompt import ChatTokens, render_user
from policies.sage_mm.vision import FrameEncoder
from policies.scripted import BACKDROPS, SIGHTS, Look


@dataclass(frozen=True)
class _Shown:
    look: Look
    key: bytes


class Lessons:
    """Makes lessons without end from a stock of labelled frames.

    Args:
        pictures: the stock.
        encoder: the trained tower.
        tokens: the student's chat layout.
        rng: what is random about the lessons.
    """

    def __init__(
        self,
        pictures: Pictures,
        encoder: FrameEncoder,
        tokens: ChatTokens,
        rng: np.random.Generator,
    ) -> None:
        """Encode the stock once."""
        self._tokens, self._rng = tokens, rng
        (keys,) = encoder.encode([pictures.pixels])
        rows, columns = encoder.grid_of(pictures.pixels)
        self._per_frame = rows * columns
        self._stock: dict[tuple[str, str], list[bytes]] = {}
        for key, backdrop, sight in zip(keys, pictures.backdrops, pictures.sights, strict=True):
            self._stock.setdefault((BACKDROPS[backdrop], SIGHTS[sight]), []).append(key)

    def draw(self, count: int, frames: tuple[int, int] = (6, 12)) -> list[Example]:
        """Return `count` new lessons with at least and at most so many `frames` each."""
        return [self._lesson(frames) for _ in range(count)]

    def _lesson(self, frames: tuple[int, int]) -> Example:
        shown = self._video(int(self._rng.integers(frames[0], frames[1] + 1)))
        looks = [frame.look for frame in shown]
        kind = self._rng.random()
        if kind < 0.25:
            request, reply = "List the frames.", caption(looks)
        elif kind < 0.85:
            colours = [str(c) for c in self._rng.permutation(_colours(looks))]
            request = f"Find {', '.join(colours)}."
            reply = "; ".join(find_colour(looks, colour) for colour in colours)
        else:
            symbols = [str(s) for s in self._rng.permutation(_symbols(looks))]
            request = f"Find {', '.join(symbols)}."
            reply = "; ".join(find_symbol(looks, symbol) for symbol in symbols)
        return self._example(shown, request, reply)

    def _video(self, count: int) -> list[_Shown]:
        """Make up some frames: runs of one colour, between runs of grey."""
        rng = self._rng
        colours = iter(rng.permutation(BACKDROPS[1:]))
        labels: list[tuple[str, str]] = []
        while len(labels) < count:
            if rng.random() < 0.35:
                labels += [("grey", "empty")] * int(rng.integers(1, 3))
            labels += self._run(str(next(colours, "grey")))
        duration = float(np.exp(rng.uniform(np.log(8), np.log(7200))))
        first, last = np.sort(rng.uniform(0, duration, 2)) if rng.random() < 0.4 else (0, duration)
        step = max((last - first) / count, 0.12)
        seconds = [round(first + (i + 0.5) * step, 1) for i in range(count)]
        return [
            _Shown(Look(second, *label), self._pick(label))
            for second, label in zip(seconds, labels, strict=False)
        ]

    def _run(self, colour: str) -> list[tuple[str, str]]:
        """A stretch of one colour: a symbol on all of its frames, on some or on none."""
        length = int(self._rng.choice([1, 1, 2, 2, 3, 5]))
        kind = self._rng.random()
        symbol = str(self._rng.choice(SIGHTS[1:]))
        if kind < 0.4:
            return [(colour, symbol)] * length
        run = [(colour, "empty")] * length
        if kind < 0.75:
            at = int(self._rng.integers(length))
            run[at : at + 2] = [(colour, symbol)] * len(run[at : at + 2])
        return run

    def _pick(self, label: tuple[str, str]) -> bytes:
        stock = self._stock.get(label) or self._stock["grey", "empty"]
        return stock[int(self._rng.integers(len(stock)))]

    def _example(self, shown: Sequence[_Shown], request: str, reply: str) -> Example:
        observation: dict[str, Any] = {
            "num_frames": len(shown),
            "seconds": [frame.look.second for frame in shown],
            "duration": shown[-1].look.second + 1.0,
            "turns_left": 1,
            "frames_left": 0,
            "question": request,
            "choices": "",
            "message": "",
            "text": "",
        }
        segments = render_user(observation, first=True, style=self._tokens.style)
        prompt = self._tokens.prompt(segments, self._per_frame, first=True)
        completion = self._tokens.completion(reply)
        taught = np.arange(len(prompt) + len(completion)) >= len(prompt)
        keys = tuple(frame.key for frame in shown)
        return Example(np.concatenate([prompt, completion]), taught, keys)


def caption(looks: Sequence[Look]) -> str:
    """Write what each frame shows."""
    return "; ".join(f"{k.second:.1f} {k.backdrop} {k.sight}" for k in looks)


def find_colour(looks: Sequence[Look], colour: str) -> str:
    """Write what was seen on a colour and when, from where to where it lies, and within what."""
    hits = [i for i, k in enumerate(looks) if k.backdrop == colour]
    seen = next((looks[i] for i in hits if looks[i].sight != "empty"), None)
    what = f"{seen.sight} {seen.second:.1f}" if seen else "empty"
    low, high = max(hits[0] - 1, 0), min(hits[-1] + 1, len(looks) - 1)
    inner = f"{looks[hits[0]].second:.1f} to {looks[hits[-1]].second:.1f}"
    return (
        f"{colour} {what} from {inner} within {looks[low].second:.1f} to {looks[high].second:.1f}"
    )


def find_symbol(looks: Sequence[Look], symbol: str) -> str:
    """Write when a symbol was first seen on a coloured backdrop."""
    seen = next((k for k in looks if k.sight == symbol and k.backdrop != "grey"), None)
    return f"{symbol} {seen.second:.1f}" if seen else f"{symbol} empty"


def _colours(looks: Sequence[Look]) -> list[str]:
    return sorted({k.backdrop for k in looks} - {"grey"}) or ["grey"]


def _symbols(looks: Sequence[Look]) -> list[str]:
    return sorted({k.sight for k in looks} - {"empty"}) or ["star"]
