"""Every planted event and as many absent ones are asked for, and what came back is counted."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from algos.evaluation.cluster_intervals import proportion_interval
from benchmarks.grounding.planted import Planted
from sage_env.actions.action import UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.tools.tool import Tool

Span = tuple[float, float]
LEAST_OVERLAP = 0.5
_LINE = re.compile(r"\[([0-9.]+) s - ([0-9.]+) s\] score ([0-9.]+) ")


class Asked(NamedTuple):
    """One call.

    Attributes:
        kind: `shown`, `said` or `absent`.
        paraphrased: whether other words than the planted ones were used.
        overlap: intersection over union of the first stretch with the event; 0 without either.
        score: of the first stretch; 0 if none was found.
        seconds: of the processor that the call took.
        query: the event as it was described.
        video: its place in the list.
    """

    kind: str
    paraphrased: bool
    overlap: float
    score: float
    seconds: float
    query: str
    video: int


def ask_all(videos: Sequence[Planted], tool: Tool) -> Iterator[Asked]:
    """Ask for every event of every video in both wordings, and for as many absent ones."""
    items = [
        QAItem(str(i), one.path, "When?", answer="-", subtitles=one.path.with_suffix(".srt"))
        for i, one in enumerate(videos)
    ]
    env = VideoQAEnv(dataset=items, tools=[tool], max_turns=1_000, call_timeout=None)
    for index, video in enumerate(videos):
        env.reset(options={"index": index})
        for kind, span, wordings in _wanted(video):
            for paraphrased, query in enumerate(wordings):
                arguments = {"event": query, "start": 0.0, "end": video.duration}
                begun = time.process_time()
                observation = env.step(UseTool(tool.name, arguments))[0]
                taken = time.process_time() - begun
                found = _spans(str(observation["text"]))
                overlap = _overlap(found[0][:2], span) if found and span else 0.0
                score = found[0][2] if found else 0.0
                yield Asked(kind, bool(paraphrased), overlap, score, taken, query, index)
    env.close()


def table(asked: Sequence[Asked], threshold: float = 0.0) -> list[str]:
    """Return a row for each kind of query: how many, how often right, the mean overlap.

    A planted event is right if the first stretch overlaps it by `LEAST_OVERLAP`, an absent one if
    nothing was found. Intervals are of 95 %, clustered by video.

    Args:
        asked: the calls.
        threshold: first stretches with a lower score count as not found.
    """
    rows = ["| events | worded | queries | right | mean overlap |", "|---|---|---|---|---|"]
    for kind in ("shown", "said", "absent"):
        for paraphrased in (False, True):
            mine = [one for one in asked if (one.kind, one.paraphrased) == (kind, paraphrased)]
            if not mine:
                continue
            right = [float(is_right(one, threshold)) for one in mine]
            interval = proportion_interval(right, [one.video for one in mine])
            known = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f})" if interval else ""
            mean = sum(one.overlap for one in mine) / len(mine)
            rows.append(
                f"| {kind} | {'in other words' if paraphrased else 'as planted'} | {len(mine)} | "
                f"{100 * sum(right) / len(mine):.0f} %{known} | "
                f"{'' if kind == 'absent' else f'{mean:.2f}'} |"
            )
    return rows


def is_right(one: Asked, threshold: float = 0.0) -> bool:
    """Return whether a call ended as it should, were the threshold this high."""
    found = one.score > 0 and one.score >= threshold
    return not found if one.kind == "absent" else found and one.overlap >= LEAST_OVERLAP


def _wanted(video: Planted) -> Iterator[tuple[str, Span | None, tuple[str, str]]]:
    """Yield the events to ask for: kind, where it is, its wordings as planted and otherwise."""
    for one in video.events:
        kind = "shown" if one.shown else "said"
        yield kind, (one.start, one.end), (one.sentence, one.described)
    for sentence, described in video.absent:
        yield "absent", None, (sentence, described)


def _spans(reply: str) -> list[tuple[float, float, float]]:
    """Return start, end and score of each line of a reply."""
    return [(float(a), float(b), float(c)) for a, b, c in _LINE.findall(reply)]


def _overlap(one: Span, other: Span) -> float:
    """Return intersection over union of two stretches."""
    common = max(0.0, min(one[1], other[1]) - max(one[0], other[0]))
    return common / (max(one[1], other[1]) - min(one[0], other[0]))
