"""What every model is told: the task, the action grammar, an observation as text and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Style = Literal["full", "brief"]


Segment = str | int
"""A piece of a user turn: text, or the index of one of the observation's frames."""


TASK = """\
You answer a question about a video that you can only see in part. You work in turns. Each turn \
shows you frames with their times in seconds, and what is left of your budget: turns (every reply \
costs one) and frames. Look only as much as the question needs; when the turns are used up \
without an answer, the question counts as failed."""
"""What every model is told first, whatever form its replies have."""


SYSTEM: dict[Style, str] = {
    "brief": "",
    "full": TASK
    + """

Reply with exactly one JSON object and nothing else. Times are seconds from the start of the \
video, and `thought` says in a few words what you look for and why:
{"thought": "...", "action": "skip", "to": 95.0}
    moves the cursor ahead without looking
{"thought": "...", "action": "sample", "start": 0.0, "end": 60.0, "num_frames": 8}
    shows evenly spaced frames of a stretch
{"thought": "...", "action": "zoom", "start": 31.0, "end": 34.0, "num_frames": 4, \
"box": [0.5, 0.0, 1.0, 0.5]}
    shows frames of a short window; the optional box [x0, y0, x1, y1], in fractions of the \
picture, enlarges a region
{"thought": "...", "action": "answer", "text": "..."}
    ends the task; with choices, give the chosen one""",
}


def render_user(
    observation: Mapping[str, Any], *, first: bool, style: Style = "full"
) -> list[Segment]:
    """Write the user turn that shows an observation; `first` is the episode's opening turn.

    Each frame is preceded by its own true time: `<12.3 seconds>`.
    """
    frames: list[Segment] = []
    for index in range(int(observation["num_frames"])):
        frames += [f"<{float(observation['seconds'][index]):.1f} seconds>", index]
    notes = [note for note in (observation["message"], observation["text"]) if note]
    if not first:
        lead = "".join(f"{note}\n" for note in notes)
        return joined([lead, *frames, f"\n{_budget(observation, style)}."])
    lines = notes + _question(observation, style)
    return joined([*frames, "".join(f"\n{line}" for line in lines)])


def _question(observation: Mapping[str, Any], style: Style) -> list[str]:
    duration = float(observation["duration"])
    question, choices = str(observation["question"]), str(observation["choices"])
    if style == "brief":
        lines = [f"video {duration:.1f} seconds. {_budget(observation, style)}.", question]
        return lines + [", ".join(choices.split("\n"))] * bool(choices)
    lines = [f"Video: {duration:.1f} seconds. {_budget(observation, style)}."]
    lines.append(f"Question: {question}")
    return lines + [f"Choices:\n{choices}"] * bool(choices)


def _budget(observation: Mapping[str, Any], style: Style) -> str:
    turns, frames = int(observation["turns_left"]), int(observation["frames_left"])
    if style == "brief":
        return f"turns left {turns}, frames left {frames}"
    cursor = float(observation["cursor"])
    return f"Cursor: {cursor:.1f} seconds. Turns left: {turns}. Frames left: {frames}"


def joined(segments: Sequence[Segment]) -> list[Segment]:
    """Join neighbouring texts: a tokenizer may merge across their border."""
    joined: list[Segment] = []
    for segment in segments:
        if isinstance(segment, str) and joined and isinstance(joined[-1], str):
            joined[-1] += segment
        elif segment != "":
            joined.append(segment)
    return joined
