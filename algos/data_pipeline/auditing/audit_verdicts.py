"""A person's verdicts on a sample: the acceptance with its interval, and what becomes of each.

Which interval holds: questions of one video are not independent, so it is Clopper-Pearson's at the
effective number of questions, over videos (`algos.evaluation.cluster_intervals`). With fewer than
five videos there is none over videos; Clopper-Pearson's over questions is then told, which holds
for more questions about the same videos and says nothing on others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from algos.data_pipeline.auditing.audit_page import VERDICTS, read_sample
from algos.data_pipeline.checking.check_settings import AUDIT, EDITED, CheckError
from algos.data_pipeline.checking.datasheet import tell_acceptance
from algos.data_pipeline.checking.folder_manifest import update_manifest
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.question_files import (
    GENERATED,
    QUESTIONS,
    Rejection,
    generated_questions,
    reject,
    rejections,
    write_kept,
)
from algos.evaluation.cluster_intervals import MIN_CLUSTERS, Interval, proportion_interval
from algos.evaluation.quantiles import beta_quantile
from algos.runs.append_log import AppendLog, read_log
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.json_files import read_json
from policies.served.reply_json import can_be_sent
from sage_env.datasets.json_lines import SPLIT
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError

_KIND = "sage-vqa audit"
_SHARE = 0.975  # below the upper end of an interval of 95 %


@dataclass(frozen=True, kw_only=True)
class AuditVerdict:
    """What a person says of one question.

    Attributes:
        id: of the question.
        verdict: `accept`, `reject`, or `edit`: right once its words are changed.
        question: its text, as the person would have it.
        answer: likewise.
        note: why.
    """

    id: str
    verdict: str
    question: str | None = None
    answer: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """How many questions of a sample a person accepts as they are.

    Attributes:
        sample: questions on the page.
        judged: those with a verdict; the others are in no share.
        accepted: of these, as they are.
        edited: right once changed.
        rejected: the rest.
        videos: that the judged questions are about.
        share: accepted of judged; `None` without any.
        over_videos: its interval for other videos; `None` with fewer than five.
        over_questions: its interval if questions were independent, exact.
    """

    sample: int
    judged: int
    accepted: int
    edited: int
    rejected: int
    videos: int
    share: float | None
    over_videos: Interval
    over_questions: Interval

    def text(self) -> str:
        """Return it in sentences."""
        if self.share is None:
            return f"none of {self.sample} questions has a verdict"
        told = (
            f"{self.accepted} of {self.judged} questions accepted as they are ({self.share:.1%}), "
            f"{self.edited} to edit, {self.rejected} rejected; {self.sample - self.judged} of the "
            "sample have no verdict"
        )
        if self.over_videos is not None:
            return f"{told}. 95 % interval over {self.videos} videos: {_ends(self.over_videos)}"
        return (
            f"{told}. {self.videos} videos are too few for an interval over videos, which needs "
            f"{MIN_CLUSTERS}; over questions of these videos alone: {_ends(self.over_questions)}"
        )


def read_verdicts(folder: Path, path: Path) -> list[AuditVerdict]:
    """Return the verdicts of a file that the page of a folder has saved.

    Raises:
        CheckError: if it is none, or of another sample; it names what is wrong.
        RunFolderError: if it cannot be read.
    """
    data = read_json(path)
    sample = read_sample(folder)
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise CheckError(f"{path} holds no verdicts: give the file that the page {folder} saved")
    if data.get("sample") != sample["sample"]:
        raise CheckError(
            f"{path} is of the sample {data.get('sample')!r}, and the page of {folder} shows "
            f"{sample['sample']!r}: give the verdicts on that, or write the page of that sample"
        )
    rows = data.get("verdicts") or ()
    if not isinstance(rows, list | tuple) or not can_be_sent(rows):
        raise CheckError(f"{path}: verdicts must be a list of objects with texts, got {rows!r:.60}")
    known = {one["id"] for one in sample["questions"]}
    found: dict[str, AuditVerdict] = {}
    for number, row in enumerate(rows, 1):
        try:
            one = dataclass_from_json(AuditVerdict, row)
        except ValueError as error:
            raise CheckError(f"{path}, verdict {number}: {error}") from error
        if one.verdict not in VERDICTS or one.id not in known or one.id in found:
            raise CheckError(
                f"{path}, verdict {number}: {one.verdict!r} on {one.id!r} must be one of "
                f"{', '.join(VERDICTS)}, once, on a question of the sample"
            )
        found[one.id] = one
    return list(found.values())


def acceptance_of(folder: Path, verdicts: Sequence[AuditVerdict]) -> Acceptance:
    """Return the acceptance of a folder's sample.

    Args:
        folder: of the questions, with the record of the sample.
        verdicts: on questions of it.
    """
    questions = read_sample(folder)["questions"]
    video = {one["id"]: one["video"] for one in questions}
    counts = {name: sum(one.verdict == name for one in verdicts) for name in VERDICTS}
    values = [float(one.verdict == "accept") for one in verdicts]
    names = [video[one.id] for one in verdicts]
    return Acceptance(
        sample=len(questions),
        judged=len(verdicts),
        accepted=counts["accept"],
        edited=counts["edit"],
        rejected=counts["reject"],
        videos=len(set(names)),
        share=sum(values) / len(values) if values else None,
        over_videos=proportion_interval(values, names) if values else None,
        over_questions=exact_interval(counts["accept"], len(values)) if values else None,
    )


def exact_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of independent questions.

    Source: Clopper and Pearson, Biometrika 26, 1934.
    """
    wrong = count - right
    low = beta_quantile(1 - _SHARE, right, wrong + 1) if right else 0.0
    high = beta_quantile(_SHARE, right + 1, wrong) if wrong else 1.0
    return low, high


