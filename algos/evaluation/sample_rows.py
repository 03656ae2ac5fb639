"""The flat row of each question: what was asked, what was answered, the verdict and the cost.

`samples.jsonl` holds these rows. Everything after playing, tables and reports, comparisons and
scores, is made of them alone; `algos.evaluation.row_results` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from algos.metrics.answer_spans import answer_spans
from algos.metrics.costs import cost_fields
from algos.metrics.spans import first_hit, iop, iou, precision, recall
from algos.rollout.anytime import belief_rows
from algos.rollout.trajectory import Trajectory
from sage_env.actions.action import Answer, Invalid
from sage_env.datasets.item import QAItem

ENTRY_KEYS = ("policy", "control", "budget", "repeat")
"""Keys that say which line of a table a row belongs to; the play gives them."""
COST_KEYS = (
    "frames_decoded",
    "frames_unique",
    "visual_tokens",
    "visual_tokens_billed",
    "prompt_tokens",
    "cached_tokens",
    "thought_tokens",
    "replies",
    "retries",
    "seconds_by_stage",
    "cost",
    "price",
    "tool_tokens",
    "tool_cost",
)
"""Keys of what a question cost beyond `frames`, `turns`, `seconds` and `tokens`."""
OF_THE_MACHINE = ("seconds", "seconds_by_stage", "frames_decoded")
"""Keys that depend on clocks and caches: equal episodes differ in these."""
NOT_STORED = ("seconds", "tokens", "beliefs", *COST_KEYS, *ENTRY_KEYS)
"""Keys that a stored trajectory cannot give again: measured while it was played, or the entry's."""


