"""The tool `ground`: when an event happens in a stretch of the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sage_env.argument_checks import is_number, whole_number
from sage_env.errors import ToolError, ToolInputError
from sage_env.object_reference import load_object
from sage_env.tools.grounding.found_spans import MOST, FoundSpan, best_spans, written_spans
from sage_env.tools.grounding.text_search import (
    MatcherName,
    SearchSettings,
    SpeechFrom,
    TextSearch,
)
from sage_env.tools.paid_text import PaidText
from sage_env.tools.spans import video_span
from sage_env.tools.speech.hearing import Hearing
from sage_env.tools.tool import ToolContext

MAX_SPAN = 600.0
"""Most seconds of one call, as the paper asks its agent (arXiv 2512.13874, table of tools)."""
MAX_EVENT = 500
"""Most characters of an event's description. A choice."""
TIMEOUT = 300.0
"""Seconds of one call: 600 seconds of speech are recognised in about a minute. A choice."""
_DECODING = 60.0  # seconds of a call beside what it waits for a server
SERVED = "policies.tools.ground_by_server:served_search"
"""What makes the search of a server: a reference, as a user's is; nothing here imports it."""

_DESCRIPTION = (
    "Finds when an event happens in the video between start and end, at most {:g} seconds at a "
    "time. Describe one event; words that are said or written may be quoted. Gives times in "
    "seconds with scores, the best first, or says that it was not found."
)


class Search(Protocol):
    """What finds an event.

    Attributes:
        unseen: what it does not search, for the agent; or "".
        longest: seconds that one call waits for others at most.
    """

    unseen: str
    longest: float

    def __call__(
        self, event: str, start: float, end: float, context: ToolContext
    ) -> Sequence[FoundSpan]:
        """Return stretches inside `[start, end)` that fit the event, in any order.

        Args:
            event: what to look for, in words.
            start: seconds in the video, where to begin.
            end: seconds, after `start`.
            context: of the episode.
        """


class Ground:
    """Says when an event happens, a line for each stretch that fits it, the best first.

        [12.0 s - 15.5 s] score 0.83 (text on screen: "Fire drill at noon")

    By itself it searches what is said and what stands written in the picture. With `server` a
    vision-language model looks at frames.

        env = gym.make(..., tools=("ground?speech=subtitles",))
        env = gym.make(..., tools=("ground?server=openai:MODEL&base_url=http://localhost:8000/v1",))

    Attributes:
        name: `ground`.
        description: for the agent.
        parameters: `event`, and `start` and `end` in seconds.
        timeout: seconds that one call may take.
    """

    name = "ground"

    def __init__(
        self,
        *,
        matcher: MatcherName = "meaning",
        threshold: float | None = None,
        weights: str = "",
        screen: bool = True,
        speech: SpeechFrom = "any",
        speech_model: str = "",
        language: str = "",
        max_span: float = MAX_SPAN,
        most: int = MOST,
        server: str = "",
        base_url: str = "",
        num_frames: int = 32,
        frame_side: int = 512,
        request_timeout: float = 60.0,
        attempts: int = 3,
    ) -> None:
        """Take the settings; a server's are checked at once, nothing else is loaded.

        Args:
            matcher: how texts are matched: `meaning`, by embeddings, or `words`, which needs
                nothing and finds no paraphrase.
            threshold: least score of what counts as found; `None` for the matcher's own.
            weights: folder or hub id of the embeddings; "" for those that are installed.
            screen: whether text on screen is read.
            speech: `any`, what is written beside the video, else what is recognised in its sound;
                `subtitles`, the first alone; `no`, neither.
            speech_model: of Whisper, see `Hearing`.
            language: that is spoken, as in `en`; "" to find out.
            max_span: most seconds of one call.
            most: most stretches of a reply.
            server: `openai:NAME` or `gemini:NAME`, a model that looks at frames instead.
            base_url: of the server; "" for the provider's.
            num_frames: of one call that the server sees, at most.
            frame_side: pixels; no side of a frame that it sees is longer.
            request_timeout: seconds of one request.
            attempts: how often a request is sent at most.

        Raises:
            ValueError: if a setting is out of its range.
            SageEnvError: what the server's search says that cannot be made.
        """
        if not (is_number(max_span) and max_span > 0):
            raise ValueError(f"max_span must be seconds above 0, got {max_span}")
        self._max_span, self._most = float(max_span), whole_number("most", most, 1)
        self.timeout = TIMEOUT
        self._search: Search
        if server:
            make: Callable[..., Any] = load_object(SERVED, "the server's search", ToolError)
            self._search = make(server, base_url, num_frames, frame_side, request_timeout, attempts)
            self.timeout = max(TIMEOUT, self._search.longest + _DECODING)
        else:
            hearing = Hearing(speech_model, language)
            self._search = TextSearch(
                SearchSettings(matcher, threshold, weights, screen, speech=speech, hearing=hearing)
            )
        self.description = _DESCRIPTION.format(max_span)
        self.parameters = _PARAMETERS

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return a line for each stretch, or a sentence that says that there is none.

        Raises:
            ToolInputError: if the event is empty or too long, or the span is empty, too long, or
                outside of the video.
        """
        event = arguments["event"].strip()
        if not 1 <= len(event) <= MAX_EVENT:
            raise ToolInputError(f"event must have 1 to {MAX_EVENT} characters, got {len(event)}")
        start, end = video_span(
            float(arguments["start"]),
            float(arguments["end"]),
            context.duration,
            longest=self._max_span,
        )
        found = best_spans(self._search(event, start, end, context), self._most)
        unseen = f" ({self._search.unseen})" if self._search.unseen else ""
        missed = f"Not found between {start:.1f} s and {end:.1f} s{unseen}."
        text = written_spans(found) if found else missed
        take_usage = getattr(self._search, "take_usage", None)  # what asks nobody has none
        return PaidText(text, take_usage() if take_usage else None)


_TIME = {"type": "number", "minimum": 0}
_PARAMETERS = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "description": "What happens, in a sentence."},
        "start": _TIME | {"description": "Seconds from the start of the video."},
        "end": _TIME | {"description": "Seconds; after start."},
    },
    "required": ["event", "start", "end"],
}
