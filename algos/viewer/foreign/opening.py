"""A trace as a run: every record is read once for its row, and again when its details are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from algos.exchange.sage_results import is_sage_result
from algos.viewer.foreign.carried_files import picture_size
from algos.viewer.foreign.json_records import TraceError
from algos.viewer.foreign.named_videos import NamedVideos, length_of
from algos.viewer.foreign.sage_traces import judged_twin
from algos.viewer.foreign.trace_files import TraceFile, trace_files
from algos.viewer.foreign.trace_rows import KeptRows, known_of, row_of
from algos.viewer.foreign.traced import Traced
from algos.viewer.view_data import EntryView, EpisodeView, QuestionView, RunView, StepView

_NAMED = 5  # records that a note names
_RANK = {False: 0, None: 1, True: 2}  # the most telling first
TOGETHER = "trace"
"""Key of the entry of files that hold one question each."""


@dataclass
class _Found:
    """What reading all records once has found.

    Attributes:
        files: that hold traces.
        rows: of the table.
        places: of each question, the entry, the number of the file and that of the record.
        ranks: how telling each question is.
        models: who played each entry.
        wrong: what is left out, in sentences.
        others: files that are no traces; `first_error` says why of the first.
        titles: of the entries.
        formats: how many records there are of each.
        repeats: how often an entry has had an id again.
    """

    files: list[TraceFile] = field(default_factory=list)
    rows: KeptRows = field(default_factory=KeptRows)
    places: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    models: dict[str, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    first_error: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    formats: Counter[str] = field(default_factory=Counter)
    repeats: Counter[tuple[str, str]] = field(default_factory=Counter)


def open_trace(path: Path, *, videos: Path | None = None) -> RunView:
    """Read others' traces, or single files of ours, as a run.

    Args:
        path: a file of JSON or JSON lines, also compressed by gzip; or a folder of such files.
        videos: folder of the videos, or the one video of all questions. Without it, only videos
            beside the trace are found.

    Returns:
        The run. Its `question` raises `KeyError` for an id that it does not have.

    Raises:
        TraceError: if nothing in it is of a format that is known; says what was found.
    """
    found = _Found()
    for file in trace_files(path):
        _read_file(file, path, found)
    if not found.places:
        told = found.first_error or " ".join(found.wrong[:3]) or "found no file of JSON"
        raise TraceError(f"{path} holds no trace that can be shown: {told}")
    finder = NamedVideos(videos)
    entries = [_entry(key, title, found) for key, title in found.titles.items()]
    order = sorted(found.ranks, key=lambda name: found.ranks[name])
    return RunView(
        title=path.name or str(path),
        about=_about(path, found),
        entries=entries,
        shown=entries[0].key,
        columns=found.rows.columns(),
        rows=found.rows.rows,
        count=found.rows.count,
        order=order,
        question=lambda name: _question(name, found, finder),
        notes=_notes(found),
    )


def _read_file(path: Path, opened: Path, found: _Found) -> None:
    """Read all records of a file once."""
    try:
        file = TraceFile(path)
    except TraceError as error:
        if path == opened:
            raise
        found.others.append(f"{path.relative_to(opened)}")
        found.first_error = found.first_error or str(error)
        return
    if path != opened and file.format.recognises is is_sage_result and judged_twin(path):
        return
    key = _entry_key(file, opened, found)
    found.files.append(file)
    bad: list[str] = []
    for number in range(len(file)):
        try:
            traced, _ = file.read(number, pictures=False)
        except ValueError as error:
            bad.append(f"record {number + 1} is {error}" if len(bad) < _NAMED else "")
            continue
        _add(traced, key, number, file, found)
    if file.torn:
        found.wrong.append(f"{path.name} ends within a record, which is left out.")
    if bad:
        named = "; ".join(filter(None, bad))
        more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        found.wrong.append(f"{path.name}: {len(bad)} records are left out ({named}{more}).")


def _add(traced: Traced, key: str, number: int, file: TraceFile, found: _Found) -> None:
    name = _name(traced, key, number, found)
    found.titles.setdefault(key, key)
    found.places.setdefault(name, []).append((key, len(found.files) - 1, number))
    rank = _RANK[traced.episode.verdict]
    found.ranks[name] = min(rank, found.ranks.get(name, rank))
    found.formats[file.format.title] += 1
    if traced.model is not None:
        found.models.setdefault(key, set()).add(traced.model)
    found.rows.add(row_of(traced, name, key))


def _name(traced: Traced, key: str, number: int, found: _Found) -> str:
    """Return the id of a question; an entry that has it already gets another of that name."""
    told = traced.question.id[:500] or f"record {number + 1}"
    told = told.encode("utf-8", "backslashreplace").decode()  # no address has half a letter
    name = told
    while any(place[0] == key for place in found.places.get(name, ())):
        found.repeats[key, told] += 1
        name = f"{told} #{found.repeats[key, told] + 1}"
    return name


def _entry_key(file: TraceFile, opened: Path, found: _Found) -> str:
    """Return the key of a file's records: of its own, or of all files with one record."""
    if file.path != opened and len(file) == 1:
        return TOGETHER
    stem = file.path.name.removesuffix(".gz")
    stem = Path(stem).stem or TOGETHER
    keys = (stem if again == 1 else f"{stem}-{again}" for again in count(1))
    return next(key for key in keys if key not in found.titles)


