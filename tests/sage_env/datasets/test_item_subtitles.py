"""Laws of `sage_env.datasets.json_lines`, `exporting`: subtitles go where an item's video goes."""

import json
from dataclasses import replace

import pytest

from algos.runs.evaluation_run import questions_digest
from algos.runs.json_files import item_from_json, item_to_json
from sage_env.datasets.exporting import QUESTIONS, export_questions
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

ROW = {"id": "q", "video": "a.mp4", "question": "?", "answer": "x"}


def write(folder, **more):
    (folder / "set.jsonl").write_text(json.dumps({**ROW, **more}))
    return folder / "set.jsonl"


def test_a_row_names_subtitles_below_the_root(tmp_path):
    path = write(tmp_path, subtitles="said/a.srt", subtitles_start=2.5)
    (item,) = load_dataset(path)
    assert (item.subtitles, item.subtitles_start) == (tmp_path / "said/a.srt", 2.5)
    (bare,) = load_dataset(write(tmp_path, subtitles=None))
    assert bare.subtitles is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"subtitles": "../a.srt"}, "line 1: the subtitles .* outside"),
        ({"subtitles": "/etc/passwd"}, "line 1: the subtitles .* outside"),
        ({"subtitles": 3}, "subtitles must be a Path"),
        ({"subtitles": ""}, "subtitles must be a Path"),
        ({"subtitles_start": "x"}, "subtitles_start must be seconds"),
    ],
)
def test_subtitles_that_cannot_be_are_refused(tmp_path, more, words):
    with pytest.raises(DatasetError, match=words):
        load_dataset(write(tmp_path, **more))


def test_what_is_written_out_has_its_subtitles_beside_it(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4", "a.srt", "other.srt"):
        (tmp_path / "in" / name).write_text(name)
    items = [
        QAItem("1", tmp_path / "in/a.mp4", "?", answer="x", subtitles=tmp_path / "in/a.srt"),
        QAItem("2", tmp_path / "in/b.mp4", "?", answer="x"),
        QAItem("3", tmp_path / "in/b.mp4", "?", answer="x", subtitles=tmp_path / "in/other.srt",
               subtitles_start=1.5),
    ]  # fmt: skip
    export_questions({"test": items}, tmp_path / "out")
    back = load_dataset(tmp_path / "out" / QUESTIONS, split="test")
    folder = tmp_path / "out/test/subtitles"
    assert [item.subtitles for item in back] == [folder / "a.srt", None, folder / "other.srt"]
    assert [item.subtitles_start for item in back] == [0.0, 0.0, 1.5]
    assert (folder / "other.srt").read_text() == "other.srt"
    items[0].subtitles.unlink()
    with pytest.raises(DatasetError, match="cannot be written"):
        export_questions({"test": items}, tmp_path / "again")


def test_a_record_of_an_item_keeps_them_and_one_without_is_as_it_was(tmp_path):
    bare = QAItem("1", tmp_path / "a.mp4", "?", answer="x")
    said = replace(bare, subtitles=tmp_path / "a.srt", subtitles_start=1.5)
    assert not {"subtitles", "subtitles_start"} & set(item_to_json(bare))
    for item in (bare, said, replace(bare, subtitles_start=2.0)):
        assert item_from_json(json.loads(json.dumps(item_to_json(item)))) == item
    moved = replace(said, subtitles=tmp_path / "elsewhere/a.srt")
    assert questions_digest([moved]) == questions_digest([said]) != questions_digest([bare])
    assert questions_digest([replace(said, subtitles_start=9.0)]) != questions_digest([said])
