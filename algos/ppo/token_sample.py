"""A sample of each update's episodes, token by token: `tokens.jsonl`.

What is written of a sampled token, and where it comes from:

| value | is |
|---|---|
| `logprob`, `entropy` | of the sampler, when it drew the token |
| `value`, `advantage` | of the targets, before any weight moved; whitened if the loss had it so |
| `in_loss` | whether a step of the actor was taken on its episode |
| `ratio` | after the last step, by before the first |
| `reward` | of the turn, with what a recipe added |

The ratio is not the loss's own, which is that of some moment between the steps, and 1 in the first:
it takes one more forward pass over the sample, without gradient. Nothing else is computed for it,
and no number of the training depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from algos.batching.token_batches import by_micro_batch
from algos.objectives.losses import LOG_RATIO_LIMIT
from algos.ppo.config import PPOConfig
from algos.ppo.targets import Targets
from algos.rollout.trajectory import Trajectory
from algos.runs.token_records import TurnRecord, turn_record
from algos.runs.update_episodes import UpdateEpisodeLog
from algos.seeds import subseed
from policies.base import TokenBatch, TrainablePolicy
from policies.passes import evaluate, fitting
from policies.token_pieces import ReadsText
from sage_env.datasets.item import QAItem

FILE = "tokens.jsonl"


class TokenSample:
    """Writes down some episodes of each update with the numbers of their tokens.

    Args:
        config: how many questions.
        policy: who sampled and learned. One whose tokens cannot be read as text is not recorded.
        folder: of the run.
        questions: by id, as far as they are to be written down beside their episodes.
        keep_through: episodes of later updates are dropped: a resumed run plays them again.
    """

    def __init__(
        self,
        config: PPOConfig,
        policy: TrainablePolicy,
        folder: Path,
        questions: Mapping[str, QAItem] | None = None,
        *,
        keep_through: int,
    ) -> None:
        """Open the file."""
        self._config, self._policy, self._log = config, policy, None
        wanted = config.record_tokens > 0 and isinstance(policy, ReadsText)
        if wanted or (folder / FILE).exists():
            self._log = UpdateEpisodeLog(folder / FILE, keep_through=keep_through, items=questions)
        self._count = config.record_tokens if wanted else 0

    def record(
        self,
        update: int,
        episodes: Sequence[Trajectory],
        groups: Sequence[Hashable],
        batch: TokenBatch,
        targets: Targets,
        taught: Collection[int],
    ) -> None:
        """Write the sample of an update, after its last step.

        Args:
            update: its number.
            episodes: that were learned from, with all rewards that were.
            groups: the question of each.
            batch: the same episodes, in this order.
            targets: of the batch.
            taught: the rows on which a step of the actor was taken.
        """
        if self._log is None or not self._count:
            return
        chosen = self._chosen(update, groups)
        rows = [row for row, group in enumerate(groups) if group in chosen]
        after = self._logprobs(batch, rows) if taught else None
        for place, row in enumerate(rows):
            new = None if after is None else after[place]
            turns = self._records(episodes[row], batch, targets, row, new, row in taught)
            self._log.write(update, episodes[row], turns)

    def close(self) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.close()

    def _chosen(self, update: int, groups: Sequence[Hashable]) -> set[Hashable]:
        """Return the questions whose episodes are written: the seed chooses, never a result."""
        distinct = list(dict.fromkeys(groups))
        rng = np.random.default_rng(subseed(self._config.seed, "tokens", update))
        return {distinct[k] for k in rng.permutation(len(distinct))[: self._count].tolist()}

    def _logprobs(self, batch: TokenBatch, rows: Sequence[int]) -> Tensor:
        """Score some rows with the actor as it is now: float32 `(b, l)` in nats."""
        part, policy = batch.select(rows), self._policy
        fits = fitting(policy, part, self._config.micro_batch_tokens)
        return by_micro_batch(
            lambda piece: evaluate(policy, piece, entropy_gradient=False).logprobs,
            part,
            self._config.micro_batch,
            fits,
        )

    def _records(
        self,
        episode: Trajectory,
        batch: TokenBatch,
        targets: Targets,
        row: int,
        after: Tensor | None,
        taught: bool,
    ) -> list[TurnRecord | None]:
        """Return the record of each turn of a row.

        Args:
            episode: that the row is of.
            batch: all episodes.
            targets: of the batch.
            row: in the batch.
            after: float `(l,)`, log-probs after the update; `None` where no weight moved.
            taught: whether a step was taken on it.
        """
        assert isinstance(self._policy, ReadsText)
        before = batch.old_logprobs if targets.old_logprobs is None else targets.old_logprobs
        sampled, turns = batch.sampled[row].cpu(), batch.turn[row].cpu()
        values = {"advantage": targets.advantages[row].cpu()}
        if self._config.uses_critic:
            values["value"] = targets.old_values[row].cpu()
        if after is not None:
            moved = after.cpu() - before[row, : len(after)].cpu()
            values["ratio"] = moved.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
        found = []
        for number, turn in enumerate(episode.turns):
            record = turn_record(self._policy.read_text, turn.decision.tokens, turn.reward)
            # Position t is token t: all of these stand at the token itself, none before it.
            mine = sampled & (turns == number)
            numbers: dict[str, Any] = {
                name: tuple(x[mine[: len(x)]].tolist()) for name, x in values.items()
            }
            in_loss = (taught,) * int(mine.sum())
            found.append(record and replace(record, in_loss=in_loss, **numbers))
        return found
