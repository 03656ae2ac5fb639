"""A result in a word: its mean reward and frames, what failed on our side, what tools did."""

from __future__ import annotations

from collections import Counter

from algos.evaluation.measures import EvalResult, failures, measures_of
from sage_env.errors import SageEnvError
from sage_env.tools.calling import LATE, OUTCOMES


def mean_return(result: EvalResult) -> float:
    """Return the mean of the episodes' rewards; those that failed on our side are in no mean.

    Raises:
        SageEnvError: if all of them failed.
    """
    returns = [played.ret for played in result.trajectories if played.error is None]
    if not returns:
        failed = failures(result)
        raise SageEnvError(
            f"all {len(failed)} questions of a validation failed, the first, {failed[0][0]!r}, "
            f"with: {failed[0][1]}"
        )
    return sum(returns) / len(returns)


def frames_of(result: EvalResult) -> float:
    """Return the mean number of frames that were shown; 0 where none are counted."""
    return measures_of(result.episodes()).frames or 0.0


def failure_lines(result: EvalResult, shown: int = 3) -> list[str]:
    """Return what is said about the questions that failed on our side; [] where none has.

    Args:
        result: of one policy.
        shown: how many are named.
    """
    failed = failures(result)
    if not failed:
        return []
    lines = [f"{len(failed)} of {len(result.items)} questions failed, and are in no mean:"]
    lines += [f"  {item_id}: {error}" for item_id, error in failed[:shown]]
    return lines + ([f"  and {len(failed) - shown} more"] if len(failed) > shown else [])


def tool_lines(result: EvalResult) -> list[str]:
    """Return what came of the calls of tools, for below a table; [] where none was called.

    An episode in which our side was late with a reply is measured as it ended, and told.
    """
    calls = [episode.tool_calls for episode in result.episodes()]
    total: Counter[str] = Counter()
    for one in calls:
        total.update(one)
    if not total:
        return []
    told = ", ".join(f"{total[outcome]} {outcome}" for outcome in OUTCOMES if total[outcome])
    lines = [f"calls of tools: {told}"]
    if late := sum(one.get(LATE, 0) > 0 for one in calls):
        lines.append(
            f"in {late} of {len(calls)} questions a tool was late, which is not the agent's "
            "mistake: they count as they ended, and samples.jsonl names them under tool_calls"
        )
    return lines
