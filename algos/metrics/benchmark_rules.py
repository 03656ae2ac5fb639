"""A benchmark's score by its own rule, chosen by the name of its dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import Estimate, task_mean_estimate
from algos.metrics.grounding_rules import cg_bench_score, charades_score, next_gqa_score
from algos.metrics.group_scores import video_mme_v2_score
from algos.metrics.rule_score import RuleLine, RuleScore, accuracy_of, by_value, judged, left_out
from sage_env.datasets.native.benchmark import benchmark_named

_KEYS: Mapping[str, tuple[str, ...]] = {
    "video-mme": ("duration",),
    "lvbench": ("question_type",),
    "longvideobench": ("duration_group", "question_category"),
    "video-mmmu": ("track",),
    "minerva": ("question_type",),
    "sage-bench": ("ques_type",),
}
"""Report keys that a benchmark reports accuracy by, beside the whole."""
_ORDER = ("short", "medium", "long", "Perception", "Comprehension", "Adaptation")


def rule_of(dataset: str) -> str:
    """Return the name of the rule that a dataset is scored by; `accuracy` for any without its own.

    Args:
        dataset: as `--dataset` names it.
    """
    benchmark = benchmark_named(dataset)
    return "accuracy" if benchmark is None else benchmark.rule


def benchmark_score(
    dataset: str, episodes: Sequence[EpisodeResult], clue: Sequence[EpisodeResult] = ()
) -> RuleScore:
    """Return the score of a dataset's questions by its own rule.

    Args:
        dataset: as `--dataset` names it.
        episodes: one result per question.
        clue: of the same policy that was shown the evidence alone, the control `oracle`; only
            CG-Bench asks for it.
    """
    rule = rule_of(dataset)
    if rule == "cg-bench":
        return cg_bench_score(episodes, clue)
    if rule in _RULES:
        return _RULES[rule](episodes)
    return accuracy_score(episodes, rule, _KEYS.get(dataset, ()))


def accuracy_score(
    episodes: Sequence[EpisodeResult], rule: str, keys: Sequence[str] = ()
) -> RuleScore:
    """Return the share of right answers, in all and by report keys.

    A question without an answer is a wrong one; nothing is guessed for it.
    """
    lines = [RuleLine("accuracy", accuracy_of(episodes))]
    for key in keys:
        lines += by_value(episodes, key, accuracy_of, _ORDER)
    about = ["Accuracy: right answers among those that were judged; no answer is a wrong one."]
    if rule == "judge":
        about.append(
            "Open answers are for a judge (--judge): without one, what no rule can tell is wrong."
        )
    return RuleScore(rule, (*about, *left_out(episodes)), tuple(lines))


def mlvu_score(episodes: Sequence[EpisodeResult]) -> RuleScore:
    """Return M-Avg, the mean of the accuracies of the multiple-choice tasks, and each of them.

    Source: Zhou et al., "MLVU", CVPR 2025, section 4.1: "M-Avg: the average performance of
    multiple-choice tasks". Tasks of free answers, which a judge decides, are kept apart as G-Avg.
    """
    choice = [e for e in episodes if e.group.get("form", "choice") == "choice"]
    free = [e for e in episodes if e.group.get("form", "choice") != "choice"]
    lines = [RuleLine("M-Avg", _over_tasks(choice), accuracy_of(choice))]
    lines += by_value(choice, "task", accuracy_of)
    if free:
        lines.append(RuleLine("G-Avg, as right or wrong", _over_tasks(free), accuracy_of(free)))
        lines += by_value(free, "task", accuracy_of)
    about = ("M-Avg: mean of the accuracies of the tasks, each of which counts alike.",)
    return RuleScore("mlvu", (*about, *left_out(episodes)), tuple(lines))


def _over_tasks(episodes: Sequence[EpisodeResult]) -> Estimate:
    known = [e for e in judged(episodes) if "task" in e.group]
    return task_mean_estimate(
        [float(bool(e.correct)) for e in known],
        [e.group["task"] for e in known],
        [e.video for e in known],
    )


_RULES: Mapping[str, Callable[[Sequence[EpisodeResult]], RuleScore]] = {
    "video-mme-v2": video_mme_v2_score,
    "mlvu": mlvu_score,
    "next-gqa": next_gqa_score,
    "charades-sta": charades_score,
}