def _entry(key: str, title: str, found: _Found) -> EntryView:
    models = sorted(found.models.get(key, ()))
    if len(models) == 1:
        return EntryView(key=key, title=models[0], told={"policy": models[0]})
    return EntryView(key=key, title=title)


def _question(name: str, found: _Found, finder: NamedVideos) -> QuestionView:
    """Return the details of a question from all records of it."""
    told: list[tuple[Traced, Path]] = []
    episodes: list[EpisodeView] = []
    for key, file, number in found.places[name]:
        try:
            traced, carried = found.files[file].read(number, pictures=True)
        except ValueError as error:  # the file has changed since
            raise TraceError(f"{found.files[file].path}: record {number + 1} is {error}") from error
        told.append((traced, found.files[file].path.parent))
        steps = _with_lost(traced.episode.steps, carried.left_out)
        row = row_of(traced, name, key)
        episodes.append(replace(traced.episode, entry=key, steps=steps, row=row))
    known = {k: v for traced, _ in reversed(told) for k, v in known_of(traced.question).items()}
    videos = (finder.find(traced.video, folder) for traced, folder in told)
    video = next((file for file in videos if file is not None), None)
    question = replace(told[0][0].question, id=name, video=video, episodes=episodes, **known)
    if question.duration is None and video is not None:
        question = replace(question, duration=length_of(video))
    shown = (f.picture for one in episodes for step in one.steps for f in step.frames)
    first = next((picture for picture in shown if picture is not None), None)
    return question if first is None else replace(question, frame_size=picture_size(first))


def _with_lost(steps: Sequence[StepView], lost: int) -> Sequence[StepView]:
    """Return the steps, of which the first says how many pictures could not be taken."""
    if not lost or not steps:
        return steps
    extra = {**steps[0].extra, "pictures of the trace left out": str(lost)}
    return [replace(steps[0], extra=extra), *steps[1:]]


def _about(path: Path, found: _Found) -> dict[str, str]:
    formats = ", ".join(f"{title} ({n})" for title, n in found.formats.most_common())
    models: Sequence[str] = sorted(set[str]().union(*found.models.values()))
    about = {"read from": path.name, "as": formats}
    return about | ({"played by": ", ".join(models[:5])} if models else {})


def _notes(found: _Found) -> list[str]:
    first = "Read from a trace: what it does not say is unknown here, and nothing was scored anew."
    more = len(found.wrong) - _NAMED
    rest = [f"{more} more files have records that are left out."] if more > 0 else []
    if found.others:
        named = ", ".join(found.others[:_NAMED])
        rest.append(f"{len(found.others)} files are no traces, and left out ({named}).")
    return [first, *found.wrong[:_NAMED], *rest]
