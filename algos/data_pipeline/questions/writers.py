"""Who writes the questions: Gemini with the whole video, or a chat server with its frames."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from algos.data_pipeline.questions.prompt import INSTRUCTIONS, ask_for_questions, prompt_characters
from algos.data_pipeline.questions.reply_form import REPLY_SCHEMA
from algos.data_pipeline.questions.services import (
    characters_per_token,
    default_model,
    facts_of,
)
from algos.data_pipeline.questions.settings import GenerateSettings
from algos.data_pipeline.questions.source_videos import (
    SkippedVideo,
    SourceVideo,
    prompt_tokens,
    too_much,
)
from policies.errors import ServiceError
from policies.served.gemini_batch import BatchWaits, ended_batch, reply_of_batch, start_batch
from policies.served.gemini_files import VideoUploads
from policies.served.gemini_json import GeminiJsonService
from policies.served.openai_compatible import OPENAI, chat_completions
from policies.served.reply_json import Json
from policies.served.retries import Failure
from sage_env.errors import SageEnvError
from sage_env.timeline import clock, midpoints
from sage_env.video.video_file import open_video
from sage_env.wrappers.chat_space import encoded_picture, text_block, url_block

Ask = Callable[[Callable[[], Json]], Json]
Started = Callable[[str], None]
_READY_WITHIN = 1800.0  # seconds for the service to make a video ready; a choice


class NoSuchService(SageEnvError):
    """A service is not named as one."""


class Writer(Protocol):
    """Asks one service about videos; several threads may use it.

    Attributes:
        model: `SERVER/NAME`, as a price list has it.
    """

    model: str

    def tokens(self, video: SourceVideo) -> int | None:
        """Return the tokens of the prompt with a video; `None` if they are not known before."""

    def too_much(self, video: SourceVideo) -> SkippedVideo | None:
        """Return why a video cannot be sent; `None` if nothing is known against it."""

    def check(self) -> None:
        """Ask whether the model can be had; raises what `failure` can read."""

    def shown(self, video: SourceVideo, ask: Ask) -> Any:
        """Return the message with a video, which may send it to the service first."""

    def request(self, message: Any, request: str, started: Started, ask: Ask) -> Json:
        """Send a message under the id of a request; raises what `failure` can read.

        Args:
            message: that `shown` returned.
            request: its id.
            started: is told the name of a batch that the reply will be found in.
            ask: sends what may be sent again, such as a look at that batch.

        Raises:
            BatchWaits: if the batch cannot be asked about now.
        """

    def found_again(self, batch: str, ask: Ask) -> Json:
        """Return the reply of a batch that an earlier process has started, likewise."""

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means; `None` for a bug."""

    def done(self, video: SourceVideo) -> None:
        """Take back what was sent for a video: nothing more is asked about it."""


def writer_of(settings: GenerateSettings, *, keyless: bool = False) -> Writer:
    """Return who writes the questions.

    Args:
        settings: name it.
        keyless: whether it is only asked what it would cost, so that it needs no key.

    Raises:
        NoSuchService: if the name is none.
        MissingKey, MissingExtra: if it cannot be asked.
    """
    kind, _, model = settings.service.partition(":")
    model = model or default_model(kind) or ""
    if kind not in ("gemini", "openai") or not model:
        raise NoSuchService(
            f"--service must be gemini[:MODEL] or openai:MODEL, got {settings.service!r}"
        )
    if kind == "gemini":
        return GeminiWriter(model, settings, keyless=keyless)
    return FramesWriter(model, settings, keyless=keyless)


