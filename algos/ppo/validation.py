"""Validation: when it is due, what it writes, and when a run that no longer improves has ended.

    validation.jsonl    one line per validation: the update, its score, whatever else was measured

A validation returns a score, or numbers by name with the score among them; all go to
`metrics.jsonl` as `eval/NAME` too. `algos.evaluation.validation_table` has the numbers of an
evaluation, and the table of a run's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from algos.ppo.config import PPOConfig
from algos.ppo.validation_episodes import ValidationEpisodes
from algos.runs.checkpoint import Best
from algos.runs.metrics import Metrics, MetricsRow
from policies.base import TrainablePolicy

Validate = Callable[[TrainablePolicy], float | Mapping[str, float | None]]
FILE = "validation.jsonl"


class Validation:
    """The validations of a run.

    Args:
        config: when one is due, and how many may fail to improve.
        validate: returns a score, higher is better, or a mapping with it as `score`; None: there
            is no validation.
        folder: of the run.
        kept: keeps what is played; told after which update that is.
        keep_through: rows of later updates are dropped: a resumed run plays them again.

    Raises:
        ValueError: if there is a patience and nothing that could try it.
    """

    def __init__(
        self,
        config: PPOConfig,
        validate: Validate | None,
        folder: Path,
        kept: ValidationEpisodes | None = None,
        *,
        keep_through: int,
    ) -> None:
        """Open the file."""
        if validate is None and config.patience is not None:
            raise ValueError("patience needs a validation: give one, or set patience to None")
        self._config, self._validate, self._kept = config, validate, kept
        if kept is not None:
            kept.open(folder, keep_through=keep_through)
        if validate is not None:
            self._rows = Metrics(folder / FILE, keep_through=keep_through)

    def due(self, update: int) -> bool:
        """Return whether an update is validated: every few, the start and the end."""
        due = update % self._config.eval_every == 0 or update == self._config.updates
        return self._validate is not None and due

    def run(self, update: int, policy: TrainablePolicy) -> tuple[float, MetricsRow]:
        """Validate a policy, and write what was measured.

        Returns:
            The score, and the numbers of it for `metrics.jsonl`.

        Raises:
            ValueError: if there is no score among them, or none that can be compared.
        """
        assert self._validate is not None
        if self._kept is not None:
            self._kept.begin(update)
        said = self._validate(policy)
        numbers = dict(said) if isinstance(said, Mapping) else {"score": said}
        score = numbers.get("score")
        if score is None or math.isnan(score):
            raise ValueError(
                "validate must return a number, or a mapping with one as 'score', got "
                f"{said!r}: leave out what could not be measured, and score the rest"
            )
        self._rows.write(update, numbers)
        return score, {f"eval/{name}": value for name, value in numbers.items()}

    def close(self) -> None:
        """Close the file of what was played."""
        if self._kept is not None:
            self._kept.close()

    def exhausted(self, update: int, best: Best | None) -> bool:
        """Return whether the run ends after an update, because nothing has improved for too long.

        Args:
            update: the newest, validated or not.
            best: the best validated so far; its update and the newest's say how many validations
                lie between, so that a checkpoint need not. Those before the actor learns count
                for nothing.
        """
        patience, every = self._config.patience, self._config.eval_every
        if patience is None or best is None:
            return False
        since = max(best.update, self._config.first_actor_update - 1)
        return update // every - since // every >= patience
