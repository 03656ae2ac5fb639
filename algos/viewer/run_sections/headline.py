"""What was learned, in a sentence: the gain, its interval, looking more or less, what fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from algos.evaluation.groups import group_words
from algos.evaluation.measures import Measures, difference, measure_episodes, measures_of
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import points
from algos.viewer.run_sections.drawing import Cell, linked_table, note
from algos.viewer.run_sections.links import filter_link, filter_term
from algos.viewer.run_sections.run_plays import RunPlays

MOST_KINDS = 8
"""Kinds that the table names."""
ENOUGH = 5
"""Fewer judged questions of a kind are not named as the worst: one wrong of two says nothing."""


@dataclass(frozen=True)
class Kind:
    """Questions of one kind: a report key of theirs and its value, and their measures."""

    key: str
    name: str
    measures: Measures

    @property
    def words(self) -> str:
        """Return it in words, e.g. `family: when`."""
        return f"{_KEYS.get(self.key, self.key)} {self.name}"

    @property
    def filter(self) -> str:
        """Return the filter of the table of all questions that leaves these alone."""
        if self.key != "bucket":
            return filter_term(f"group.{self.key.removesuffix(' (group)')}", self.name)
        low, _, high = self.name.removesuffix("+").partition("-")
        return f"duration:{low}..{high}"

    @property
    def told(self) -> str:
        """Return it with its counts and its interval."""
        m = self.measures
        share = f"{100 * (m.accuracy or 0):.0f} % right{_interval(m.interval)}"
        return f"{self.words}, {m.wrong} of {m.right + m.wrong} wrong ({share})"


_KEYS = {"bucket": "videos of (seconds)"}


def headline_section(plays: RunPlays) -> str:
    """Return the sentences on top of the page, and the kinds of question by what fails."""
    parts = [f'<p class="headline">{escape(learned_words(plays))}</p>']
    kinds = worst_kinds(plays.lines[plays.shown].episodes)
    if kinds:
        parts.append(f"<p>{escape(failing_words(kinds))}</p>")
        lines = [
            (
                filter_link(f"verdict:wrong {kind.filter}", kind.words),
                str(m.right + m.wrong),
                str(m.wrong),
                _percent(m.accuracy, m.interval),
                _bar(m),
            )
            for kind in kinds[:MOST_KINDS]
            for m in (kind.measures,)
        ]
        header = ("kind of question", "judged", "wrong", "% right", "share right")
        parts.append(linked_table("The kinds of question that fail most", header, lines))
        parts.append(
            note(
                "Over all questions; a kind leads to its wrong answers. Videos of: their length in "
                "seconds. In brackets and as lines: 95 % intervals over videos."
            )
        )
    return "".join(parts)


def learned_words(plays: RunPlays) -> str:
    """Return what the entry that is shown can do, and what it gained over that before."""
    title = plays.lines[plays.shown].title
    if re.match(r"[a-z]+\b(?![-:.])", title):  # `sage-mm-tiny` stays as it is spelled
        title = title[:1].upper() + title[1:]
    ours = plays.headline(plays.shown)
    found = measures_of(ours)
    if not ours:
        return f"{title}: no question has been played yet."
    if found.accuracy is None:
        return f"{title}: no question is judged."
    judged = found.right + found.wrong
    group = f" of {group_words(plays.only)}" if plays.only else ""
    text = (
        f"{title} answers {found.right} of {judged} questions{group} right: "
        f"{_percent(found.accuracy, found.interval)} %."
    )
    if plays.before is None:
        return text + _effort_alone(found)
    theirs = plays.headline(plays.before)
    gap = difference(ours, theirs)
    if gap.mean is None:
        return text
    before = plays.lines[plays.before].title
    text += (
        f" That is {points(gap.mean, gap.interval)} points beside {before}, paired over "
        f"{gap.questions} questions{_certainty(gap.mean, gap.interval)}."
    )
    return text + _effort(found, measures_of(theirs))


def failing_words(kinds: Sequence[Kind]) -> str:
    """Return which kind of question fails most, and whether that is certain.

    Args:
        kinds: the worst first, at least one.
    """
    worst, *others = kinds
    of = f"of {len(kinds)} kind{'s' * (len(kinds) > 1)} with {ENOUGH} questions or more"
    if not worst.measures.wrong:
        return f"No question is wrong, {of}."
    text = f"It fails most on {worst.told}, {of}."
    rival = next((kind for kind in others if kind.key == worst.key), None)
    if rival is None:
        return text
    ours, theirs = worst.measures.interval, rival.measures.interval
    if ours is None or theirs is None:
        return f"{text} The next is {rival.told}; there are too few videos to say which is worse."
    if theirs[0] <= ours[1]:
        return f"{text} The next is {rival.told}; the intervals overlap, so the order is not sure."
    return f"{text} The next is {rival.told}; the intervals do not overlap."


def worst_kinds(episodes: Sequence[EpisodeResult]) -> list[Kind]:
    """Return the kinds of question that are judged often enough, the least accurate first.

    Keys with one value tell nothing apart, and are left out.
    """
    by_key: dict[str, list[Kind]] = {}
    for row in measure_episodes(episodes):
        if row.section not in ("all", "length"):
            kind = Kind(row.section, row.name, row.measures)
            by_key.setdefault(row.section, []).append(kind)
    kinds = [
        kind
        for found in by_key.values()
        if len(found) > 1
        for kind in found
        if kind.measures.right + kind.measures.wrong >= ENOUGH
    ]
    return sorted(kinds, key=lambda kind: (kind.measures.accuracy or 0.0, -kind.measures.wrong))


def _bar(found: Measures) -> Cell:
    """Return the share of right answers as a bar, with its interval as a line."""
    share, ends = found.accuracy or 0.0, found.interval
    line = f'<path class="bar" d="M{100 * ends[0]:.1f} 7H{100 * ends[1]:.1f}"/>' if ends else ""
    return (
        '<svg class="share" viewBox="0 0 100 14" aria-hidden="true"><rect class="all" y="3" '
        f'width="100" height="8"/><rect class="of" y="3" width="{100 * share:.1f}" height="8"/>'
        f"{line}</svg>"
    )


def _certainty(mean: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return "; there are too few videos for an interval"
    if interval[0] <= 0 <= interval[1]:
        return "; the interval holds 0, so this may be chance"
    return "; the interval lies above 0" if mean > 0 else "; the interval lies below 0"


def _effort(ours: Measures, theirs: Measures) -> str:
    """Return whether it looks more or less than before."""
    if ours.frames is None or theirs.frames is None or ours.turns is None or theirs.turns is None:
        return _effort_alone(ours)
    change = ours.frames - theirs.frames
    word = "as much as" if abs(change) < 0.05 else "more than" if change > 0 else "less than"
    return (
        f" It looks {word} before: {ours.frames:.1f} frames a question (before: "
        f"{theirs.frames:.1f}) in {ours.turns:.2f} turns (before: {theirs.turns:.2f})."
    )


def _effort_alone(found: Measures) -> str:
    if found.frames is None or found.turns is None:
        return ""
    return f" It takes {found.frames:.1f} frames a question in {found.turns:.2f} turns."


def _percent(share: float | None, interval: tuple[float, float] | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}{_interval(interval)}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]"
