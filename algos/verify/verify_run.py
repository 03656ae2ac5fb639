"""A stored run proves its exactness: its episodes are played and scored again, from its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import Env

from algos.batching.token_batches import collate
from algos.exactness.check_result import Finding
from algos.exactness.prompt_checks import frame_findings, prefix_identity
from algos.exactness.rescoring import rescore
from algos.rollout.trajectory import Trajectory
from algos.runs import checkpoint
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder, RunFolderError
from algos.verify.replay import replay
from policies.base import TrainablePolicy
from policies.introspection import DetokenizingPolicy, FingerprintedPolicy, fingerprint

MICRO_BATCH = 8


@dataclass(frozen=True, eq=False)
class Sample:
    """A file of `proof/`: some episodes of one update, and what its header says."""

    path: Path
    checkpoint: int
    weights: str
    temperature: float
    tolerance: float
    trajectories: list[Trajectory]


def verify(
    folder: RunFolder, policy: TrainablePolicy, env: Env[Any, Any] | None
) -> Iterator[tuple[str, Finding]]:
    """Check everything that a run left behind.

    Args:
        folder: of the run.
        policy: made as the run made it; it is given the weights of the run's checkpoints.
        env: as the run trained in; None leaves out playing again.

    Yields:
        what was checked, the run or a file of its, and the finding.

    Raises:
        RunFolderError: if the run has stored nothing that could be checked.
    """
    paths = sorted((folder.path / "proof").glob("update-*.jsonl"))
    if not paths:
        raise RunFolderError(
            f"{folder.path / 'proof'} holds no episodes to check: give the folder of a run that "
            "`sage-vqa train` wrote, with rescore_sample above 0"
        )
    samples = []
    for path in paths:
        try:
            samples.append(load_sample(path))
        except RunFolderError as error:
            yield path.stem, Finding("readable", problem=str(error))
    if samples:
        yield "all updates", _log_finding(folder, max(sample.tolerance for sample in samples))
    for sample in samples:
        for finding in _sample_findings(folder, policy, env, sample):
            yield sample.path.stem, finding


def load_sample(path: Path) -> Sample:
    """Read a file of `proof/`.

    Raises:
        RunFolderError: if it cannot be read.
    """
    try:
        header, *rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        names = ("checkpoint", "weights", "temperature", "tolerance")
        values = {name: header[name] for name in names}
        return Sample(path=path, trajectories=[Trajectory.from_json(r) for r in rows], **values)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunFolderError(f"{path} is not a stored sample of episodes: {error!r}") from error


def _log_finding(folder: RunFolder, tolerance: float) -> Finding:
    """Check what was logged when the run ran."""
    rows = [row for row in read_metrics(folder.metrics) if row["update"] > 0]
    gaps = [(row["update"], row.get("proof/max_dlogp")) for row in rows]
    measured = [(update, gap) for update, gap in gaps if gap is not None]
    problem = ""
    expected = list(range(1, len(rows) + 1))
    if [row["update"] for row in rows] != expected:
        problem = f"{folder.metrics} does not hold every update once, in order"
    for update, gap in measured:
        if not gap <= tolerance and not problem:
            problem = f"update {update} logged max |dlogp| {gap:g}, more than {tolerance:g}"
    worst = max((gap for _, gap in measured), default=0.0)
    text = f"{len(measured)} of {len(rows)} updates re-scored, max |dlogp| {worst:.1e}"
    return Finding("log", text if measured else "", problem)


def _sample_findings(
    folder: RunFolder, policy: TrainablePolicy, env: Env[Any, Any] | None, sample: Sample
) -> Iterator[Finding]:
    played = sample.trajectories
    name = f"checkpoint {sample.checkpoint}"
    try:
        state = checkpoint.load(folder.checkpoints, sample.checkpoint)
        policy.load_state(state.policy)
    except checkpoint.DAMAGE as error:
        yield Finding(name, problem=f"{name}, which sampled these episodes: {error}")
        return
    yield _weights_finding(name, policy, sample)
    yield prefix_identity(played)
    known = played
    if isinstance(policy, DetokenizingPolicy):
        if env is not None:
            yield replay(env, policy, played)
        known = [trajectory for trajectory in played if _has_features(policy, trajectory)]
        yield from frame_findings(policy, known)
    yield _scores_finding(policy, sample, known)


def _scores_finding(
    policy: TrainablePolicy, sample: Sample, known: Sequence[Trajectory]
) -> Finding:
    device = policy.actor_parameters()[0].device
    try:
        batch = collate(known, sample.temperature, device)
        return rescore(policy, batch, known, micro_batch=MICRO_BATCH, tolerance=sample.tolerance)
    except (ValueError, IndexError) as error:  # tokens that the model cannot read
        return Finding("log-probs scored again", problem=f"the tokens cannot be scored: {error}")


def _weights_finding(name: str, policy: TrainablePolicy, sample: Sample) -> Finding:
    found = fingerprint(policy.actor_parameters())
    acting = policy.fingerprint() if isinstance(policy, FingerprintedPolicy) else found
    problem = ""
    if not found == acting == sample.weights:
        problem = (
            f"{name} has the fingerprint {found} (the acting side {acting}), but these episodes "
            f"were sampled with {sample.weights}: its weights were changed since"
        )
    return Finding(f"weights of {name}", found, problem)


def _has_features(policy: DetokenizingPolicy, trajectory: Trajectory) -> bool:
    try:
        policy.visual_tokens(trajectory.frames)
    except KeyError:
        return False
    return True
