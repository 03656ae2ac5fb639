"""Laws of `sage_env.datasets.native.video_mme`: rows of ours in its format become items."""

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError
from tests.helpers.native.laid_out import touch, write_rows

FIRST = {
    "video_id": "001", "duration": "short", "domain": "Knowledge", "sub_category": "Geography",
    "url": "https://www.youtube.com/watch?v=fFAKE-one_1", "videoID": "fFAKE-one_1",
    "question_id": "001-1", "task_type": "Counting Problem", "question": "How many boats are seen?",
    "options": ["A. 1.", "B. 2.", "C. 3.", "D. 12."], "answer": "D",
}  # fmt: skip
SECOND = {
    **FIRST, "question_id": "001-2", "task_type": "Temporal Reasoning",
    "question": "A man waves:\nwhen?",
    "options": ["A. A man, at dawn.", "B. B flat.", "C. At noon.\nOr later.", "D. Never."],
    "answer": "A",
}  # fmt: skip
THIRD = {
    **FIRST, "video_id": "601", "duration": "long", "domain": "Multilingual",
    "sub_category": "Multilingual", "videoID": "gone_gone_1", "question_id": "601-1",
    "url": "https://www.youtube.com/watch?v=gone_gone_1",
    "options": ["A. yes", "B. no", "C. yes", "D. both"], "answer": "C",
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["videomme/test-00000-of-00001.parquet", "Video-MME.jsonl", "a/b/video_mme.json"],
)
def test_rows_become_items(tmp_path, name):
    write_rows(tmp_path / name, [FIRST, SECOND, THIRD])
    touch(tmp_path, "data/fFAKE-one_1.MP4", "subtitle/fFAKE-one_1.srt")
    first, second, third = load_dataset("video-mme", root=tmp_path, split="test")
    assert first.choices == ("1.", "2.", "3.", "12.")
    assert (first.id, first.answer, first.kind) == ("001-1", "12.", "mcq")
    assert first.video == tmp_path / "data/fFAKE-one_1.MP4"
    assert first.subtitles == tmp_path / "subtitle/fFAKE-one_1.srt"
    assert first.duration is None  # "short" is no number of seconds
    assert first.group == {
        "duration": "short", "domain": "Knowledge", "sub_category": "Geography",
        "task_type": "Counting Problem",
    }  # fmt: skip
    assert second.choices == ("A man, at dawn.", "B flat.", "At noon. Or later.", "Never.")
    assert second.answer == "A man, at dawn."
    # Two options say the same: their letters tell them apart.
    assert third.choices == ("A. yes", "B. no", "C. yes", "D. both")
    assert third.answer == "C. yes"
    assert third.video == tmp_path / "data/gone_gone_1.mp4" and third.subtitles is None
    assert third.group["duration"] == "long"


def test_other_spellings(tmp_path):
    table = [
        {"index": "0", "video": "fFAKE-one_1", "duration": "medium", "domain": "Sports",
         "candidates": "['A. 1.', 'B. 2.']", "question": "How many?", "answer": "B"}
    ]  # fmt: skip
    (item,) = load_dataset(
        "video-mme", split="test", annotations=write_rows(tmp_path / "Video-MME.tsv", table)
    )
    assert (item.id, item.choices, item.answer) == ("0", ("1.", "2."), "2.")
    assert item.video.name == "fFAKE-one_1.mp4"
    of_video = {
        key: FIRST[key] for key in ("video_id", "duration", "domain", "sub_category", "url")
    }
    asked = [
        {key: row[key] for key in ("question_id", "task_type", "question", "options", "answer")}
        for row in (FIRST, SECOND)
    ]
    nested = write_rows(tmp_path / "nested.json", [{**of_video, "questions": asked}])
    items = load_dataset("video-mme", split="test", annotations=nested)
    assert [item.id for item in items] == ["001-1", "001-2"]
    assert items[1].group["domain"] == "Knowledge"
    assert items[1].video.name == "fFAKE-one_1.mp4"


def test_seconds_as_duration_are_another_file(tmp_path):
    write_rows(tmp_path / "video-mme.json", [{**FIRST, "duration": 30.5}])
    with pytest.raises(DatasetError, match="duration must be one of short, medium, long"):
        load_dataset("video-mme", root=tmp_path, split="test")