def apply_verdicts(folder: Path, verdicts: Sequence[AuditVerdict]) -> int:
    """Take what a person does not accept out of the kept questions, and write edits as new ones.

    An edited question has an id of its own and goes through the checks before it is kept.

    Args:
        folder: of the questions; no one else may write there meanwhile.
        verdicts: of `read_verdicts`.

    Returns:
        How many edited questions were written, for `sage-vqa data verify` to check.

    Raises:
        CheckError: if an edited question cannot be asked; nothing is changed then.
        LogError: if a file cannot be read or written.
    """
    by_id = {one.id: one for one in generated_questions(folder)}
    edits = [_edited(by_id[one.id], one) for one in verdicts if one.verdict == "edit"]
    new = [one for one in edits if one.id not in by_id]
    log = AppendLog(folder / GENERATED)
    try:
        for one in new:
            log.append(one.to_json())
    finally:
        log.close()
    reject(
        folder,
        [
            Rejection(
                id=one.id,
                video=by_id[one.id].video,
                check=AUDIT if one.verdict == "reject" else EDITED,
                reason=one.note or "a person did not accept it",
                found=asdict(one),
            )
            for one in verdicts
            if one.verdict != "accept"
        ],
    )
    gone = {one.id for one in rejections(folder)}
    rows: list[Mapping[str, Any]] = read_log(folder / QUESTIONS)
    write_kept(folder, {row["id"]: row[SPLIT] for row in rows if row["id"] not in gone})
    acceptance, kept = acceptance_of(folder, verdicts), len(read_log(folder / QUESTIONS))
    tell_acceptance(folder, acceptance.text(), kept)
    told = {**asdict(acceptance), "told": acceptance.text()}
    update_manifest(folder, {"acceptance": told, "kept": kept})
    return len(new)


def _edited(question: GeneratedQuestion, verdict: AuditVerdict) -> GeneratedQuestion:
    """Return a question as a person would have it; of choices, the right one has the new answer."""
    text = (verdict.question or question.question).strip()
    answer = (verdict.answer or question.answer).strip()
    words = hashlib.blake2b(f"{text}\0{answer}".encode(), digest_size=4).hexdigest()
    choices = question.choices
    if choices and answer not in choices:
        choices = tuple(answer if choice == question.answer else choice for choice in choices)
    edited = replace(
        question,
        id=f"{question.id}-edited-{words}",
        question=text,
        answer=answer,
        choices=choices,
        aliases=question.aliases if answer == question.answer else (),
    )
    try:
        validate([edited.item(Path())])
    except DatasetError as error:
        raise CheckError(f"the edit of {question.id!r} cannot be asked: {error}") from error
    return edited


def _ends(interval: Interval) -> str:
    if interval is None:
        return "not known"
    return f"[{interval[0]:.1%}, {interval[1]:.1%}]"
