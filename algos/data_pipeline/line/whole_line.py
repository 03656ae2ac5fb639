"""The whole line in one call: videos, questions, checks, episodes, SFT, PPO, evaluation, report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from algos.data_pipeline.line import learning, making_questions, measuring
from algos.data_pipeline.line.line_report import write_report
from algos.data_pipeline.line.settings import LineSettings, keep_settings
from algos.data_pipeline.line.stages import Stage, run_stages
from algos.runs.run_folder import RunFolder

STAGES = (
    Stage("videos", "making or finding the videos", making_questions.make_videos),
    Stage("questions", "a model writes questions about them", making_questions.write_questions),
    Stage("checks", "which questions can be trusted", making_questions.check),
    Stage("distill", "teachers play them; sets are made of it", learning.distill),
    Stage("sft", "the student imitates what was right", learning.fine_tune),
    Stage("ppo", "and learns from its own tries", learning.train),
    Stage("eval", "what it knows of videos that it has never seen", measuring.evaluate),
    Stage(
        "tools",
        "what a tool is worth: spoken questions with it and without",
        measuring.evaluate_tools,
    ),
)
"""In order; each goes on where it was, and none is run twice."""


def run_line(settings: LineSettings, tell: Callable[[str], None] = print) -> dict[str, Any]:
    """Run what has not been run of the line, and return the results of its stages by name.

    Args:
        settings: of the line.
        tell: is given sentences on the way.

    Raises:
        SageEnvError: if a stage fails; the same call goes on with it.
    """
    with RunFolder(settings.out).alone("--out"):
        keep_settings(settings)
        results = run_stages(STAGES, settings, tell)
        if len(results) == len(STAGES):
            told = write_report(settings, results)
            tell(f"report: {told}")
        return results
