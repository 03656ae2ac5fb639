"""What the stand-in says to `generateContent`: questions about videos that it knows, and errors."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from algos.data_pipeline.stand_in.error_rates import ErrorRates
from algos.data_pipeline.stand_in.exchange import Exchange, refused
from algos.data_pipeline.stand_in.known_videos import KnownVideo, answers_by_family
from algos.data_pipeline.stand_in.stored_files import StoredFiles
from algos.data_pipeline.stand_in.written_questions import write_questions
from algos.runs.append_log import AppendLog

PLANTED = "planted.jsonl"
REQUESTS = "requests.jsonl"
REQUEST_ID = "x-request-id"
"""Header by which whoever asks names a request."""
_FRAME_TOKENS = 70
"""Of a frame at one per second, for models of the third generation."""
_LETTERS = 4  # characters of a token, about


class Replying:
    """Answers, and keeps its own record; several threads may ask.

    Args:
        videos: that it knows, by digest.
        rates: of its errors.
        files: that were sent.
        private: folder of the record.

    Attributes:
        outcomes: how often each kind of answer was given; `questions` for a whole reply.
        by_request: how many answers were sent for each id of a request.
        by_video: how many whole replies were sent about each video.
    """

    def __init__(
        self,
        videos: Mapping[str, KnownVideo],
        rates: ErrorRates,
        files: StoredFiles,
        private: Path,
    ) -> None:
        """Go on with the record that is there."""
        self._videos, self._rates, self._files = videos, rates, files
        self._answers = answers_by_family(videos)
        self._lock = threading.Lock()
        self._planted = AppendLog(private / PLANTED)
        self._requests = AppendLog(private / REQUESTS)
        self._asked: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.by_request: Counter[str] = Counter()
        self.by_video: Counter[str] = Counter()

    def close(self) -> None:
        """Close the record."""
        self._planted.close()
        self._requests.close()

    def asked(self, model: str, headers: Mapping[str, str], body: Any) -> Exchange:
        """Answer one request."""
        with self._lock:
            digest = self._digest(body)
            number = headers.get(REQUEST_ID, "")
            outcome, said = self._answer(model, digest, body, number)
            self.outcomes[outcome] += 1
            self.by_request[number] += 1
            row = {"request": number, "video": digest, "model": model, "outcome": outcome}
            self._requests.append(row)
            return said

    def _answer(
        self, model: str, digest: str | None, body: Any, request: str
    ) -> tuple[str, Exchange]:
        quota = self._rates.daily_quota
        if quota is not None and sum(self.by_video.values()) >= quota:
            return "quota", _quota_of_the_day(model, quota)
        video = None if digest is None else self._videos.get(digest)
        if digest is None or video is None:
            why = "the request shows no video that is known here"
            return "unknown", refused(400, "INVALID_ARGUMENT", why)
        number = self._asked[digest]
        self._asked[digest] += 1
        failed = self._rates.of_request(digest, number)
        if failed not in ("", "cut", "silent"):
            return failed, _failed(failed, model, self._rates.delay)
        attempt = self.by_video[digest]
        kind = self._rates.of_reply(digest, attempt)
        said = self._written(video, kind, body, request, again=attempt > 0)
        if failed == "cut":
            return failed, Exchange(said.body, cut=True)
        if failed == "silent":
            return failed, Exchange(said.body, wait=self._rates.silence)
        self.by_video[digest] += 1
        return kind or "questions", said

    def _written(
        self, video: KnownVideo, kind: str, body: Any, request: str, *, again: bool
    ) -> Exchange:
        usage = _usage(video, body, again=again)
        if kind == "blocked":
            said: dict[str, Any] = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
            return self._sent(said, usage, 0)
        if kind == "withheld":
            return self._sent({"candidates": [{"finishReason": "SAFETY", "index": 0}]}, usage, 0)
        written = write_questions(video, request, self._rates, self._answers)
        text = json.dumps(written.reply, ensure_ascii=False)
        reason = "STOP"
        if kind == "malformed":
            text = text.replace('"', "'").replace("[", "", 1)
        elif kind == "truncated":
            text, reason = text[: len(text) // 2], "MAX_TOKENS"
        elif kind == "refusal":
            text = "I am sorry, but I cannot write questions about this video."
        else:
            for one in written.planted:
                self._planted.append(asdict(one))
        content = {"role": "model", "parts": [{"text": text}]}
        found = {"content": content, "finishReason": reason, "index": 0}
        return self._sent({"candidates": [found]}, usage, len(text) // _LETTERS)

    def _sent(self, said: dict[str, Any], usage: dict[str, Any], made: int) -> Exchange:
        prompt = usage["promptTokenCount"]
        counts = {**usage, "candidatesTokenCount": made, "totalTokenCount": prompt + made}
        body = {**said, "usageMetadata": counts, "modelVersion": "stand-in"}
        return Exchange(body, wait=self._rates.latency)

    def _digest(self, body: Any) -> str | None:
        """Return the digest of the video that a request shows; `None` if it shows none."""
        contents = body.get("contents") if isinstance(body, dict) else None
        for content in contents if isinstance(contents, list) else []:
            for part in content.get("parts", []):
                if data := part.get("fileData"):
                    uri = data.get("fileUri") or data.get("file_uri") or ""
                    return self._files.digest_of(str(uri))
                if data := part.get("inlineData"):
                    return hashlib.sha256(base64.b64decode(data["data"])).hexdigest()
        return None


def _usage(video: KnownVideo, body: Any, *, again: bool) -> dict[str, Any]:
    """Return the tokens of a prompt; a video that was shown before is in the service's cache."""
    seen = round(video.duration) * _FRAME_TOKENS
    told = len(json.dumps(body)) // _LETTERS
    cached = {"cachedContentTokenCount": seen} if again else {}
    details = [{"modality": "VIDEO", "tokenCount": seen}, {"modality": "TEXT", "tokenCount": told}]
    return {"promptTokenCount": seen + told, "promptTokensDetails": details, **cached}


def _failed(kind: str, model: str, delay: float) -> Exchange:
    if kind == "failed":
        return refused(500, "INTERNAL", "An internal error has occurred.")
    minute = "GenerateRequestsPerMinutePerProjectPerModel"
    waits = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay:g}s"}
    details = [_violated(minute, model, 60), *([waits] if kind == "busy_with_delay" else [])]
    return refused(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", *details)


def _quota_of_the_day(model: str, quota: int) -> Exchange:
    violated = _violated("GenerateRequestsPerDayPerProjectPerModel-FreeTier", model, quota)
    return refused(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", violated)


def _violated(quota: str, model: str, value: int) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [
            {
                "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                "quotaId": quota,
                "quotaDimensions": {"model": model, "location": "global"},
                "quotaValue": str(value),
            }
        ],
    }
