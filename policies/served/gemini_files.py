"""Videos at Gemini's Files API: each is sent once, waited for, and deleted again."""

from __future__ import annotations

import mimetypes
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from policies.errors import ServiceError
from policies.served.reply_json import Json, part_of
from policies.served.server_errors import HttpFailure, malformed, one_line
from policies.served.wire import NoReply
from sage_env.errors import VideoError

if TYPE_CHECKING:
    from policies.served.gemini import GeminiService

Ask: TypeAlias = Callable[[Callable[[], Json]], Json]
"""Sends a request until it is answered, see `policies.served.retries`."""
_Identity: TypeAlias = tuple[Path, int, int]
_LIFE = 40 * 3600.0
"""Seconds for which a file is used: the service deletes files after 48 hours, by its own words."""
_NOT_READY = ("PROCESSING", "STATE_UNSPECIFIED")


@dataclass(frozen=True)
class UploadedVideo:
    """A video at the service.

    Attributes:
        name: by which it is asked for and deleted.
        uri: by which a prompt shows it.
        mime: its type.
        sent: when, in seconds of the process's own clock.
    """

    name: str
    uri: str
    mime: str
    sent: float


@dataclass(eq=False)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    video: UploadedVideo | None = None


class VideoUploads:
    """Videos that a policy has sent; several threads may use it.

    The service is told no file name: a name may hold the answer.

    Args:
        service: to send to.
        ready_within: seconds that the service may take to make a video ready.
        poll: seconds between two looks at whether it is.
        keep: how many videos stay there that no running episode uses, for further questions.
        named: gives a video's name at the service, such as `files/0a1b`, by which one that an
            earlier process has sent is found again while it is there; `None`: the service's choice.
    """

    def __init__(
        self,
        service: GeminiService,
        *,
        ready_within: float,
        poll: float,
        keep: int,
        named: Callable[[Path], str] | None = None,
    ) -> None:
        """Start with none."""
        self._named = named
        if ready_within <= 0 or poll < 0 or keep < 0:
            raise ValueError(
                "expected ready_within > 0, poll >= 0 and keep_videos >= 0, got "
                f"{ready_within}, {poll} and {keep}"
            )
        self._service, self._ready_within = service, ready_within
        self._poll, self._keep = poll, keep
        self._lock = threading.Lock()
        self._entries: OrderedDict[_Identity, _Entry] = OrderedDict()

    def get(self, path: Path, ask: Ask) -> UploadedVideo:
        """Return a video at the service, sent now if it is not there.

        Args:
            path: of its file.
            ask: sends requests.

        Raises:
            VideoError: if the file cannot be read.
            ServiceError: if it cannot be sent, or the service cannot use it.
        """
        identity = _identity(path)
        with self._lock:
            entry = self._entries.setdefault(identity, _Entry())
            self._entries.move_to_end(identity)
        with entry.lock:  # questions about one video wait for one upload
            if entry.video is None or time.monotonic() - entry.video.sent > _LIFE:
                entry.video = self._sent(path, ask)
            return entry.video

    def trim(self, in_use: Collection[Path]) -> None:
        """Delete the videos that were used longest ago, all but `keep` and those in use."""
        with self._lock:
            spare = [one for one in self._entries if one[0] not in in_use]
            old = [self._entries.pop(one) for one in spare[: max(0, len(spare) - self._keep)]]
        self._delete(old)

    def delete_all(self) -> None:
        """Delete every video that was sent."""
        with self._lock:
            old = list(self._entries.values())
            self._entries.clear()
        self._delete(old)

    def _sent(self, path: Path, ask: Ask) -> UploadedVideo:
        client, model = self._service.client, self._service.model
        mime = mimetypes.guess_type(path.name)[0] or "video/mp4"
        own = {} if self._named is None else {"name": self._named(path)}

        def upload() -> Json:
            try:
                with path.open("rb") as file:  # a file without its name
                    return self._service.asked(
                        lambda: client.files.upload(file=file, config={"mime_type": mime, **own})
                    )
            except OSError as error:
                raise VideoError(f"{path} cannot be read: {error}") from error

        sent = time.monotonic()
        found = (self._there(own["name"]) if own else None) or part_of(ask(upload), "file")
        name, uri = part_of(found, "name"), part_of(found, "uri")
        if not (isinstance(name, str) and isinstance(uri, str) and name and uri):
            raise malformed(model, "no name for a video that it was sent")
        video = UploadedVideo(name, uri, mime, sent)
        try:
            self._wait(video, found, ask)
        except BaseException:
            self._delete([_Entry(video=video)])
            raise
        return video

    def _there(self, name: str) -> Json:
        """Return what the service says of a file by its name; `None` if it has none of use.

        One that it could not use is deleted: it would not take another of that name.
        """
        try:
            found = self._service.asked(lambda: self._service.client.files.get(name=name))
            if part_of(found, "state") in ("ACTIVE", *_NOT_READY):
                return found
            self._service.asked(lambda: self._service.client.files.delete(name=name))
        except (HttpFailure, NoReply, ServiceError):  # what is wrong is told by the upload
            pass
        return None

    def _wait(self, video: UploadedVideo, found: Json, ask: Ask) -> None:
        """Return when the video can be asked about."""
        model, until = self._service.model, time.monotonic() + self._ready_within
        while (state := part_of(found, "state")) in _NOT_READY:
            if time.monotonic() > until:
                raise ServiceError(
                    f"{model}: the service did not make a video ready in {self._ready_within:g} s: "
                    "give it longer with ready_within, or a shorter video"
                )
            time.sleep(self._poll)
            found = ask(lambda: self._service.asked(self._call("get", video)))
        if state != "ACTIVE":
            why = one_line(str(part_of(found, "error", "message") or state))
            raise ServiceError(f"{model}: the service cannot use a video that it was sent ({why})")

    def _call(self, name: str, video: UploadedVideo) -> Callable[[], Any]:
        return lambda: getattr(self._service.client.files, name)(name=video.name)

    def _delete(self, entries: Collection[_Entry]) -> None:
        for entry in entries:
            if (video := entry.video) is None:
                continue
            try:
                self._service.asked(self._call("delete", video))
            except Exception:  # no matter of an episode, and the service deletes it in time
                return


def _identity(path: Path) -> _Identity:
    """Return what tells a version of a file apart: its place, size and time."""
    try:
        found = path.stat()
        return path.resolve(), found.st_size, found.st_mtime_ns
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error}") from error
