"""Laws of `sage_env.datasets.native`: no odd value of a row ends in a traceback."""

import json

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

CHOICES = ["one", "two", "three", "four", "five"]
ROWS = {  # a file and a row of each benchmark, and what else has to lie beside it
    "longvideobench": ("lvb_val.json", {
        "video_id": "v", "id": "i", "video_path": "v.mp4", "subtitle_path": "v.json",
        "correct_choice": 1, "question": "Q?", "candidates": CHOICES, "duration": 9.0,
        "duration_group": 15, "starting_timestamp_for_subtitles": 3.0, "level": "L1",
    }),
    "mlvu": ("4_count.json", {
        "video": "v.mp4", "duration": 9, "question": "Q?", "candidates": CHOICES,
        "answer": "two", "question_type": "count", "question_id": "q",
    }),
    "minerva": ("minerva.json", {
        "key": "k", "video_id": "v", "question": "Q?", "answer": "two", "answer_id": 1,
        "question_type": "Counting", "reasoning": "at 00:03", "split": "x", "category": "y",
        **{f"answer_choice_{k}": text for k, text in enumerate(CHOICES)},
    }),
    "egoschema": ("questions.json", {
        "q_uid": "u", "question": "Q?", "answer": "1",
        **{f"option {k}": text for k, text in enumerate(CHOICES)},
    }),
    "charades-sta": ("charades_sta_test.json", {
        "video": "v.mp4", "caption": "he runs", "timestamp": [1.0, 2.0], "duration": 9.0,
    }),
    "video-mmmu": ("video_mmmu_test.json", {
        "id": "validation_Art_1", "question": "Q?", "options": CHOICES, "answer": "B",
        "question_type": "multiple-choice", "track": "Perception",
    }),
}  # fmt: skip
ODD = [
    *(None, "", " ", 0, -1, 99, 1.5, 1e400, True, [], [1], [None, "x"], ["a", "a"], [[1, 2]], {}),
    *({"a": 1}, "[", "['a'", "../../x", "\0", "\ud800", "A" * 5000, "N/A", "B", "{}", "1e999"),
]


@pytest.mark.parametrize("name", ROWS)
def test_odd_values_are_left_out_or_read(tmp_path, name):
    file, row = ROWS[name]
    rows = [row | {key: value} for key in row for value in ODD]
    rows += [{k: v for k, v in row.items() if k != key} for key in row]
    (tmp_path / file).write_text(json.dumps([row, *rows]))
    split = "test" if name not in ("longvideobench", "mlvu") else "validation"
    items = load_dataset(name, root=tmp_path, split=split)
    # Without an id of their own, rows are told apart by it or by their place in the file.
    assert len(items) + len(items.unusable) == 1 + len(rows)
    assert all(
        item.video.is_relative_to(tmp_path) and ".." not in item.video.parts for item in items
    )


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_beside_the_questions(tmp_path, odd):
    (tmp_path / "test.csv").write_text(
        "video_id,question,answer,qid,type,a0,a1\nv,why,two,1,CW,one,two\n,,,,,,\n"
    )
    for spans, names in (
        ({"v": {"duration": odd, "location": {"1": odd}}}, {"v": odd}),
        ({"v": odd}, odd),
        ({"v": {"location": {"1": [odd, [1.0, 2.0]]}}}, {}),
    ):
        (tmp_path / "gsub_test.json").write_text(json.dumps(spans))
        (tmp_path / "map_vid_vidorID.json").write_text(json.dumps(names))
        try:
            (item,) = load_dataset("next-gqa", root=tmp_path, split="test")
        except DatasetError as error:
            assert "map_vid_vidorID.json must hold an object" in str(error)
        else:
            assert item.answer == "two"
