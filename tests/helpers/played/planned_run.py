"""A small evaluation with one question of every outcome, played on a clip and written to a folder.

The policy does what a plan says for each question: looks, zooms into a box, writes no action,
answers right, wrong, or not at all. One answer finds no judge, one is about a missing video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.measures import evaluate
from algos.runs.evaluation_run import EvaluationRun
from algos.runs.run_folder import RunFolder
from policies.base import Decision
from sage_env import Answer, Invalid, QAItem, Sample, Skip, VideoQAEnv, Zoom
from sage_env.errors import JudgeError
from tests.helpers.clips import write_clip

ENVIRONMENT = {
    "max_turns": 3,
    "max_frames": 12,
    "frames_per_turn": 4,
    "overview_frames": 2,
    "frame_size": (64, 96),
}
PLANS: dict[str, list[Decision]] = {
    "right": [
        Decision(Sample(1.0, 3.0, 3), "I look. " + '{"action": "sample"}'),
        Decision(Zoom(2.0, 2.5, 2, (0.0, 0.0, 0.5, 0.5))),
        Decision(Answer("a dog"), '{"action": "answer", "text": "a dog"}'),
    ],
    "wrong": [
        Decision(Invalid("hm? ünklar", "no JSON object"), "hm? ünklar"),
        Decision(Answer("a")),
    ],
    "missing": [Decision(Skip(2.0)), Decision(Skip(1.0)), Decision(Sample(0.0, 1.0, 2))],
    "unjudged": [Decision(Sample(0.0, 90.0, 9)), Decision(Answer("something odd"))],
    "gone": [],
}


class Planned:
    """Does what the plan of a question says, from the overview on; or first something else."""

    def __init__(self, first: Sequence[Decision] = ()) -> None:
        self.now = list(first)

    def reset(self, *, seed: int | None = None) -> None:
        pass

    def act(self, observation: Any) -> Decision:
        if int(observation["turns_left"]) == ENVIRONMENT["max_turns"]:
            self.now = list(PLANS[observation["question"].partition("?")[0]])
        return self.now.pop(0)


def no_judge(item: QAItem, text: str) -> bool:
    raise JudgeError("the judge is away")


def questions(folder: Path) -> list[QAItem]:
    """Write a clip of 4.8 s, and return a question for each plan; the last one's video is gone."""
    clip = write_clip(folder / "clip.mp4", range(120))
    asked = [
        QAItem(
            f"q-{name}",
            folder / "none.mp4" if name == "gone" else clip,
            f"{name}? „Größe“",
            () if name == "unjudged" else ("a cat", "a dog"),
            "much" if name == "unjudged" else "a dog",
            "open" if name == "unjudged" else "mcq",
            evidence=((1.0, 2.0),),
            duration=4.8,
            group={"plan": name},
        )
        for name in PLANS
    ]
    return asked


def planned_run(folder: Path) -> Path:
    """Play every plan into `folder/run`, and return that path."""
    items = questions(folder)
    env = VideoQAEnv(dataset=items, judge=no_judge, **ENVIRONMENT)  # type: ignore[arg-type]
    settings = {
        "policy": "planned",
        "dataset": "plans.jsonl",
        "environment": {**ENVIRONMENT, "judge": "tests:no_judge"},
    }
    run = RunFolder(folder / "run")
    with run.alone("--out"), EvaluationRun(run, "planned", items, settings) as record:
        result = evaluate([env], Planned(), items, seed=3, progress=record.record)
        record.finish(result)
    env.close()
    return run.path
