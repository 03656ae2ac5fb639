"""The sampled tokens of some questions of an evaluation, kept as its episodes end.

Trajectories are stored without tokens; of a few questions the text of what was sampled and its
log-probs are worth their bytes. The same questions are kept in every part of an evaluation that is
interrupted, and by every policy that is asked the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.runs.line_index import LineIndex
from algos.runs.run_folder import RunFolder
from algos.runs.token_records import TOKENS, line_name, record_json, tokens_path, turn_record
from policies.token_pieces import ReadsText

MOST_QUESTIONS = 50
"""Whose tokens are kept, where nobody says."""


def kept_questions(ids: Sequence[str], most: int) -> list[str]:
    """Return the questions whose tokens are kept, in order: no result chooses them.

    They are those whose ids have the smallest digests. So the questions that are kept of a whole
    are among those that are kept of its parts.
    """

    def digest(item_id: str) -> bytes:
        return blake2b(item_id.encode(errors="replace"), digest_size=16).digest()

    chosen = set(nsmallest(most, ids, key=digest))
    return [one for one in ids if one in chosen]


class TokenLog:
    """The tokens beside a file of trajectories, open for writing.

    Args:
        trajectories: the file, `NAME.jsonl`.
        policy: who plays; one whose tokens cannot be read as text writes nothing.
        ids: of the questions that are kept, in order.

    Raises:
        LogError: if the file cannot be read or written.
    """

    def __init__(self, trajectories: Path, policy: Any, ids: Collection[str]) -> None:
        """Open the file, if there is anything to write."""
        self.path, self._ids = tokens_path(trajectories), list(ids)
        acting = getattr(policy, "answerer", policy)  # who answers for it
        self._read = acting.read_text if isinstance(acting, ReadsText) and ids else None
        self._log: AppendLog | None = None

    def record(self, trajectory: Trajectory) -> None:
        """Write the tokens of an episode that has ended, if it is of a question that is kept.

        Raises:
            LogError: if it cannot be written.
        """
        read = self._read
        if read is None or trajectory.item_id not in self._ids:
            return
        turns = [turn_record(read, t.decision.tokens, t.reward) for t in trajectory.turns]
        if any(turns):
            self._log = self._log or AppendLog(self.path)
            row = {"id": trajectory.item_id, "turns": list(map(record_json, turns))}
            self._log.append(row)

    def close(self) -> None:
        """Close the file, with one line for each question, in their order."""
        if self._log is not None:
            self._log.close()
            lines = LineIndex(self.path, line_name, TOKENS)
            lines.put_in_order([one for one in self._ids if one in lines])


def save_tokens(trajectories: Path, policy: Any, trajectory: Trajectory) -> None:
    """Write the tokens of the only episode of a file, in place of what was there.

    Args:
        trajectories: the file.
        policy: who played.
        trajectory: with its tokens.
    """
    tokens_path(trajectories).unlink(missing_ok=True)
    log = TokenLog(trajectories, policy, [str(trajectory.item_id)])
    log.record(trajectory)
    log.close()


@contextmanager
def played_and_kept(
    folder: RunFolder,
    name: str,
    policy: Any,
    ids: Sequence[str],
    most: int = MOST_QUESTIONS,
    *,
    tokens: bool = False,
) -> Iterator[Callable[[Trajectory], None]]:
    """Give a function that stores an episode of an evaluation, at once and for good.

    Args:
        folder: of the run.
        name: of the evaluation.
        policy: who plays.
        ids: of all questions.
        most: of how many the sampled tokens are kept, as text and numbers.
        tokens: see `RunFolder.play_log`.

    Raises:
        LogError: if it cannot be written.
    """
    path = folder.result_path(name).with_suffix(".jsonl")
    kept = TokenLog(path, policy, kept_questions(ids, most))
    with folder.play_log(name, tokens=tokens) as store:

        def record(trajectory: Trajectory) -> None:
            kept.record(trajectory)
            store(trajectory)

        try:
            yield record
        finally:
            kept.close()
