"""An episode as moments, one after the other: what a film of it shows at each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algos.viewer.pictures.page_pictures import NO_PICTURE
from algos.viewer.pictures.seen_frames import Picture
from algos.viewer.pictures.wanted_frames import QuestionFrames
from algos.viewer.view_data import Box, EpisodeView, QuestionView, StepView
from sage_env.timeline import clock

MOST_MOMENTS = 40
"""Turns of an episode that are shown at most: the first ones and the last."""
_LONGEST = 2000
"""Letters of a text that are looked at: no picture has room for more."""


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """One frame of a turn.

    Attributes:
        second: its time.
        picture: uint8 `(h, w, 3)`; `None` where it is not to be had.
        hit: whether it lies inside the evidence.
    """

    second: float
    picture: Picture | None
    hit: bool


@dataclass(frozen=True, eq=False)
class Moment:
    """What is shown at once.

    Attributes:
        heading: which turn it is, and what was done.
        texts: what was written, in the order of importance; "" left out.
        frames: what was shown in return.
        source: the whole frame that the first one is a crop of; `None` where it is none.
        box: of the crop.
        steps: the turns up to here, for the axis.
        cursor: seconds at which the episode stands.
        missing: why frames have no picture; "" where all have one.
        last: whether this is the end, where the verdict is shown.
    """

    heading: str
    texts: tuple[str, ...]
    frames: tuple[ShownFrame, ...]
    source: Picture | None
    box: Box | None
    steps: Sequence[StepView]
    cursor: float
    missing: str = ""
    last: bool = False


def moments_of(
    question: QuestionView,
    episode: EpisodeView,
    wanted: QuestionFrames,
    pictures: Mapping[int, Picture],
    missing: str,
) -> list[Moment]:
    """Return the moments of an episode: the overview, its turns, the verdict.

    Args:
        question: that was played.
        episode: of it.
        wanted: the frames of this episode alone.
        pictures: those that there are, by number of the look.
        missing: why some are not there; "" where all are.
    """
    steps, turns = episode.steps, max((step.turn for step in episode.steps), default=0)
    shown = list(range(len(steps)))
    if len(steps) > MOST_MOMENTS:
        half = MOST_MOMENTS // 2
        shown = [*range(half), *range(len(steps) - half, len(steps))]
    moments = []
    for number in shown:
        step, places = steps[number], wanted.places[0][number]
        frames = tuple(
            ShownFrame(frame.second, pictures.get(look), _inside(frame.second, question))
            for frame, (look, _) in zip(step.frames, places, strict=True)
        )
        source = next((pictures.get(k) for _, k in places if k != NO_PICTURE), None)
        absent = missing if any(frame.picture is None for frame in frames) else ""
        until = steps[: number + 1]
        moments.append(
            Moment(
                _heading(step, turns),
                _texts(step),
                frames,
                source,
                step.box,
                until,
                cursor_after(until),
                absent,
            )
        )
    return [*moments, _verdict(question, episode)]


def cursor_after(steps: Sequence[StepView]) -> float:
    """Return where an episode stands after some turns: skipping and sampling move it."""
    moved = [step.span[1] for step in steps if step.span and step.action in ("skip", "sample")]
    return moved[-1] if moved else 0.0


def time_of(second: float, decimals: int = 1) -> str:
    """Return a time as text, whatever a trace has for one."""
    return clock(second, decimals) if math.isfinite(second) else "?"


def _inside(second: float, question: QuestionView) -> bool:
    return any(start <= second < end for start, end in question.evidence)


def _heading(step: StepView, turns: int) -> str:
    where = (
        f" {time_of(step.span[0])} to {time_of(step.span[1])}" if step.span and step.turn else ""
    )
    seen = f", {len(step.frames)} frames" if step.frames else ""
    name = step.action.replace("_", " ")[:60]
    if not step.turn:
        return f"{name.capitalize()}{seen}"
    return f"Turn {step.turn} of {turns}: {name}{where}{seen}"


def _texts(step: StepView) -> tuple[str, ...]:
    thought = step.thought.strip()[:_LONGEST] if step.thought else ""
    told = step.reason or step.told
    found = step.call or (step.raw or ""), f"Thought: {thought}" if thought else "", told
    return tuple(text[:_LONGEST] for text in found if text)


def _verdict(question: QuestionView, episode: EpisodeView) -> Moment:
    """Return the last moment: what was answered, and whether it is right."""
    told = [f"Answer: {episode.prediction}" if episode.prediction is not None else "No answer"]
    if question.gold is not None:
        told.append(f"Gold answer: {question.gold}")
    turns = sum(step.turn > 0 for step in episode.steps)
    frames = sum(len(step.frames) for step in episode.steps)
    turns_told = f"{turns} turn{'' if turns == 1 else 's'}, {frames} frames"
    told.append(turns_told + (f", judged by: {episode.rule}" if episode.rule else ""))
    if episode.judge_words:
        told.append(f"Judge: {episode.judge_words}")
    if episode.error:
        told.append(f"Failed on our side: {episode.error}")
    words = {True: "Right", False: "Wrong", None: "Not judged"}[episode.verdict]
    texts = tuple(text[:_LONGEST] for text in told)
    cursor = cursor_after(episode.steps)
    return Moment(words, texts, (), None, None, episode.steps, cursor, last=True)
