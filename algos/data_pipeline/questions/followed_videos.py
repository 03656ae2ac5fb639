"""Questions follow their videos: to another name, and out of the set where the file has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.question_files import (
    GENERATED,
    Rejection,
    generated_questions,
    reject,
)
from algos.data_pipeline.questions.request_journal import stored_replies
from algos.data_pipeline.questions.source_videos import SourceVideo
from algos.runs.append_log import AppendLog

CHANGED = "video_changed"
"""Name of the check: the file has other content now than when it was asked about."""


def follow_videos(out: Path, folder: Path, videos: Mapping[str, SourceVideo]) -> None:
    """Write down where the videos of questions lie now, and which are there no more.

    A question about a file that has another name now, or other subtitles, gets a line anew. One
    about a file whose content was replaced is rejected: its times are of what was there before. A
    file that is nowhere changes nothing: it may be on a disk that is not here today.

    Args:
        out: folder of the questions.
        folder: of the videos.
        videos: that can be played, by path relative to it.

    Raises:
        LogError: if a file cannot be read or written.
    """
    digests = {one.reply: one.asking.digest for one in stored_replies(out)}
    by_digest = {one.digest: one for one in videos.values()}
    moved: list[GeneratedQuestion] = []
    gone: list[Rejection] = []
    for question in generated_questions(out):
        digest = digests.get(question.source.reply)
        there = videos.get(question.video)
        if digest is None or (there is None and (folder / question.video).exists()):
            continue
        found = there if there is not None and there.digest == digest else by_digest.get(digest)
        if found is not None:
            now = replace(question, video=found.path, subtitles=found.subtitles)
            moved += [now] if now != question else []
        elif there is not None:
            why = "the file has other content now than when it was asked about"
            gone.append(Rejection(id=question.id, video=question.video, check=CHANGED, reason=why))
    if moved:
        log = AppendLog(out / GENERATED)
        try:
            for one in moved:
                log.append(one.to_json())
        finally:
            log.close()
    reject(out, gone)
