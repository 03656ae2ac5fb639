"""Laws of `algos.exchange.question_match`: a question is ours, or it is not; never perhaps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from algos.exchange.foreign_rows import UNKNOWN_VIDEO, ForeignQuestion
from algos.exchange.question_match import matched
from sage_env import QAItem

OURS = [
    QAItem("1", Path("v/abc.mp4"), "Who runs?", ("a dog", "a cat"), "a dog", "mcq"),
    QAItem("2", Path("v/abc.mp4"), "Who runs? And why?", answer="fun"),
    QAItem("3", Path("v/xyz.mkv"), "Who runs?", answer="a cat"),
    QAItem("4", Path("v/xyz.mkv"), "When?", answer="5"),
    QAItem("5", Path("v/xyz.mkv"), "WHEN", answer="6"),
]


def theirs(question: str, video: str = "data/x/abc.MP4", name: str = "md5") -> ForeignQuestion:
    return ForeignQuestion(QAItem(name, Path(video), question, answer="?"), "a dog", True)


def found(question: ForeignQuestion) -> str | None:
    kept, lost = matched([question], OURS)
    assert len(kept) + len(lost) == 1
    return kept[0].item.id if kept else None


def test_choices_behind_the_question_case_and_blanks_do_not_matter() -> None:
    assert found(theirs("who  RUNS?\n Answer from: \n (A) a dog\n (B) a cat")) == "1"
    assert found(theirs("Who runs? And why?")) == "2"  # the longer one that fits
    assert found(theirs("Who runs?", "xyz.webm")) == "3"


def test_what_fits_twice_or_not_at_all_is_left_out() -> None:
    assert found(theirs("When?", "xyz.mp4")) is None
    assert found(theirs("Who sleeps?")) is None
    assert found(theirs("Who runs?", "other.mp4")) is None
    assert found(theirs("Who run")) is None


def test_an_id_of_ours_counts_and_without_a_video_the_text_must_be_the_only_one() -> None:
    assert found(theirs("anything", "other.mp4", "4")) == "4"
    assert found(theirs("Who runs? And why?", str(UNKNOWN_VIDEO))) == "2"
    assert found(theirs("Who runs?", str(UNKNOWN_VIDEO))) is None


def test_the_answer_stays_theirs_and_the_question_becomes_ours() -> None:
    question = replace(theirs("Who runs?"), known={"attempts": 3})
    (kept,), lost = matched([question], OURS)
    assert not lost and kept.item == OURS[0]
    row = kept.row()
    assert (row["id"], row["gold"], row["prediction"], row["attempts"]) == (
        "1",
        "a dog",
        "a dog",
        3,
    )
