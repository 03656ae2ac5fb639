"""A question and its episodes, read from the files of a run's entries when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.viewer.reading.episode_steps import episode_steps
from algos.viewer.reading.replay_commands import what_if_commands
from algos.viewer.reading.stored_entries import Row, StoredEntry
from algos.viewer.reading.turn_prompts import style_of
from algos.viewer.reading.unfinished_entries import row_of, unknown_item
from algos.viewer.view_data import EpisodeView, QuestionView, StepView
from sage_env.datasets.item import QAItem
from sage_env.timeline import Span


@dataclass(frozen=True, eq=False, kw_only=True)
class QuestionReader:
    """Reads the questions of a run.

    Attributes:
        entries: of the run.
        frame_size: `(H, W)` of the frames.
        pictures: whether frames of the dataset may be put into a page.
    """

    entries: Sequence[StoredEntry]
    frame_size: tuple[int, int] | None = None
    pictures: bool = True

    def read(self, name: str) -> QuestionView:
        """Return a question by its id, with the episode of each entry that has one.

        Raises:
            KeyError: if no entry knows it.
            LogError: if a file of the run cannot be read.
        """
        item = known_item(self.entries, name)
        played = []
        rows = []
        for entry in self.entries:
            found = self._episode(entry, name, item)
            if found is not None:
                played.append(found)
                rows.append(found.row)
        if item is None and not rows:
            raise KeyError(name)
        return question_view(item, rows, played, self)

    def _episode(self, entry: StoredEntry, name: str, item: QAItem | None) -> EpisodeView | None:
        trajectory, row = entry.episode(name), entry.row(name)
        if trajectory is None and row is None:
            return None
        asked = item or unknown_item(name)
        if row is None:
            assert trajectory is not None
            row = row_of(asked, trajectory)
        steps: Sequence[StepView] = ()
        commands: Sequence[tuple[str, str]] = ()
        if trajectory is not None:
            style = style_of(entry.settings)
            steps = episode_steps(asked, trajectory, entry.tokens(name), style)
            if trajectory.turns and trajectory.error is None:  # else there is nothing to replay
                commands = what_if_commands(entry.replay, name)
        return EpisodeView(
            entry=entry.key,
            steps=steps,
            row={key: value for key, value in row.items() if key != "entry"},
            commands=commands,
            judge=judge_text(row.get("judge")),
            other_video=other_video(row, item),
            **{key: row.get(key) for key in _OF_THE_ROW},
        )


_OF_THE_ROW = (
    "verdict",
    "rule",
    "judge_words",
    "prediction",
    "stop_reason",
    "error",
)


def other_video(row: Row, item: QAItem | None) -> str | None:
    """Return the name of the video that a row was played on, where it is not that of its item."""
    played = row.get("video")
    if item is None or not item.video.name or not played or Path(played) == item.video:
        return None
    return Path(played).name


def judge_text(judge: Any) -> str | None:
    """Return what pins a judge's verdict as text: `judge: gemini, prompt: 1f0c`."""
    if isinstance(judge, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in judge.items()) or None
    return judge or None


def known_item(entries: Sequence[StoredEntry], name: str) -> QAItem | None:
    """Return a question from the first entry that knows its text."""
    return next((item for one in entries if (item := one.item(name)) is not None), None)


def question_view(
    item: QAItem | None,
    rows: Sequence[Row],
    played: Sequence[EpisodeView],
    reader: QuestionReader,
) -> QuestionView:
    """Return a question, of its item where that is known, else of a row.

    Args:
        item: the question.
        rows: of its episodes; one at least without an item.
        played: its episodes.
        reader: what holds for all questions.
    """
    durations = (row.get("duration") for row in rows)
    shown: dict[str, Any] = {
        "duration": next((seconds for seconds in durations if seconds is not None), None),
        "frame_size": reader.frame_size,
        "pictures": reader.pictures,
        "episodes": played,
    }
    if item is None:
        return _of_row(rows[0], shown)
    if item.duration is not None:
        shown["duration"] = item.duration
    choices = list(item.choices)
    return QuestionView(
        id=item.id,
        question=item.question,
        choices=choices,
        gold=item.answer or None,
        gold_choice=choices.index(item.answer) if item.answer in choices else None,
        kind=item.kind,
        group=dict(item.group),
        evidence=[(float(start), float(end)) for start, end in item.evidence],
        video=item.video if item.video.name else None,
        subtitles=item.subtitles,
        subtitles_start=item.subtitles_start,
        **shown,
    )


def _of_row(row: Row, shown: Mapping[str, Any]) -> QuestionView:
    video = row.get("video")
    return QuestionView(
        id=str(row["id"]),
        question=str(row.get("question") or ""),
        gold=row.get("gold"),
        gold_choice=row.get("gold_choice"),
        kind=row.get("kind") or "open",
        group=dict(row.get("group") or {}),
        evidence=_spans(row.get("evidence") or ()),
        video=Path(video) if video else None,
        **shown,
    )


def _spans(pairs: Sequence[Sequence[float]]) -> list[Span]:
    return [(float(pair[0]), float(pair[1])) for pair in pairs]
