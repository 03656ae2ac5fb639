"""One example of the report: a question, and for each policy what it looked at and decided."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from algos.evaluation.measures import episode_result
from algos.report.timeline_view import duration_of, in_evidence, timeline
from algos.rollout.trajectory import Trajectory, Turn
from sage_env.actions.action import ACTION_NAMES, Answer, Invalid
from sage_env.actions.action_text import format_action
from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.item import QAItem
from sage_env.errors import VideoError
from sage_env.timeline import clock
from sage_env.video.video_file import PyAVVideo, open_video

VerdictClass = Literal["right", "wrong", "none"]


@dataclass(frozen=True, eq=False)
class ShownQuestion:
    """A question and the episodes that are shown of it.

    Attributes:
        heading: why it is shown, e.g. `"Long video, right"`.
        item: the question.
        episodes: who played, and the episode.
    """

    heading: str
    item: QAItem
    episodes: Sequence[tuple[str, Trajectory]]


def example_html(example: ShownQuestion, number: int, frame_size: tuple[int, int]) -> str:
    """Return an example as an `<article>`. Frames are decoded anew at `frame_size` `(H, W)`."""
    item = example.item
    played = "".join(
        _episode_html(item, who, trajectory, frame_size, is_open=k == len(example.episodes))
        for k, (who, trajectory) in enumerate(example.episodes, 1)
    )
    return (
        f'<article id="example-{number}" aria-labelledby="example-{number}-title">'
        f'<h3 id="example-{number}-title">{number}. {escape(example.heading)}</h3>'
        f"{_question_html(item, example.episodes[0][1])}{played}</article>"
    )


def verdict(item: QAItem, trajectory: Trajectory) -> tuple[VerdictClass, str]:
    """Return how an episode ended: a CSS class, and words."""
    if trajectory.error is not None:
        return "none", f"failed on our side: {trajectory.error}"
    result = episode_result(item, trajectory)
    if trajectory.turns and trajectory.turns[-1].info.get("stop_reason") == "out_of_turns":
        return "wrong", "✗ out of turns without an answer"
    words: dict[bool | None, tuple[VerdictClass, str]] = {
        True: ("right", "✓ right"),
        False: ("wrong", "✗ wrong"),
        None: ("none", "not judged"),
    }
    return words[result.correct]


def _question_html(item: QAItem, trajectory: Trajectory) -> str:
    duration = duration_of(item, trajectory)
    tags = {"length": clock(duration), "bucket": f"{bucket_of(duration)} s", **item.group}
    if item.evidence:
        spans = ", ".join(f"{clock(start)} to {clock(end)}" for start, end in item.evidence)
        tags["evidence"] = spans
    listed = "".join(
        f"<span><b>{escape(str(key))}</b> {escape(str(value))}</span>"
        for key, value in tags.items()
    )
    answer = f'<p class="gold">Answer: {escape(item.answer)}</p>'
    if item.choices:
        answer = "".join(
            f'<li class="gold">{escape(choice)} <span class="badge">gold answer</span></li>'
            if choice == item.answer
            else f"<li>{escape(choice)}</li>"
            for choice in item.choices
        )
        answer = f'<ol class="choices">{answer}</ol>'
    return f'<p class="question">{escape(item.question)}</p>{answer}<p class="tags">{listed}</p>'


def _episode_html(
    item: QAItem, who: str, trajectory: Trajectory, frame_size: tuple[int, int], *, is_open: bool
) -> str:
    kind, words = verdict(item, trajectory)
    result = episode_result(item, trajectory)
    turns = "turn" if result.turns == 1 else "turns"
    shown = "the whole video" if result.frames is None else f"{result.frames} frames"
    frames = _Frames(item, frame_size)
    try:
        overview = frames.strip(trajectory.start_info)
        steps = "".join(_turn_html(k, turn, frames) for k, turn in enumerate(trajectory.turns, 1))
    finally:
        frames.close()
    worth = _credit(trajectory.start_info)
    start = f"<li><h5>Overview{worth}</h5>{overview}</li>" if overview else ""
    return (
        f'<section class="episode"><h4>{escape(who)}: <span class="{kind}">{escape(words)}</span>'
        f"{_answer(trajectory)} <small>{result.turns} {turns}, {shown}</small></h4>"
        f"{timeline(item, trajectory, who)}"
        f"<details{' open' if is_open else ''}><summary>Frames and actions, turn by turn</summary>"
        f'<ol class="turns">{start}{steps}</ol></details></section>'
    )


def _answer(trajectory: Trajectory) -> str:
    action = trajectory.turns[-1].decision.action if trajectory.turns else None
    return f", “{escape(action.text)}”" if isinstance(action, Answer) else ""


def _turn_html(number: int, turn: Turn, frames: _Frames) -> str:
    action = turn.decision.action
    text = turn.decision.text
    if not text:
        text = action.text if isinstance(action, Invalid) else format_action(action)
    reason = f'<p class="wrong">{escape(action.reason)}</p>' if isinstance(action, Invalid) else ""
    span, box = turn.info.get("span"), turn.info.get("box")
    where = f" {clock(span[0])} to {clock(span[1])}" if span else ""
    where += f", box {', '.join(f'{edge:g}' for edge in box)}" if box else ""
    reward = f", reward {turn.reward:g}" if turn.reward else ""
    heading = f"Turn {number}: {ACTION_NAMES[type(action)]}{where}{reward}{_credit(turn.info)}"
    return f"<li><h5>{heading}</h5><pre>{escape(text)}</pre>{reason}{frames.strip(turn.info)}</li>"


def _credit(info: dict[str, Any]) -> str:
    """Return the step credit of a turn's frames as text, "" where it was not measured."""
    credit = info.get("credit")
    return "" if credit is None else f", credit {credit:+.2f} nats"


class _Frames:
    """Thumbnails of exactly the frames that an episode was shown, decoded anew."""

    def __init__(self, item: QAItem, frame_size: tuple[int, int]) -> None:
        self.item, self.frame_size = item, frame_size
        self._video: PyAVVideo | None = None

    def strip(self, info: dict[str, Any]) -> str:
        """Return the frames that one turn showed, `""` when none."""
        seconds = [float(second) for second in info.get("frame_seconds") or ()]
        if not seconds:
            return ""
        box = info.get("box")
        try:
            if self._video is None:
                self._video = open_video(self.item.video)
            shown = self._video.frames_at(
                seconds, size=self.frame_size, box=tuple(box) if box else None
            )
        except VideoError as error:
            return f'<p class="missing">{len(seconds)} frames, not to be had now: ' + (
                f"{escape(str(error))}</p>"
            )
        thumbs = map(self._thumb, shown.pixels, shown.seconds.tolist())
        return f'<div class="frames">{"".join(thumbs)}</div>'

    def close(self) -> None:
        if self._video is not None:
            self._video.close()

    def _thumb(self, pixels: NDArray[np.uint8], second: float) -> str:
        hit = in_evidence(second, self.item.evidence)
        badge = '<span class="badge">evidence</span>' if hit else ""
        words = f"frame at {clock(second)}" + (", inside the evidence" if hit else "")
        height, width = self.frame_size
        return (
            f'<figure class="thumb{" hit" if hit else ""}"><img src="{jpeg_uri(pixels)}" '
            f'alt="{words}" width="{width}" height="{height}" loading="lazy">'
            f"<figcaption>{clock(second)} {badge}</figcaption></figure>"
        )


def jpeg_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a picture, uint8 `(H, W, 3)`, as a JPEG that stands in the page itself."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
