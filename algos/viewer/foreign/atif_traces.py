"""Documents of ATIF v1.x (Agent Trajectory Interchange Format), ours and others'.

    {"schema_version": "ATIF-v1.8", "agent": {"name", "model_name"}, "steps": [{"step_id",
     "source": "user" | "agent" | "system", "message", "reasoning_content", "tool_calls":
     [{"tool_call_id", "function_name", "arguments"}], "observation": {"results":
     [{"source_call_id", "content"}]}, "metrics"}], "final_metrics"}

A content is a text or parts; a part `image` has a path relative to the file. There is no part for a
video. Documents that `sage-vqa export` wrote hold the whole question and its row in `extra`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from algos.exchange.atif_documents import OWN
from algos.viewer.foreign.chat_messages import Message, message_of
from algos.viewer.foreign.conversations import conversation_of
from algos.viewer.foreign.loose_values import count, first, listed, mapping, number, some_text, text
from algos.viewer.foreign.own_traces import read_own_parts
from algos.viewer.foreign.traced import Source, Traced, question_view, told_of, verdict_of, video_of
from algos.viewer.view_data import EpisodeView, StepView

_ROLES = {"agent": "assistant", "user": "user", "system": "system"}


def is_atif(record: Any) -> bool:
    """Return whether a record is a document of ATIF."""
    found = mapping(record)
    version = found.get("schema_version")
    return isinstance(version, str) and version.startswith("ATIF-v1") and "steps" in found


def read_atif_trace(record: Any, source: Source) -> Traced:
    """Return a document as a question and its episode."""
    found = mapping(record)
    messages: list[Message] = []
    metrics: list[Mapping[str, Any]] = []  # of the agent's steps, in order
    for step in listed(found.get("steps")):
        messages += _messages(mapping(step))
        if mapping(step).get("source") == "agent":
            metrics.append(mapping(mapping(step).get("metrics")))
    conversation = conversation_of(messages, source.pictures)
    agent, final = mapping(found.get("agent")), mapping(found.get("final_metrics"))
    own = mapping(mapping(found.get("extra")).get(OWN))
    if own:
        turns = [mapping(mapping(step).get("extra")).get(OWN) for step in listed(found["steps"])]
        played = {**mapping(own.get("trajectory")), "turns": [turn for turn in turns if turn]}
        parts = {**own, "trajectory": played}
        return read_own_parts(parts, conversation.steps, agent.get("model_name"))
    told = told_of(found, source)
    told["name"] = told["name"] or text(first(found, "trajectory_id", "session_id"))
    extra = mapping(found.get("extra"))
    steps = conversation.steps
    if len(metrics) == len(steps) - 1:  # no step of the agent's has two calls
        steps = [steps[0], *map(_measured, steps[1:], metrics)]
    episode = EpisodeView(
        entry="",
        steps=steps,
        prediction=conversation.prediction,
        verdict=verdict_of(extra),
        error=some_text(extra.get("error")),
    )
    row = {
        "tokens": count(final.get("total_completion_tokens")),
        "prompt_tokens": count(final.get("total_prompt_tokens")),
        "cost": number(final.get("total_cost_usd")),
    }
    return Traced(
        question=question_view(conversation.asked, **told),
        episode=episode,
        video=video_of(found) or video_of(extra),
        row=row,
        model=some_text(first(agent, "model_name", "name")),
    )


def _messages(step: Mapping[str, Any]) -> list[Message]:
    """Return a step as a message, and a reply for each result that it observed."""
    role = _ROLES.get(text(step.get("source")), "user")
    calls = [
        {**mapping(call), "id": mapping(call).get("tool_call_id")}
        for call in listed(step.get("tool_calls"))
    ]
    spoken = {"role": role, "content": step.get("message"), "tool_calls": calls}
    spoken["reasoning_content"] = step.get("reasoning_content")
    made = [message_of(spoken)]
    for result in listed(mapping(step.get("observation")).get("results")):
        reply = mapping(result)
        content, answers = reply.get("content"), reply.get("source_call_id")
        made.append(message_of({"role": "tool", "content": content, "tool_call_id": answers}))
    return [message for message in made if message is not None]


def _measured(step: StepView, metrics: Mapping[str, Any]) -> StepView:
    return replace(
        step,
        tokens=count(metrics.get("completion_tokens")),
        prompt_tokens=count(metrics.get("prompt_tokens")),
        cost=number(metrics.get("cost_usd")),
    )
