"""Verification of a stored evaluation: its files agree, and its episodes can be played again.

The actions are played again as they are stored, so that no policy is needed: whether the policy
would choose them again is not checked. Tokens are not stored, so that none is scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.evaluation.sample_rows import NOT_STORED, sample_row
from algos.exactness.check_result import CheckResult
from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import read_settings
from algos.runs.run_folder import RunFolder, read_json
from algos.runs.stored_result import load_stored, stored_rows
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError

SAMPLE = 16
"""Episodes that are played again, evenly spaced over those that did not fail."""


def verify_evaluation(
    folder: RunFolder, *, root: Path | None = None
) -> Iterator[tuple[str, CheckResult]]:
    """Check everything that an evaluation left behind.

    Args:
        folder: of the run.
        root: folder of the videos, where they are not where the run had them.

    Yields:
        What was checked, and the result.

    Raises:
        RunFolderError: if the evaluation is not finished, or a file cannot be read.
    """
    result = load_stored(folder)
    yield folder.samples.name, _check_rows(result, stored_rows(folder.samples))
    yield folder.summary.name, _check_measures(result, read_json(folder.summary))
    options = read_settings(folder).get("environment", {})
    yield "episodes", _check_episodes(result, options, root)


def _check_rows(result: EvalResult, rows: Sequence[Any]) -> CheckResult:
    """Check that there is one row for each question, which says what its trajectory does."""
    problem = ""
    for item, played, row in zip(result.items, result.trajectories, rows, strict=True):
        expected = json.loads(json.dumps(sample_row(item, played), default=str))
        older = "kind" not in row  # of a version that wrote fewer keys
        asked = [k for k in expected if k not in NOT_STORED and (k in row or not older)]
        differ = [k for k in asked if expected[k] != row.get(k)]
        if differ and not problem:
            key = differ[0]
            problem = (
                f"item {item.id!r}: {key} is {row.get(key)!r}, its episode has {expected[key]!r}"
            )
    return CheckResult("rows", f"{len(rows)} questions", problem)


def _check_measures(result: EvalResult, summary: Any) -> CheckResult:
    """Check that the measures are those of the episodes."""
    rows = [asdict(row) for row in result.measured]
    stored = summary.get("measures") if isinstance(summary, dict) else None
    same = _as_stored(json.loads(json.dumps(rows)), stored) == stored
    problem = "" if same else "the measures are not those of the stored episodes"
    return CheckResult("measures", f"{len(rows)} groups", problem)


def _as_stored(rows: list[Any], stored: Any) -> list[Any]:
    """Return rows with those measures that the stored ones have: older versions had fewer."""
    try:
        known = set(stored[0]["measures"])
    except (TypeError, LookupError):
        return rows
    return [{**r, "measures": {k: v for k, v in r["measures"].items() if k in known}} for r in rows]


def _check_episodes(result: EvalResult, options: Any, root: Path | None) -> CheckResult:
    """Play some episodes again, action by action."""
    sound = [k for k, found in enumerate(result.episodes()) if found.error is None]
    count = min(SAMPLE, len(sound))
    places = [sound[k * len(sound) // count] for k in range(count)]
    chosen = [(result.items[k], result.trajectories[k]) for k in places]
    if not chosen:
        return CheckResult("played again")
    try:
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in options.items()
        }
        items = [item if root is None else moved_below(item, root) for item, _ in chosen]
        env = VideoQAEnv(dataset=items, **arguments)
    except (SageEnvError, AttributeError, ValueError, TypeError) as error:
        return CheckResult("played again", problem=f"the environment cannot be made: {error}")
    problem, turns = "", 0
    for item, played in chosen:
        try:
            found = _difference(env, played)
        except SageEnvError as error:
            found = f"it cannot be played again: {type(error).__name__}: {error}"
        turns += played.num_turns
        if found and not problem:
            problem = f"item {item.id!r}, {found}"
    env.close()
    return CheckResult("played again", f"{turns} turns of {count} episodes", problem)


def moved_below(item: QAItem, root: Path) -> QAItem:
    """Return the item with its video below `root`, as much of its path kept as is there."""
    parts = item.video.parts[1:] if item.video.is_absolute() else item.video.parts
    tails = [root.joinpath(*parts[k:]) for k in range(len(parts))]
    return replace(item, video=next((path for path in tails if path.exists()), tails[-1]))


def _difference(env: VideoQAEnv, played: Trajectory) -> str:
    """Return the first difference between an episode and its actions played again, "" for none."""
    _, info = env.reset(seed=played.seed, options={"item_id": played.item_id})
    if found := _of_infos(played.start_info, info):
        return f"overview: {found}"
    for number, turn in enumerate(played.turns, 1):
        _, reward, terminated, _, info = env.step(turn.decision.action)
        if found := _of_infos(turn.info, info):
            return f"turn {number}: {found}"
        if abs(float(reward) - turn.reward) > 1e-6:
            return f"turn {number}: the reward is {reward:g}, and was stored as {turn.reward:g}"
        if terminated != (number == played.num_turns):
            return f"turn {number}: the episode {'ends here' if terminated else 'goes on'}"
    return ""


def _of_infos(stored: dict[str, Any], now: dict[str, Any]) -> str:
    for key in ("frame_seconds", "stop_reason", "correct"):
        then, found = stored.get(key), now.get(key)
        then, found = (list(x) if isinstance(x, list | tuple) else x for x in (then, found))
        if then != found:
            return f"{key} is {found!r}, and was stored as {then!r}"
    return ""
