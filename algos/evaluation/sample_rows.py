"""The flat row of each question: what was asked, what was answered, the verdict and the cost."""

from __future__ import annotations

from typing import Any

from algos.evaluation.measures import episode_result
from algos.rollout.trajectory import Trajectory
from sage_env.actions.action import Answer
from sage_env.datasets.item import QAItem


def sample_row(item: QAItem, trajectory: Trajectory) -> dict[str, Any]:
    """Return one question as a flat row; `None` stands for what was not measured.

    | key | value |
    |---|---|
    | `id`, `question`, `gold`, `group` | of the item; `video` is its path |
    | `prediction` | text of the answer; `None` without one |
    | `verdict` | `True`, `False`, or `None` where the answer was not judged or the episode failed |
    | `rule` | name of the matching rule that decided; `None` where none did |
    | `turns`, `frames` | turns played; frames shown, the overview included, or `None`: uncounted |
    | `seconds` | wall-clock seconds from the reset to the end |
    | `tokens` | tokens that the policy sampled; `None` for one that has none |
    | `cost` | dollars; `None`: no policy says it by the episode yet |
    | `reward_terms` | the sum of each term over the turns |
    | `error` | why the episode failed on our side; `None` if it did not |
    """
    result = episode_result(item, trajectory)
    last = trajectory.turns[-1] if trajectory.turns else None
    decision = trajectory.failed or (last and last.decision)
    answer = decision.action if decision and isinstance(decision.action, Answer) else None
    sampled = [t.decision.tokens for t in trajectory.turns if t.decision.tokens is not None]
    terms: dict[str, float] = {}
    for turn in trajectory.turns:
        for name, value in (turn.info.get("reward_terms") or {}).items():
            terms[name] = terms.get(name, 0.0) + value
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.answer,
        "prediction": answer and answer.text,
        "verdict": result.correct,
        "rule": last and last.info.get("rule"),
        "turns": result.turns,
        "frames": result.frames,
        "seconds": trajectory.seconds,
        "tokens": sum(len(tokens.completion) for tokens in sampled) if sampled else None,
        "cost": None,
        "reward_terms": terms,
        "error": result.error,
        "video": str(item.video),
        "group": dict(item.group),
    }
