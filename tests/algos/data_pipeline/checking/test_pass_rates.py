"""Laws of `algos.data_pipeline.checking.pass_rates`: by hand, and against drawing k of n plays."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.checking.check_kinds import Subject
from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.pass_rates import (
    RL_FILE,
    PassRate,
    mean_pass_rates,
    pass_rates,
    write_rates,
)
from algos.data_pipeline.checking.planned_plays import plan_passes
from algos.runs.json_files import read_json
from tests.helpers.data_line.checked_questions import generated


@given(st.integers(1, 7), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(judged, data) -> None:
    right, k = data.draw(st.integers(0, judged)), data.draw(st.integers(1, judged))
    plays = [place < right for place in range(judged)]
    drawn = [any(some) for some in combinations(plays, k)]
    assert PassRate("q", right, judged, judged).pass_at(k) == pytest.approx(sum(drawn) / len(drawn))


@pytest.mark.parametrize("k", [0, 3])
def test_more_plays_than_were_judged_tell_nothing(k) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} needs {k} judged plays, got 2"):
        PassRate("q", 1, 2, 4).pass_at(k)


@pytest.mark.parametrize(
    ("right", "judged", "mixed"),
    [(0, 4, False), (4, 4, False), (1, 4, True), (3, 4, True), (0, 3, None), (3, 3, None),
     (1, 2, True), (0, 0, None)],
)  # fmt: skip
def test_what_can_be_learned_from_is_neither_always_nor_never_right(right, judged, mixed) -> None:
    assert PassRate("q", right, judged, 4).mixed is mixed


def test_the_means_are_over_questions_whose_plays_are_all_judged() -> None:
    rates = {"a": PassRate("a", 1, 4, 4), "b": PassRate("b", 3, 4, 4), "c": PassRate("c", 3, 3, 4)}
    assert mean_pass_rates(rates) == {1: 0.5, 4: 1.0}
    assert mean_pass_rates({"c": rates["c"]}) == mean_pass_rates({}) == {}


def test_a_play_without_a_verdict_is_not_judged_and_the_file_says_which_are_mixed(tmp_path) -> None:
    settings = CheckSettings(rl_policy="p", rl_tries=3)
    subjects = [
        Subject(generated(name, "60_a.mp4").item(Path("v")), "visual") for name in ("mixed", "late")
    ]
    planned = plan_passes(subjects, settings).plays
    verdicts = {"mixed": [True, False, None], "late": [False, False, None]}
    plays = {
        one.key: CheckPlay(
            key=one.key,
            question=one.question,
            check="pass",
            answerer="p",
            trial=one.trial,
            verdict=verdicts[one.question][one.trial],
        )
        for one in planned
        if one.trial < 2 or one.question == "mixed"  # one was not played at all
    }
    rates = pass_rates(planned, plays)
    assert list(rates.values()) == [PassRate("mixed", 1, 2, 3), PassRate("late", 0, 2, 3)]
    write_rates(tmp_path, "p", rates)
    told = read_json(tmp_path / RL_FILE)
    assert told["ids"] == ["mixed"] and told["rates"] == {"mixed": [1, 2, 3], "late": [0, 2, 3]}
