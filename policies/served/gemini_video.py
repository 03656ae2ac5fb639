"""Gemini with the whole video: sent once through the Files API, asked about, answered at once.

A row to compare with, for agents that look at parts. What it sees is not counted in frames.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from policies.base import Decision, Observation
from policies.errors import PolicyError
from policies.served.gemini import DEFAULT_MODEL, GOOGLE, GeminiService
from policies.served.gemini_files import UploadedVideo, VideoUploads
from policies.served.gemini_replies import read_candidate
from policies.served.policy import Chat, Message, Reply, ServedPolicy
from policies.served.reply_json import whole_text
from policies.served.retries import RetrySettings
from policies.served.usage import Prices
from sage_env.actions.action import ACTION_NAMES, Answer, Invalid
from sage_env.actions.action_text import format_action
from sage_env.actions.grammar_text import ELLIPSIS
from sage_env.tools.reply_schema import action_schema

Processing = Literal["static", "agentic"]
"""How the service looks: at evenly spaced frames, or where its model chooses to."""
INSTRUCTIONS = (
    "You are shown a whole video and asked a question about it. Reply with exactly one JSON object "
    "and nothing else:\n"
    f"{format_action(Answer(ELLIPSIS), ELLIPSIS)}\n"
    "`thought` says in a few words what the answer rests on. With choices, give the chosen one."
)
"""The system message."""
_ONLY_ANSWERS = "the question has to be answered: reply with the action answer"


@dataclass(eq=False)
class _VideoChat(Chat):
    """A chat about one video; `None` where nobody said which."""

    video: Path | None = None


class GeminiVideoPolicy(ServedPolicy):
    """Answers at its first turn, from the whole video, sound included; see `WholeVideoPolicy`.

    A video is sent once for all of its questions. It is deleted when `keep_videos` others were
    asked about since, and when the process ends.

    Args:
        model: its name.
        processing: how the service looks at the video: `static` at frames of a fixed rate,
            `agentic` where its model chooses to; `None` leaves it to the model's default.
        code_execution: whether the model may run code at the service on its way to the answer.
        fps: frames per second that the service takes, in (0, 24]; `None` for its own, which is 1.
        media_resolution: tokens per frame, `low`, `medium` or `high`; `None` for the model's own.
        content_layers: what of the video the model is given, e.g. `("FRAMES",)` for no sound;
            `None` for the service's own, frames and sound.
        temperature: of sampling; `None` for the model's own.
        max_output_tokens: of one reply, thinking included.
        keep_videos: how many videos stay at the service for further questions.
        ready_within: seconds that the service may take to make a video ready.
        poll: seconds between two looks at whether it is.
        workers: how many episodes of a batch are asked for at the same time.
        requests_per_minute: at most, over all workers; `None` for no limit.
        retries: how long to wait for the server; a piece of a video has 8 MiB.
        prices: of the model, for `usage.cost`.
        base_url: of the server; `None` for Google's, or `GOOGLE_GEMINI_BASE_URL`.
        options: further fields of the request's body, as `GeminiPolicy` takes them.
        check: whether to ask at once if there is such a model; this costs nothing.

    Raises:
        MissingKey: if no key is set.
        MissingExtra: if `google-genai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        processing: Processing | None = "static",
        code_execution: bool = False,
        fps: float | None = None,
        media_resolution: str | None = None,
        content_layers: Sequence[str] | None = None,
        temperature: float | None = None,
        max_output_tokens: int = 4096,
        keep_videos: int = 8,
        ready_within: float = 600.0,
        poll: float = 2.0,
        workers: int = 4,
        requests_per_minute: float | None = None,
        retries: RetrySettings | None = None,
        prices: Prices | None = None,
        base_url: str | None = None,
        options: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> None:
        """Start with no episode running, and no video sent."""
        _check(processing, fps, media_resolution)
        retries = retries or RetrySettings()
        settings = {
            "model": model,
            "processing": processing,
            "code_execution": code_execution,
            "fps": fps,
            "media_resolution": media_resolution,
            "content_layers": None if content_layers is None else list(content_layers),
            "max_output_tokens": max_output_tokens,
            "keep_videos": keep_videos,
            "ready_within": ready_within,
            "poll": poll,
            "base_url": base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or GOOGLE,
            "options": dict(options or {}),
        }
        self._asker = _VideoService(settings, retries.timeout)
        self._uploads = VideoUploads(
            self._asker, ready_within=ready_within, poll=poll, keep=keep_videos
        )
        weakref.finalize(self, self._uploads.delete_all)
        self._videos: dict[Hashable, Path] = {}
        super().__init__(
            self._asker,
            settings,
            temperature=temperature,
            workers=workers,
            requests_per_minute=requests_per_minute,
            retries=retries,
            prices=prices,
            check=check,
        )

    @property
    def env_options(self) -> Mapping[str, Any]:
        """Arguments of `gym.make`: one frame, whose stretch says how long the video is."""
        return {"overview_frames": 1}

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; videos that were sent stay for the next ones."""
        super().reset(seed=seed)
        self._videos.clear()

    def watch_video(self, episode: Hashable, video: Path) -> None:
        """Take the video file of the episode that begins; it is sent when it is asked about."""
        self._videos[episode] = Path(video)

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes, and delete videos that were not asked about for long."""
        names = list(episodes)
        super().end(names)
        for name in names:
            self._videos.pop(name, None)
        self._uploads.trim({video.resolve() for video in self._videos.values()})

    def _new_chat(self, name: Hashable, seed: int | None) -> Chat:
        return _VideoChat(seed, video=self._videos.get(name))

    def _turn(self, chat: Chat, observation: Observation) -> list[Message]:
        """Return the video and the question; on later turns, what the environment says."""
        if chat.reply is not None:
            return self._asker.turn(observation, chat.reply)
        path = chat.video if isinstance(chat, _VideoChat) else None
        if path is None:
            raise PolicyError(
                f"{self!r} was not told which video the episode is about: play it with "
                "`algos.rollout.play`, or call `watch_video` before its first turn"
            )
        video = self._uploads.get(path, lambda request: self._ask(request, self._retries))
        return [self._asker.question(video, observation)]

    def _decide(self, chat: Chat, observation: Observation) -> Decision:
        """Ask once; a reply that is no answer is the model's mistake, as with every policy."""
        decision = super()._decide(chat, observation)
        if isinstance(decision.action, Answer | Invalid):
            return decision
        return replace(decision, action=Invalid(decision.text, _ONLY_ANSWERS))


class _VideoService(GeminiService):
    """Gemini as a `Service` that shows whole videos and calls no functions."""

    def question(self, video: UploadedVideo, observation: Observation) -> Message:
        """Return the first message: the video, and what is asked about it."""
        shown: dict[str, Any] = {"fileData": {"fileUri": video.uri, "mimeType": video.mime}}
        settings = {"fps": self.settings["fps"], "contentLayers": self.settings["content_layers"]}
        if metadata := {name: value for name, value in settings.items() if value is not None}:
            shown["videoMetadata"] = metadata
        if self.settings["processing"] is not None:
            shown["mediaProcessing"] = self.settings["processing"].upper()
        lines = [f"Question: {observation['question']}"]
        if observation["choices"]:
            lines.append(f"Choices:\n{observation['choices']}")
        return {"role": "user", "parts": [shown, {"text": whole_text("\n".join(lines))}]}

    def turn(self, observation: Observation, last: Reply | None) -> list[Any]:
        """Return what the environment says of a reply that was no answer."""
        said = whole_text("\n".join([str(observation["message"]), "Reply with the answer now."]))
        return [{"role": "user", "parts": [{"text": said.strip()}]}]

    def body(
        self, settings: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is the same in every request: the task, and the form of the reply.

        The form is required by its schema where the service only reads and writes; where it runs
        code or looks by itself, it is told in words alone.
        """
        generation: dict[str, Any] = {"maxOutputTokens": settings["max_output_tokens"]}
        if settings["media_resolution"] is not None:
            level = settings["media_resolution"].upper()
            generation["mediaResolution"] = f"MEDIA_RESOLUTION_{level}"
        body: dict[str, Any] = {
            "systemInstruction": {"role": "user", "parts": [{"text": INSTRUCTIONS}]},
            "generationConfig": generation,
        }
        if settings["code_execution"]:
            body["tools"] = [{"codeExecution": {}}]
        elif settings["processing"] != "agentic":
            generation |= {
                "responseMimeType": "application/json",
                "responseJsonSchema": _answer_schema(),
            }
        return body

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read the text of a reply."""
        return read_candidate(response, self.model, ())


def _check(processing: object, fps: float | None, media_resolution: object) -> None:
    """Refuse what the service does not know."""
    if processing not in ("static", "agentic", None):
        raise ValueError(f"processing must be 'static' or 'agentic', got {processing!r}")
    if fps is not None and not 0 < fps <= 24:
        raise ValueError(f"fps must be above 0 and at most 24, got {fps}")
    if media_resolution not in ("low", "medium", "high", None):
        raise ValueError(
            f"media_resolution must be 'low', 'medium' or 'high', got {media_resolution!r}"
        )


def _answer_schema() -> dict[str, Any]:
    """Return the JSON Schema of the action answer."""
    name = ACTION_NAMES[Answer]
    kinds = action_schema()["anyOf"]
    found: dict[str, Any] = next(
        kind for kind in kinds if kind["properties"]["action"]["const"] == name
    )
    return found