class GeminiWriter:
    """Gemini with whole videos, sent through the Files API; a `Writer`.

    A video's name there is made from its content, so that one that an earlier process has sent is
    found again. The tokens are priced as Google's, whatever server is asked.
    """

    def __init__(self, model: str, settings: GenerateSettings, *, keyless: bool = False) -> None:
        """Make the client; nothing is sent."""
        self.model, self._settings = f"google/{model}", settings
        self._facts = facts_of(self.model)
        if keyless:
            return
        self._service = GeminiJsonService(
            model,
            system=INSTRUCTIONS,
            schema=REPLY_SCHEMA,
            max_output_tokens=settings.max_output_tokens,
            media_resolution=settings.media_resolution,
            tier="flex" if settings.tier == "flex" else None,
            base_url=settings.base_url,
            options=settings.options,
            timeout=settings.retries.timeout,
        )
        self._lock = threading.Lock()
        self._names: dict[Path, str] = {}
        self._in_use: set[Path] = set()
        self._uploads = VideoUploads(
            self._service,
            ready_within=_READY_WITHIN,
            poll=settings.poll,
            keep=0,
            named=lambda path: self._names[path],
        )

    def tokens(self, video: SourceVideo) -> int | None:
        """Return the tokens of the prompt with a video; `None` for a model that is not known."""
        if self._facts is None:
            return None
        settings = self._settings
        return prompt_tokens(
            video,
            self._facts,
            fps=settings.fps,
            resolution=settings.media_resolution,
            text=prompt_characters() // characters_per_token(),
        )

    def too_much(self, video: SourceVideo) -> SkippedVideo | None:
        """Return why a video cannot be sent, by the facts of the model."""
        tokens = self.tokens(video)
        return too_much(video, self._facts, tokens, self._settings.max_output_tokens)

    def check(self) -> None:
        """Ask what the model is."""
        self._service.check()

    def shown(self, video: SourceVideo, ask: Ask) -> Any:
        """Send a video, unless it is there, and return the message that shows it."""
        with self._lock:
            self._names[video.file] = f"files/sage-{video.digest}"
            self._in_use.add(video.file.resolve())
        uploaded = self._uploads.get(video.file, ask)
        fps = None if self._settings.fps == 1.0 else self._settings.fps
        text = ask_for_questions(video.duration, *self._settings.questions)
        return self._service.shown(uploaded, text, fps)

    def request(self, message: Any, request: str, started: Started, ask: Ask) -> Json:
        """Send a message; the id goes as a header, which the service may leave unread.

        Args:
            message: that `shown` returned.
            request: its id.
            started: is told the name of a batch that the reply will be found in.
            ask: sends what may be sent again.
        """
        if self._settings.tier == "batch":
            batch = start_batch(self._service, [message], request)
            started(batch)
            return self.found_again(batch, ask)
        return self._service.request([message], None, None, {"x-request-id": request})

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means."""
        return self._service.failure(error, served)

    def found_again(self, batch: str, ask: Ask) -> Json:
        """Return the reply of a batch, when it is done; a look that fails ends nothing."""
        while True:
            try:
                found = ask(lambda: ended_batch(self._service, batch))
            except ServiceError as error:
                raise BatchWaits(
                    f"{error}; {batch} may be done and billed: run this again, and it is looked at "
                    "again, not sent again"
                ) from None
            if found is not None:
                return reply_of_batch(self._service, found)
            time.sleep(self._settings.poll)

    def done(self, video: SourceVideo) -> None:
        """Delete a video at the service."""
        with self._lock:
            self._in_use.discard(video.file.resolve())
            in_use = set(self._in_use)
        self._uploads.trim(in_use)


class FramesWriter:
    """A server of chat completions, shown evenly spaced frames with their times; a `Writer`."""

    def __init__(self, model: str, settings: GenerateSettings, *, keyless: bool = False) -> None:
        """Make the client; nothing is sent."""
        if settings.tier == "batch":
            raise NoSuchService("--tier batch is of gemini: servers of chat completions have none")
        base_url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        host = urlsplit(base_url).hostname or ""
        self.model = f"{'openai' if base_url.startswith(OPENAI) else host}/{model}"
        self._settings = settings
        if keyless:
            return
        form = {"name": "questions", "strict": False, "schema": REPLY_SCHEMA}
        tier = {"service_tier": "flex"} if settings.tier == "flex" else {}
        self._service = chat_completions(
            {
                "model": model,
                "base_url": base_url,
                "max_tokens": settings.max_output_tokens,
                "system": INSTRUCTIONS,
                "replies": "json",
                "tools": (),
                "max_frames": None,
                "token_ids": False,
                "processed_logprobs": False,
                "options": {
                    "response_format": {"type": "json_schema", "json_schema": form},
                    **tier,
                    **settings.options,
                },
            },
            settings.retries.timeout,
        )

    def tokens(self, video: SourceVideo) -> int | None:
        """Return `None`: what a picture takes depends on the model behind the server."""
        return None

    def too_much(self, video: SourceVideo) -> SkippedVideo | None:
        """Return `None`: the number of frames is the same for every video."""
        return None

    def check(self) -> None:
        """Ask which models there are."""
        self._service.check()

    def shown(self, video: SourceVideo, ask: Ask) -> Any:
        """Return the message with the frames, each after its own true time."""
        return {"role": "user", "content": self._blocks(video)}

    def request(self, message: Any, request: str, started: Started, ask: Ask) -> Json:
        """Send a message.

        Args:
            message: that `shown` returned.
            request: its id.
            started: is told the name of a batch that the reply will be found in.
            ask: sends what may be sent again.
        """
        body: Json = self._service.request([message], None, None)
        return {name: value for name, value in body.items() if name != "sent"}

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means."""
        return self._service.failure(error, served)

    def found_again(self, batch: str, ask: Ask) -> Json:
        """Raise: such a server has no batches that are found again."""
        raise NoSuchService(f"{self.model} has no batch {batch}: ask again with --tier standard")

    def done(self, video: SourceVideo) -> None:
        """Do nothing: no video was sent."""

    def _blocks(self, video: SourceVideo) -> Sequence[Any]:
        settings = self._settings
        height, width = video.index.size
        scale = min(1.0, settings.frame_side / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        times = midpoints(0.0, video.duration, settings.frames)
        opened = open_video(video.file)
        try:
            frames = opened.frames_at(np.unique(times).tolist(), size=size)
        finally:
            opened.close()
        blocks: list[Any] = []
        for second, pixels in zip(frames.seconds, frames.pixels, strict=True):
            blocks.append(text_block(f"{clock(float(second), 3)}"))
            blocks.append(url_block(encoded_picture(pixels, "jpeg"), "jpeg"))
        told = "You see frames of the video, each after its time, and hear nothing. "
        text = told + ask_for_questions(video.duration, *settings.questions)
        return [*blocks, text_block(text)]
