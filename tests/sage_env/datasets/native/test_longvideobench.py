"""Laws of `sage_env.datasets.native.longvideobench`: rows of ours in its format become items."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

ROWS = [
    {
        "video_id": "abc123", "id": "abc123_0", "video_path": "abc123.mp4",
        "subtitle_path": "abc123_en.json", "correct_choice": 1, "question": "What is red?",
        "duration": 8.5, "duration_group": 15, "question_category": "S2O",
        "topic_category": "KA-Knowledge-Art", "starting_timestamp_for_subtitles": 120,
    },
    {
        "video_id": "@maker-of-things-7123456789012345678", "id": "at_0",
        "video_path": "@maker-of-things-7123456789012345678.mp4",
        "subtitle_path": "7123456789012345678_en.json", "correct_choice": 3,
        "question": "Who waves?", "duration": 600, "duration_group": 600,
        "question_category": "T2A", "topic_category": "NP-News-Programs",
        "starting_timestamp_for_subtitles": 0,
    },
    {
        "video_id": "gone", "id": "gone_0", "video_path": "gone.mp4",
        "subtitle_path": "gone_en.json", "correct_choice": -1, "question": "Which?",
        "duration": None, "duration_group": 60, "question_category": "T2A",
        "topic_category": "NP-News-Programs", "starting_timestamp_for_subtitles": 0,
    },
]  # fmt: skip
OPTIONS = [
    ["a kite", "a ball", "N/A", "N/A", "N/A"],
    ["the cook", "N/A", "nobody", "the guard", "a child"],  # a gap in the middle
    ["one", "two", "N/A", "N/A", "N/A"],
]


def official(folder):
    rows = [row | {"candidates": [o for o in options if o != "N/A"]}
            for row, options in zip(ROWS, OPTIONS, strict=True)]  # fmt: skip
    rows[1]["correct_choice"] = 2  # the list has no gap
    (folder / "lvb_val.json").write_text(json.dumps(rows))


def padded(folder):
    """Write lists that are filled up, as some mirrors have them."""
    rows = [row | {"candidates": options} for row, options in zip(ROWS, OPTIONS, strict=True)]
    (folder / "lvb_val.json").write_text(json.dumps(rows))


def as_parquet(folder):
    rows = [row | {f"option{k}": option for k, option in enumerate(options)}
            for row, options in zip(ROWS, OPTIONS, strict=True)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "validation-00000-of-00001.parquet")


@pytest.mark.parametrize("write", [official, padded, as_parquet])
def test_both_spellings_give_the_same_items(tmp_path, write):
    write(tmp_path)
    for name in ("videos/abc123.MP4", "videos/7123456789012345678.mp4", "subtitles/abc123_en.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    items = load_dataset("longvideobench", root=tmp_path, split="validation")
    first, second = items
    assert (first.id, first.kind, first.question) == ("abc123_0", "mcq", "What is red?")
    assert (first.choices, first.answer) == (("a kite", "a ball"), "a ball")
    assert first.video == tmp_path / "videos/abc123.MP4"
    assert first.subtitles == tmp_path / "subtitles/abc123_en.json"
    assert (first.duration, first.subtitles_start, first.evidence) == (8.5, 120.0, ())
    assert first.group == {
        "duration_group": "15", "question_category": "S2O", "topic_category": "KA-Knowledge-Art"
    }  # fmt: skip
    assert second.choices == ("the cook", "nobody", "the guard", "a child")
    assert second.answer == "the guard"
    assert second.video == tmp_path / "videos/7123456789012345678.mp4"  # the last 19 of the id
    assert (second.subtitles, second.subtitles_start) == (None, 0.0)
    (why,) = items.unusable.values()
    assert "not published" in why
    assert items.official_questions == 1337


def test_the_test_split_has_no_answers(tmp_path):
    official(tmp_path)
    with pytest.raises(DatasetError, match="has the splits validation, not 'test'"):
        load_dataset("longvideobench", root=tmp_path, split="test")


def test_an_answer_that_is_no_option_is_left_out(tmp_path):
    row = ROWS[0] | {f"option{k}": o for k, o in enumerate(OPTIONS[0])} | {"correct_choice": 2}
    (tmp_path / "lvb_val.json").write_text(json.dumps([row]))
    with pytest.raises(DatasetError, match="lvb_val.json, row 1: the answer"):
        load_dataset("longvideobench", root=tmp_path, split="validation")
