"""Replies of a released checkpoint as it would write them, for actions and for scripted models."""

from __future__ import annotations

import json
import math
from typing import Any

from policies.sage_released.media import VIDEO, timestamp
from policies.sage_released.protocol import Call, Stage, StageReply
from policies.sage_released.tools import EXTRACT, RELEASED_TOOLS
from sage_env.actions.action import Action, Answer, Sample, UseTool, Zoom


def write_reply(reply: StageReply, stage: Stage, reasoning: str = "") -> str:
    """Write a reply with exactly the keys of its stage; `read_reply` reads it back.

    Args:
        reply: with an answer or a call.
        stage: whose keys to write.
        reasoning: goes into `query_intent`, or into `answerable`.
    """
    calls = []
    if reply.call is not None:
        arguments = dict(reply.call.arguments)
        calls = [{"rationale": reply.call.rationale, "name": reply.call.name}]
        calls[0]["arguments"] = arguments
    tools = {"needed": bool(calls), "why_no_tool": None if calls else "", "tool_calls": calls}
    said: dict[str, Any] = {"answerable": {"verdict": not calls, "reasoning": reasoning}}
    if stage == "context":
        said = {"video_context": reply.context, "query_intent": reasoning}
    said |= {"final_answer": reply.answer, "recommended_tools": tools}
    return f"<json>\n{json.dumps(said, ensure_ascii=False)}\n</json>"


def call_of(action: Action) -> Call:
    """Return the call that asks for an action; frames by `extract_parts_from_timestamp`.

    Their times are whole seconds: a stretch is widened to them, and its frames become ten.

    Raises:
        ValueError: for an action that the checkpoints have no call for.
    """
    match action:
        case UseTool(name, arguments):
            theirs = next((tool.name for tool in RELEASED_TOOLS if name in tool.names), name)
            return Call(theirs, arguments)
        case Zoom(start, end, _, None) | Sample(start, end, _):
            begin, finish = timestamp(math.floor(start)), timestamp(math.ceil(end))
            return Call(
                EXTRACT,
                {
                    "video_path": VIDEO,
                    "timestamp_start": begin,
                    "timestamp_end": finish,
                    "extract_type": "frames",
                },
            )
        case Answer():
            raise ValueError("an answer is no tool call: write it as the reply's final_answer")
        case _:
            raise ValueError(f"the released checkpoints have no call for {action}")
