"""All checks of the questions of a folder, from `generated.jsonl` to `questions.jsonl`.

    report = check_questions(folder, CheckSettings(answerers=("sage-mm-tiny", "scripted")))
    print(report.text())

What it writes depends on the questions, the settings and the answers in `checks.jsonl` alone: a
call that was killed at any moment and a call that was not leave the same files, but for times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from algos.data_pipeline.checking.check_kinds import Subject
from algos.data_pipeline.checking.check_log import put_in_order, read_plays
from algos.data_pipeline.checking.check_plays import Answering, play_missing
from algos.data_pipeline.checking.check_report import (
    CheckReport,
    answer_lines,
    labels_of,
    only_by,
)
from algos.data_pipeline.checking.check_settings import CAP, OURS, CheckError, CheckSettings
from algos.data_pipeline.checking.datasheet import tell_acceptance, write_datasheet
from algos.data_pipeline.checking.folder_manifest import acceptance_before, write_folder_manifest
from algos.data_pipeline.checking.hold_out import TEST, TRAIN, draw, is_held_out, write_hold_out
from algos.data_pipeline.checking.near_duplicates import Similarity
from algos.data_pipeline.checking.pass_rates import PassRate, pass_rates, write_rates
from algos.data_pipeline.checking.planned_plays import Plan, plan_checks, plan_passes
from algos.data_pipeline.checking.question_fates import Fate, fates_of, rejection_of
from algos.data_pipeline.checking.said_in_videos import listen, said_in_videos
from algos.data_pipeline.checking.writing_habits import writing_habits
from algos.data_pipeline.checking.written_checks import written_rejections
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.ledger import paid_replies, spent_on
from algos.data_pipeline.questions.question_files import (
    GENERATED,
    LEDGER,
    Rejection,
    decide_again,
    generated_questions,
    rejections,
    write_kept,
)
from algos.runs.json_files import write_json

REPORT = "check_report.json"
"""Name of the file in the folder of the questions that holds the numbers of the report."""


@dataclass(frozen=True)
class CheckPlan:
    """What a check of a folder will do.

    Attributes:
        questions: that are checked, in the order in which they were written.
        subjects: those of them that are played.
        written: rejections by what is written, before anything is played.
        plan: the plays.
    """

    questions: Sequence[GeneratedQuestion]
    subjects: Sequence[Subject]
    written: Sequence[Rejection]
    plan: Plan
    videos: dict[str, str] = field(default_factory=dict)


def check_questions(
    folder: Path,
    settings: CheckSettings,
    *,
    root: Path | None = None,
    how: Answering | None = None,
    similarity: Similarity | None = None,
) -> CheckReport:
    """Check the questions of a folder, and write which are kept.

    Args:
        folder: of `data generate`; no one else may write there meanwhile.
        settings: of the checks.
        root: folder of the videos; by default `folder`.
        how: who answers.
        similarity: what texts are compared by; by default groups of letters.

    Raises:
        CheckError: if nothing can be checked, or the plays ended early: the same call goes on.
        LogError: if a file cannot be read or written.
    """
    how, similarity = how or Answering(), similarity or Similarity()
    found = plan_folder(folder, settings, root=root, similarity=similarity)
    if settings.listen and any(subject.lines is None for subject in found.subjects):
        listen(folder, found.questions, root or folder)
        found = plan_folder(folder, settings, root=root, similarity=similarity)
    play_missing(folder, found.plan.plays, settings, how)
    fates = fates_of(found.subjects, found.plan, read_plays(folder), settings)
    rejected = _rejected(found, fates, settings)
    decide_again(folder, OURS, rejected)
    gone = {one.id for one in rejections(folder)}
    kept = [name for name, fate in fates.items() if fate.kept and name not in gone]
    splits = _kept_splits(folder, found, kept, settings)
    passes, rates = _passes(folder, found, kept, settings, how)
    keys = [play.key for play in (*found.plan.plays, *passes.plays)]
    put_in_order(folder, keys)
    plays = read_plays(folder)
    items = [subject.item for subject in found.subjects]
    report = CheckReport(
        questions=len(found.questions),
        kept=kept,
        rejected=rejected,
        unchecked={name: fate.unchecked for name, fate in fates.items() if fate.unchecked},
        only=only_by(rejected),
        answers=answer_lines(found.subjects, found.plan, plays),
        habits=writing_habits(items, [found.videos[item.id] for item in items]),
        similarity=similarity.name,
        held_out=[name for name in kept if splits[name] == TEST],
        labels=labels_of(fates),
        rates=rates,
        plays=len(keys),
        failed=sum(key not in plays or plays[key].verdict is None for key in keys),
        spent=spent_on(one for one in paid_replies(folder / LEDGER) if one.stage == "check"),
    )
    _tell(folder, settings, report, found)
    return report


def _kept_splits(
    folder: Path, found: CheckPlan, kept: Sequence[str], settings: CheckSettings
) -> dict[str, str]:
    """Write the questions that are kept, and which of their videos are held out; return splits."""
    own = {name: found.videos[name] for name in kept}
    splits = {
        name: TEST if is_held_out(video, settings.held_out, settings.seed) else TRAIN
        for name, video in own.items()
    }
    write_kept(folder, splits)
    write_hold_out(folder, own, settings.held_out, settings.seed)
    return splits


def _tell(folder: Path, settings: CheckSettings, report: CheckReport, found: CheckPlan) -> None:
    """Write the report, the datasheet and, last, the manifest with the hashes of all files."""
    write_json(folder / REPORT, report.to_json())
    write_datasheet(folder, settings, report, found.questions)
    if (before := acceptance_before(folder)) is not None:
        tell_acceptance(folder, str(before.get("told")), len(report.kept))
    write_folder_manifest(folder, settings, report, found.questions)


def plan_folder(
    folder: Path,
    settings: CheckSettings,
    *,
    root: Path | None = None,
    similarity: Similarity | None = None,
) -> CheckPlan:
    """Return what `check_questions` will do, without playing or writing.

    Args:
        folder: of `data generate`.
        settings: of the checks.
        root: folder of the videos; by default `folder`.
        similarity: what texts are compared by; by default groups of letters.

    Raises:
        CheckError: if the folder holds no question.
        LogError: if a file cannot be read.
    """
    similarity = similarity or Similarity()
    # What our own checks rejected by now is checked again, by what is known of it: so the files
    # come out the same however often a check was interrupted, or others decided before.
    gone = {one.id for one in rejections(folder) if one.check not in OURS}
    questions = [one for one in generated_questions(folder) if one.id not in gone]
    if not questions:
        raise CheckError(
            f"{folder / GENERATED} holds no question to check: run `sage-vqa data generate` first"
        )
    written = written_rejections(questions, settings, similarity)
    lost = {one.id for one in written}
    place = root or folder
    said = said_in_videos(folder, questions, place)
    subjects = [
        Subject(one.item(place), one.modality, said[one.video])
        for one in questions
        if one.id not in lost
    ]
    videos = {one.id: one.video for one in questions}
    return CheckPlan(questions, subjects, written, plan_checks(subjects, settings), videos)


def _rejected(found: CheckPlan, fates: dict[str, Fate], settings: CheckSettings) -> list[Rejection]:
    """Return all rejections in the order of the questions; those over the cap at the end."""
    written: dict[str, list[Rejection]] = {}
    for one in found.written:
        written.setdefault(one.id, []).append(one)
    rejected: list[Rejection] = []
    for question in found.questions:
        rejected += written.get(question.id, [])
        if (fate := fates.get(question.id)) is not None:
            rejected += [rejection_of(fate, check, question.video) for check in fate.failed]
    return rejected + _over_cap(found, fates, settings)


def _over_cap(found: CheckPlan, fates: dict[str, Fate], settings: CheckSettings) -> list[Rejection]:
    """Return the kept questions of a video beyond its cap, where no other of it is unchecked."""
    if settings.per_video is None:
        return []
    own: dict[str, list[str]] = {}
    waits = {found.videos[name] for name, fate in fates.items() if fate.unchecked}
    for name in (name for name, fate in fates.items() if fate.kept):
        own.setdefault(found.videos[name], []).append(name)
    over = []
    for video, names in own.items():
        if video in waits:  # which ones go over the cap is only known with all of them
            continue
        ranked = sorted(names, key=lambda name: draw(settings.seed, "cap", name))
        for name in ranked[settings.per_video :]:
            why = f"its video has {len(names)} good questions, and {settings.per_video} are kept"
            over.append(Rejection(id=name, video=video, check=CAP, reason=why))
    return over


def _passes(
    folder: Path,
    found: CheckPlan,
    kept: Sequence[str],
    settings: CheckSettings,
    how: Answering,
) -> tuple[Plan, dict[str, PassRate]]:
    """Play the kept questions for `pass_rates`, and write them."""
    if settings.rl_policy is None:
        return Plan([], {}), {}
    wanted = set(kept)
    plan = plan_passes([one for one in found.subjects if one.item.id in wanted], settings)
    play_missing(folder, plan.plays, settings, how)
    rates = pass_rates(plan.plays, read_plays(folder))
    write_rates(folder, settings.rl_policy, rates)
    return plan, rates
