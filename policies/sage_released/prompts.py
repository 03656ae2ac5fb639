"""The prompts of each stage, in the layout that the released checkpoints were trained on.

Layout, field names and tags are those of github.com/allenai/SAGE (arXiv 2512.13874); the sentences
of the system prompts are ours. To run a checkpoint on the words of its training, give those to
`SageReleased(system=…)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from policies.prompt import Segment
from policies.sage_released.media import VIDEO, timestamp
from policies.sage_released.protocol import Call, Stage
from sage_env.datasets.choice_labels import label_choices
from sage_env.tools.quoting import FROM_OUTSIDE

MAX_RESULTS = 10
"""Most results that a prompt shows, the newest."""

_TOOLS = """\
  "final_answer": "short answer to the question, null while it cannot be answered",
  "recommended_tools": {
    "needed": true or false,
    "why_no_tool": "only where no tool is needed",
    "tool_calls": [
      {"rationale": "why this tool comes next", "name": "name of the tool", "arguments": {...}}
    ]
  }
}
</json>

The tools:

{tools}"""

SYSTEM: Mapping[Stage, str] = {
    "context": """\
You see frames of a video and a question about it. Describe what matters for the question, then \
answer it if the frames show the answer, or call the tool that brings you closer. Reply with one \
JSON object between <json> and </json>:

<json>
{
  "video_context": "what the video shows",
  "query_intent": "what the question asks for",
"""
    + _TOOLS,
    "reasoner": """\
You answer a question about a video that you cannot see: you are given a description of it and \
the results of tools. Decide whether they hold the answer, assume nothing beyond them, and call \
another tool if they do not. Reply with one JSON object between <json> and </json>:

<json>
{
  "answerable": {"verdict": true or false, "reasoning": "why"},
"""
    + _TOOLS,
}
"""The system prompts; `{tools}` is where the declarations of the tools go."""


def system_prompt(template: str, schemas: Sequence[Mapping[str, Any]]) -> str:
    """Return a system prompt with the declarations of the tools, one JSON object per line."""
    lines = "\n".join(json.dumps(schema, ensure_ascii=False) for schema in schemas)
    return template.replace("{tools}", f"<tools>\n{lines}\n</tools>")


def query(observation: Mapping[str, Any]) -> str:
    """Return the question, with its choices below it."""
    question = str(observation["question"])
    choices = str(observation["choices"]).split("\n") if observation["choices"] else []
    if not choices:
        return question
    labelled = enumerate(label_choices(choices), start=1)
    options = [f" ({choice.label or number}) {choice.text}" for number, choice in labelled]
    return "\n".join([question, " Choose one of these options:", *options])


def context_turn(
    observation: Mapping[str, Any], seconds: Sequence[float], problem: str = ""
) -> list[Segment]:
    """Write the user turn of the context stage: the video's frames, then the question.

    Args:
        observation: whose question is asked.
        seconds: when each frame is on screen.
        problem: why the last reply could not be used.
    """
    frames: list[Segment] = []
    for index, second in enumerate(seconds):
        frames += [f"<{second:.1f} seconds>", index]
    note = f"\nYour last reply could not be used: {problem}." if problem else ""
    return [*frames, f"{query(observation)}\n{_video(observation)}{note}"]


def reasoner_turn(
    observation: Mapping[str, Any],
    context: str,
    key: str,
    call: Call,
    results: Sequence[tuple[str, str]],
) -> str:
    """Write the user turn of the later stage, which is text only.

    Only the newest call is shown with its arguments; the rest have their results alone, as the
    checkpoints were trained.

    Args:
        observation: whose question is asked.
        context: what the context stage said of the video.
        key: of the newest call, `NAME_#N`.
        call: that call.
        results: key and result of the calls to show, oldest first.
    """
    made = "\n".join(f"{name} output: {result}" for name, result in results)
    return (
        f"The last step called {key} with arguments {dict(call.arguments)}\n\n"
        f"Context of the video: {context}\n\n"
        f"Query: {query(observation)}\n{_video(observation)}\n\n"
        f"Tools called so far (NAME_#N and what it returned, {FROM_OUTSIDE}):\n{made}\n"
    )


def _video(observation: Mapping[str, Any]) -> str:
    return f"Video Path: {VIDEO} of duration {timestamp(int(observation['duration']))}."
