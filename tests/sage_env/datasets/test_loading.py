"""Laws of `sage_env.datasets.loading`, `item`, `validation`: names, files, functions, bad rows."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import find_item, load_dataset
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError

ROW = {"id": "q1", "video": "a.mp4", "question": "Which?", "choices": ["x", "y"], "answer": "y"}
ITEM = QAItem("q1", Path("a.mp4"), "Which?", ("x", "y"), "y", "mcq", ((1.0, 2.0),), 10.0)


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_rows_become_items(tmp_path):
    full = {
        "id": "q2", "video": "b.mp4", "question": "When?", "answer": "5", "evidence": [[4, 6.5]],
        "duration": 60, "group": {"family": "when"}, "tolerance": 1, "aliases": ["five"],
    }  # fmt: skip
    path = write(tmp_path / "set.jsonl", ROW, "", full)
    first, second = load_dataset(path)
    assert first == QAItem("q1", tmp_path / "a.mp4", "Which?", ("x", "y"), "y", "mcq")
    assert second == QAItem(
        "q2", tmp_path / "b.mp4", "When?", (), "5", "open", ((4, 6.5),), 60, {"family": "when"}, 1,
        ("five",),
    )  # fmt: skip
    assert load_dataset(str(path), root="/videos")[0].video == Path("/videos/a.mp4")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "not a JSON object"),
        ("[1]", "expected a JSON object, got list"),
        ('{"a":' * 5000, "not a JSON object"),
        ({**ROW, "choises": []}, "choises is not known.*go into group"),
        ({"id": "q", "question": "?"}, "video is missing, answer is missing"),
        ({**ROW, "id": 5}, "id must be a non-empty string, got 5"),
        ({**ROW, "answer": ""}, "answer must be a non-empty string"),
        ({**ROW, "question": "\ud800"}, "question must be"),
        ({**ROW, "video": 3}, "video must be a Path"),
        ({**ROW, "video": " "}, "video must be a Path"),
        ({**ROW, "id": ["q"]}, "id must be a non-empty string"),
        ({**ROW, "duration": 10**400}, "duration must be seconds > 0"),
        ({**ROW, "choices": "xy"}, "choices must be a tuple"),
        ({**ROW, "choices": ["x", 3]}, "choices must be a tuple"),
        ({**ROW, "choices": ["x", "y\nz"], "answer": "x"}, "single line"),
        ({**ROW, "answer": "z"}, "the answer 'z' is not among the choices"),
        ({**ROW, "choices": [" y", "y"]}, "' y' also counts as the answer 'y'"),
        ({**ROW, "choices": ["Y.", "y"]}, None),
        ({**ROW, "choices": ["y", "y"]}, "'y' also counts as the answer"),
        ({**ROW, "choices": []}, None),
        ({**ROW, "kind": "mcq", "choices": []}, "mcq needs them"),
        ({**ROW, "kind": "open"}, "others none"),
        ({**ROW, "kind": "essay"}, "kind must be one of mcq, open, ground"),
        ({**ROW, "duration": 0}, "duration must be seconds > 0"),
        ({**ROW, "duration": True}, "duration must be"),
        ({**ROW, "tolerance": -1}, "tolerance must be a number >= 0"),
        ({**ROW, "group": 3}, "group must be a mapping"),
        ({**ROW, "group": {"tier": 3}}, "keys and values of group must be strings, got 'tier': 3"),
        ({**ROW, "group": {"tier": None}}, "keys and values of group must be strings"),
        ({**ROW, "group": {"tier": "\ud800"}}, "keys and values of group must be strings"),
        ({**ROW, "evidence": [[3, 2]]}, "0 <= start < end"),
        ({**ROW, "evidence": [[3]]}, "0 <= start < end"),
        ({**ROW, "evidence": 3}, "evidence must be a tuple"),
        ({**ROW, "evidence": [[3, 11]], "duration": 10}, "ends after the video, which has 10 s"),
        ({**ROW, "id": "q0"}, "ids must be unique"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, row, words):
    path = write(tmp_path / "set.jsonl", {**ROW, "id": "q0"}, row)
    if words is None:
        assert len(load_dataset(path)) == 2
        return
    with pytest.raises(DatasetError, match=f"set.jsonl, line 2.*{words}"):
        load_dataset(path)


def test_other_line_separators_are_part_of_a_row(tmp_path):
    row = json.dumps({**ROW, "question": "One\u2028two\x85three?"}, ensure_ascii=False)
    path = tmp_path / "set.jsonl"
    path.write_text(f"\ufeff{row}\r\n{json.dumps({**ROW, 'id': 'q2'})}\n", encoding="utf-8")
    assert [item.id for item in load_dataset(path)] == ["q1", "q2"]


# Functions


def with_both(root="somewhere", split="train"):
    return [replace(ITEM, id=f"{root}-{split}")]


def test_a_function_gets_what_it_accepts():
    def ids(dataset, **arguments):
        return [item.id for item in load_dataset(dataset, **arguments)]

    def needs_root(root):
        return [replace(ITEM, id=str(root))]

    assert ids(with_both, split="test") == ["somewhere-test"]
    assert ids(with_both, root="/videos", split="test") == ["/videos-test"]
    assert ids(lambda split: [replace(ITEM, id=split)], split="test") == ["test"]
    assert ids(lambda **given: [replace(ITEM, id=str(given))]) == ["{'split': 'train'}"]
    assert ids(lambda: [ITEM]) == ["q1"]
    assert ids(needs_root) == ["None"]
    named = "tests.sage_env.datasets.test_loading:with_both"
    assert ids(named, root="/videos") == ["/videos-train"]
    assert ids("tests.sage_env.datasets.test_loading:ITEMS") == ["q1", "q2"]
    assert ids("tests.sage_env.datasets.test_loading:Questions", split="test") == ["test"]


class Questions(list):
    """A dataset that is made by its class."""

    def __init__(self, split="train"):
        super().__init__([replace(ITEM, id=split)])


ITEMS = [ITEM, replace(ITEM, id="q2")]


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (lambda: [ITEM, ITEM], "<lambda>, item 1 .id 'q1'.: its id was used before"),
        (lambda: (item for item in [ITEM]), "<lambda> must give a sequence of QAItem, got generat"),
        (lambda: {"q1": ITEM}, "must give a sequence of QAItem, got dict"),
        (lambda: None, "must give a sequence of QAItem, got NoneType"),
        (lambda: 1 / 0, "<lambda> failed: ZeroDivisionError"),
        (7, "a dataset must give a sequence of QAItem, got int"),
        ("tests.sage_env.datasets.test_loading:nothing", "has no 'nothing'"),
        ("tests.sage_env.no_such_file:with_both", "needs a module tests.sage_env.no_such_file"),
        ("tests.sage_env.datasets.test_loading:ROW", "must give a sequence of QAItem, got dict"),
        (
            "a.csv",
            "a .jsonl or .parquet file, 'package.module:function', a function, or a sequence",
        ),
    ],
)
def test_what_gives_no_questions_is_named(dataset, words):
    with pytest.raises(DatasetError, match=words):
        load_dataset(dataset)


def test_a_root_that_nobody_takes_is_refused():
    with pytest.raises(DatasetError, match="takes no root, got '/videos': leave it out"):
        load_dataset(lambda split: [ITEM], root="/videos")


def test_no_file_no_rows_no_such_name(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(tmp_path / "missing.jsonl")
    with pytest.raises(DatasetError, match="holds no question"):
        load_dataset(write(tmp_path / "empty.jsonl", "", " "))
    with pytest.raises(DatasetError, match="one of sage-synth, .* got 'sage-sinth'"):
        load_dataset("sage-sinth")
    with pytest.raises(DatasetError, match="at least one question"):
        load_dataset([])


def test_a_sequence_is_checked_and_kept():
    items = [ITEM, replace(ITEM, id="q2")]
    assert load_dataset(items) is items
    with pytest.raises(DatasetError, match="item 1 .id 'q1'.*unique"):
        validate([ITEM, ITEM])
    with pytest.raises(DatasetError, match="item 1: expected a QAItem, got dict"):
        validate([ITEM, ROW])


def test_an_unknown_id_names_its_neighbours():
    ids = {"needle-001": 0, "needle-002": 1, "count-001": 2}
    assert find_item(ids, "needle-002") == 1
    with pytest.raises(DatasetError, match="'needle-01'.*needle-001"):
        find_item(ids, "needle-01")


def test_a_dataset_is_a_file_and_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "device.jsonl").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "device"):
        with pytest.raises(
            DatasetError, match=rf"{name}\.jsonl cannot be read as a dataset: it is"
        ):
            load_dataset(tmp_path / f"{name}.jsonl")
    (tmp_path / "link.jsonl").symlink_to(write(tmp_path / "set.jsonl", ROW))
    assert len(load_dataset(tmp_path / "link.jsonl")) == 1


def test_an_item_is_checked_once_and_its_copy_again(monkeypatch):
    item = replace(ITEM, id="once")
    validate([item])
    monkeypatch.setattr("sage_env.datasets.validation._problems", lambda item: iter(["checked"]))
    validate([item])
    with pytest.raises(DatasetError, match="ids must be unique"):
        validate([item, item])
    with pytest.raises(DatasetError, match="checked"):
        validate([replace(item)])
