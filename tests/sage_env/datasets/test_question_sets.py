"""Laws of `sage_env.datasets.question_sets`, `sage_env.storage.content_id`: videos by content."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import has_splits, load_dataset
from sage_env.datasets.question_sets import QUESTION_COLUMNS, SET_KEY, read_question_sets
from sage_env.datasets.splits import load_splits
from sage_env.errors import DatasetError
from sage_env.storage.content_id import content_id


def row(number: int, **given):
    """Return the columns of a question about a file of its own."""
    known = dict.fromkeys(QUESTION_COLUMNS)
    known |= {"id": f"q{number}", "video": f"v{number}.mp4", "question": "which?", "answer": "red"}
    known |= {"choices": ["red", "blue"], "kind": "mcq", "aliases": [], "evidence": [[1.0, 2.0]]}
    known |= {"group": [("tier", "core")], "duration": 9.0, "subtitles_start": 0.0}
    return {**known, **given}


def write(path: Path, rows, about: bytes = b"{}", drop=()) -> Path:
    """Write a set as any program might."""
    text, number = pyarrow.string(), pyarrow.float64()
    kinds = {"choices": pyarrow.list_(text), "aliases": pyarrow.list_(text)}
    kinds |= {"evidence": pyarrow.list_(pyarrow.list_(number)), "group": pyarrow.map_(text, text)}
    kinds |= dict.fromkeys(("duration", "tolerance", "subtitles_start"), number)
    columns = [(name, kinds.get(name, text)) for name in (*QUESTION_COLUMNS, "more")]
    schema = pyarrow.schema([c for c in columns if c[0] not in drop], metadata={SET_KEY: about})
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path)
    return path


def test_questions_come_out_as_they_are_and_each_once(tmp_path) -> None:
    rows = [row(1, more="a"), row(1, more="b"), row(2, tolerance=0.5, choices=[], kind="open")]
    path = write(tmp_path / "set.parquet", rows, b'{"frame_size": [64, 32]}')
    first, second = load_dataset(path)
    assert first == QAItem(
        "q1",
        tmp_path / "v1.mp4",
        "which?",
        ("red", "blue"),
        "red",
        "mcq",
        ((1.0, 2.0),),
        9.0,
        {"tier": "core"},
    )
    assert (second.id, second.tolerance, second.choices) == ("q2", 0.5, ())
    assert load_dataset(str(path), root=tmp_path / "x")[0].video == tmp_path / "x" / "v1.mp4"
    assert load_dataset(path).frame_size == (64, 32) and not has_splits(path)
    plain = write(tmp_path / "plain.parquet", [row(1)])
    assert not hasattr(load_dataset(plain), "frame_size")


def test_of_the_rows_of_one_question_the_first_counts_with_its_own_video(tmp_path) -> None:
    rows = [row(1, video_id="a"), row(1, question="what?", video_id="b"), row(2, video_id="c")]
    items = load_dataset(write(tmp_path / "set.parquet", rows))
    assert [item.question for item in items] == ["which?", "which?"]
    assert items.video_ids == {tmp_path / "v1.mp4": "a", tmp_path / "v2.mp4": "c"}
    wide = [row(1, tolerance=0.0, kind="open", choices=[])]
    assert load_dataset(write(tmp_path / "wide.parquet", wide))[0].tolerance == 0.0, "0 is known"


def test_where_the_videos_lie_is_told_for_several_sets_too(tmp_path) -> None:
    path = write(tmp_path / "set.parquet", [row(1, video_id="a")])
    found = read_question_sets([path], tmp_path / "x")
    assert [item.video for item in found] == [tmp_path / "x" / "v1.mp4"]
    assert found.video_ids == {tmp_path / "x" / "v1.mp4": "a"}


def test_every_digit_of_a_content_id_counts(tmp_path) -> None:
    video = tmp_path / "v1.mp4"
    video.write_bytes(b"one video")
    known = content_id(video)
    other = known[:-1] + ("0" if known[-1] != "0" else "1")
    items = load_dataset(write(tmp_path / "set.parquet", [row(1, video_id=other)]))
    with pytest.raises(DatasetError, match="has changed"):
        items.prepare(items[0])


def test_it_is_divided_by_video_as_any_dataset_without_splits(tmp_path) -> None:
    path = write(tmp_path / "set.parquet", [row(k) for k in range(10)])
    parts = load_splits(path).parts()
    assert {name: len(items) for name, items in parts.items()} == {
        "train": 7,
        "validation": 1,
        "test": 2,
    }


def test_another_video_of_the_same_name_is_an_error(tmp_path) -> None:
    video = tmp_path / "v1.mp4"
    video.write_bytes(b"one video")
    path = write(tmp_path / "set.parquet", [row(1, video_id=content_id(video))])
    items = load_dataset(path)
    items.prepare(items[0])
    status = video.stat()
    video.write_bytes(b"two video")  # as long, and as old
    os.utime(video, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DatasetError, match=r"v1.mp4 has changed: its content is \w{32}, and the"):
        items.prepare(items[0])
    video.unlink()
    items.prepare(items[0])  # what is missing is told where it is opened


def test_a_content_id_is_of_the_bytes_alone(tmp_path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"the same")
    other.write_bytes(b"the same")
    assert content_id(one) == content_id(other) and len(content_id(one)) == 32
    # BLAKE2b with 16 bytes of nothing, as RFC 7693 and its reference code give it.
    one.write_bytes(b"")
    assert content_id(one) == "cae66941d9efbd404e4d88758ea67670"


@pytest.mark.parametrize(
    ("rows", "drop", "told"),
    [
        ([], (), "holds no row"),
        ([row(1)], ("video_id",), "is no set .* no column 'video_id'"),
        ([row(1, answer="green")], (), r"set.parquet, row 1 .*not among the choices"),
        ([row(1, video="../v.mp4")], (), "row 1: the video .* lies outside"),
    ],
)
def test_what_cannot_be_asked_is_named(tmp_path, rows, drop, told) -> None:
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "set.parquet", rows, drop=drop)
    with pytest.raises(DatasetError, match=told):
        load_dataset(path)


def test_another_file_and_no_file_are_refused(tmp_path) -> None:
    (tmp_path / "x.parquet").write_text("no Parquet")
    for name in ("x.parquet", "y.parquet"):
        with pytest.raises(DatasetError, match=f"{name} cannot be read as Parquet"):
            load_dataset(tmp_path / name)


def test_several_sets_are_one_and_may_not_contradict_each_other(tmp_path) -> None:
    one = write(tmp_path / "one.parquet", [row(1), row(2)])
    two = write(tmp_path / "two.parquet", [row(2), row(3)], b'{"frame_size": [32, 32]}')
    both = read_question_sets([one, two])
    assert [item.id for item in both] == ["q1", "q2", "q3"] and both.frame_size == (32, 32)
    other = write(tmp_path / "other.parquet", [row(2, question="what?")])
    with pytest.raises(DatasetError, match="other.parquet: the id 'q2' is of another question"):
        read_question_sets([one, other])
