"""What was learned: base, after SFT, after PPO, on videos that nothing was learned from.

Same questions, budgets, frames and decoding for all three; what tools are worth is measured apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from algos.data_pipeline.line.learning import PPO, SFT, TEST, TRAIN, questions, student
from algos.data_pipeline.line.making_questions import synth_parts
from algos.data_pipeline.line.settings import LineError, LineSettings
from algos.data_pipeline.line.stages import Result
from algos.evaluation.measures import EvalResult, difference
from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import Estimate, mean_estimate, share_estimate
from algos.suite.evaluating import evaluate_entries
from policies.baselines.listener import Listener
from sage_env.datasets.item import QAItem
from sage_env.tools.speech.recogniser import weights_place

EVAL = "eval"
BASE, AFTER_SFT, AFTER_PPO = "base", "after SFT", "after PPO"
LEARNERS = (BASE, AFTER_SFT, AFTER_PPO)
"""In the order in which they were made."""


def evaluate(settings: LineSettings) -> Result:
    """Play the held-out questions greedily with the model at every station; compare, paired."""
    items = questions(settings, TEST)
    require_apart(items, questions(settings, TRAIN))
    adapters = {
        BASE: None,
        AFTER_SFT: settings.out / SFT / "adapter",
        AFTER_PPO: settings.out / PPO / "adapter",
    }
    results: dict[str, EvalResult] = {}
    for name, adapter in adapters.items():
        policy = student(settings, adapter)
        policy.temperature = 0.0
        folder = settings.out / EVAL / name.replace(" ", "-")
        (results[name],) = evaluate_entries(
            items,
            {name: policy},
            folder,
            seed=settings.seed,
            envs=settings.envs,
            name="held-out questions",
            progress=True,
        ).values()
    lines = {name: line(result.episodes()) for name, result in results.items()}
    gains = {
        f"{after} minus {before}": gain(results[after], results[before])
        for before, after in ((BASE, AFTER_SFT), (AFTER_SFT, AFTER_PPO), (BASE, AFTER_PPO))
    }
    families = _families(results)
    return {"lines": lines, "gains": gains, "families": families, "videos": _videos(items)}


def evaluate_tools(settings: LineSettings) -> Result:
    """Play the questions about what is said, with the tool `transcribe` and without it.

    The small model calls no tool; the scripted listener does. Nothing was learned of these videos.
    """
    parts = synth_parts(settings) if settings.offline else []
    spoken = [item for item in parts[1] if item.group["family"] == "spoken"] if parts[1:] else []
    if not spoken:
        return {"note": "no video speaks, or no question is known to be about what is said"}
    heard = Path(weights_place("")).is_dir() and find_spec("faster_whisper") is not None
    tool = "transcribe?written=false" if heard else "transcribe"
    lines = {}
    for name, tools in ((f"listener with {tool}", (tool,)), ("listener without tools", ())):
        (found,) = evaluate_entries(
            spoken,
            {"listener": Listener()},
            settings.out / EVAL / ("with-tools" if tools else "without-tools"),
            seed=settings.seed,
            name="spoken questions",
            progress=True,
            tools=tools,
        ).values()
        lines[name] = line(found.episodes())
    source = "recognised by Whisper" if heard else "read from subtitles: no Whisper weights here"
    return {"lines": lines, "videos": _videos(spoken), "note": f"what is said is {source}"}


def require_apart(test: Sequence[QAItem], train: Sequence[QAItem]) -> None:
    """Refuse a video that is measured on and learned from.

    Raises:
        LineError: naming it.
    """
    if shared := {item.video for item in test} & {item.video for item in train}:
        raise LineError(f"{min(shared)} is learned from and measured on: this is a bug")


def line(episodes: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Return what is said of one policy: accuracy, frames and turns, with intervals over videos."""
    judged = [one for one in episodes if one.correct is not None]
    videos = [one.video for one in judged]
    return {
        "questions": len(episodes),
        "judged": len(judged),
        "accuracy": _told(share_estimate([bool(one.correct) for one in judged], videos)),
        "frames": _told(mean_estimate([float(one.frames or 0) for one in judged], videos)),
        "turns": _told(mean_estimate([float(one.turns) for one in judged], videos)),
    }


def gain(after: EvalResult, before: EvalResult) -> dict[str, Any]:
    """Return the mean difference of verdicts, paired by question, with its interval."""
    found = difference(after.episodes(), before.episodes())
    return {"mean": found.mean, "interval": found.interval, "questions": found.questions}


def _told(found: Estimate) -> dict[str, Any]:
    return {"mean": found.mean, "interval": found.interval}


def _families(results: dict[str, EvalResult]) -> dict[str, dict[str, Any]]:
    """Return the accuracy of each difficulty, as the writer of the questions saw it."""
    found: dict[str, dict[str, Any]] = {}
    for name, result in results.items():
        for episode in result.episodes():
            group = str(episode.group.get("difficulty", "none"))
            own = found.setdefault(group, {}).setdefault(name, [0, 0])
            own[0] += episode.correct is True
            own[1] += 1
    return dict(sorted(found.items()))


def _videos(items: Sequence[QAItem]) -> int:
    return len({item.video for item in items})
