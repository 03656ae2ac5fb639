"""Laws of `sage_env.datasets.native.cg_bench`: rows of ours in its format become items."""

from string import ascii_uppercase

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.datasets.matching import match_answer
from tests.helpers.native.laid_out import touch, write_rows

MANY = [f"scene {k}" for k in range(1, 15)]
FIRST = {
    "qid": 7, "video_uid": "3", "question": "Which scene is last?", "choices": MANY,
    "answer": "scene 14", "right_answer": "N",
    "clue_intervals": [[50, 60], [10, 20.5], [15, 30], [30, 31], [99, 400]],
    "domain": "Life Record", "sub_category": "Time Cognition", "duration": 100.5,
}  # fmt: skip
SECOND = {
    **FIRST, "qid": 8, "choices": ["A. left", "B. right"], "answer": "right", "right_answer": "B",
    "clue_intervals": [[20, 10]],
}  # fmt: skip
THIRD = {
    "qid": "9", "video_uid": "gone", "question": "What is it?", "choices": ["a cup", "a hat"],
    "answer": "A hat.", "duration": None, "domain": "Sports", "sub_category": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("cg-bench", "cgbench.json"),
        ("cg-bench", "full/test-0.parquet"),
        ("cg-bench-mini", "cgbench_mini.json"),
        ("cg-bench-mini", "mini/test-0.parquet"),
    ],
)
def test_rows_become_items(tmp_path, dataset, name):
    rows = [FIRST, SECOND, THIRD]
    write_rows(tmp_path / name, [{**row, "qid": str(row["qid"])} for row in rows])
    touch(tmp_path, "cg_videos_720p/3.mp4", "cg_clue_videos/3.mp4", "cg_clue_videos/gone.mp4")
    touch(tmp_path, "cg_subtitles/3.srt")
    first, second, third = load_dataset(dataset, root=tmp_path, split="test")
    assert (first.id, first.choices, first.answer) == ("7", tuple(MANY), "scene 14")
    assert match_answer(first, "N") and not match_answer(first, "A")
    assert ascii_uppercase[first.choices.index(first.answer)] == "N"
    assert first.evidence == ((10.0, 31.0), (50.0, 60.0), (99.0, 100.5))
    assert first.duration == 100.5
    assert first.group == {"domain": "Life Record", "sub_category": "Time Cognition"}
    # Clips of clues have the stems of videos, and are none.
    assert first.video == tmp_path / "cg_videos_720p/3.mp4"
    assert first.subtitles == tmp_path / "cg_subtitles/3.srt"
    assert (second.choices, second.answer) == (("left", "right"), "right")
    assert second.evidence == ((10.0, 20.0),)
    assert third.video == tmp_path / "cg_videos_720p/gone.mp4"
    assert (third.answer, third.evidence, third.duration) == ("a hat", (), None)
    assert third.group == {"domain": "Sports"}


def test_the_whole_and_its_part_lie_side_by_side(tmp_path):
    write_rows(tmp_path / "cgbench.json", [FIRST, SECOND])
    write_rows(tmp_path / "cgbench_mini.json", [{**SECOND, "qid": 99}])
    sizes = [
        len(load_dataset(x, root=tmp_path, split="test")) for x in ("cg-bench", "cg-bench-mini")
    ]
    assert sizes == [2, 1]
