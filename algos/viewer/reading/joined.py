"""Two runs as one, so that a page can set any entry of either against any of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from algos.viewer.reading.pair_differences import with_differences
from algos.viewer.run_sections.against import against_section
from algos.viewer.view_data import Column, EntryView, EpisodeView, QuestionView, RunView

Rows = Callable[[], Iterator[Mapping[str, Any]]]
_SAME = ("question", "gold", "choices", "gold_choice")
"""Keys of a row that make a question the same one, where both rows have them."""
_SECONDS = 0.5
"""By so much two programs may differ on the length of the same video."""
_CHECKED = 1000
"""Of so many questions the texts of the choices are compared, too: each has to be read whole."""
_NAMED = 5


@dataclass(frozen=True)
class _Shared:
    """What two runs have in common.

    Attributes:
        ours: ids of the first, in its order; `theirs`: of the second.
        apart: ids that mean another question in the second.
        flips: ids of which the entries that are shown first have another verdict.
    """

    ours: dict[str, None]
    theirs: dict[str, None]
    apart: set[str]
    flips: set[str]


def joined(a: RunView, b: RunView, names: tuple[str, str] = ("A", "B")) -> RunView:
    """Return one run with the entries of both, its questions matched by id.

    A question of the second run that has the id of another one in the first (another text, gold
    answer, choices, or a length that differs by more than 0.5 s) stands by itself, as `ID (NAME)`:
    it is compared with nothing, and a note says so. Sections of the run view are of the two entries
    that are shown first; those of the runs stay on their own pages. Rows are read a few times.

    Args:
        a: the first run; what it knows of a question goes before what the second knows.
        b: the second.
        names: of both, for titles; made different where they are the same.
    """
    first, second = names if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)")
    shared = _shared(a, b)
    ids = {name: _own_id(name, second, shared) for name in shared.theirs}
    back = {own: name for name, own in ids.items()}
    keys = _keys(a, first), _keys(b, second)

    def rows() -> Iterator[Mapping[str, Any]]:
        for row in a.rows():
            yield {**row, "entry": keys[0].get(row["entry"], row["entry"])}
        for row in b.rows():
            entry = keys[1].get(row["entry"], row["entry"])
            yield {**row, "entry": entry, "id": ids.get(row["id"], row["id"])}

    def question(name: str) -> QuestionView:
        found = []
        if name in shared.ours:
            found.append(_renamed(a.question(name), keys[0], a))
        if name in back:
            found.append(_renamed(b.question(back[name]), keys[1], b))
        if not found:
            raise KeyError(name)
        return _one(name, found)

    run = RunView(
        title=f"{first} and {second}",
        about=_about(a, b, first, second),
        entries=_entries(a, b, keys, (first, second)),
        shown=keys[0][a.shown],
        columns=_columns(a, b),
        rows=rows,
        count=a.count + b.count,
        order=_order(shared, ids),
        question=question,
        frame_size=a.frame_size,
        live=a.live or b.live,
        notes=_notes(a, b, first, second, shared),
        sections=_sections(rows, keys[0][a.shown], keys[1][b.shown], (first, second)),
    )
    return with_differences(run)


def _sections(
    rows: Rows, ours: str, theirs: str, names: tuple[str, str]
) -> list[tuple[str, str, str]]:
    """Return what is drawn in advance: one entry against the other.

    Args:
        rows: of both runs.
        ours: key of an entry of the first run.
        theirs: key of one of the second.
        names: of the runs.
    """
    own = (row for row in rows() if row["entry"] == ours)
    other = (row for row in rows() if row["entry"] == theirs)
    found = against_section(own, other, names)
    return [("against", f"{names[0]} against {names[1]}", found)] if found else []


def _shared(a: RunView, b: RunView) -> _Shared:
    ours, our_verdicts = _facts(a)
    theirs, their_verdicts = _facts(b)
    both = [name for name in ours if name in theirs]
    apart = {name for name in both if not _same(ours[name], theirs[name])}
    checked = [name for name in both if name not in apart][:_CHECKED]
    apart |= {name for name in checked if not _same_choices(a, b, name)}
    flips = {
        name
        for name in both
        if None not in (one := (our_verdicts.get(name), their_verdicts.get(name)))
        and one[0] != one[1]
    }
    first, second = _in_order(a, ours), _in_order(b, theirs)
    return _Shared(first, second, apart, flips - apart)


def _facts(run: RunView) -> tuple[dict[str, tuple[Any, ...]], dict[str, bool | None]]:
    """Return of each question what makes it the same one, and the verdict of the entry shown."""
    facts: dict[str, tuple[Any, ...]] = {}
    verdicts: dict[str, bool | None] = {}
    for row in run.rows():
        if row["id"] not in facts:
            facts[row["id"]] = (row.get("duration"), *(row.get(key) for key in _SAME))
        if row["entry"] == run.shown:
            verdicts.setdefault(row["id"], row.get("verdict"))
    return facts, verdicts


def _same(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    lengths = ours[0], theirs[0]
    if None not in lengths and abs(lengths[0] - lengths[1]) > _SECONDS:
        return False
    pairs = zip(ours[1:], theirs[1:], strict=True)
    return all(one is None or other is None or one == other for one, other in pairs)


def _same_choices(a: RunView, b: RunView, name: str) -> bool:
    try:
        one, other = a.question(name), b.question(name)
    except KeyError:  # nothing is known beside the rows
        return True
    return not one.choices or not other.choices or list(one.choices) == list(other.choices)


def _in_order(run: RunView, known: Mapping[str, Any]) -> dict[str, None]:
    """Return the ids of a run, the most telling first; those of rows alone at the end."""
    return dict.fromkeys((*run.order, *known))


def _own_id(name: str, second: str, shared: _Shared) -> str:
    """Return the id that a question of the second run has in both."""
    if name not in shared.apart:
        return name
    found = f"{name} ({second})"
    while found in shared.ours or found in shared.theirs:
        found += "*"
    return found


def _order(shared: _Shared, ids: Mapping[str, str]) -> list[str]:
    both = [name for name in shared.ours if name in shared.theirs and name not in shared.apart]
    flips = [name for name in both if name in shared.flips]
    return list(dict.fromkeys((*flips, *both, *shared.ours, *ids.values())))


def _keys(run: RunView, name: str) -> dict[str, str]:
    return {entry.key: f"{name}: {entry.key}" for entry in run.entries}


def _entries(
    a: RunView, b: RunView, keys: tuple[Mapping[str, str], ...], names: tuple[str, str]
) -> list[EntryView]:
    """Return the entries of both, those that are compared first in front.

    Args:
        a: the first run.
        b: the second.
        keys: the new key of each entry, by run.
        names: of the runs.
    """
    found = [
        replace(
            entry,
            key=own[entry.key],
            title=f"{name}: {entry.title}",
            told={**entry.told, "run": name},
        )
        for run, own, name in zip((a, b), keys, names, strict=True)
        for entry in run.entries
    ]
    first = keys[0][a.shown], keys[1][b.shown]
    return sorted(found, key=lambda entry: first.index(entry.key) if entry.key in first else 2)


def _columns(a: RunView, b: RunView) -> list[Column]:
    return list({column.key: column for column in (*b.columns, *a.columns)}.values())


def _renamed(question: QuestionView, keys: Mapping[str, str], run: RunView) -> QuestionView:
    """Return a question whose episodes name their entry in both, and the size of their frames."""
    size = question.frame_size or run.frame_size
    return replace(
        question, episodes=[_episode(one, keys[one.entry], size) for one in question.episodes]
    )


def _episode(episode: EpisodeView, entry: str, size: tuple[int, int]) -> EpisodeView:
    steps = [
        replace(step, frame_size=size) if step.frames and step.frame_size is None else step
        for step in episode.steps
    ]
    return replace(episode, entry=entry, steps=steps)


def _one(name: str, found: Sequence[QuestionView]) -> QuestionView:
    """Return what one or two runs know of a question, under its id in both."""
    one, other = found[0], found[-1]
    subtitled = one if one.subtitles is not None else other
    return replace(
        one,
        id=name,
        gold=other.gold if one.gold is None else one.gold,
        gold_choice=other.gold_choice if one.gold_choice is None else one.gold_choice,
        choices=one.choices or other.choices,
        evidence=one.evidence or other.evidence,
        duration=other.duration if one.duration is None else one.duration,
        video=one.video or other.video,
        subtitles=subtitled.subtitles,
        subtitles_start=subtitled.subtitles_start,
        pictures=one.pictures and other.pictures,
        episodes=[episode for question in found for episode in question.episodes],
    )


def _about(a: RunView, b: RunView, first: str, second: str) -> dict[str, str]:
    """Return what is told of both once, and the rest under the name of its run."""
    same = {key: text for key, text in a.about.items() if b.about.get(key) == text}
    own = {
        f"{name}: {key}": text
        for name, run in ((first, a), (second, b))
        for key, text in run.about.items()
        if key not in same
    }
    return same | own


def _notes(a: RunView, b: RunView, first: str, second: str, shared: _Shared) -> list[str]:
    """Return the notes of both runs, and what of them is not compared.

    Args:
        a: the first run.
        b: the second.
        first: name of the first.
        second: name of the second.
        shared: what they have in common.
    """
    notes = [f"{name}: {note}" for name, run in ((first, a), (second, b)) for note in run.notes]
    both = [name for name in shared.ours if name in shared.theirs]
    if not both:
        notes.append(f"{first} and {second} share no question: there is nothing to compare.")
    for name, own, other in (
        (first, shared.ours, shared.theirs),
        (second, shared.theirs, shared.ours),
    ):
        alone = sum(one not in other for one in own)
        if alone and both:
            notes.append(f"{alone} {_questions(alone)} in {name} alone.")
    if shared.apart:
        count, some = len(shared.apart), [name for name in both if name in shared.apart][:_NAMED]
        more = "" if count <= _NAMED else f" and {count - _NAMED} more"
        notes.append(
            f"{count} {_questions(count)} not the same in {first} and {second} (another text, gold "
            f"answer, choices or length), and not compared: {', '.join(some)}{more}."
        )
    return notes


def _questions(count: int) -> str:
    return "question is" if count == 1 else "questions are"
