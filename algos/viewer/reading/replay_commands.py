"""What-if: commands that play an episode again from one of its turns, with something changed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from algos.rollout.trajectory import Trajectory

TURN = "{turn}"
"""Stands where the number of a turn goes."""


def replay_commands(
    replay: Sequence[str], question: str, trajectory: Trajectory, others: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Return labels and commands; none where `sage-vqa replay` could not play the episode.

    Args:
        replay: arguments that name the run and the entry; empty for none.
        question: its id.
        trajectory: the episode.
        others: names of policies that may play on instead.
    """
    words = [*replay, question, *others]
    if not replay or trajectory.error is not None or not trajectory.turns or not _typable(words):
        return []
    start = ["sage-vqa", "replay", *replay, *_option("--question", question)]
    frames = trajectory.conditions.max_frames or 32
    found = [
        ("As it was, from this turn on", "--turn {turn}"),
        ("With twice the frames", f"--turn {TURN} --max-frames {2 * frames}"),
        ("Without what this turn showed", f"--drop {TURN}"),
        ("Sampled with another seed", f"--turn {TURN} --temperature 1 --seed 1"),
    ]
    found += [(f"{name} from the start", f"--policy {_word(name)}") for name in others]
    return [(label, f"{' '.join(map(_word, start))} {rest} --html") for label, rest in found]


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _typable(words: Sequence[str]) -> bool:
    """Return whether a shell and a terminal take these: no NUL, no lone surrogate."""
    text = "".join(words)
    return "\0" not in text and text == text.encode(errors="replace").decode()


def _word(text: str) -> str:
    """Return one word of a command as a shell reads it; no turn's number goes into it."""
    return shlex.quote(text).replace(TURN, "{tur''n}")
