"""Gemini asked for JSON of a given form, about a video or not: one message, one reply, no chat."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from policies.errors import ServiceRefused
from policies.served.gemini import GOOGLE, GeminiService, error_details, spent_for_the_day
from policies.served.gemini_files import UploadedVideo
from policies.served.reply_json import whole_text
from policies.served.retries import Failure
from policies.served.server_errors import HttpFailure


class QuotaSpent(ServiceRefused):
    """The quota of a day is used up: nothing is served before the next one begins."""


class GeminiJsonService(GeminiService):
    """Gemini as a `Service` that fills a form, and calls no functions.

    Args:
        model: its name.
        system: the system message.
        schema: JSON Schema of the reply.
        max_output_tokens: of one reply, thinking included.
        media_resolution: `low`, `medium` or `high`; `None` for the model's own.
        tier: `flex` for half the price, put off when the service is busy; `None` for none.
        base_url: of the server; `None` for Google's, or `GOOGLE_GEMINI_BASE_URL`.
        options: further fields of the request's body, over all others.
        timeout: seconds for one request.

    Raises:
        MissingKey: if no key is set.
        MissingExtra: if `google-genai` is not installed.
    """

    def __init__(
        self,
        model: str,
        *,
        system: str,
        schema: Mapping[str, Any],
        max_output_tokens: int,
        media_resolution: str | None = None,
        tier: str | None = None,
        base_url: str | None = None,
        options: Mapping[str, Any] | None = None,
        timeout: float = 300.0,
    ) -> None:
        """Make the client; nothing is sent."""
        settings = {
            "model": model,
            "system": system,
            "schema": dict(schema),
            "max_output_tokens": max_output_tokens,
            "media_resolution": media_resolution,
            "tier": tier,
            "base_url": base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or GOOGLE,
            "options": dict(options or {}),
        }
        super().__init__(settings, timeout)

    def shown(self, video: UploadedVideo, text: str, fps: float | None = None) -> dict[str, Any]:
        """Return a message with a video and a text.

        Args:
            video: at the service.
            text: what is asked.
            fps: frames per second that the service takes; `None` for its own, which is 1.
        """
        part: dict[str, Any] = {"fileData": {"fileUri": video.uri, "mimeType": video.mime}}
        if fps is not None:
            part["videoMetadata"] = {"fps": fps}
        return {"role": "user", "parts": [part, {"text": whole_text(text)}]}

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means; the quota of a day has an error of its own."""
        found = super().failure(error, served)
        if found is None or not isinstance(error, HttpFailure):
            return found
        if error.reply.status == 429 and spent_for_the_day(error_details(error.body)):
            return Failure(QuotaSpent(str(found.error)))
        return found

    def body(
        self, settings: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is the same in every request: the task, and the form of the reply."""
        generation: dict[str, Any] = {
            "maxOutputTokens": settings["max_output_tokens"],
            "responseMimeType": "application/json",
            "responseJsonSchema": settings["schema"],
        }
        if settings["media_resolution"] is not None:
            level = settings["media_resolution"].upper()
            generation["mediaResolution"] = f"MEDIA_RESOLUTION_{level}"
        tier = {} if settings["tier"] is None else {"serviceTier": settings["tier"]}
        return {
            "systemInstruction": {"role": "user", "parts": [{"text": settings["system"]}]},
            "generationConfig": generation,
            **tier,
        }
