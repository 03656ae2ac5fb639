"""Laws of `algos.exchange.playing_again`: what is shown is what was shown, or nothing is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from algos.exchange.played_entry import ExchangeError, PlayedEntry, PlayedQuestion
from algos.exchange.playing_again import actions_of, environment_of, play_again, shown_frames
from algos.rollout.playing import EpisodeSpec, collect
from policies.base import Decision
from sage_env import UseTool
from tests.helpers.clips import write_clip
from tests.helpers.played.planned_run import PLANS, Planned


def at(entry: PlayedEntry, number: int) -> tuple[PlayedQuestion, list[list[float]]]:
    """Return a question, and the times of the frames of its overview and turns when played."""
    question = entry.questions[number]
    infos = [question.trajectory.start_info, *(t.info for t in question.trajectory.turns)]
    times = [list(info["frame_seconds"]) for info in infos]
    return question, times + [[]] * question.trajectory.not_judged  # after an answer: nothing


def replay(entry: PlayedEntry, number: int, root: Path | None = None) -> list[list[float]]:
    question = entry.questions[number]
    with environment_of(entry, root=root) as env:
        actions = actions_of(question.trajectory)
        return [shown_frames(o) for o in play_again(env, question, question.trajectory, actions)]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_every_turn_shows_the_frames_that_it_showed(entry: PlayedEntry, number: int) -> None:
    _, then = at(entry, number)
    now = replay(entry, number)
    assert [len(times) for times in now] == [len(times) for times in then] and any(then)
    assert sum(now, []) == pytest.approx(sum(then, []))


def test_a_lowered_budget_is_lowered_again(entry: PlayedEntry) -> None:
    question = entry.questions[0]
    with environment_of(entry) as env:
        looks = Planned(first=PLANS["right"])
        (played,) = collect([env], looks, [EpisodeSpec(question.item.id, 1, max_turns=1)])
        assert played.num_turns == 1 and played.turns[0].info["stop_reason"] == "out_of_turns"
        seen = list(play_again(env, question, played, actions_of(played)))
    assert int(seen[0]["turns_left"]) == 1 and len(seen) == 2


def test_another_video_is_refused_and_the_same_elsewhere_is_taken(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    video = entry.questions[0].item.video
    (tmp_path / "other").mkdir()
    write_clip(tmp_path / "other" / video.name, range(0, 360, 3))
    with pytest.raises(ExchangeError, match="'q-right' shows something else .*overview.*--root"):
        replay(entry, 0, tmp_path / "other")
    (tmp_path / "same").mkdir()
    shutil.copy(video, tmp_path / "same")
    assert replay(entry, 0, tmp_path / "same") == replay(entry, 0)


def test_an_episode_that_ends_elsewhere_is_refused(entry: PlayedEntry) -> None:
    question = entry.questions[0]
    short = replace(question.trajectory, turns=question.trajectory.turns[:2])
    with environment_of(entry) as env, pytest.raises(ExchangeError, match="turn 2: the episode"):
        list(play_again(env, question, short, actions_of(short)))


def test_tools_are_called_again_only_where_that_is_allowed(entry: PlayedEntry) -> None:
    question = entry.questions[0]
    turns = list(question.trajectory.turns)
    turns[0] = replace(turns[0], decision=Decision(UseTool("search", {"query": "x"})))
    asked = replace(question, trajectory=replace(question.trajectory, turns=turns))
    told = replace(entry, questions=[asked])
    with pytest.raises(ExchangeError, match="'q-right' was answered with a tool.*--call-tools"):
        with environment_of(told):
            pass
    with environment_of(told, call_tools=True):
        pass


def test_options_that_no_environment_takes_are_refused(entry: PlayedEntry) -> None:
    odd = replace(entry, settings={"environment": {"max_turns": 0}})
    with pytest.raises(ExchangeError, match="cannot be made again: max_turns"):
        with environment_of(odd):
            pass
