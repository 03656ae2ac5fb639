"""Lines of a table that belong together: a policy, its play at once, its play on the clues."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult

_DIRECT = re.compile(r"uniform:([0-9]+)(?::(.+))?")


@dataclass(frozen=True, eq=False)
class EntryLine:
    """The results of one line of a table.

    Attributes:
        title: of the line.
        episodes: one result per question.
        policy: as `--policy` names it.
        control: name of the floor or ceiling that it is; `None` for none.
        budget: most frames per question, where a ladder of budgets was played.
        repeat: number of the repeat.
    """

    title: str
    episodes: Sequence[EpisodeResult]
    policy: str = ""
    control: str | None = None
    budget: int | None = None
    repeat: int = 0

    @property
    def frames(self) -> float | None:
        """Return the mean frames shown per question; `None` where they are not counted."""
        shown = [e.frames for e in self.episodes if e.error is None and e.frames is not None]
        return sum(shown) / len(shown) if shown else None


def direct_frames(policy: str) -> tuple[int, str] | None:
    """Return the frames of a DIRECT policy, and who answers: of `uniform:16:random`, 16 and random.

    Returns:
        `None` for a policy that looks as it likes; without a name, "" is who answers.
    """
    found = _DIRECT.fullmatch(policy)
    return (int(found[1]), found[2] or "") if found else None


def direct_of(line: EntryLine, lines: Sequence[EntryLine]) -> EntryLine | None:
    """Return the line of the same policy that is made to answer at once; `None` without one.

    Of several, that with as many frames as the line's budget, or nearest to what it was shown; of
    two as near, that with more.
    """
    wanted = line.budget or line.frames or 0.0
    ladder = [
        (abs(direct[0] - wanted), -direct[0], other)
        for other in lines
        if other.control is None and (direct := direct_frames(other.policy))
        if direct[1] == line.policy and other.repeat == line.repeat
    ]
    return min(ladder, key=lambda found: found[:2])[2] if ladder else None


def clue_of(line: EntryLine, lines: Sequence[EntryLine]) -> EntryLine | None:
    """Return the line of the same policy that was shown the evidence; `None` without one."""
    players = (line.policy, f"oracle:{line.policy}")
    shown = [one for one in lines if one.control == "oracle" or one.policy.startswith("oracle:")]
    return next((one for one in shown if one.policy in players and one is not line), None)
