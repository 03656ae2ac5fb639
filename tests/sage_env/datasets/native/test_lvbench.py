"""Laws of `sage_env.datasets.native.lvbench`: rows of ours in its format become items."""

import warnings

from algos.evaluation.groups import group_keys, in_group
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.report_keys import each_value
from tests.helpers.native.laid_out import touch, write_rows

VIDEO = {
    "key": "LvFAKE_key1", "type": "cartoon",
    "video_info": {"duration_minutes": 61, "fps": 25.0, "resolution": {"width": 640}},
    "qa": [
        {
            "uid": "10", "question": "Who opens the door?\n(A) a fox\n(B) 3\n(C) nobody\n(D) B",
            "answer": "B", "question_type": ["entity recognition", "reasoning"],
            "time_reference": "01:00:15-01:00:12",
        },
        {
            "uid": "11", "question": "What is on the sign?\n(A) 00:15\n(B) 15:00\n(C) it\n(D) no",
            "answer": "(A)", "question_type": ["key information retrieval"],
            "time_reference": "75:10",
        },
    ],
}  # fmt: skip
FLAT = {
    "key": "other", "type": "sport", "uid": 12, "question_type": "['reasoning']",
    "question": "Who wins?\n(A) the first\n(B) the second\n(C) both\n(D) neither", "answer": "C",
    "time_reference": "all of it",
}  # fmt: skip


def test_questions_of_videos_become_items(tmp_path):
    write_rows(
        tmp_path / "data/video_info.meta.jsonl", [VIDEO, {**VIDEO, "key": "empty", "qa": []}]
    )
    touch(tmp_path, "all_videos/LvFAKE_key1.mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a video without questions is no row that is left out
        first, second = load_dataset("lvbench", root=tmp_path, split="test")
    assert (first.id, first.question) == ("10", "Who opens the door?")
    assert first.choices == ("a fox", "3", "nobody", "B")
    assert first.answer == "3"
    assert first.evidence == ((3612.0, 3615.0),)  # it was written backwards
    assert first.group == {"type": "cartoon", "question_type": "entity recognition | reasoning"}
    assert first.video == tmp_path / "all_videos/LvFAKE_key1.mp4"
    assert first.duration is None  # whole minutes are not seconds
    assert second.choices[0] == second.answer == "00:15"
    assert second.evidence == ((4510.0, 4511.0),)


def test_rows_of_the_mirror_become_items(tmp_path):
    write_rows(tmp_path / "lvbench.parquet", [FLAT, {**FLAT, "uid": 13, "question_type": "a, b"}])
    one, two = load_dataset("lvbench", root=tmp_path, split="test")
    assert (one.id, one.answer, one.evidence) == ("12", "both", ())
    assert one.group["question_type"] == "reasoning"
    assert each_value(two.group["question_type"]) == ("a", "b")


def test_a_question_of_several_types_counts_under_each(tmp_path):
    write_rows(tmp_path / "video_info.meta.jsonl", [VIDEO])
    items = load_dataset("lvbench", root=tmp_path, split="test")
    for kind, count in (("entity recognition", 1), ("reasoning", 1), ("recognition", 0)):
        assert sum(in_group(item, {"question_type": kind}) for item in items) == count
    many = [{"question_type": f"{k} | {k + 1}"} for k in range(49)]
    assert group_keys(many, ["0-60"] * 49) == ["question_type"]  # fifty values
    assert group_keys([*many, {"question_type": "x"}], ["0-60"] * 50) == []
