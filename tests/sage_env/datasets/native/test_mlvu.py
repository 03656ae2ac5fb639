"""Laws of `sage_env.datasets.native.mlvu`: rows of ours in its formats become items."""

import json

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

NEEDLE = {
    "video": "needle_7.mp4", "duration": 480.02, "question": "What does the man hold?",
    "candidates": ["A rope", "3", "A dog", "B"], "answer": "B", "question_type": "findNeedle",
}  # fmt: skip
COUNT = {
    "video": "count_2.mp4", "duration": 700, "question": "How often does it ring?",
    "candidates": ["1", "2", "0", "3"], "answer": "3", "question_type": "count",
}  # fmt: skip
SUMMARY = {
    "video": "summary_1.mp4", "duration": 900, "question": "Summarise the video.",
    "answer": "A man builds a boat.\nThen he sails away.", "question_type": "summary",
}  # fmt: skip


def test_a_folder_of_files_by_task(tmp_path):
    (tmp_path / "json").mkdir()
    for name, row in (("2_needle", NEEDLE), ("4_count", COUNT), ("9_summary", SUMMARY)):
        (tmp_path / f"json/{name}.json").write_text(json.dumps([row, row]))
    video = tmp_path / "video/2_needle/needle_7.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    items = load_dataset("mlvu", root=tmp_path, split="dev")
    assert [item.id for item in items] == [
        "needle-1", "needle-2", "count-1", "count-2", "summary-1", "summary-2"
    ]  # fmt: skip
    needle, _, count, _, summary, _ = items
    assert (needle.video, needle.duration) == (video, 480.02)
    # A text that is also the letter of another option is a text.
    assert (needle.choices, needle.answer) == (("A rope", "3", "A dog", "B"), "B")
    assert needle.group == {"task": "needle", "form": "choice"}
    assert (count.answer, count.choices.index(count.answer)) == ("3", 3)
    assert count.video == tmp_path / "video/count_2.mp4"  # not there: where it is expected
    assert (summary.kind, summary.choices) == ("open", ())
    assert summary.answer == "A man builds a boat.\nThen he sails away."
    assert summary.group == {"task": "summary", "form": "generation"}


def test_a_mirror_has_options_in_the_question_and_letters(tmp_path):
    row = {
        "video_name": "order_3.mp4", "duration": "612.5", "task_type": "order",
        "question": "What comes first?\n(A) the storm\n(B) the calm\n(C) both",
        "candidates": ["the storm", "the calm", "both"], "answer": "B", "question_id": "AO_1",
    }  # fmt: skip
    inside = {key: value for key, value in row.items() if key != "candidates"}
    rows = [row, inside | {"question_id": "AO_2"}]
    (tmp_path / "mlvu_test.json").write_text(json.dumps(rows))
    one, other = load_dataset("mlvu", root=tmp_path, split="test")
    assert one.question == other.question == "What comes first?"
    assert one.choices == other.choices == ("the storm", "the calm", "both")
    assert one.answer == other.answer == "the calm"
    assert (one.id, other.id, one.duration) == ("AO_1", "AO_2", 612.5)


def test_a_list_inside_an_open_question_is_no_list_of_options(tmp_path):
    question = "Tell which comes first:\n(A) the storm\n(B) the calm"
    rows = [SUMMARY | {"question": question, "task_type": "summary", "candidates": ["x", "y"]}]
    (tmp_path / "mlvu_dev.json").write_text(json.dumps(rows))
    (told,) = load_dataset("mlvu", root=tmp_path, split="validation")
    assert (told.kind, told.choices, told.question) == ("open", (), question)
    assert told.answer == SUMMARY["answer"]


def test_the_answers_of_the_test_split_lie_in_three_files(tmp_path):
    (tmp_path / "test-ground-truth").mkdir()
    scene = {"video": "sub_1.mp4", "duration": 60, "question": "Tell it.", "answer": "He digs."}
    for name, row in (
        ("test_mcq_gt", NEEDLE | {"question_type": "needleQA"}), ("test_ssc_gt", scene)
    ):  # fmt: skip
        (tmp_path / f"test-ground-truth/{name}.json").write_text(json.dumps([row]))
    (tmp_path / "test_multi_choice_tasks.json").write_text(json.dumps([{"question": "?"}]))
    needle, told = load_dataset("mlvu", root=tmp_path, split="test")
    assert (needle.group["task"], needle.kind) == ("needle", "mcq")
    assert (told.id, told.kind, told.group["task"]) == ("sub_scene-1", "open", "sub_scene")


def test_the_files_of_the_other_split_are_refused(tmp_path):
    (tmp_path / "MLVU_Test").mkdir()
    (tmp_path / "MLVU_Test/1_plotQA.json").write_text(json.dumps([NEEDLE]))
    with pytest.raises(DatasetError, match="is not of the split validation"):
        load_dataset("mlvu", root=tmp_path, split="validation")
