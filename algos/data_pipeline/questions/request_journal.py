"""What was sent and what came back: a line before each request, and one for what became of it.

A process that is killed between the two leaves a request of which nobody knows whether it was
answered, and billed. The next process writes that down, counts it at the most that it may have
cost, and asks again: without the reply there are no questions. Every other request is sent once.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.question_files import ASKED, REPLIES
from algos.data_pipeline.questions.services import Tier
from algos.runs.append_log import AppendLog, LogError, read_log
from algos.runs.dataclass_json import dataclass_from_json


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What is asked of one video.

    Attributes:
        key: hash of all that the reply depends on.
        video: path, relative to the folder of videos.
        digest: SHA-256 of the file.
        model: `SERVER/NAME`.
        prompt: hash of the prompt and the form of the reply.
    """

    key: str
    video: str
    digest: str
    model: str
    prompt: str


@dataclass(frozen=True, kw_only=True)
class StoredReply:
    """A reply as it came.

    Attributes:
        reply: id of the request.
        asking: what was asked.
        body: JSON of the response, without the key.
        when: in UTC.
        tier: that was asked for.
        most_tokens: that the reply could have; `None` if not known.
    """

    reply: str
    asking: Asking
    body: Mapping[str, Any]
    when: str
    tier: Tier = "standard"
    most_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class SentAs:
    """How a request is sent, which changes what it costs and how long its reply can be.

    Attributes:
        tier: that is asked for.
        most_tokens: of the reply; `None` if not known.
        at_most: dollars that it may cost, likewise.
    """

    tier: Tier = "standard"
    most_tokens: int | None = None
    at_most: float | None = None


def asking_key(digest: str, model: str, prompt: str, settings: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits for all that a reply depends on.

    Args:
        digest: of the video's content.
        model: `SERVER/NAME`.
        prompt: hash of the prompt and the form of the reply.
        settings: others that change what is shown or asked.
    """
    whole = json.dumps([digest, model, prompt, settings], sort_keys=True, default=str)
    return hashlib.blake2b(whole.encode(), digest_size=6).hexdigest()


class RequestJournal:
    """The two files of a folder; several threads may write, one process at a time.

    Args:
        folder: that they lie in.

    Attributes:
        lost: requests of processes before this one of which nothing more is known, by id: what
            was written before they were sent.
        batches: likewise those whose reply can still be found in a `batch`, by key of the asking.

    Raises:
        LogError: if a file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        """Read what was sent so far."""
        self._lock = threading.Lock()
        self._sent: Counter[str] = Counter()
        self._replies: dict[str, list[StoredReply]] = {}
        self._how: dict[str, SentAs] = {}
        waiting: dict[str, Mapping[str, Any]] = {}
        for number, row in enumerate(read_log(folder / ASKED), 1):
            try:
                self._take(row, waiting)
            except (KeyError, TypeError, ValueError) as error:
                where = f"{folder / ASKED}, line {number}"
                raise LogError(f"{where} is none of this file: {error!r}") from error
        for reply in stored_replies(folder):
            self._replies.setdefault(reply.asking.key, []).append(reply)
            waiting.pop(reply.reply, None)
        self.lost = {name: row for name, row in waiting.items() if "batch" not in row}
        self.batches = {row["asking"]["key"]: row for row in waiting.values() if "batch" in row}
        self._asked = AppendLog(folder / ASKED)
        self._came = AppendLog(folder / REPLIES)

    def _take(self, row: Any, waiting: dict[str, Mapping[str, Any]]) -> None:
        """Take in one line of what was sent."""
        name = row["request"]
        if "batch" in row:
            waiting[name] = {**waiting[name], "batch": row["batch"]}
        elif "asking" in row:
            self._sent[row["asking"]["key"]] += 1
            told = {one.name: row[one.name] for one in fields(SentAs) if one.name in row}
            self._how[name] = dataclass_from_json(SentAs, told)
            waiting[name] = row
        else:
            waiting.pop(name, None)

    def how(self, request: str) -> SentAs:
        """Return how a request of this folder was sent."""
        with self._lock:
            return self._how[request]

    def replies(self, key: str) -> list[StoredReply]:
        """Return the replies to an asking, in order."""
        with self._lock:
            return list(self._replies.get(key, []))

    def begin(self, asking: Asking, sent: SentAs) -> str:
        """Write down that a request is about to be sent, and return its id."""
        with self._lock:
            request = f"{asking.key}-{self._sent[asking.key]}"
            self._sent[asking.key] += 1
            row = {"request": request, "asking": asdict(asking), **asdict(sent)}
            self._how[request] = sent
            self._asked.append({**row, "when": now()})
            return request

    def started(self, request: str, batch: str) -> None:
        """Write down in which batch of the service the reply to a request will be found."""
        with self._lock:
            self._asked.append({"request": request, "batch": batch, "when": now()})

    def ended(self, request: str, outcome: str) -> None:
        """Write down that no reply came for a request, and why."""
        with self._lock:
            self._asked.append({"request": request, "outcome": outcome, "when": now()})

    def came(self, request: str, asking: Asking, body: Mapping[str, Any]) -> StoredReply:
        """Write a reply down, as it came, and return it."""
        with self._lock:
            how = self._how[request]
            reply = StoredReply(
                reply=request,
                asking=asking,
                body=body,
                when=now(),
                tier=how.tier,
                most_tokens=how.most_tokens,
            )
            self._came.append(asdict(reply))
            self._replies.setdefault(asking.key, []).append(reply)
        return reply

    def close(self) -> None:
        """Close the files."""
        self._asked.close()
        self._came.close()


def stored_replies(folder: Path) -> list[StoredReply]:
    """Return every reply of a folder, in order.

    Raises:
        LogError: if a line is none; names it.
    """
    found = []
    for number, row in enumerate(read_log(folder / REPLIES), 1):
        try:
            found.append(dataclass_from_json(StoredReply, row))
        except ValueError as error:
            raise LogError(f"{folder / REPLIES}, line {number}: {error}") from error
    return found


def now() -> str:
    """Return the time in UTC, as the files have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
