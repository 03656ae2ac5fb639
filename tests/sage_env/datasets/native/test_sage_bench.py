"""Laws of `sage_env.datasets.native.sage_bench`: rows of ours in its format become items."""

import pytest

from sage_env.datasets.loading import load_dataset
from tests.helpers.native.laid_out import touch, write_rows

BEHIND = "\n Answer the question based on the following options: \n "
CHOICE = {
    "video_id": "aBc-12_45xyz", "gt_answer": "the red kite", "ques_type": "mcq",
    "difficulty": "easy", "modality": "visual", "video_duration": "0:01:35",
    "duration_seconds": 95.5,
    "question": f"What flies?{BEHIND}(A) a drone\n (B) the red kite\n (C) a gull\n (D) 2\n (E) no",
}  # fmt: skip
OPEN = {
    "video_id": "second", "gt_answer": "He waters the plant.", "ques_type": "open-ended",
    "difficulty": "hard", "modality": "both", "video_duration": "0:20:00",
    "duration_seconds": 1200.0, "question": "What does the man do after 05:10?",
}  # fmt: skip
ODD = {
    **CHOICE, "video_id": "third", "gt_answer": "a kite that is red", "duration_seconds": None,
    "difficulty": None,
}  # fmt: skip


@pytest.mark.parametrize("name", ["data/test-00000-of-00001.parquet", "sage_bench.json"])
def test_rows_become_items(tmp_path, name):
    write_rows(tmp_path / name, [CHOICE, OPEN, ODD])
    touch(tmp_path, "yt/A walk [second-b12].mp4", "yt/aBc-12_45xyz.MKV", "yt/aBc-12_45xyz.en.srt")
    touch(tmp_path, "subs/second.vtt")
    choice, asked, odd = load_dataset("sage-bench", root=tmp_path, split="test")
    assert choice.question == "What flies?"
    assert choice.choices == ("a drone", "the red kite", "a gull", "2", "no")
    assert (choice.answer, choice.kind, choice.duration) == ("the red kite", "mcq", 95.5)
    assert choice.video == tmp_path / "yt/aBc-12_45xyz.MKV"
    assert choice.group == {"ques_type": "mcq", "difficulty": "easy", "modality": "visual"}
    assert (asked.kind, asked.choices, asked.answer) == ("open", (), "He waters the plant.")
    assert asked.group["ques_type"] == "open_ended"
    assert asked.video == tmp_path / "videos/second.mp4"
    assert asked.subtitles == tmp_path / "subs/second.vtt"
    # A gold answer that is none of the options is left to a judge, and the options stay.
    assert (odd.kind, odd.choices, odd.answer) == ("open", (), "a kite that is red")
    assert odd.question == ODD["question"]
    assert odd.duration == 95.0
    assert odd.group == {"ques_type": "mcq", "modality": "visual"}


def test_ids_depend_on_the_question_and_not_on_its_place(tmp_path):
    write_rows(tmp_path / "one/sage-bench.json", [CHOICE, OPEN, {**OPEN, "question": "Else?"}])
    write_rows(tmp_path / "two/sage-bench.json", [{**OPEN, "question": "Else?"}, CHOICE, OPEN])
    ids = [
        {
            item.question: item.id
            for item in load_dataset("sage-bench", root=tmp_path / x, split="test")
        }
        for x in ("one", "two")
    ]
    assert ids[0] == ids[1] and len(set(ids[0].values())) == 3
