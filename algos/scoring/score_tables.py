"""What a score and a calibration say, as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from algos.evaluation.tables import (
    BREAKDOWN_HEADER,
    Cells,
    breakdown_cells,
    format_table,
    number_cell,
)
from algos.scoring.calibration import Calibration, CheckedPair
from algos.scoring.judge_agreement import Agreement
from algos.scoring.row_scoring import Row
from algos.scoring.scored_folder import ScoredRun

JUDGES_HEADER: Cells = ("judge", "and", "both judged", "same", "kappa")
CALIBRATION_HEADER: Cells = (
    "category",
    "pairs",
    "by rule",
    "not judged",
    "accuracy",
    "wrong accepted",
    "right refused",
    "kappa",
)
_WORDS = {True: "right", False: "wrong", None: "not judged"}


def score_text(found: ScoredRun, shown: int = 10) -> str:
    """Return the measures of a score, what it changed, and how far several judges agree.

    Args:
        found: the score.
        shown: how many disputed answers are listed.
    """
    failed = sum(row["error"] is not None for row in found.rows)
    changed = f"{len(found.changed)} verdicts differ from those of the play; "
    told = (
        f"{len(found.scored)} of {len(found.rows)} answers were scored; "
        f"{changed if found.played else ''}"
        f"{len(found.unjudged)} are not judged; {failed} questions failed"
    )
    parts = [format_table(BREAKDOWN_HEADER, breakdown_cells(found.measures)), told]
    if found.agreement is not None:
        parts.append(_agreement_text(found.agreement, found.rows, shown))
    return "\n\n".join(parts)


def calibration_text(
    judge: str, calibrations: Sequence[Calibration], checked: Sequence[CheckedPair], shown: int
) -> str:
    """Return how a judge did on the calibration pairs, by category, and where it was mistaken.

    Args:
        judge: its name.
        calibrations: of all pairs and of each category.
        checked: the pairs.
        shown: how many mistakes are listed.
    """
    table = format_table(CALIBRATION_HEADER, [_cells(one) for one in calibrations], text_columns=1)
    wrong = [one for one in checked if one.verdict is not None]
    wrong = [one for one in wrong if one.verdict is not one.pair.label]
    lines = [f"{judge}: {len(wrong)} of {len(checked)} verdicts are mistaken"]
    for one in wrong[:shown]:
        pair = one.pair
        said = f"  {one.words}" if one.words else ""
        lines.append(
            f"  {pair.id}: {pair.question} gold: {pair.gold}; answer: {pair.answer!r}; "
            f"said {_WORDS[one.verdict]} ({one.rule}){said}"
        )
    if len(wrong) > shown:
        lines.append(f"  and {len(wrong) - shown} more")
    return f"{table}\n\n" + "\n".join(lines)


def _cells(one: Calibration) -> Cells:
    accuracy = number_cell(one.accuracy and 100 * one.accuracy, ".1f")
    if one.interval is not None:
        accuracy += " [{:.1f}, {:.1f}]".format(*(100 * end for end in one.interval))
    return (
        one.category,
        str(one.pairs),
        str(one.by_rule),
        str(one.unjudged),
        accuracy,
        "{} of {}".format(*one.false_accepts),
        "{} of {}".format(*one.false_rejects),
        number_cell(one.kappa, ".2f"),
    )


def _agreement_text(found: Agreement, rows: Sequence[Row], shown: int) -> str:
    """Return who agrees with whom, and the answers on which they do not."""
    lines = [
        (
            pair.first,
            pair.second,
            str(pair.answers),
            number_cell(pair.same, ".1%"),
            number_cell(pair.kappa, ".2f"),
        )
        for pair in found.pairs
    ]
    judged = [
        f"{name}: {_share(right)} right, {lacking} not judged"
        for name, right, lacking in zip(found.judges, found.right, found.unjudged, strict=True)
    ]
    told = (
        f"of {found.answers} answers that no rule decided: {'; '.join(judged)}\n"
        f"Krippendorff's alpha {number_cell(found.alpha, '.2f')}; "
        f"{len(found.disputed)} answers are disputed"
    )
    by_id = {row["id"]: row for row in rows}
    disputed = [f"  {name}: {_disputed(by_id[name])}" for name in found.disputed[:shown]]
    if len(found.disputed) > shown:
        disputed.append(f"  and {len(found.disputed) - shown} more")
    return "\n".join([format_table(JUDGES_HEADER, lines), "", told, *disputed])


def _disputed(row: Mapping[str, object]) -> str:
    judges = row["judges"]
    assert isinstance(judges, list)
    said = "; ".join(f"{one['judge']}: {_WORDS[one['verdict']]} ({one['words']})" for one in judges)
    return f"{row['question']} gold: {row['gold']}; answer: {row['prediction']!r}; {said}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
