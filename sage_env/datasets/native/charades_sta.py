"""Charades-STA (arXiv 1705.02101): when does this sentence happen? The answer is a stretch.

Official: lines `VIDEO start end##sentence`; mirrors have `video`, `caption`, `timestamp`. Some
stretches go on after the end of their video: they are cut there where `Charades_v1_*.csv` with the
lengths is beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.annotations import find_files, read_rows
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.rows import Row
from sage_env.datasets.native.spans import read_spans, within
from sage_env.datasets.native.video_files import stem_of
from sage_env.errors import DatasetError

_LINE = re.compile(r"(?P<video>\S+)\s+(?P<start>[0-9.]+)\s+(?P<end>[0-9.]+)\s*##(?P<caption>.+)")
QUESTION = (
    'When does this happen in the video: "{caption}"? Answer with its start and end in seconds, '
    "such as 3.5-9.0 s."
)
"""The question made of a sentence: the files have none."""


def _rows(source: Source) -> Iterator[Row]:
    """Yield the sentences, each with its number within its video and the video's length."""
    lengths = _lengths(source)
    count: Counter[str] = Counter()
    for path in source.files:
        for row in read_rows(path):
            values = _parts(row)
            video = stem_of(str(values.get("video") or ""))
            count[video] += 1
            known = {"_number": count[video], "_length": lengths.get(video)}
            yield Row(row.place, {**known, **values})


def _parts(row: Row) -> dict[str, object]:
    """Return the columns of a row; those of a line of text as a mirror has them."""
    line = row.get("line")
    if line is None:
        return dict(row.values)
    match = _LINE.fullmatch(str(line))
    if match is None:
        return {"line": line}
    ends = [float(match[name]) if _is_number(match[name]) else None for name in ("start", "end")]
    return {"video": match["video"], "caption": match["caption"], "timestamp": ends}


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(?:\.[0-9]*)?", text) is not None


def _lengths(source: Source) -> dict[str, float]:
    """Return the seconds of the videos that the files of Charades itself give."""
    found = {}
    names = (f"charades_v1_{source.split}.csv", "charades_v1*.csv")
    for path in find_files(source.root, names):
        for row in read_rows(path):
            seconds = row.duration("length")
            if seconds is not None and row.get("id") is not None:
                found[row.text("id")] = seconds
    return found


def _item(row: Row, source: Source) -> QAItem:
    if row.get("video") is None:
        raise DatasetError(f"expected VIDEO start end##sentence, got {row.get('line')!r}")
    video, duration = row.text("video"), row.duration("_length", "duration")
    spans = within(read_spans([row.items("timestamp")]), duration)
    if not spans:
        raise DatasetError(
            f"its stretch {row.get('timestamp')!r} is no stretch of a video of {duration} s"
        )
    ((start, end),) = spans
    return QAItem(
        f"{stem_of(video)}-{row.text('_number')}",
        source.videos.path(video),
        QUESTION.format(caption=row.text("caption").rstrip(" .")),
        (),
        f"{start:.10g}-{end:.10g} s",
        "ground",
        spans,
        duration,
    )


CHARADES_STA = Benchmark(
    name="charades-sta",
    title="Charades-STA",
    files={
        "train": ("charades_sta_train.txt", "*charades*sta*train*.json*", "train-*.parquet"),
        "test": ("charades_sta_test.txt", "*charades*sta*test*.json*", "test-*.parquet"),
    },
    item=_item,
    rows=_rows,
    hub="lmms-lab/charades_sta",
    licence="Charades: not for commercial use",
    gated=False,
    access=(
        "Annotations are linked from github.com/jiyanggao/TALL and mirrored on the Hugging Face "
        "hub; the videos (Charades_v1_480) are given by the Allen Institute for AI."
    ),
    questions={"train": 12408, "test": 3720},
    videos={"test": 1334},
    rule="charades-sta",
)
