"""From stored replies to questions: reading a reply again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from algos.data_pipeline.questions.generated_question import (
    DIGEST,
    QuestionSource,
    question_id,
)
from algos.data_pipeline.questions.question_files import (
    GENERATED,
    REJECTED,
    Rejection,
    generated_questions,
    rejections,
)
from algos.data_pipeline.questions.question_reading import (
    AskedVideo,
    question_key,
    read_question,
)
from algos.data_pipeline.questions.reply_reading import ReadReply, read_reply
from algos.data_pipeline.questions.request_journal import StoredReply
from algos.data_pipeline.questions.source_videos import SkippedVideo
from algos.runs.append_log import AppendLog


class QuestionLog:
    """The questions of a folder, sound ones and rejected ones; one thread at a time.

    Args:
        folder: that the files lie in.

    Raises:
        LogError: if a file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        """Read what was written so far."""
        self._known: set[str] = set()
        self._asked: dict[str, set[str]] = {}
        for question in generated_questions(folder):
            self._known.add(question.id)
            self._texts(question.id[:DIGEST]).add(question_key(question))
        self._rejected = {(one.id, one.check) for one in rejections(folder)}
        self._known |= {name for name, _ in self._rejected}
        self._generated = AppendLog(folder / GENERATED)
        self._bad = AppendLog(folder / REJECTED)

    def read(self, reply: StoredReply, video: Callable[[], AskedVideo]) -> ReadReply:
        """Read a reply, and write down every question of it that is not written yet.

        Args:
            reply: as it came.
            video: opens the video that it is about.

        Returns:
            What the reply holds.
        """
        found = read_reply(reply.body)
        if found.check:
            self.reject(
                Rejection(
                    id=reply.reply,
                    video=reply.asking.video,
                    check=f"reply_{found.check}",
                    reason=found.reason,
                    found={"reply": reply.reply},
                )
            )
        digest = reply.asking.digest
        names = [
            question_id(digest, reply.reply, position) for position in range(len(found.questions))
        ]
        for position, name in enumerate(names):
            if name in self._known:
                continue
            asking = reply.asking
            source = QuestionSource(
                model=asking.model, prompt=asking.prompt, reply=reply.reply, position=position
            )
            asked = self._texts(digest[:DIGEST])
            question = read_question(found.questions[position], name, video(), source, asked)
            if isinstance(question, Rejection):
                self.reject(question)
            else:
                self._generated.append(question.to_json())
                self._known.add(name)
        return found

    def skip(self, video: SkippedVideo) -> None:
        """Write down that a video is not asked about, and why."""
        self.reject(
            Rejection(
                id=video.name,
                video=video.path,
                check=f"video_{video.check}",
                reason=video.reason,
            )
        )

    def reject(self, one: Rejection) -> None:
        """Write a rejection down, unless it is there."""
        if (one.id, one.check) not in self._rejected:
            self._bad.append(asdict(one))
            self._rejected.add((one.id, one.check))
            self._known.add(one.id)

    def close(self) -> None:
        """Close the files."""
        self._generated.close()
        self._bad.close()

    def _texts(self, digest: str) -> set[str]:
        return self._asked.setdefault(digest, set())
