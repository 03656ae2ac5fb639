"""The pictures of all questions of a page, within the bytes and the time that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from algos.viewer.pictures.kept_sheets import Drawn, KeptSheets
from algos.viewer.pictures.page_pictures import NO_PICTURE, Pictures, PictureSettings
from algos.viewer.pictures.question_sheets import SheetMaker
from algos.viewer.pictures.size_choice import (
    SIDES,
    Sample,
    SizeChoice,
    choose_size,
    fit,
    with_lower,
)
from algos.viewer.pictures.time_marks import cuts_of
from algos.viewer.pictures.wanted_frames import (
    QuestionFrames,
    frames_of,
    left_out,
    renumbered,
    with_most,
)
from algos.viewer.view_data import QuestionView

LICENCE = "The licence of the dataset does not let frames be put into a page."
_WINDOW = 512
"""Questions that are drawn together, so that those about one video decode it once."""
_CARRIED_BYTES = 64 * 2**20
"""Bytes of pictures of a trace that are held at once."""
_SAMPLE = 8
"""Questions whose sheets are weighed to choose a size for all."""


@dataclass
class _Room:
    """What is left for questions that have not been drawn.

    Attributes:
        nbytes: of their sheets.
        questions: how many there are.
    """

    nbytes: int
    questions: int


def draw_pictures(
    questions: Iterable[QuestionView], settings: PictureSettings
) -> Iterator[tuple[str, Pictures]]:
    """Yield id and pictures of each question, in the order in which they come.

    Whatever is wrong with a video is said in `Pictures.missing`, and is no exception. Equal
    questions, videos and settings give equal bytes, unless a video or all of them take too long.

    Args:
        questions: those with details on the page, the most telling first; they are read some
            hundreds at a time.
        settings: how large the pictures may be.
    """
    kept = KeptSheets(settings.cache, settings.cache_bytes)
    maker = SheetMaker(kept, settings.video_seconds, settings.total_seconds)
    room = _Room(settings.total_bytes, settings.questions)
    with ThreadPoolExecutor(settings.workers, "pictures") as pool:
        for window in _windows(questions, settings):
            if settings.marking is not None:
                videos = dict.fromkeys(frames.video for frames in window if frames.video)
                look = partial(cuts_of, limit=settings.marking)
                list(pool.map(look, videos))  # kept, for whoever asks for them next
            yield from _drawn(window, maker, room, pool, settings.total_bytes)


def _windows(
    questions: Iterable[QuestionView], settings: PictureSettings
) -> Iterator[list[QuestionFrames]]:
    """Yield what questions need, so many at a time as can be held."""
    window: list[QuestionFrames] = []
    held = 0
    for question in questions:
        window.append(
            with_most(frames_of(question, settings.frame_size, settings.first), settings.most_cells)
            if question.pictures
            else _forbidden(question)
        )
        held += sum(map(len, window[-1].carried.values()))
        if len(window) == _WINDOW or held > _CARRIED_BYTES:
            yield window
            window, held = [], 0
    if window:
        yield window


def _forbidden(question: QuestionView) -> QuestionFrames:
    """Return that a question has no pictures, because of its licence."""
    none = (NO_PICTURE, NO_PICTURE)
    places = [[[none] * len(s.frames) for s in episode.steps] for episode in question.episodes]
    return QuestionFrames(question.id, None, (), (), 0, {}, places, (LICENCE,))


def _drawn(
    window: list[QuestionFrames],
    maker: SheetMaker,
    room: _Room,
    pool: ThreadPoolExecutor,
    total_bytes: int,
) -> Iterator[tuple[str, Pictures]]:
    """Yield the pictures of a window.

    Args:
        window: the questions; those that there is too little room for lose pictures.
        maker: draws them.
        room: what is left for them and all that follow; is made smaller.
        pool: for videos side by side.
        total_bytes: what there was for all, for the message.
    """
    wanting = [k for k, frames in enumerate(window) if frames.looks]
    room.questions = max(room.questions - (len(window) - len(wanting)), len(wanting))
    drawn: dict[int, Drawn] = {}
    if wanting and room.nbytes > 0:
        choice = _choice([window[k] for k in wanting], maker, room, pool)
        taken = wanting[: choice.count]
        for k in taken:
            window[k] = with_most(window[k], choice.cells)
        share = room.nbytes * len(taken) // choice.count
        drawn = _fitted(taken, window, maker, choice, share, pool)
    for k, frames in enumerate(window):
        pictures = _pictures(frames, drawn.get(k), total_bytes)
        room.nbytes -= len(pictures.sheet or b"")
        yield frames.id, pictures
    room.questions -= len(wanting)


def _fitted(
    numbers: Sequence[int],
    window: Sequence[QuestionFrames],
    maker: SheetMaker,
    choice: SizeChoice,
    share: int,
    pool: ThreadPoolExecutor,
) -> dict[int, Drawn]:
    """Return sheets that together have room, by number of the question; no sheet for some.

    Sheets that are too heavy are drawn again at lower qualities; what these take is a guess until
    they are there, so that it takes some rounds.

    Args:
        numbers: of the questions that are drawn.
        window: all questions.
        maker: draws them.
        choice: how they are drawn first.
        share: most bytes of their sheets.
        pool: for videos side by side.
    """
    there: dict[int, dict[int, Drawn]] = {number: {} for number in numbers}
    missing = {number: choice.quality for number in numbers}
    while missing:
        for quality in sorted(set(missing.values())):
            again = [number for number in numbers if missing.get(number) == quality]
            draw = partial(maker.sheets, side=choice.side, quality=quality)
            for number, drawn in _by_video(again, window, draw, pool).items():
                there[number][quality] = drawn
        sizes = [{q: len(drawn.file) for q, drawn in there[k].items()} for k in numbers]
        chosen = fit([with_lower(size) if any(size.values()) else {} for size in sizes], share)
        missing = {
            k: q
            for k, q in zip(numbers, chosen, strict=True)
            if q is not None and q not in there[k]
        }
    best = dict(zip(numbers, chosen, strict=True))
    return {k: _at(there[k], best[k]) for k in numbers}


def _at(there: Mapping[int, Drawn], quality: int | None) -> Drawn:
    """Return the sheet of a quality; where none is chosen, why pictures failed, if they did."""
    if quality is not None:
        return there[quality]
    return replace(next(iter(there.values())), file=b"")


def _choice(
    questions: Sequence[QuestionFrames], maker: SheetMaker, room: _Room, pool: ThreadPoolExecutor
) -> SizeChoice:
    """Return how large pictures can be, from the sheets of some questions.

    Args:
        questions: of a window.
        maker: draws them.
        room: for all that are left.
        pool: for videos side by side.
    """
    step = max(1, len(questions) // _SAMPLE)
    sample = range(0, len(questions), step)[:_SAMPLE]
    measured = _by_video(list(sample), questions, maker.measured, pool)
    there = [measured[k] for k in sample if measured[k].shown]
    sizes = {side: [drawn.sizes[side] for drawn in there] for side in SIDES}
    known = Sample(sizes, [len(drawn.shown) for drawn in there])
    wanted = [len(frames.looks) for frames in questions]
    return choose_size(known, wanted, room.questions, room.nbytes)


def _by_video(
    numbers: Sequence[int],
    questions: Sequence[QuestionFrames],
    draw: Callable[[Sequence[QuestionFrames]], list[Drawn]],
    pool: ThreadPoolExecutor,
) -> dict[int, Drawn]:
    """Return what was drawn of questions, by number; those about one video together.

    Args:
        numbers: of the questions that are drawn.
        questions: all of them.
        draw: draws questions about one video.
        pool: for videos side by side.
    """
    groups: dict[Path | None, list[int]] = {}
    for number in numbers:
        groups.setdefault(questions[number].video, []).append(number)
    parts = list(groups.values())
    results = pool.map(lambda part: draw([questions[k] for k in part]), parts)
    return {
        number: drawn
        for part, result in zip(parts, results, strict=True)
        for number, drawn in zip(part, result, strict=True)
    }


def _pictures(frames: QuestionFrames, drawn: Drawn | None, total_bytes: int) -> Pictures:
    """Return the pictures of a question as the page has them.

    Args:
        frames: what was wanted.
        drawn: what there is; `None` where nothing was drawn.
        total_bytes: what there was for all questions, for the message.
    """
    notes = list(frames.notes)
    crowded = bool(frames.looks) and (drawn is None or bool(drawn.shown and not drawn.file))
    if crowded:
        megabytes = f"{total_bytes / 1e6:.3g} MB"
        notes.append(f"There is no room for its pictures: all together may take {megabytes}.")
    if drawn is not None:
        notes += _notes(frames, drawn)
    if drawn is None or not drawn.file:
        places = renumbered(frames.places, {})
        return Pictures(None, (0, 0), 0, places, " ".join(notes), crowded)
    cell_of_look = {look: cell for cell, look in enumerate(drawn.shown)}
    cells = renumbered(frames.places, cell_of_look)
    return Pictures(drawn.file, drawn.cell, drawn.across, cells, " ".join(notes))


def _notes(frames: QuestionFrames, drawn: Drawn) -> list[str]:
    """Return what is not as it was played, in sentences."""
    notes = [left_out(frames)] if drawn.file and left_out(frames) else []
    absent = len(frames.looks) - len(drawn.shown)
    if absent:
        notes.append(f"{absent} of {len(frames.looks)} pictures are not to be had: {drawn.failed}")
    if drawn.inexact:
        notes.append(
            f"At {drawn.inexact} of the recorded times no frame of the video begins: shown is what "
            "is on screen then. The times were rounded, or the file is another one."
        )
    return notes
