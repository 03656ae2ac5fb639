"""Laws of `algos.data_pipeline.checking`: `hold_out`, `pass_rates`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.checking.check_plays import Answering
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.hold_out import is_held_out
from algos.data_pipeline.checking.pass_rates import RL_FILE, PassRate, mean_pass_rates
from algos.data_pipeline.checking.question_check import check_questions
from algos.data_pipeline.questions.question_files import HOLD_OUT, QUESTIONS
from sage_env.datasets.json_lines import read_jsonl
from tests.helpers.data_line.checked_questions import (
    Coloured,
    SeesColours,
    generated,
    write_generated,
)


@given(st.text(max_size=20), st.integers(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_the_same_and_more(video, seed, share, other) -> None:
    low, high = sorted((share, other))
    assert is_held_out(video, low, seed) <= is_held_out(video, high, seed)


def test_about_the_share_is_held_out_and_another_seed_holds_out_others() -> None:
    names = [f"folder/{k}.mp4" for k in range(2000)]
    held = [{name for name in names if is_held_out(name, 0.2, seed)} for seed in (0, 1)]
    assert 330 < len(held[0]) < 470
    assert len(held[0] & held[1]) < 130
    assert not any(is_held_out(name, 0.0, 0) for name in names)
    assert all(is_held_out(name, 1.0, 0) for name in names)


def test_all_questions_of_a_video_are_on_one_side_and_more_videos_change_nothing(tmp_path) -> None:
    settings = CheckSettings(answerers=("sees",), checks=("sufficient",), held_out=0.4)
    how = Answering({"sees": SeesColours()}, Coloured)

    def questions(count: int):
        for k in range(count):
            for n in range(2):
                start = 100 + n
                yield generated(
                    f"q{k}-{n}",
                    f"600_red@100-103_teal@{k}-{k}.mp4",
                    question=f"Which colour is at number {n}?",
                    evidence=((float(start), start + 0.5),),
                )

    told = []
    for count in (4, 9):
        folder = write_generated(tmp_path / str(count), questions(count)) if count else tmp_path
        check_questions(folder, settings, how=how)
        told.append(json.loads((folder / HOLD_OUT).read_text()))
        test = {item.id for item in read_jsonl(folder / QUESTIONS, split="test")}
        train = {item.id for item in read_jsonl(folder / QUESTIONS, split="train")}
        assert test == set(told[-1]["ids"]) and not test & train
        assert {name.split("-")[0] for name in test}.isdisjoint(n.split("-")[0] for n in train)
    assert 0 < len(told[0]["videos"]) < 4
    first_four = {f"600_red@100-103_teal@{k}-{k}.mp4" for k in range(4)}
    assert first_four & set(told[1]["videos"]) == set(told[0]["videos"])


def test_pass_at_k_by_hand() -> None:
    rate = PassRate("q", right=1, judged=4, tries=4)
    assert [rate.pass_at(k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]
    assert PassRate("q", 2, 4, 4).pass_at(2) == pytest.approx(1 - 1 / 6)
    assert PassRate("q", 0, 4, 4).pass_at(4) == 0 and PassRate("q", 4, 4, 4).pass_at(1) == 1
    with pytest.raises(ValueError, match="pass@5 needs 5"):
        rate.pass_at(5)


def test_mixed_is_strictly_between_and_open_while_plays_are_missing() -> None:
    assert PassRate("q", 1, 4, 4).mixed and PassRate("q", 3, 4, 4).mixed
    assert PassRate("q", 0, 4, 4).mixed is False and PassRate("q", 4, 4, 4).mixed is False
    assert PassRate("q", 3, 3, 4).mixed is None and PassRate("q", 0, 0, 4).mixed is None
    assert PassRate("q", 1, 2, 4).mixed is True, "whatever the other two are"


def test_the_questions_for_rl_are_those_that_the_policy_gets_right_sometimes(tmp_path) -> None:
    class Learns(SeesColours):
        """Right in each second play of one question, always of one, and never of one."""

        temperature = 0.0
        used: list[float] = []

        def answer(self, observation, episode):
            name, check, trial = episode.split("/")
            if check != "pass":
                return super().answer(observation, episode)
            self.used.append(self.temperature)
            right = {"always": True, "never": False, "half": int(trial) % 2 == 0}[name]
            return "red" if right else "teal"

    questions = [
        generated(name, f"600_red@100-103_{name}.mp4") for name in ("always", "never", "half")
    ]
    policy = Learns()
    settings = CheckSettings(
        answerers=("learns",),
        checks=("sufficient",),
        temperature=0.5,
        rl_policy="learns",
        rl_tries=4,
        held_out=0,
    )
    folder = write_generated(tmp_path, questions)
    report = check_questions(folder, settings, how=Answering({"learns": policy}, Coloured))
    told = json.loads((tmp_path / RL_FILE).read_text())
    assert told["ids"] == ["half"]
    assert told["rates"] == {"always": [4, 4, 4], "never": [0, 4, 4], "half": [2, 4, 4]}
    assert report.rates["half"].pass_at(2) == pytest.approx(5 / 6)
    assert set(policy.used) == {1.0}, "played at temperature 1"
    assert mean_pass_rates(report.rates) == pytest.approx({1: 0.5, 4: 2 / 3})
    assert "1 of 3 questions have right plays and wrong ones; pass@1 50.0%" in report.text()
