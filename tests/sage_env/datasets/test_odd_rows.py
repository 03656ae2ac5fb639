"""Laws of `sage_env.datasets.native`: no odd value of a row ends in a traceback."""

import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

OPTIONS = ["A. one", "B. two", "C. three", "D. four"]
ASKED = "Which?\n(A) one\n(B) two\n(C) three"
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
    "sage-bench": ("sage_bench.json", {
        "video_id": "v", "gt_answer": "two", "ques_type": "mcq", "difficulty": "easy",
        "modality": "visual", "video_duration": "0:10", "duration_seconds": 10.0, "question": ASKED,
    }),
    "video-mme": ("video_mme.json", {
        "video_id": "1", "duration": "short", "domain": "d", "sub_category": "s", "url": "u",
        "videoID": "v", "question_id": "1-1", "task_type": "t", "question": "Q?",
        "options": OPTIONS, "answer": "B",
    }),
    "video-mme-v2": ("video_mme_v2.json", {
        "video_id": "1", "url": "u", "question_id": "1-1", "question": "Q?", "answer": "B",
        "options": "\n".join(OPTIONS), "group_type": "logic", "group_structure": "[1, [2, 3], 4]",
        "level": 1, "second_head": "x", "third_head": "y",
    }),
    "lvbench": ("lvbench.json", {
        "key": "v", "type": "t", "uid": "1", "question": ASKED, "answer": "B",
        "question_type": ["a", "b"], "time_reference": "00:01-00:02",
    }),
    "cg-bench": ("cgbench.json", {
        "qid": 1, "video_uid": "v", "question": "Q?", "choices": OPTIONS, "answer": "two",
        "right_answer": "B", "clue_intervals": [[1, 2]], "domain": "d", "sub_category": "s",
        "duration": 9.0,
    }),
}  # fmt: skip
ODD = [
    *(None, "", " ", 0, -1, 99, 1.5, 1e400, True, [], [1], [None, "x"], ["a", "a"], [[1, 2]], {}),
    *({"a": 1}, [{"a": 1}], "[", "['a'", "[1, [2, 'x']]", "../../x", "..", "\0", "\ud800", "N/A"),
    *("A" * 5000, "B", "Z", "{}", "1e999", "A.\nB.", "(A) x (B) x", "None", "http://["),
]


def split_of(name):
    return "test" if name not in ("longvideobench", "mlvu") else "validation"


@pytest.mark.parametrize("name", ROWS)
def test_odd_values_are_left_out_or_read(tmp_path, name):
    file, row = ROWS[name]
    rows = [row | {key: value} for key in row for value in ODD]
    rows += [{k: v for k, v in row.items() if k != key} for key in row]
    (tmp_path / file).write_text(json.dumps([row, *rows]))
    items = load_dataset(name, root=tmp_path, split=split_of(name))
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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_row_of_anything_is_an_item_or_a_named_problem(tmp_path_factory, name, data):
    file, row = ROWS[name]
    odd = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(row, json_values)))
    folder = tmp_path_factory.getbasetemp() / f"odd-{name}"
    folder.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps([row, row | odd]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        items = load_dataset(name, root=folder, split=split_of(name))
    assert len(items) + len(items.unusable) in (1, 2)
