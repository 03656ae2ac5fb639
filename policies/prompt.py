"""Prompts: the system message of each style, and an observation as text and frames.

The wording of the task and of the actions is in `sage_env.actions.grammar_text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sage_env.actions.grammar_text import JSON_INSTRUCTIONS
from sage_env.tools.quoting import told_notes

Style = Literal["full", "brief"]
"""Whole sentences for general models, or few words for the shipped one, which has learned them."""
Segment = str | int
"""A piece of a user turn: text, or the index of one of the observation's frames."""


SYSTEM: dict[Style, str] = {"brief": "", "full": JSON_INSTRUCTIONS}
"""The system message of each style; checkpoints were trained on it, letter for letter."""
ONLY_TURN = (
    "This is your only turn, and nothing more can be looked at: reply with the answer action."
)
"""What a policy is told that has to answer at once."""


def render_user(
    observation: Mapping[str, Any], *, first: bool, style: Style = "full"
) -> list[Segment]:
    """Return the user turn that shows an observation: each frame after its true time.

        ["<1.9 seconds>", 0, "<5.6 seconds>", 1, "(line break) Video: 7.5 seconds. …"]

    Args:
        observation: what is shown, of `VideoQAEnv`.
        first: whether it is the first turn of the episode, which asks the question.
        style: how much is said.
    """
    frames: list[Segment] = []
    for index in range(int(observation["num_frames"])):
        frames += [f"<{float(observation['seconds'][index]):.1f} seconds>", index]
    notes = told_notes(str(observation["message"]), str(observation["text"]))
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
    """Return the segments with neighbouring texts joined: a tokenizer may merge across a border."""
    joined: list[Segment] = []
    for segment in segments:
        if isinstance(segment, str) and joined and isinstance(joined[-1], str):
            joined[-1] += segment
        elif segment != "":
            joined.append(segment)
    return joined


def told_to_answer(observation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an observation whose `message` says that only an answer is possible."""
    message = str(observation.get("message", ""))
    return {**observation, "message": f"{message} {ONLY_TURN}".lstrip()}
