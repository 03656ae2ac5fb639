"""What a folder of questions holds, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.question_files import kept_questions, rejections
from sage_env.timeline import covered

WIDE = 90.0
"""Percent of a video that at least one of its questions should need."""


def question_lines(folder: Path) -> list[str]:
    """Return lines about the questions of a folder: kinds, coverage, what was rejected and why."""
    kept = kept_questions(folder)
    lines = []
    if kept:
        kinds = [_shares(f"{one.kind}" for one in kept), _shares(one.modality for one in kept)]
        kinds.append(_shares(one.difficulty for one in kept))
        videos = len({one.video for one in kept})
        lines.append(f"{len(kept)} questions of {videos} videos: {'; '.join(kinds)}")
        lines.append(_coverage(kept))
    checks = Counter(one.check for one in rejections(folder))
    if checks:
        told = ", ".join(f"{number} {check}" for check, number in checks.most_common())
        lines.append(f"rejected: {told}")
    return lines


def _coverage(kept: Sequence[GeneratedQuestion]) -> str:
    """Say how much of the videos the evidence covers, and how far the widest question reaches."""
    by_video: dict[str, list[GeneratedQuestion]] = {}
    for one in kept:
        by_video.setdefault(one.video, []).append(one)
    shares = [
        covered([span for one in each for span in one.evidence]) / each[0].duration
        for each in by_video.values()
    ]
    wide = sum(max(one.percent_video_parsed for one in each) >= WIDE for each in by_video.values())
    off = sum(abs(_claimed(one) - one.percent_video_parsed) > 10 for one in kept)
    return (
        f"evidence covers {sum(shares) / len(shares):.0%} of a video; {wide} of {len(by_video)} "
        f"videos have a question over {WIDE:.0f} % or more of it; {off} replies said a share that "
        "is off by more than 10 points"
    )


def _claimed(question: GeneratedQuestion) -> float:
    return float(question.rationale.get("percent_claimed", question.percent_video_parsed))


def _shares(values: Iterable[str]) -> str:
    count = Counter(values)
    return ", ".join(f"{number} {name}" for name, number in count.most_common())
