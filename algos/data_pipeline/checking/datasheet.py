"""`datasheet.md` of a folder of questions, with the numbers that were measured.

Headings: Gebru et al., "Datasheets for Datasets", Communications of the ACM 64, 2021.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from algos.data_pipeline.checking.check_kinds import CHECKS
from algos.data_pipeline.checking.check_report import CheckReport
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.evaluation.tables import points
from policies.terminal_text import visible
from sage_env.datasets.duration_buckets import bucket_of
from sage_env.storage.atomic_file import atomic_write

DATASHEET = "datasheet.md"
"""Name of the file."""


def write_datasheet(
    folder: Path,
    settings: CheckSettings,
    report: CheckReport,
    questions: Sequence[GeneratedQuestion],
) -> None:
    """Write the datasheet: what these questions are, how they were made and what is known of them.

    Args:
        folder: of the questions.
        settings: of the checks.
        report: what they found.
        questions: that were checked.
    """
    parts = [
        "# Datasheet\n",
        _motivation(),
        _composition(report, questions),
        _collection(questions),
        _checks(settings, report),
        _uses(report),
        _licence(),
    ]
    atomic_write(folder / DATASHEET, "\n".join(parts).encode("utf-8", "backslashreplace"))


def tell_acceptance(folder: Path, told: str, kept: int) -> None:
    """Write behind a datasheet what a person said of a sample, in place of what stood there.

    Args:
        folder: of the questions.
        told: the acceptance in a sentence.
        kept: questions in the set without what was not accepted.
    """
    path = folder / DATASHEET
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, _, _ = text.partition(_AUDIT)
    after = (
        f"{_AUDIT}{visible(told)}.\n\nWhat was not accepted left the set, and edited questions are "
        f"new ones that are checked first. The numbers above are those of the checks; the set has "
        f"{kept} questions now.\n"
    )
    atomic_write(path, (before.rstrip("\n") + after).encode("utf-8", "backslashreplace"))


_AUDIT = "\n\n## A person's look\n\n"


def _motivation() -> str:
    return (
        "## Motivation\n\n"
        "Questions about long videos, for training and evaluating agents that choose where to "
        "look. They were written by a model and checked by others; what a person has changed has "
        "`-edited-` in its id.\n"
    )


def _composition(report: CheckReport, questions: Sequence[GeneratedQuestion]) -> str:
    kept = set(report.kept)
    own = [one for one in questions if one.id in kept]
    videos = {one.video: one.duration for one in own}
    hours = sum(videos.values()) / 3600
    lines = [
        "## Composition\n",
        f"{len(own)} questions about {len(videos)} videos of {hours:.2f} hours. "
        f"{len(report.held_out)} of the questions are held out, by video: `hold_out.json`.\n",
        "| | questions |",
        "|---|---|",
        *_counted("kind", (one.kind for one in own)),
        *_counted("modality", (one.modality for one in own)),
        *_counted("difficulty", (one.difficulty for one in own)),
        *_counted("length in seconds", (bucket_of(one.duration) for one in own)),
        "",
        "Each question has spans of evidence in seconds. Subtitles lie beside the videos where "
        "there are any. No pixels are in the files of questions.\n",
    ]
    return "\n".join(lines)


def _collection(questions: Sequence[GeneratedQuestion]) -> str:
    models = ", ".join(sorted({visible(one.source.model) for one in questions}))
    prompts = ", ".join(sorted({one.source.prompt for one in questions}))
    return (
        "## Collection\n\n"
        f"Written by {models}, one request per video, with instructions of hash {prompts}. Raw "
        "replies are in `replies.jsonl`, what was paid in `ledger.jsonl`.\n"
    )


def _checks(settings: CheckSettings, report: CheckReport) -> str:
    lost = report.lost()
    lines = [
        "## Checks\n",
        f"{report.questions} questions of sound form were checked: {len(report.kept)} kept, "
        f"{len({one.id for one in report.rejected})} rejected (`rejected.jsonl`), "
        f"{len(report.unchecked)} left unchecked, since a play failed; these are in no set.\n",
        f"Answered by {', '.join(map(visible, settings.answerers)) or 'nobody'}: at least "
        f"{settings.tries} tries for each check and answerer, choices in another order in each. "
        f"What counts as an answer: at least {settings.share:.0%} of the tries, and so many that "
        f"guesses reach them with a probability of at most {settings.level:g}, over all answerers "
        "of a check.\n",
        "| rejected by | questions | by it alone |",
        "|---|---|---|",
        *(f"| {name} | {n} | {report.only.get(name, 0)} |" for name, n in lost.items()),
        "",
        "| check | answerer | right | chance | points above it, 95 % over videos |",
        "|---|---|---|---|---|",
        *(
            f"| {CHECKS[line.check].about} | {visible(line.answerer)} | {line.share:.1%} | "
            f"{line.chance:.1%} | "
            + ("-" if line.above.mean is None else points(line.above.mean, line.above.interval))
            + " |"
            for line in report.answers
        ),
        "",
        _habits(report),
        "A person's acceptance of a sample: `sage-vqa data audit`; if there was one, it is told at "
        "the end.\n",
    ]
    return "\n".join(lines)


def _habits(report: CheckReport) -> str:
    longest, positions = report.habits.longest, report.habits.positions
    if longest.mean is None:
        return "No question has choices.\n"
    told = ", ".join(f"{n} at {k}" for k, n in positions.items())
    return (
        f"Always taking the longest choice is {points(longest.mean, longest.interval)} points "
        f"above chance. The right choice stands {told}. Texts were compared by "
        f"{visible(report.similarity)}.\n"
    )


def _uses(report: CheckReport) -> str:
    mixed = sum(rate.mixed is True for rate in report.rates.values())
    rl = f" For RL: `rl.json` names {mixed} that its policy gets right sometimes." * bool(mixed)
    return (
        "## Uses\n\n"
        "Training and development of agents. Not for claims about people in the videos, nor as the "
        f"only test of a model of the family that wrote or checked the questions.{rl}\n"
    )


def _licence() -> str:
    return (
        "## Licence\n\n"
        "The videos keep theirs, and are not part of these files. Whoever publishes the questions "
        "has to see to the terms of the videos and of the service that wrote the questions.\n"
    )


def _counted(what: str, values: Iterable[str]) -> list[str]:
    return [f"| {what}: {visible(name)} | {n} |" for name, n in sorted(Counter(values).items())]
