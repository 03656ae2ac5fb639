"""A tool of one's own, and an agent that is told of it, calls it and reads its reply.

    python examples/own_tool.py                         # a second, offline

A tool has a name, a description and a JSON Schema of its arguments, and returns text. It may read
any frame of the video, which costs the agent one turn and no frames; it never sees the answer. The
agent has to be told that it is there: `ChatObservations` writes it into the system message, and
`sage_env.wrappers.describe_tools` is that text for a prompt of your own. APIs that call functions
take `function_schemas(tools)`; `GeminiPolicy` and `OpenAIPolicy` have an argument `tools` for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro

from sage_env import FrameBatch, QAItem, ToolContext, ToolInputError, function_schemas
from sage_env.testing import MemoryVideo, check_tool, check_video
from sage_env.wrappers import ChatObservations, TextActions

Message = dict[str, Any]
FLASH = 412.0, 414.0  # seconds; 16 even frames of ten minutes are 37 seconds apart


class Lighthouse(MemoryVideo):
    """Ten dark minutes with one bright flash, made in memory: what a file is not needed for."""

    def __init__(self, path: Path) -> None:
        """Make it, whatever the path is."""
        super().__init__(duration=600.0, fps=2.0)

    def frames_at(self, seconds: Sequence[float], **options: Any) -> FrameBatch:
        """Darken the frames, and brighten those of the flash."""
        batch = super().frames_at(seconds, **options)
        pixels = batch.pixels // 4
        pixels[(batch.seconds >= FLASH[0]) & (batch.seconds < FLASH[1])] = 255
        return FrameBatch(pixels, batch.seconds)


class Brightest:
    """Finds the brightest moment of a stretch."""

    name = "brightest"
    description = "Scans a stretch of the video frame by frame and says when it is brightest."
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "start": {"type": "number", "minimum": 0, "description": "Seconds from the start."},
            "end": {"type": "number", "minimum": 0, "description": "Seconds; after start."},
        },
        "required": ["start", "end"],
    }

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return the time and the brightness as text.

        The arguments fit the schema already. What a schema cannot say is said here:
        `ToolInputError` is the agent's mistake, who is told; any other exception is ours, and ends
        the episode with an error instead of a reward.
        """
        start, end = arguments["start"], min(arguments["end"], context.duration)
        if not start < end:
            raise ToolInputError(f"start must be before end and {context.duration} s, got {start}")
        count = max(1, int((end - start) * context.video.fps))
        times = [start + (k + 0.5) * (end - start) / count for k in range(count)]
        batch = context.video.frames_at(times, size=(16, 16))
        levels = batch.pixels.mean(axis=(1, 2, 3))
        best = int(levels.argmax())
        return f"Brightest at {batch.seconds[best]:.1f} s, {levels[best]:.0f} of 255."


def scripted_agent(messages: list[Message]) -> str:
    """Write the next reply, having read nothing but the messages, as a language model would."""
    told, newest = text_of(messages[0]), text_of(messages[-1])
    found = re.search(r"Brightest at ([0-9.]+) s", newest)
    if found:
        return json.dumps({"action": "answer", "text": found[1]})
    if '"name": "brightest"' not in told:  # nobody told it of the tool
        return json.dumps({"action": "answer", "text": "300"})
    arguments = {"start": 0, "end": float(newest.split("Video: ")[1].split(" seconds")[0])}
    return json.dumps({"action": "use_tool", "name": "brightest", "arguments": arguments})


def text_of(message: Message) -> str:
    """Return the text of a message without its pictures."""
    return "\n".join(block["text"] for block in message["content"] if block["type"] == "text")


def main(tell_tools: bool = True) -> tuple[float, list[Message]]:
    """Let the agent play one question, and print the conversation.

    Returns:
        The reward of the last turn and all messages.
    """
    check_video(Lighthouse, "any")
    check_tool(Brightest())  # names the law that is broken, and the arguments that broke it
    question = "At which second does the light flash?"
    items = [QAItem("flash", Path("any"), question, answer="413", evidence=(FLASH,), tolerance=1.5)]
    tools = [Brightest()]
    env = gym.make("sage_env:SageVideoQA-v0", dataset=items, opener=Lighthouse, tools=tools)
    print(json.dumps(function_schemas(tools)[-1]), "\n")
    chat = ChatObservations(TextActions(env), tell_tools=tell_tools)
    messages, _ = chat.reset(seed=0)
    reward, ended = 0.0, False
    while not ended:
        messages, reward, ended, _, _ = chat.step(scripted_agent(messages))
    for message in messages:
        print(f"[{message['role']}] {text_of(message)}\n")
    print("reward", reward)
    chat.close()
    return reward, messages


if __name__ == "__main__":
    tyro.cli(main)
