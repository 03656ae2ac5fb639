"""Guards a run against a mismatch of sampler and learner: checks every update, stores a sample.

Training and inference compute the same log-probs in two ways. If they disagree, training still runs
and curves look normal. So the guard fingerprints the sampler's weights before a rollout, checks
some episodes after it and before any weight moves, and stops the run at the first offence.

    proof/update-000008.jsonl    a few episodes of update 8 with their tokens, under a header line
                                 that says which checkpoint sampled them, and its fingerprint

A file is kept as long as its checkpoint is, so that `sage-vqa verify` can play and score the
episodes again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from algos.exactness.check_result import CheckResult, require_all
from algos.exactness.prompt_checks import check_frames, check_prefixes
from algos.exactness.rescoring import rescore
from algos.ppo.config import PPOConfig
from algos.rollout.trajectory import Trajectory
from algos.runs import checkpoint
from policies.base import TokenBatch, TrainablePolicy
from policies.introspection import (
    CountsVisionPasses,
    DetokenizingPolicy,
    FingerprintedPolicy,
    fingerprint,
)


class ExactnessGuard:
    """Checks every update of a run for exactness.

    Args:
        config: how many episodes, and what tolerance.
        policy: who samples and learns.
        run_folder: gets the folder `proof/`, next to `checkpoints/`.
    """

    def __init__(self, config: PPOConfig, policy: TrainablePolicy, run_folder: Path) -> None:
        """Check nothing yet."""
        self.config, self.policy = config, policy
        self.folder, self.checkpoints = run_folder / "proof", run_folder / "checkpoints"
        self._weights, self._encodes = "", 0

    def record_sampler(self) -> None:
        """Record the sampler's weight fingerprint and vision passes; call it before a rollout."""
        if self.config.rescore_sample == 0:
            return
        self._weights = fingerprint(self.policy.actor_parameters())
        self._encodes = _encodes(self.policy) or 0

    def check(
        self,
        update: int,
        played: Sequence[Trajectory],
        batch: TokenBatch,
        episodes: Sequence[Trajectory],
        rows: Sequence[int],
    ) -> dict[str, float | None]:
        """Check some episodes of an update after its rollout, and store them.

        Args:
            update: its number, 1 or more.
            played: all episodes, the failed ones too.
            batch: those that are learned from.
            episodes: the same ones, in the order of the batch.
            rows: which of them to check.

        Returns:
            The numbers, named `proof/...`.

        Raises:
            ExactnessError: shows the first offence.
        """
        chosen = [episodes[row] for row in rows]
        self._store(update, chosen)  # before the checks: an offending episode must be kept
        row = require_all(self._checks(batch.select(rows), chosen))
        return row | {"proof/encodes_per_frame": self._encodes_per_frame(played)}

    def prune(self) -> None:
        """Drop the episodes whose checkpoint is gone."""
        for path in self.folder.glob("update-*.jsonl"):
            if not checkpoint.exists(self.checkpoints, int(path.stem.removeprefix("update-")) - 1):
                path.unlink()

    def _checks(self, part: TokenBatch, chosen: Sequence[Trajectory]) -> Iterator[CheckResult]:
        """Check lazily, in order: a later check takes for granted what an earlier one checked.

        1. weights, so that a difference of log-probs cannot come from other weights;
        2. prefixes, so that the learner's token ids are the sampler's;
        3. frames and their times, so that the ids stand for what was shown;
        4. log-probs, which depend on all of it.
        """
        lengths = part.attention.sum(1).tolist()
        ids = [row[:n].cpu().numpy() for row, n in zip(part.ids, lengths, strict=True)]
        yield self._check_weights()
        yield check_prefixes(chosen, ids)
        if isinstance(self.policy, DetokenizingPolicy):
            yield from check_frames(self.policy, chosen)
        config = self.config
        yield rescore(
            self.policy,
            part,
            chosen,
            micro_batch=config.micro_batch,
            tolerance=config.rescore_tolerance,
            clip=(config.clip_low, config.clip_high),
        )

    def _check_weights(self) -> CheckResult:
        """Compare who sampled with who learns; nothing may have moved since the rollout began."""
        learner = fingerprint(self.policy.actor_parameters())
        sampler = self._weights
        if isinstance(self.policy, FingerprintedPolicy):
            sampler = self.policy.fingerprint()
        problem = ""
        if not learner == sampler == self._weights:
            problem = (
                f"the weights that sampled have the fingerprint {sampler}, the learner's have "
                f"{learner}, and had {self._weights} when the rollout began: the sampler was not "
                "given the learner's weights, or they moved during the rollout"
            )
        return CheckResult("weights of sampler and learner", learner, problem)

    def _encodes_per_frame(self, played: Sequence[Trajectory]) -> float | None:
        """Return vision passes per distinct frame since `record_sampler`; at most 1 if cached."""
        now = _encodes(self.policy)
        frames = {key for t in played for key in t.frames}
        failed = [t.failed.tokens for t in played if t.failed is not None]
        frames |= {key for tokens in failed if tokens is not None for key in tokens.frames}
        return None if now is None or not frames else (now - self._encodes) / len(frames)

    def _store(self, update: int, chosen: Sequence[Trajectory]) -> None:
        """Write the episodes, if the checkpoint that sampled them is there."""
        if not checkpoint.exists(self.checkpoints, update - 1):
            return
        header = {
            "update": update,
            "checkpoint": update - 1,
            "weights": self._weights,
            "temperature": self.config.temperature,
            "tolerance": self.config.rescore_tolerance,
        }
        path = self.folder / f"update-{update:06d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        lines = [header, *(trajectory.to_json() for trajectory in chosen)]
        partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        os.replace(partial, path)


def _encodes(policy: TrainablePolicy) -> int | None:
    return policy.encodes if isinstance(policy, CountsVisionPasses) else None
