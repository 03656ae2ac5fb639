"""Video-MME-v2: four questions make a group, whose score is not linear; eight options in one text.

The rule of the score reads three report keys: `question_group`, `group_type` and
`group_structure`, the last as JSON without blanks, `[1,[2,3],4]`. `question_place` is the number of
the question in its group, from 1.
"""

from __future__ import annotations

import json

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_letter, split_options
from sage_env.datasets.native.rows import Row, group_of, literal
from sage_env.errors import DatasetError

_FILE = ("video_id", "videoID", "url")


def _item(row: Row, source: Source) -> QAItem:
    """Make the item of a row; level and heads are often given with a group's last question only."""
    name = row.text("question_id")
    group, dash, place = name.rpartition("-")
    if not (group and dash and place.isdigit()):
        raise DatasetError(f"question_id must be GROUP-NUMBER such as 001-1, got {name!r}")
    options = split_options(row.needed("options"))
    keys = {"question_group": group, "question_place": str(int(place))}
    return QAItem(
        name,
        source.video(row, *_FILE),
        row.text("question"),
        options,
        by_letter(options, row.text("answer")),
        "mcq",
        group={
            **row.group("level", "second_head", "third_head"),
            **group_of({"group_type": str(row.get("group_type") or "").lower()}),
            **keys,
            **_structure(row.get("group_structure")),
        },
        subtitles=source.subtitle(row, *_FILE),
    )


def _structure(value: object) -> dict[str, str]:
    """Return the structure of a group, which the file spells as a Python literal.

    Raises:
        DatasetError: if it is no list of numbers, or of lists of them.
    """
    read = literal(value) if isinstance(value, str) else value
    if read is None or read == "None":
        return {}
    if not isinstance(read, list | tuple) or not all(
        isinstance(one, int) or (isinstance(one, list | tuple) and all(type(k) is int for k in one))
        for one in read
    ):
        raise DatasetError(f"group_structure must be such as [1, [2, 3], 4], got {value!r}")
    return {"group_structure": json.dumps(read, separators=(",", ":"))}


VIDEO_MME_V2 = Benchmark(
    name="video-mme-v2",
    title="Video-MME-v2",
    files={
        "test": (
            "*video*mme*v2*.parquet",
            "*video*mme*v2*.jsonl",
            "*video*mme*v2*.json",
            "test.parquet",
            "test-*.parquet",
        )
    },
    item=_item,
    hub="MME-Benchmarks/Video-MME-v2",
    licence="see its card",
    gated=False,
    access="Annotations, subtitles and videos are in the hub's repository; its card has the terms.",
    questions={"test": 3200},
    videos={"test": 800},
    rule="video-mme-v2",
)
