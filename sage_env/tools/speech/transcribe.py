"""The tool `transcribe`: what is said in a video between two times."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from sage_env.subtitles.line import Line
from sage_env.tools.spans import video_span
from sage_env.tools.speech.hearing import Hearing, speech_between
from sage_env.tools.speech.words import Word
from sage_env.tools.tool import MAX_TOOL_TEXT, ToolContext

MAX_SPAN = 600.0
"""Most seconds of one call, as in the paper (arXiv 2512.13874, table of tools)."""
_ROOM = 120
"""Characters kept free for the line that says that the rest was cut."""


class Transcribe:
    """Returns what is said, a line for each sentence, with its times in the video.

        [12.3 s - 15.0 s] This is the optical segment.

    With `words=true` there is a line for each word instead, where speech was recognised.

        env = gym.make(..., tools=("transcribe?model=small&language=en",))

    Attributes:
        name: `transcribe`.
        description: for the agent.
        parameters: `start` and `end`, in seconds.
        timeout: seconds that one call may take.
    """

    name: ClassVar[str] = "transcribe"
    timeout: ClassVar[float] = 600.0

    def __init__(
        self,
        model: str = "",
        language: str = "",
        device: str = "auto",
        compute_type: str = "auto",
        written: bool = True,
        words: bool = False,
        max_span: float = MAX_SPAN,
    ) -> None:
        """Take the settings; nothing is loaded.

        Args:
            model: of Whisper, see `Hearing`.
            language: that is spoken, as in `en`; "" to find out.
            device: `cpu`, `cuda` or `auto`.
            compute_type: of CTranslate2.
            written: whether subtitles are read where there are any.
            words: whether each word has a line of its own.
            max_span: most seconds of one call.

        Raises:
            ValueError: if `max_span` is not above 0, or `Hearing` refuses a setting.
        """
        if not max_span > 0:
            raise ValueError(f"max_span must be seconds above 0, got {max_span}")
        self._hearing = Hearing(model, language, device, compute_type, written)
        self._words, self._max_span = words, max_span
        self.description = (
            f"Says what is spoken in the video from start to end, at most {max_span:g} seconds at "
            "a time, with the times in seconds. Music and noises are not told."
        )
        time = {"type": "number", "minimum": 0}
        self.parameters = {
            "type": "object",
            "properties": {
                "start": time | {"description": "Seconds from the start of the video."},
                "end": time | {"description": "Seconds; after start."},
            },
            "required": ["start", "end"],
        }

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return the lines, or a sentence that says why there are none.

        Raises:
            ToolInputError: if the span is empty, too long, or outside of the video.
        """
        given = float(arguments["start"]), float(arguments["end"])
        start, end = video_span(*given, context.duration, longest=self._max_span)
        speech = speech_between(
            context.path, start, end, self._hearing, context.subtitles, context.subtitles_start
        )
        if not speech.has_source:
            return "The video has no sound and no subtitles."
        said = speech.words if self._words and speech.words else speech.lines
        if not said:
            return f"No speech between {start:g} s and {end:g} s."
        return _written(said)


def _written(said: tuple[Line, ...] | tuple[Word, ...]) -> str:
    """Return the lines as text; what is too much for one reply is left out, and the text says so.

    The environment would cut it in the middle of a line, and not say where to go on.
    """
    rows: list[str] = []
    room = MAX_TOOL_TEXT - _ROOM
    for start, end, text in said:
        row = f"[{start:.1f} s - {end:.1f} s] {text.strip()}"
        if len(row) >= room and rows:
            rows.append(f"(too long for one reply: more is said from {_not_after(start)} s on)")
            break
        rows.append(row if len(row) < room else f"{row[: room - 2]}…")
        room -= len(rows[-1]) + 1
    return "\n".join(rows)


def _not_after(second: float) -> str:
    """Return a time in milliseconds that is not after one: who asks from then on misses nothing."""
    written = f"{math.floor(second * 1000) / 1000:.3f}".rstrip("0")
    return f"{written}0" if written.endswith(".") else written
