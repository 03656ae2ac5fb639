"""EgoSchema (arXiv 2308.09126): five choices about three minutes of somebody's day.

Only the subset of 500 questions has published answers: of the full set all other questions are left
out, since they cannot be scored here. Official: `questions.json` with `subset_answers.json`; on the
hub: `Subset`, with options that have letters and the index of the answer as a text.
"""

from __future__ import annotations

from collections.abc import Iterator

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.annotations import find_files, read_json, read_rows
from sage_env.datasets.native.benchmark import Benchmark, Source
from sage_env.datasets.native.option_text import by_index, numbered_options, split_options
from sage_env.datasets.native.rows import Row
from sage_env.errors import DatasetError


def _rows(source: Source) -> Iterator[Row]:
    """Yield the questions, with the answers that lie in a file of their own."""
    beside = [path.parent / "subset_answers.json" for path in source.files]
    places = [path for path in beside if path.is_file()]
    places = places or find_files(source.root, ("subset_answers.json",))
    answers = read_json(places[0]) if places else {}
    if not isinstance(answers, dict):
        raise DatasetError(f"{places[0]} must hold answers by question: download it again")
    for path in source.files:
        for row in read_rows(path):
            yield Row(row.place, {"_answer": answers.get(str(row.get("q_uid"))), **row.values})


def _item(row: Row, source: Source) -> QAItem:
    answer = row.get("answer", "_answer")
    if answer is None:
        raise DatasetError(
            "its answer is not published: only the subset of 500 questions can be scored here"
        )
    if row.get("option", "options") is not None:
        options = split_options(row.items("option", "options"))
    else:
        options = tuple(numbered_options(row.values, "option ").values())
    video = row.text("video_idx", "q_uid")
    return QAItem(
        row.text("q_uid", "question_idx", "video_idx"),
        source.videos.path(video),
        row.text("question"),
        options,
        by_index(options, answer),
        "mcq",
        duration=row.duration("duration"),
        group={"split": "subset"},
    )


EGOSCHEMA = Benchmark(
    name="egoschema",
    title="EgoSchema",
    files={
        "test": (
            "subset/*.parquet",
            "*subset*.parquet",
            "questions.json",
            "*egoschema*.json*",
            "test-*.parquet",
        )
    },
    item=_item,
    rows=_rows,
    hub="lmms-lab/egoschema",
    licence="MIT (annotations)",
    gated=False,
    access=(
        "Annotations are on the Hugging Face hub; the videos are clips of Ego4D, whose licence has "
        "to be signed. Only the subset of 500 questions has published answers."
    ),
    questions={"test": 500},
    videos={"test": 500},
)
