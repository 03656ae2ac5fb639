"""Step (b): lessons, captions and look-ups that train reading, time alignment and retrieval.

A lesson shows labelled frames of a made-up video (a few coloured stretches on grey, like SageSynth)
and asks for a caption of each frame, `12.5 blue star; 37.5 grey empty; …`, or for look-ups,
`red at 37.5; star at 37.5; red after 12.5; …`: which symbol was on a colour (`what`), when (`at`),
from where to where the colour lies, after which frame it begins and before which it ends. They
come in random order: in a fixed order each time could be guessed from the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algos.sft.examples import Example
from algos.tiny.pictures import Pictures
from policies.baselines.reading_head import BACKDROPS, SIGHTS
from policies.baselines.scripted import FrameReading
from policies.prompt import render_user
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.frame_encoder import FrameEncoder

CAPTIONS = 0.05  # share of lessons: captions need no retrieval, and each takes a look-up's place
LOOK_UPS = 12  # most of one lesson: it bounds the length of a reply, and so of a batch


@dataclass(frozen=True)
class _Shown:
    reading: FrameReading
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
        """Return `count` new lessons; `frames` are the least and the most frames of each."""
        return [self._lesson(frames) for _ in range(count)]

    def _lesson(self, frames: tuple[int, int]) -> Example:
        shown = self._video(int(self._rng.integers(frames[0], frames[1] + 1)))
        readings = [frame.reading for frame in shown]
        if self._rng.random() < CAPTIONS:
            request, reply = "List the frames.", caption(readings)
        else:
            found = look_ups(readings)
            picked = self._rng.permutation(len(found))[:LOOK_UPS]
            request = f"Find {', '.join(_colours(readings))}."
            reply = "; ".join(found[i] for i in picked)
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
            _Shown(FrameReading(second, *label), self._pick(label))
            for second, label in zip(seconds, labels, strict=False)
        ]

    def _run(self, colour: str) -> list[tuple[str, str]]:
        """Make up a stretch of one colour: a symbol on all of its frames, on some or on none."""
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
            "seconds": [frame.reading.second for frame in shown],
            "duration": shown[-1].reading.second + 1.0,
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
        loss_mask = np.arange(len(prompt) + len(completion)) >= len(prompt)
        keys = tuple(frame.key for frame in shown)
        return Example(np.concatenate([prompt, completion]), loss_mask, keys)


def caption(readings: Sequence[FrameReading]) -> str:
    """Write what each frame shows."""
    return "; ".join(f"{k.second:.1f} {k.backdrop} {k.sight}" for k in readings)


def look_ups(readings: Sequence[FrameReading]) -> list[str]:
    """Write all that can be asked about colours, and about symbols on a coloured backdrop."""
    found: list[str] = []
    for colour in _colours(readings):
        hits = [i for i, k in enumerate(readings) if k.backdrop == colour]
        seen = next((readings[i] for i in hits if readings[i].sight != "empty"), None)
        first, last = hits[0], hits[-1]
        found += [
            f"{colour} what {seen.sight if seen else 'empty'}",
            f"{colour} at {seen.second:.1f}" if seen else f"{colour} at empty",
            f"{colour} from {readings[first].second:.1f}",
            f"{colour} to {readings[last].second:.1f}",
            f"{colour} after {readings[first - 1].second if first else 0.0:.1f}",
            f"{colour} before {readings[min(last + 1, len(readings) - 1)].second:.1f}",
        ]
    seconds: dict[str, float] = {}
    for k in readings:
        if k.backdrop != "grey" and k.sight != "empty":
            seconds.setdefault(k.sight, k.second)
    return found + [f"{symbol} at {second:.1f}" for symbol, second in seconds.items()]


def _colours(readings: Sequence[FrameReading]) -> list[str]:
    return sorted({k.backdrop for k in readings} - {"grey"}) or ["grey"]