def sample_row(
    item: QAItem, trajectory: Trajectory, entry: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return one question as a flat row; `None` stands for what was not measured.

    | key | value |
    |---|---|
    | `id`, `question`, `gold`, `group`, `kind` | of the item; `video` is its path |
    | `choices` | how many there are; 0 for an open question |
    | `gold_choice` | number of the right choice from 0; `None` for an open question |
    | `chance` | expected accuracy of a random choice, 1 / `choices`; `None` without choices |
    | `duration` | seconds of the video |
    | `evidence` | gold spans, `[[start, end], ...]` in seconds; `[]` if not known |
    | `prediction` | text of the answer; `None` without one |
    | `answered` | whether there is an answer, judged or not |
    | `verdict` | `True`, `False`, or `None` where the answer was not judged or the episode failed |
    | `rule` | name of the matching rule that decided; `None` where none did |
    | `judge`, `judge_words` | what pins a judge's verdict; its words, or why it gave none |
    | `stop_reason` | `answered`, `out_of_turns`, or `None` |
    | `turns`, `frames` | turns played; frames shown, the overview included, or `None`: uncounted |
    | `invalid_actions` | turns whose action was none that the environment knows |
    | `tool_calls` | how many had which outcome: `ok`, `refused`, `unknown`, `late`, `failed` |
    | `evidence_recall` | share of gold spans with a shown frame; `None` where not known |
    | `evidence_precision` | share of shown frames in a gold span |
    | `evidence_hit_turn` | first turn with a frame in a gold span, 0 for the overview |
    | `answer_spans` | the spans that the answer claims; `None` without any that can be read |
    | `answer_iou`, `answer_iop` | of those with the gold; 0: none can be read; `None`: it failed |
    | `beliefs` | per turn, the probabilities of the choices before its action, or `None` |
    | `seconds` | wall-clock seconds from the reset to the end |
    | `tokens` | tokens that the policy sampled; `None` for one that has none |
    | `COST_KEYS` | what it cost beyond these: see `algos.metrics.costs` |
    | `reward_terms` | the sum of each term over the turns |
    | `error` | why the episode failed on our side; `None` if it did not |
    | `policy`, `control`, `budget`, `repeat` | of `entry`, that it was played for |
    """
    said, unjudged = _answer(trajectory), trajectory.not_judged
    last = trajectory.turns[-1].info if trajectory.turns else trajectory.start_info
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.answer,
        "prediction": said and said.text,
        "verdict": _verdict(trajectory, last),
        "rule": trajectory.rule,
        **_effort(trajectory),
        "cost": None,
        "reward_terms": _reward_terms(trajectory),
        "error": None if unjudged else trajectory.error,
        "judge": last.get("judge"),
        "judge_words": trajectory.error if unjudged else last.get("judge_words"),
        "video": str(item.video),
        "duration": overview_end(trajectory) if item.duration is None else item.duration,
        **_asked(item),
        "answered": said is not None,
        **_ending(trajectory, last),
        **_evidence(item, trajectory, said),
        "beliefs": belief_rows(trajectory),
        **cost_fields(item, trajectory),
        **{key: (entry or {}).get(key) for key in ENTRY_KEYS},
    }


def _ending(trajectory: Trajectory, last: Mapping[str, Any]) -> dict[str, Any]:
    """Return why it ended, how many turns asked for nothing that there is, and calls of tools."""
    reason = "answered" if trajectory.not_judged else last.get("stop_reason")
    invalid = sum(isinstance(turn.decision.action, Invalid) for turn in trajectory.turns)
    return {
        "stop_reason": reason,
        "invalid_actions": invalid,
        "tool_calls": trajectory.tool_calls,
    }


def _asked(item: QAItem) -> dict[str, Any]:
    """Return what kind of question it is, and how its choices stand."""
    choices = item.choices
    return {
        "group": dict(item.group),
        "kind": item.kind,
        "choices": len(choices),
        "gold_choice": choices.index(item.answer) if item.answer in choices else None,
        "chance": 1 / len(choices) if choices else None,
    }


def overview_end(trajectory: Trajectory) -> float | None:
    """Return the seconds of an episode's video, where an overview of all of it was shown."""
    overview = trajectory.start_info.get("span")
    return float(overview[1]) if overview else None


def _answer(trajectory: Trajectory) -> Answer | None:
    """Return the answer, also of an episode that failed when it was judged."""
    last = trajectory.turns[-1] if trajectory.turns else None
    decision = trajectory.failed or (last and last.decision)
    return decision.action if decision and isinstance(decision.action, Answer) else None


def _verdict(trajectory: Trajectory, last: Mapping[str, Any]) -> bool | None:
    """Return the verdict: no answer is a wrong answer, while `None` is "not judged"."""
    if trajectory.error:
        return None
    if last.get("stop_reason") == "out_of_turns":
        return False
    verdict = last.get("correct")
    return None if verdict is None else bool(verdict)


def _effort(trajectory: Trajectory) -> dict[str, Any]:
    """Return what the episode took."""
    sampled = [t.decision.tokens for t in trajectory.turns if t.decision.tokens is not None]
    return {
        "turns": trajectory.num_turns + trajectory.not_judged,  # its answer was a turn
        "frames": None if _whole(trajectory) else sum(len(look) for look in _looks(trajectory)),
        "seconds": trajectory.seconds,
        "tokens": sum(len(tokens.completion) for tokens in sampled) if sampled else None,
    }


def _evidence(item: QAItem, trajectory: Trajectory, said: Answer | None) -> dict[str, Any]:
    """Return what was shown of the gold spans, and what of them the answer claims."""
    gold = [] if _whole(trajectory) else item.evidence  # what such a policy saw is not known
    looks = _looks(trajectory)
    seconds = [second for look in looks for second in look]
    claimed = answer_spans(said, item.kind)
    failed = trajectory.error is not None and said is None  # of ours: no claim, and no wrong one
    claims = bool(item.evidence) and not failed
    return {
        "evidence": [list(span) for span in item.evidence],
        "evidence_recall": recall(seconds, gold),
        "evidence_precision": precision(seconds, gold),
        "evidence_hit_turn": first_hit(looks, gold),
        "answer_spans": claimed and [list(span) for span in claimed],
        "answer_iou": iou(claimed or (), item.evidence) if claims else None,
        "answer_iop": iop(claimed or (), item.evidence) if claims else None,
    }


def _looks(trajectory: Trajectory) -> list[list[float]]:
    """Return the times of the frames of each look, the overview first."""
    infos = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    return [list(info.get("frame_seconds") or ()) for info in infos]


def _whole(trajectory: Trajectory) -> bool:
    return bool(trajectory.conditions.whole_video)


def _reward_terms(trajectory: Trajectory) -> dict[str, float]:
    terms: dict[str, float] = {}
    for turn in trajectory.turns:
        for name, value in (turn.info.get("reward_terms") or {}).items():
            terms[name] = terms.get(name, 0.0) + value
    return terms
