"""What the tests of the released checkpoints share: replies written by hand, and tools."""

from __future__ import annotations

import json
from pathlib import Path

RECORDED: list[str] = json.loads((Path(__file__).parent / "released_replies.json").read_text())
"""One episode in the released schema, turn by turn."""


class Hear:
    name, description = "transcribe", "Writes down speech."
    parameters = {
        "type": "object",
        "properties": {"start": {"type": "number"}, "end": {"type": "number"}},
        "required": ["start", "end"],
    }

    def __call__(self, arguments, context):
        return f"[{arguments['start']:.0f} to {arguments['end']:.0f}] the word is amber"


class LookAtFrames:
    name, description = "analyze", "Looks at frames."
    parameters = {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "seconds": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["query", "seconds"],
    }

    def __call__(self, arguments, context):
        pixels = context.video.frames_at(arguments["seconds"]).pixels
        return f"{len(pixels)} frames, mean {pixels.mean():.0f}"


class Weather:
    name, description = "weather", "Says the weather."
    parameters = {"type": "object", "properties": {}}

    def __call__(self, arguments, context):
        return "rain"
