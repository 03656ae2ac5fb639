"""Laws of `sage_bench`, `video_mme`, `video_mme_v2`, `lvbench`, `cg_bench`: odd values in rows."""

import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.datasets.loading import load_dataset
from sage_env.datasets.native.benchmark import benchmark_named
from sage_env.errors import DatasetError

OPTIONS = ["A. one", "B. two", "C. three", "D. four"]
ASKED = "Which?\n(A) one\n(B) two\n(C) three"
ROWS = {
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
        "question_type": ["a", "b"], "time_reference": "00:01-00:02", "qa": None,
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
    *("A" * 5000, "Z", "{}", "1e999", "A.\nB.", "(A) x (B) x", "None", "http://[", "00:00-00:00"),
]


def load(folder, name, rows):
    file, _ = ROWS[name]
    (folder / file).write_text(json.dumps(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_dataset(name, root=folder, split="test")


@pytest.mark.parametrize("name", ROWS)
def test_odd_values_are_left_out_or_read(tmp_path, name):
    row = ROWS[name][1]
    rows = [row | {key: value} for key in row for value in ODD]
    rows += [{k: v for k, v in row.items() if k != key} for key in row]
    items = load(tmp_path, name, [row, *rows])
    assert items[0].answer == "two"
    taken_apart = [r for r in rows if isinstance(r.get("qa"), list)]
    missing = len(taken_apart) - sum(len(r["qa"]) for r in taken_apart)
    assert len(items) + len(items.unusable) == 1 + len(rows) - missing
    for item in items:
        assert item.video.is_relative_to(tmp_path) and ".." not in item.video.parts
        assert "\0" not in str(item.video)


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
    row = ROWS[name][1]
    odd = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(row, json_values)))
    benchmark = benchmark_named(name)
    folder = tmp_path_factory.getbasetemp() / f"odd-{name}"
    folder.mkdir(exist_ok=True)
    try:
        items = load(folder, name, [row, row | odd])
    except DatasetError as error:  # never: the first row can be asked
        raise AssertionError(str(error)) from error
    assert items.benchmark is benchmark and 1 <= len(items) + len(items.unusable)
