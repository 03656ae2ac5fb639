"""Writing questions about the videos of a folder: asked once, kept before it is read, resumable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from algos.data_pipeline.questions.estimate import most_dollars
from algos.data_pipeline.questions.followed_videos import follow_videos
from algos.data_pipeline.questions.ledger import BudgetSpent, Ledger, Spent
from algos.data_pipeline.questions.prompt import prompt_hash
from algos.data_pipeline.questions.question_files import (
    LEDGER,
    refuse_others_questions,
    splits_of_checked,
    write_kept,
)
from algos.data_pipeline.questions.question_log import QuestionLog
from algos.data_pipeline.questions.question_reading import AskedVideo
from algos.data_pipeline.questions.quota_day import next_day
from algos.data_pipeline.questions.reply_reading import counts_of_reply
from algos.data_pipeline.questions.request_journal import (
    Asking,
    RequestJournal,
    SentAs,
    StoredReply,
    asking_key,
    stored_replies,
)
from algos.data_pipeline.questions.settings import GenerateSettings
from algos.data_pipeline.questions.source_videos import (
    SkippedVideo,
    SourceVideo,
    copies,
    source_video,
    video_files,
)
from algos.data_pipeline.questions.writers import Writer
from algos.runs.run_folder import RunFolder
from policies.errors import ServiceError, ServiceRefused
from policies.served.gemini_batch import BatchWaits
from policies.served.gemini_json import QuotaSpent
from policies.served.reply_json import Json
from policies.served.retries import Failure, RateLimit, request_with_retries
from policies.served.server_errors import HttpFailure
from policies.served.wire import NoReply
from sage_env.errors import SageEnvError, VideoError

Outcome = Literal["written", "given up", "skipped", "failed", "not asked"]
STAGE = "generate"


@dataclass(frozen=True)
class VideoOutcome:
    """What became of one video: `why` is empty where its questions were written."""

    path: str
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True)
class GenerateResult:
    """What became of a folder.

    Attributes:
        videos: one for each file.
        kept: questions in `questions.jsonl`.
        spent: over the whole folder, former runs included.
        stopped: why not all videos were asked about, and what to do; empty if they were.
    """

    videos: tuple[VideoOutcome, ...]
    kept: int
    spent: Spent
    stopped: str = ""


def generate_questions(
    folder: Path,
    out: Path,
    settings: GenerateSettings,
    writer: Writer,
    follow: Callable[[Iterable[VideoOutcome], int], Iterable[VideoOutcome]] = lambda each, _: each,
) -> GenerateResult:
    """Ask for questions about every video of a folder, and keep what is sound.

    Run again, it goes on: what was answered is not asked again. A reply is on the disk before it is
    read, and a request before it is sent.

    Args:
        folder: of the videos.
        out: folder of the files, see `question_files`.
        settings: what is asked for.
        writer: who is asked.
        follow: shows the progress: it is given the outcomes and their number, and yields them.

    Raises:
        NoVideos: if there is no video.
        RunFolderError: if another process is at it.
        LogError: if a file cannot be read or written, or `questions.jsonl` is someone's own.
        ServiceRefused: if the key or the model's name is not accepted.
    """
    files = video_files(folder)
    with RunFolder(out).alone("--out"):
        refuse_others_questions(out)
        run = _Run(folder, out, settings, writer)
        try:
            run.settle()
            outcomes = list(follow(run.play(files), len(files)))
        finally:
            run.close()
        follow_videos(out, folder, run.videos)
        # What checks have kept stays as it is; what is new waits for them.
        kept = write_kept(out, splits_of_checked(out))
        outcomes.sort(key=lambda one: one.path)
        return GenerateResult(tuple(outcomes), kept, run.ledger.spent(), run.stopped)


@dataclass(eq=False)
class _Run:
    """One process at a folder."""

    folder: Path
    out: Path
    settings: GenerateSettings
    writer: Writer
    stopped: str = ""
    videos: dict[str, SourceVideo] = field(default_factory=dict)
    _served: threading.Event = field(default_factory=threading.Event)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.out / LEDGER, self.settings.budget)
        self.journal = RequestJournal(self.out)
        self.log = QuestionLog(self.out)
        self._limit = RateLimit(self.settings.requests_per_minute)
        self._prompt = prompt_hash(*self.settings.questions)

    def settle(self) -> None:
        """Write down what a process before this one could not."""
        for reply in stored_replies(self.out):
            self._pay(reply)
        for row in self.journal.batches.values():
            self.ledger.reserve(row["request"], row["at_most"], begun=True)
        for request, row in self.journal.lost.items():
            self.ledger.pay(
                request,
                stage=STAGE,
                model=row["asking"]["model"],
                counts=None,
                tier=self.journal.how(request).tier,
                at_most=row["at_most"],
                note="the process ended before the reply came; it may have been billed",
            )
            self.journal.ended(request, "lost")

    def play(self, files: list[Path]) -> Iterable[VideoOutcome]:
        """Yield the outcome of each video as it is known."""
        self._check_service()
        same = copies(files)
        with ThreadPoolExecutor(self.settings.workers) as pool:
            try:
                waiting = [pool.submit(self._asked_about, file, same.get(file)) for file in files]
                for done in as_completed(waiting):
                    yield done.result()
            except BaseException:
                self.stopped = self.stopped or "interrupted"
                pool.shutdown(cancel_futures=True)
                raise

    def close(self) -> None:
        """Close the files."""
        self.ledger.close()
        self.journal.close()
        self.log.close()

    def _check_service(self) -> None:
        def check() -> Json:
            self.writer.check()
            return {}

        self._ask(check)

    def _asked_about(self, file: Path, original: Path | None) -> VideoOutcome:
        video = source_video(self.folder, file, original)
        if isinstance(video, SkippedVideo):
            return self._skipped(video)
        self.videos[video.path] = video
        asking = self._asking(video)
        found = self._read_all(self.journal.replies(asking.key), video)
        if found is not None:
            return found
        if (skipped := self.writer.too_much(video)) is not None:
            return self._skipped(skipped)
        if self.stopped:
            return VideoOutcome(video.path, "not asked", self.stopped)
        try:
            if (batch := self.journal.batches.get(asking.key)) is not None:
                self._fetch(asking, batch["request"], batch["batch"])
                found = self._read_all(self.journal.replies(asking.key), video)
            return found or self._written(asking, video)
        except QuotaSpent as error:
            self.stopped = self.stopped or f"{error}; {next_day()}"
            return VideoOutcome(video.path, "not asked", str(error))
        except (ServiceRefused, BudgetSpent) as error:
            self.stopped = self.stopped or str(error)
            return VideoOutcome(video.path, "not asked", str(error))
        except (ServiceError, VideoError) as error:
            return VideoOutcome(video.path, "failed", str(error))
        finally:
            self.writer.done(video)

    def _asking(self, video: SourceVideo) -> Asking:
        settings, model = self.settings, self.writer.model
        told = {
            "fps": settings.fps,
            "media_resolution": settings.media_resolution,
            "frames": None if model.startswith("google/") else settings.frames,
            "frame_side": None if model.startswith("google/") else settings.frame_side,
            "options": dict(settings.options),
        }
        return Asking(
            key=asking_key(video.digest, model, self._prompt, told),
            video=video.path,
            digest=video.digest,
            model=model,
            prompt=self._prompt,
        )

    def _written(self, asking: Asking, video: SourceVideo) -> VideoOutcome:
        """Ask until a reply can be used, or no try is left."""
        message = self.writer.shown(video, self._ask)
        while not self.stopped:
            self._send(asking, video, message)
            found = self._read_all(self.journal.replies(asking.key), video)
            if found is not None:
                return found
        return VideoOutcome(video.path, "not asked", self.stopped)

    def _send(self, asking: Asking, video: SourceVideo, message: Any) -> None:
        """Send a request until it is answered; each time under an id of its own."""
        sent = SentAs(
            tier=self.settings.tier,
            most_tokens=self.settings.max_output_tokens,
            at_most=most_dollars(self.writer, video, self.settings),
        )

        def send() -> Json:
            request = self.journal.begin(asking, sent)
            try:
                self.ledger.reserve(request, sent.at_most)
                body = self.writer.request(
                    message,
                    request,
                    lambda batch: self.journal.started(request, batch),
                    self._ask,
                )
            except BatchWaits:  # the next run looks at it again: nothing has ended
                raise
            except BaseException as error:
                self._not_answered(request, asking, error)
                raise
            self._pay(self.journal.came(request, asking, body))
            return body

        self._ask(send)

    def _fetch(self, asking: Asking, request: str, batch: str) -> None:
        """Get the reply that an earlier process was waiting for; a failed one is asked for anew."""
        try:
            body = self.writer.found_again(batch, self._ask)
        except BatchWaits:
            raise
        except (HttpFailure, ServiceError) as error:
            self._not_answered(request, asking, error)
            return
        self._pay(self.journal.came(request, asking, body))

    def _not_answered(self, request: str, asking: Asking, error: BaseException) -> None:
        """Write down why no reply came: a refusal costs nothing, a lost reply nobody knows what."""
        told = str(error) or type(error).__name__
        unsent = isinstance(error, NoReply) and not error.sent
        if unsent or isinstance(error, HttpFailure | BudgetSpent):
            self.ledger.release(request)
        else:
            self.ledger.pay(
                request,
                stage=STAGE,
                model=asking.model,
                counts=None,
                tier=self.journal.how(request).tier,
                note=f"no whole reply came ({told}); it may have been billed",
            )
        self.journal.ended(request, told)

    def _pay(self, reply: StoredReply) -> None:
        """Write down what a reply cost, unless it is."""
        if reply.reply not in self.ledger:
            self.ledger.pay(
                reply.reply,
                stage=STAGE,
                model=reply.asking.model,
                counts=counts_of_reply(dict(reply.body)),
                tier=reply.tier,
                when=datetime.fromisoformat(reply.when),
            )

    def _read_all(self, replies: list[StoredReply], video: SourceVideo) -> VideoOutcome | None:
        """Read the replies about a video; `None` if another has to be asked for."""
        asked = AskedVideo(path=video.path, index=video.index, subtitles=video.subtitles)
        why, again, counted = "", True, 0
        for reply in replies:
            with self._reading:
                found = self.log.read(reply, lambda: asked)
            if not found.check:
                return VideoOutcome(video.path, "written")
            if found.cut and (reply.most_tokens or 0) < self.settings.max_output_tokens:
                continue  # cut where one of today would not be: it says nothing against asking
            why, again, counted = found.reason, found.again, counted + 1
        if counted and (not again or counted >= self.settings.tries):
            return VideoOutcome(video.path, "given up", f"{why} ({counted} replies)")
        return None

    def _skipped(self, video: SkippedVideo) -> VideoOutcome:
        with self._reading:
            self.log.skip(video)
        return VideoOutcome(video.path, "skipped", video.reason)

    def _ask(self, request: Callable[[], Json]) -> Json:
        def failure(error: Exception) -> Failure | None:
            if isinstance(error, SageEnvError) and not isinstance(error, ServiceError):
                return None
            return self.writer.failure(error, self._served.is_set())

        body = request_with_retries(
            request, failure, self.settings.retries, self._limit, lambda: None
        )
        self._served.set()
        return body
