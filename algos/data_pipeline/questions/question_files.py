"""The folder that all stages of the data line write to, and which questions of it are kept.

| file | holds |
|---|---|
| `asked.jsonl` | what was sent to a service, a line before each request |
| `replies.jsonl` | what came back, as it came, before anything is read from it |
| `ledger.jsonl` | what each reply cost |
| `generated.jsonl` | every question whose form is sound (`GeneratedQuestion`) |
| `rejected.jsonl` | what is not kept, at which check, and why (`Rejection`) |
| `questions.jsonl` | what is kept, as a dataset: made from the two before it |

Files of lines are only ever added to, so that a kill loses nothing; `questions.jsonl` is replaced
as a whole, and so is `rejected.jsonl` where checks decide again.
`load_dataset("FOLDER/questions.jsonl")` reads it where the files lie in the folder of the videos;
where they lie elsewhere, `root` names that of the videos.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.generated_question import GeneratedQuestion, question_from_json
from algos.runs.append_log import AppendLog, LogError, read_log
from algos.runs.dataclass_json import dataclass_from_json
from sage_env.datasets.json_lines import SPLIT
from sage_env.storage.atomic_file import atomic_write

ASKED = "asked.jsonl"
REPLIES = "replies.jsonl"
LEDGER = "ledger.jsonl"
GENERATED = "generated.jsonl"
REJECTED = "rejected.jsonl"
QUESTIONS = "questions.jsonl"
HOLD_OUT = "hold_out.json"


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """A question that is not kept.

    Attributes:
        id: of the question.
        video: as `GeneratedQuestion.video`.
        check: that it did not pass, in a word or two with underscores, e.g. `times_past_end`.
        reason: in a sentence.
        found: what the check saw, as JSON data; a reply's own words where it could not be read.
    """

    id: str
    video: str
    check: str
    reason: str
    found: Mapping[str, Any] = field(default_factory=dict)


def generated_questions(folder: Path) -> list[GeneratedQuestion]:
    """Return every question whose form is sound, in the order in which they were written.

    Of a question with several lines the last counts: its video has got another name.

    Raises:
        LogError: if the file holds a line that is none; names it.
    """
    read: list[GeneratedQuestion] = _read(folder / GENERATED, question_from_json)
    return list({one.id: one for one in read}.values())


def rejections(folder: Path) -> list[Rejection]:
    """Return what was rejected so far, in order; a question may be there for several checks.

    Raises:
        LogError: if the file holds a line that is none; names it.
    """
    return _read(folder / REJECTED, lambda row: dataclass_from_json(Rejection, row))


def reject(folder: Path, found: Iterable[Rejection]) -> None:
    """Write rejections down; one that is there already, by id and check, is not written again.

    Raises:
        LogError: if the file cannot be read or written.
    """
    known = {(one.id, one.check) for one in rejections(folder)}
    log = AppendLog(folder / REJECTED)
    try:
        for one in found:
            if (one.id, one.check) not in known:
                known.add((one.id, one.check))
                log.append(asdict(one))
    finally:
        log.close()


def decide_again(folder: Path, checks: Collection[str], found: Sequence[Rejection]) -> None:
    """Replace what some checks have rejected by what they reject now; all other lines stay.

    Args:
        folder: of the files.
        checks: names of the checks; none of another is in `found`.
        found: rejections, which come behind the others.

    Raises:
        LogError: if the file cannot be read or written.
    """
    others = [one for one in rejections(folder) if one.check not in checks]
    text = "".join(json.dumps(asdict(one)) + "\n" for one in (*others, *found))
    path = folder / REJECTED
    try:
        if text or path.exists():
            atomic_write(path, text)
    except OSError as error:
        raise LogError(f"{path} cannot be written ({error.strerror}): make room") from error


def kept_questions(folder: Path) -> list[GeneratedQuestion]:
    """Return the questions that no check has rejected, in the order in which they were written."""
    gone = {one.id for one in rejections(folder)}
    return [one for one in generated_questions(folder) if one.id not in gone]


def write_kept(folder: Path, splits: Mapping[str, str] | None = None) -> int:
    """Write `questions.jsonl` anew from what is generated and not rejected.

    Args:
        folder: of the files.
        splits: the split of each question by its id; a question without one is left out. `None`:
            the file is one split.

    Returns:
        How many questions it holds. Where none is kept, the file is taken away: a dataset without
        a question is none.

    Raises:
        LogError: if a file cannot be read or written.
    """
    kept = kept_questions(folder)
    if splits is not None:
        kept = [one for one in kept if one.id in splits]
    rows = [_row(one, None if splits is None else splits[one.id]) for one in kept]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = folder / QUESTIONS
    try:
        if rows:
            atomic_write(path, text)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise LogError(f"{path} cannot be written ({error.strerror}): make room") from error
    return len(rows)


def splits_of_checked(folder: Path) -> dict[str, str] | None:
    """Return the splits of the questions that checks have kept; `None` if none were checked yet.

    Raises:
        LogError: if `questions.jsonl` cannot be read.
    """
    if not (folder / HOLD_OUT).exists():
        return None
    rows = read_log(folder / QUESTIONS)
    return {str(row["id"]): str(row[SPLIT]) for row in rows if SPLIT in row}


def refuse_others_questions(folder: Path) -> None:
    """Refuse a folder whose `questions.jsonl` was not made from files of ours: it would be lost.

    Raises:
        LogError: saying what to do.
    """
    ours = any((folder / name).exists() for name in (ASKED, REPLIES, GENERATED))
    if (folder / QUESTIONS).exists() and not ours:
        raise LogError(
            f"{folder / QUESTIONS} holds questions that were not generated here, and would be "
            "written over: name another folder with --out, or move that file"
        )


def _row(question: GeneratedQuestion, split: str | None) -> dict[str, Any]:
    """Return a question as `read_jsonl` reads it; what is as by default is left out."""
    item = question.item(Path())
    row: dict[str, Any] = {
        "id": item.id,
        "video": question.video,
        "question": item.question,
        "choices": item.choices,
        "answer": item.answer,
        "kind": item.kind,
        "evidence": item.evidence,
        "duration": item.duration,
        "group": dict(item.group),
        "tolerance": item.tolerance,
        "aliases": item.aliases,
        "subtitles": question.subtitles,
        "subtitles_start": item.subtitles_start,
        SPLIT: split,
    }
    return {name: value for name, value in row.items() if value not in (None, (), 0.0)}


def _read(path: Path, read: Any) -> list[Any]:
    rows: Sequence[Any] = read_log(path)
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(read(row))
        except ValueError as error:
            raise LogError(f"{path}, line {number}: {error}") from error
    return found
