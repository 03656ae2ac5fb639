"""Verification of a stored run: its episodes are played and scored again, from its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import Env

from algos.batching.token_batches import collate
from algos.exactness.check_result import CheckResult
from algos.exactness.prompt_checks import check_frames, check_prefixes
from algos.exactness.rescoring import rescore
from algos.exactness.tolerance import Tolerance, tolerance_of
from algos.recipe.settings import Recipe
from algos.rollout.trajectory import Trajectory
from algos.runs import checkpoint
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder, RunFolderError
from algos.verify.recipe_check import NAME, check_recipe
from algos.verify.replay import replay
from policies.base import TrainablePolicy
from policies.introspection import DetokenizingPolicy, FingerprintedPolicy, fingerprint

MICRO_BATCH = 8
"""Episodes per forward pass: changes memory and speed, not the scores beyond rounding."""


@dataclass(frozen=True, eq=False)
class StoredEpisodes:
    """A file of `proof/`: some episodes of one update, and what its header says.

    Attributes:
        path: of the file.
        checkpoint: the update whose weights sampled the episodes.
        weights: their fingerprint.
        temperature: of sampling.
        tolerance: bound of the largest |difference| of log-probs in nats, which older versions
            always stored; None for those of the policy's dtype.
        trajectories: the episodes.
    """

    path: Path
    checkpoint: int
    weights: str
    temperature: float
    tolerance: float | None
    trajectories: list[Trajectory]


def verify(
    folder: RunFolder, policy: TrainablePolicy, env: Env[Any, Any] | None
) -> Iterator[tuple[str, CheckResult]]:
    """Check everything that a run left behind.

    Args:
        folder: of the run.
        policy: made as the run made it; it is given the weights of the run's checkpoints.
        env: as the run trained in; None leaves out playing again.

    Yields:
        What was checked (the run, or one of its files), and the result.

    Raises:
        RunFolderError: if the run has stored nothing that could be checked.
    """
    paths = sorted((folder.path / "proof").glob("update-*.jsonl"))
    if not paths:
        raise RunFolderError(
            f"{folder.path / 'proof'} holds no episodes to check: give the folder of a run that "
            "`sage-vqa train` wrote, with rescore_sample above 0"
        )
    stored = []
    for path in paths:
        try:
            stored.append(load_stored_episodes(path))
        except RunFolderError as error:
            yield path.stem, CheckResult("readable", problem=str(error))
    if stored:
        chosen = {one.tolerance for one in stored}  # a run may have gone on with another
        yield "all updates", _check_log(folder, [tolerance_of(policy, one) for one in chosen])
    for stored_file in stored:
        for result in _check_episodes(folder, policy, env, stored_file):
            yield stored_file.path.stem, result


def load_stored_episodes(path: Path) -> StoredEpisodes:
    """Read a file of `proof/`.

    Raises:
        RunFolderError: if it cannot be read.
    """
    try:
        header, *rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        names = ("checkpoint", "weights", "temperature", "tolerance")
        values = {name: header[name] for name in names}
        return StoredEpisodes(
            path=path, trajectories=[Trajectory.from_json(r) for r in rows], **values
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunFolderError(f"{path} is not a stored sample of episodes: {error!r}") from error


def _check_log(folder: RunFolder, allowed: Sequence[Tolerance]) -> CheckResult:
    """Check what was logged when the run ran: each update within one of the run's tolerances."""
    rows = [row for row in read_metrics(folder.metrics) if row["update"] > 0]
    measured = [row for row in rows if row.get("proof/max_dlogp") is not None]
    problem = ""
    expected = list(range(1, len(rows) + 1))
    if [row["update"] for row in rows] != expected:
        problem = f"{folder.metrics} does not hold every update once, in order"
    for row in measured:
        exceeded = [one.exceeded(row) for one in allowed]
        if all(exceeded) and not problem:
            problem = f"update {row['update']} logged {exceeded[0]}"
    worst = max((row["proof/max_dlogp"] for row in measured), default=0.0)
    text = f"{len(measured)} of {len(rows)} updates re-scored, max |dlogp| {worst:.1e}"
    return CheckResult("log", text if measured else "", problem)


def _check_episodes(
    folder: RunFolder,
    policy: TrainablePolicy,
    env: Env[Any, Any] | None,
    stored_file: StoredEpisodes,
) -> Iterator[CheckResult]:
    played = stored_file.trajectories
    name = f"checkpoint {stored_file.checkpoint}"
    try:
        state = checkpoint.load(folder.checkpoints, stored_file.checkpoint)
        policy.load_state(state.policy)
    except checkpoint.DAMAGE as error:
        yield CheckResult(name, problem=f"{name}, which sampled these episodes: {error}")
        return
    yield _check_weights(name, policy, stored_file)
    yield check_prefixes(played)
    known = played
    if isinstance(policy, DetokenizingPolicy):
        if env is not None:
            yield replay(env, policy, played)
        known = [trajectory for trajectory in played if _has_features(policy, trajectory)]
        yield from check_frames(policy, known)
    yield _check_logprobs(policy, stored_file, known)
    yield _check_recipe(policy, stored_file, known, state)


def _check_recipe(
    policy: TrainablePolicy,
    stored_file: StoredEpisodes,
    known: Sequence[Trajectory],
    state: checkpoint.Checkpoint,
) -> CheckResult:
    try:
        recipe = dataclass_from_json(Recipe, state.config.get("recipe", {}), "recipe")
        return check_recipe(
            recipe,
            policy,
            known,
            state.tensors,
            micro_batch=MICRO_BATCH,
            temperature=stored_file.temperature,
            tolerance=tolerance_of(policy, stored_file.tolerance).of_a_token,
        )
    except (ValueError, KeyError, IndexError) as error:  # settings or tokens that are none
        return CheckResult(NAME, problem=f"it cannot be computed: {error}")


def _check_logprobs(
    policy: TrainablePolicy, stored_file: StoredEpisodes, known: Sequence[Trajectory]
) -> CheckResult:
    device = policy.actor_parameters()[0].device
    try:
        batch = collate(known, stored_file.temperature, device)
        return rescore(
            policy, batch, known, micro_batch=MICRO_BATCH, tolerance=stored_file.tolerance
        )
    except (ValueError, IndexError) as error:  # tokens that the model cannot read
        return CheckResult(
            "log-probs scored again", problem=f"the tokens cannot be scored: {error}"
        )


def _check_weights(name: str, policy: TrainablePolicy, stored_file: StoredEpisodes) -> CheckResult:
    found = fingerprint(policy.actor_parameters())
    acting = policy.fingerprint() if isinstance(policy, FingerprintedPolicy) else found
    problem = ""
    if not found == acting == stored_file.weights:
        problem = (
            f"{name} has the fingerprint {found} (the acting side {acting}), but these episodes "
            f"were sampled with {stored_file.weights}: its weights were changed since"
        )
    return CheckResult(f"weights of {name}", found, problem)


def _has_features(policy: DetokenizingPolicy, trajectory: Trajectory) -> bool:
    try:
        policy.visual_tokens(trajectory.frames)
    except KeyError:
        return False
    return True
