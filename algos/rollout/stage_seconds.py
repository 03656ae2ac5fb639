"""What an episode waits for: the policy, by stage, its tools, and the judge.

Episodes that play side by side wait together: a batch's seconds are those of each of its episodes.
So they are latencies, and their sum over the questions is more than a run lasted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from algos.rollout.trajectory import Trajectory
from policies.introspection import TimesStages
from sage_env.actions.action import Answer, UseTool

POLICY, TOOL, JUDGE = "policy", "tool", "judge"
"""Stages beside those that a policy names; `policy` is what it does not tell apart."""


class PolicyClock:
    """Times one call of a policy, from when it is made.

    Args:
        policy: that is called; its own stages are read if it is a `TimesStages`.
    """

    def __init__(self, policy: object) -> None:
        """Start."""
        while hasattr(policy, "answerer"):  # `uniform` lets another policy answer
            policy = policy.answerer
        self._timed = policy if isinstance(policy, TimesStages) else None
        self._before = self._stages()
        self._began = time.perf_counter()
        self._found: dict[str, float] | None = None

    def stop(self, seconds: dict[str, float], decision: object) -> None:
        """Add what the call took to the seconds of an episode.

        Args:
            seconds: of the episode, by stage.
            decision: what the policy chose for it; one that was timed by itself counts as that.
        """
        if self._found is None:
            self._found = self._split(time.perf_counter() - self._began)
        own = getattr(getattr(decision, "usage", None), "seconds", None)
        for stage, passed in (self._found if own is None else {POLICY: own}).items():
            seconds[stage] = seconds.get(stage, 0.0) + passed

    def _stages(self) -> dict[str, float]:
        return {} if self._timed is None else dict(self._timed.stage_seconds())

    def _split(self, passed: float) -> dict[str, float]:
        """Return the seconds by stage, so that all of them are what passed."""
        now = self._stages()
        spent = {name: max(0.0, now[name] - self._before.get(name, 0.0)) for name in now}
        shrink = min(1.0, passed / total) if (total := sum(spent.values())) > 0 else 1.0
        found = {name: shrink * seconds for name, seconds in spent.items()}
        return {**found, POLICY: max(0.0, passed - sum(found.values()))}


def add_step_seconds(
    trajectory: Trajectory, action: object, info: Mapping[str, Any], passed: float
) -> None:
    """Add the seconds of a step that a tool or a judge took, less those in the video.

    Args:
        trajectory: of the episode, before the step is part of it.
        action: of the step.
        info: what came of it.
        passed: seconds of the step.
    """
    judged = isinstance(action, Answer) and info.get("rule") == JUDGE
    stage = JUDGE if judged else TOOL if isinstance(action, UseTool) else None
    if stage is not None:
        before = trajectory.turns[-1].info if trajectory.turns else trajectory.start_info
        passed = max(0.0, passed - decode_seconds(info) + decode_seconds(before))
        trajectory.stage_seconds[stage] = trajectory.stage_seconds.get(stage, 0.0) + passed


def decode_seconds(info: Mapping[str, Any]) -> float:
    """Return the seconds that an episode has spent in its video by now; 0 where none are told."""
    return float((info.get("spent") or {}).get("decode_seconds") or 0.0)
