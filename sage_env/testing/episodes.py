"""The episodes that plug-ins are checked in: a few questions, and ways to go about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sage_env.actions.action import Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.datasets.item import QAItem

ITEMS = (
    QAItem(
        "which",
        Path("60.memory"),
        "Which symbol appears?",
        ("moon", "star", "drop"),
        "star",
        "mcq",
        ((20.0, 24.0), (40.0, 41.0)),
        60.0,
        {"family": "needle", "bucket": "0-60"},
    ),
    QAItem("when", Path("600.memory"), "When does it rain?", (), "301", tolerance=2.0),
    QAItem("who", Path("10.memory"), "Who speaks?", (), "the fox", aliases=("Reynard",)),
    QAItem("where", Path("3600.memory"), "From when on?", (), "12:30", "ground", ((750.0, 760.0),)),
)
"""Questions of every kind, for `sage_env.testing.open_memory`."""
_WRONG = "none of these"


def ways(item: QAItem, duration: float, turns: int) -> Iterator[list[Action | Invalid]]:
    """Yield sequences of `turns` actions that end the item's episode in every way there is.

    Args:
        item: the question.
        duration: seconds of its video.
        turns: how long each sequence is; the episode may end before.
    """
    half, tenth = duration / 2, duration / 10
    glance, box = Sample(0.0, duration, 4), (0.0, 0.25, 0.5, 1.0)
    right, wrong = Answer(item.answer, item.evidence), Answer(_WRONG)
    mistakes: list[Action | Invalid] = [
        Invalid("zoom!", "no JSON object was found"),
        UseTool("no_such_tool", {"query": "?"}),
        Zoom(2 * duration, 3 * duration, 4),
        Sample(half, 2 * duration, 1_000),
    ]
    starts: Sequence[list[Action | Invalid]] = [
        [right],
        [wrong],
        [glance, Zoom(half, half + tenth, 3, box), Skip(half), right],
        [glance, glance, glance, wrong],
        [*mistakes, right],
        [glance] * turns,
        [*mistakes[:1]] * turns,
        [*mistakes * turns],
    ]
    for start in starts:
        yield [*start, *[Skip(half)] * turns][:turns]
