"""Video-MMMU (arXiv 2501.13826): what is learned from a lecture, in three tracks of 300 questions.

The three tracks ask about the same 300 videos under the same ids, so that a question's id begins
with its track. In the track Adaptation the picture of the question is the end of the video. Answers
are letters where there are options, else texts, of which a list counts as several right ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.annotations import DEPTH, read_rows
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_letter, gold_option, split_options
from sage_env.datasets.native.rows import Row, group_of, literal
from sage_env.datasets.native.video_files import VIDEO_SUFFIXES, FilesByStem
from sage_env.errors import DatasetError

TRACKS = ("Perception", "Comprehension", "Adaptation")
AT_THE_END = "The picture that this question is about is shown at the end of the video."
"""What a question of the track Adaptation is told: an agent that samples has to know."""
_DISCIPLINES = {
    "Art": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Medicine": "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine "
    "Pharmacy Public_Health",
    "Humanities": "History Literature Psychology Sociology",
    "Engineering": "Agriculture Architecture_and_Engineering Computer_Science Electronics "
    "Energy_and_Power Materials Mechanical_Engineering",
}
_DISCIPLINE_OF = {
    subject: name for name, subjects in _DISCIPLINES.items() for subject in subjects.split()
}


def _rows(source: Source) -> Iterator[Row]:
    """Yield the questions with their track and the place of their video."""
    folders = {track: _folder_of(source.root, track) for track in TRACKS}
    own = {
        track: FilesByStem(folder, VIDEO_SUFFIXES) for track, folder in folders.items() if folder
    }
    for path in source.files:
        for row in read_rows(path):
            track = _track(row, path)
            found = own[track].find(str(row.get("id"))) if track in own else None
            yield Row(row.place, {**row.values, "_track": track, "_video": found})


def _track(row: Row, path: Path) -> str | None:
    """Return the track that a row names, or the folders and the name of its file."""
    words = [str(row.get("track", "category", "task") or ""), path.stem, *reversed(path.parts[:-1])]
    found = (track for word in words for track in TRACKS if track.lower() in word.lower())
    return next(found, None)


def _folder_of(root: Path, track: str) -> Path | None:
    """Return a folder below the root that has the videos of a track alone."""
    for folder, inside, names in os.walk(root):
        here = Path(folder)
        if len(here.relative_to(root).parts) >= DEPTH:
            inside.clear()
        inside.sort()
        below = here.relative_to(root).as_posix().lower()
        if track.lower() in below and any(name.lower().endswith(VIDEO_SUFFIXES) for name in names):
            return here
    return None


def _item(row: Row, source: Source) -> QAItem:
    track, name = row.get("_track"), row.text("id")
    if track is None:
        tracks = ", ".join(TRACKS)
        raise DatasetError(
            f"it is of none of the tracks {tracks}: put its file into a folder so named"
        )
    listed = row.get("options")
    texts = literal(listed) if isinstance(listed, str) else listed
    if texts is not None and not isinstance(texts, list | tuple):
        raise DatasetError(f"options must be a list, got {listed!r}")
    options = split_options(texts) if texts else ()
    question = row.text("question")
    answer, aliases = _gold(options, row)
    subject = "_".join(name.split("_")[1:-1])
    return QAItem(
        f"{track.lower()}-{name}",
        row.get("_video") or source.videos.path(name),
        f"{question}\n{AT_THE_END}" if track == "Adaptation" else question,
        options,
        answer,
        "mcq" if options else "open",
        duration=row.duration("duration"),
        group=group_of(
            {
                "track": track,
                "subject": subject or None,
                "discipline": _DISCIPLINE_OF.get(subject),
                "question_type": row.get("question_type"),
            }
        ),
        aliases=aliases,
        subtitles=source.subtitles.find(name),
    )


def _gold(options: tuple[str, ...], row: Row) -> tuple[str, tuple[str, ...]]:
    """Return the gold answer, and other texts that count as it."""
    if options:
        answer = row.text("answer")
        chosen = by_letter if len(answer) == 1 and answer.isalpha() else gold_option
        return chosen(options, answer), ()
    read = row.needed("answer")
    several = literal(read) if isinstance(read, str) and read.lstrip().startswith("[") else read
    texts = several if isinstance(several, list) else [several]
    kept = [" ".join(str(text).split()) for text in texts if str(text).strip()]
    if not kept:
        raise DatasetError(f"its answer {read!r} is empty")
    return kept[0], tuple(kept[1:])


VIDEO_MMMU = Benchmark(
    name="video-mmmu",
    title="Video-MMMU",
    # Perception, Comprehension and Adaptation: files of one pattern, since all of them are read.
    files={"test": ("[cap]*ion/*.parquet", "*video*mmmu*.json*")},
    item=_item,
    rows=_rows,
    hub="lmms-lab/VideoMMMU",
    licence="academic research only",
    gated=True,
    access=(
        "Annotations and videos are gated: accept the terms on its page on the Hugging Face hub, "
        "for academic research only."
    ),
    questions={"test": 900},
    videos={"test": 300},
)
