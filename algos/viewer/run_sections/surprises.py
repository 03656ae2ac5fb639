"""Which questions to look at first: lost and won, surest mistakes, luck, and effort for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from algos.evaluation.row_results import EpisodeResult
from algos.viewer.run_sections.drawing import note
from algos.viewer.run_sections.links import question_link
from algos.viewer.run_sections.run_plays import RunPlays

MOST = 5
"""Questions of a list."""
_TEXT = 90
"""Letters of a question's text that a list shows."""


@dataclass(frozen=True)
class Surprise:
    """A list of questions.

    Attributes:
        title: what they have in common.
        total: how many there are.
        first: the first of them, with why each is there.
    """

    title: str
    total: int
    first: Sequence[tuple[EpisodeResult, str]]


def surprises_section(plays: RunPlays) -> str:
    """Return the lists that have questions; "" where there is none."""
    lists = [found for found in surprises_of(plays) if found.total]
    if not lists:
        return ""
    parts = []
    for found in lists:
        items = "".join(_item(plays, e, why) for e, why in found.first)
        rest = f", the first {MOST}" if found.total > MOST else ""
        parts.append(
            f'<div class="surprise"><h3>{escape(found.title)} <small>({found.total}{rest})</small>'
            f"</h3><ol>{items}</ol></div>"
        )
    return f'<div class="surprises">{"".join(parts)}</div>' + note(
        "A question may stand in several lists."
    )


def surprises_of(plays: RunPlays) -> list[Surprise]:
    """Return all lists, in the order of the page; those of nothing too."""
    ours = plays.lines[plays.shown].episodes
    wrong = [e for e in ours if e.correct is False]
    found = [
        _flips(plays, "Right before, wrong now", now=False),
        _flips(plays, "Wrong before, right now", now=True),
        _ranked("Surest mistakes", wrong, _sureness, "belief {:.2f} in a wrong choice"),
        _only_here(plays, wrong),
        _ranked(
            "Wrong although the evidence was shown",
            [e for e in wrong if e.evidence_seen],
            lambda e: None if e.evidence_recall is None else 100 * e.evidence_recall,
            "{:.0f} % of the evidence shown",
        ),
        _ranked(
            "Right without the evidence",
            [e for e in ours if e.correct and e.evidence_seen is False],
            lambda e: -(e.frames or 0),
            "",
        ),
        _ranked("Most frames for a wrong answer", wrong, lambda e: e.frames, "{:g} frames"),
    ]
    return found


def _ranked(
    title: str,
    episodes: Sequence[EpisodeResult],
    rank: Callable[[EpisodeResult], float | None],
    why: str,
) -> Surprise:
    """Return the list of those that have a rank, the highest first.

    Args:
        title: of the list.
        episodes: to rank.
        rank: of one; `None` leaves it out.
        why: what is said of one; its rank goes into the braces.
    """
    ranked = [(value, e) for e in episodes if (value := rank(e)) is not None]
    ranked.sort(key=lambda pair: (-pair[0], pair[1].item_id))
    return Surprise(title, len(ranked), [(e, why.format(value)) for value, e in ranked[:MOST]])


def _flips(plays: RunPlays, title: str, *, now: bool) -> Surprise:
    """Return the questions whose verdict is another one than before."""
    then = plays.lines[plays.before].episodes if plays.before else ()
    before = {e.item_id: e for e in then if e.correct is (not now)}
    flipped = [
        e for e in plays.lines[plays.shown].episodes if e.correct is now and e.item_id in before
    ]
    told = [(e, _change(before[e.item_id], e)) for e in flipped]
    told.sort(key=lambda pair: (-(pair[0].frames or 0), pair[0].item_id))
    return Surprise(title, len(told), told[:MOST])


def _change(before: EpisodeResult, now: EpisodeResult) -> str:
    if before.frames is None or now.frames is None:
        return ""
    return f"{before.frames} frames before, {now.frames} now"


def _only_here(plays: RunPlays, wrong: Iterable[EpisodeResult]) -> Surprise:
    """Return the questions that every other entry has right, where there are two others or more."""
    others = [
        {e.item_id: e.correct for e in line.episodes}
        for key, line in plays.lines.items()
        if key != plays.shown and line.control is None
    ]
    found = [
        e
        for e in wrong
        if len(others) > 1 and all(marks.get(e.item_id) is True for marks in others)
    ]
    why = f"right in all {len(others)} others"
    return Surprise(
        "Wrong here, right everywhere else", len(found), [(e, why) for e in found[:MOST]]
    )


def _sureness(e: EpisodeResult) -> float | None:
    """Return the last belief in its likeliest choice, where that choice is wrong."""
    beliefs = [belief for belief in e.beliefs or () if belief]
    if not beliefs or e.gold_choice is None:
        return None
    last = beliefs[-1]
    return None if last.index(max(last)) == e.gold_choice else max(last)


def _item(plays: RunPlays, e: EpisodeResult, why: str) -> str:
    text = plays.questions.get(e.item_id, "")
    short = text if len(text) <= _TEXT else f"{text[:_TEXT].rstrip()}…"
    told = f"{short} ({why})" if short and why else short or why
    return f"<li>{question_link(e.item_id, plays.shown, e.item_id)} {escape(told)}</li>"
