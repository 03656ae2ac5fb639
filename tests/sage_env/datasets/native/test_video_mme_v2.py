"""Laws of `sage_env.datasets.native.video_mme_v2`: rows of ours in its format become items."""

import pytest

from sage_env.datasets.loading import load_dataset
from tests.helpers.native.laid_out import touch, write_rows

WORDS = ["red", "blue", "green", "A. Lincoln", "two\nlines", "3", "H", "none of them"]
FIRST = {
    "video_id": "001", "url": "https://www.youtube.com/watch?v=other_name1", "question_id": "001-1",
    "question": "Which is first?",
    "options": "\n".join(f"{x}. {word}" for x, word in zip("ABCDEFGH", WORDS, strict=True)),
    "answer": "H", "group_type": "logic", "group_structure": "[1, [2, 3], 4]", "level": None,
    "second_head": None, "third_head": None,
}  # fmt: skip
LAST = {
    **FIRST, "question_id": "001-4", "question": "Which is last?", "answer": "D",
    "level": 3, "second_head": "Order", "third_head": "Causes",
}  # fmt: skip
OTHER = {
    **FIRST, "video_id": "002", "url": "https://youtu.be/second_two2", "question_id": "002-1",
    "group_type": "Relevance", "group_structure": "None",
}  # fmt: skip


@pytest.mark.parametrize("name", ["test.parquet", "video-mme-v2.json", "data/Video_MME_V2.jsonl"])
def test_rows_become_items(tmp_path, name):
    write_rows(tmp_path / name, [FIRST, LAST, OTHER])
    touch(tmp_path, "videos/001.mp4", "videos/second_two2.mp4", "subtitle/001.jsonl")
    first, last, other = load_dataset("video-mme-v2", root=tmp_path, split="test")
    assert first.choices == (
        "red", "blue", "green", "A. Lincoln", "two lines", "3", "H", "none of them"
    )  # fmt: skip
    assert (first.answer, last.answer) == ("none of them", "A. Lincoln")
    assert first.group == {
        "group_type": "logic", "question_group": "001", "question_place": "1",
        "group_structure": "[1,[2,3],4]",
    }  # fmt: skip
    assert last.group == first.group | {
        "question_place": "4", "level": "3", "second_head": "Order", "third_head": "Causes"
    }  # fmt: skip
    assert "group_structure" not in other.group and other.group["group_type"] == "relevance"
    assert first.video == tmp_path / "videos/001.mp4"
    assert first.subtitles == tmp_path / "subtitle/001.jsonl"
    assert other.video == tmp_path / "videos/second_two2.mp4"


@pytest.mark.parametrize("structure", ["{'a': 1}", "[1, 'x']", "[[1, [2]]]", "__import__('os')"])
def test_a_structure_that_is_none_is_told(tmp_path, structure):
    write_rows(tmp_path / "test.parquet", [FIRST, {**LAST, "group_structure": structure}])
    with pytest.warns(UserWarning, match="group_structure must be such as"):
        items = load_dataset("video-mme-v2", root=tmp_path, split="test")
    assert [item.id for item in items] == ["001-1"]
