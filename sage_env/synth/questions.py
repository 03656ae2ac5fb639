"""The questions that a planned video raises, with exact answers and evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.item import QAItem
from sage_env.synth.plan import STREAMS, VERSION, Event, Scene, VideoPlan
from sage_env.synth.symbols import SYMBOLS
from sage_env.timeline import Span

CORE = ("glance", "needle", "when")
"""Families of the tier `core`."""
FAMILIES = (*CORE, "order", "count", "detail")
"""All families; those beyond `CORE` are of the tier `hard`."""

_WORDING: dict[str, tuple[str, ...]] = {
    "glance": (
        "Which symbol stays on the {colour} backdrop?",
        "What symbol rests on the {colour} backdrop?",
    ),
    "needle": (
        "Which symbol flashes on the {colour} backdrop?",
        "What symbol blinks on the {colour} backdrop?",
    ),
    "when": (
        "When does a symbol flash on the {colour} backdrop, in seconds?",
        "At which second does a symbol blink on the {colour} backdrop?",
    ),
    "order": (
        "Which symbol is shown first, the {first} or the {second}?",
        "Which symbol comes first, the {first} or the {second}?",
    ),
    "count": (
        "How many times does a symbol flash on the {colour} backdrop?",
        "How many times does a symbol blink on the {colour} backdrop?",
    ),
    "detail": (
        "Which tiny mark is in the {corner} corner of the {colour} backdrop?",
        "What tiny mark is in the {corner} corner of the {colour} backdrop?",
    ),
}


class _Writer:
    """Words the questions of one video; draws wording and choices from its own generator."""

    def __init__(self, plan: VideoPlan, video: Path, seed: int) -> None:
        split, index = plan.name.split("/")
        self.plan, self.video = plan, video
        self.prefix = f"{split}-{index}"
        self.rng = np.random.Generator(
            np.random.Philox([VERSION, seed, STREAMS[split], int(index), 1])
        )
        self.items: list[QAItem] = []

    def add(
        self,
        family: str,
        answer: str,
        events: tuple[Event, ...],
        choices: tuple[str, ...] = (),
        tolerance: float | None = None,
        **words: str,
    ) -> None:
        wording = _WORDING[family]
        spans: tuple[Span, ...] = tuple((event.start, event.end) for event in events)
        self.items.append(
            QAItem(
                id=f"{self.prefix}-{family}-{len(self.items)}",
                video=self.video,
                question=wording[int(self.rng.integers(len(wording)))].format(**words),
                choices=choices,
                answer=answer,
                kind="mcq" if choices else "open",
                evidence=spans,
                duration=self.plan.duration,
                group={
                    "family": family,
                    "tier": "core" if family in CORE else "hard",
                    "bucket": bucket_of(self.plan.duration),
                },
                tolerance=tolerance,
            )
        )

    def choices(self, answer: str) -> tuple[str, ...]:
        """Return four symbols in random order with the answer among them; half of the time none."""
        if self.rng.random() < 0.5:
            return ()
        others = self.rng.permutation([name for name in SYMBOLS if name != answer])[:3]
        return tuple(str(name) for name in self.rng.permutation([answer, *others]))


def _glance(writer: _Writer, scene: Scene) -> None:
    name = scene.events[0].symbol
    writer.add("glance", name, scene.events, writer.choices(name), colour=str(scene.colour))


def _flash(writer: _Writer, scene: Scene) -> None:
    event = scene.events[0]
    colour = str(scene.colour)
    writer.add("needle", event.symbol, scene.events, writer.choices(event.symbol), colour=colour)
    middle = round((event.start + event.end) / 2, 2)
    half = round((event.end - event.start) / 2 + 0.1, 2)
    writer.add("when", f"{middle}", scene.events, tolerance=half, colour=colour)


def _count(writer: _Writer, scene: Scene) -> None:
    writer.add("count", str(len(scene.events)), scene.events, colour=str(scene.colour))


def _detail(writer: _Writer, scene: Scene) -> None:
    (event,) = scene.events
    choices = writer.choices(event.symbol)
    colour, corner = str(scene.colour), str(event.corner)
    writer.add("detail", event.symbol, scene.events, choices, colour=colour, corner=corner)


_BY_KIND: dict[str, Callable[[_Writer, Scene], None]] = {
    "stay": _glance,
    "flash": _flash,
    "flashes": _count,
    "mark": _detail,
}


def _order(writer: _Writer, scenes: list[Scene]) -> None:
    """Ask which of two staying symbols came first, in either order of mention."""
    first, second = (scene.events[0] for scene in scenes[:2])
    swapped = bool(writer.rng.random() < 0.5)
    names = (second.symbol, first.symbol) if swapped else (first.symbol, second.symbol)
    events = (first, second)
    writer.add("order", first.symbol, events, names, first=names[0], second=names[1])


def ask(plan: VideoPlan, video: Path, seed: int = 0) -> list[QAItem]:
    """Return all questions about a video.

    Args:
        plan: of the video.
        video: where its file is, or will be.
        seed: of the whole set; wording and choices are drawn apart from the plan.
    """
    writer = _Writer(plan, video, seed)
    scenes = [scene for scene in plan.scenes if scene.colour is not None]
    for scene in scenes:
        _BY_KIND[scene.kind](writer, scene)
    stays = [scene for scene in scenes if scene.kind == "stay"]
    if len(stays) >= 2:
        _order(writer, stays)
    return writer.items
