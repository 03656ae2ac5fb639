"""Laws of `algos.data_pipeline.auditing.caught`: what was planted is counted as it was treated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from algos.data_pipeline.auditing.caught import GOOD, caught
from algos.data_pipeline.questions.question_files import Rejection, reject, write_kept
from algos.data_pipeline.stand_in.planted import Planted
from tests.helpers.data_line.checked_questions import generated, write_generated


def planted(position: int, error: str = "") -> Planted:
    return Planted(
        video="abc", request="r", position=position, question=f"q{position}", truth="t", error=error
    )


def rejected(name: str, check: str) -> Rejection:
    return Rejection(id=name, video="60_a.mp4", check=check, reason="so")


def test_errors_caught_and_good_questions_lost_by_hand(tmp_path: Path) -> None:
    record = [planted(0), planted(1), planted(2), *(planted(k, "wrong_times") for k in (3, 4))]
    record += [planted(5, "missing_field"), planted(6, "never_came")]
    ids = [one.id for one in record]
    write_generated(tmp_path, [generated(name, "60_a.mp4") for name in [*ids[:5], "edited"]])
    gone = [
        rejected(ids[1], "uniform"),
        rejected(ids[3], "sufficient"),
        rejected(ids[3], "outside"),
        rejected(ids[5], "form"),
    ]
    reject(tmp_path, gone)
    write_kept(tmp_path, {ids[0]: "train", ids[4]: "test", "edited": "train"})
    found = caught(tmp_path, record)
    lines = {line.kind: line for line in found.lines}
    assert [line.kind for line in found.lines] == [GOOD, "missing_field", "wrong_times"]
    good, times, form = lines[GOOD], lines["wrong_times"], lines["missing_field"]
    assert (good.questions, good.rejected, good.kept, good.unchecked) == (3, 1, 1, 1)
    assert good.by_check == {"uniform": 1}
    assert (times.questions, times.rejected, times.kept) == (2, 1, 1)
    assert times.by_check == {"outside": 1, "sufficient": 1} and times.first == {"sufficient": 1}
    assert (form.questions, form.rejected, form.first) == (1, 1, {"form": 1})
    assert found.unmatched == 1, "the edited one"
    assert good.interval is None, "one video"
    assert "wrong_times" in found.text() and "1 questions are not of the record" in found.text()
    assert found.to_json()["lines"][0]["kind"] == GOOD


def test_of_two_that_ask_the_same_either_may_stay(tmp_path: Path) -> None:
    """The copy came first and stays; the question that it copies is rejected for it."""
    good, copy, other = planted(0), planted(1, "near_duplicate"), planted(2)
    other = replace(other, truth="another")
    for check, kept_copies, lost_good in (("near_duplicate", 0, 0), ("sufficient", 1, 1)):
        folder = write_generated(
            tmp_path / check, [generated(one.id, "60_a.mp4") for one in (copy, good, other)]
        )
        reject(folder, [rejected(good.id, check)])
        write_kept(folder)
        lines = {line.kind: line for line in caught(folder, [good, copy, other]).lines}
        assert lines["near_duplicate"].kept == kept_copies
        assert lines[GOOD].rejected == lost_good and lines[GOOD].questions == 2
