"""What each validation plays, kept as its episodes end: `validation_episodes.jsonl`.

They are those of the same questions after every update:

    kept = ValidationEpisodes(questions, most=256)
    def validate(policy):
        return mean_return(evaluate(envs, policy, questions, progress=kept.record))
    train(config, policy, envs, items, folder, validate=validate, kept=kept)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from algos.rollout.trajectory import Trajectory
from algos.runs.update_episodes import UpdateEpisodeLog
from algos.seeds import subseed
from sage_env.datasets.item import QAItem

FILE = "validation_episodes.jsonl"


class ValidationEpisodes:
    """Keeps the episodes of some questions, the same ones after every update.

    Args:
        questions: that a validation asks.
        most: of how many the episodes are kept; 0: of none.
        seed: chooses them.
    """

    def __init__(self, questions: Sequence[QAItem], *, most: int, seed: int = 0) -> None:
        """Choose the questions."""
        order = np.random.default_rng(subseed(seed, "validation episodes"))
        chosen = order.permutation(len(questions))[:most].tolist()
        self._questions = {questions[k].id: questions[k] for k in chosen}
        self._log: UpdateEpisodeLog | None = None
        self._update = 0

    def open(self, folder: Path, *, keep_through: int) -> None:
        """Open the file of a run.

        Args:
            folder: of the run.
            keep_through: episodes of later updates are dropped: a resumed run plays them again.

        Raises:
            LogError: if the file cannot be read or written.
        """
        if self._questions or (folder / FILE).exists():
            self._log = UpdateEpisodeLog(
                folder / FILE, keep_through=keep_through, items=self._questions
            )

    def begin(self, update: int) -> None:
        """Say after which update the episodes are that come now."""
        self._update = update

    def record(self, trajectory: Trajectory) -> None:
        """Write an episode that has ended, if it is of a question that was chosen.

        Raises:
            LogError: if it cannot be written.
        """
        if self._log is not None and trajectory.item_id in self._questions:
            self._log.write(self._update, trajectory)

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()
