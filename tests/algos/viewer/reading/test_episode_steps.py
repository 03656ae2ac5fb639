"""Laws of `algos.viewer.reading.episode_steps`, `turn_lanes`, `turn_prompts`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.telling import Telling
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.run_folder import RunFolder
from algos.runs.token_records import TurnRecord
from algos.viewer.reading.episode_steps import episode_steps
from algos.viewer.reading.turn_lanes import lanes
from algos.viewer.reading.turn_prompts import style_of, turn_prompts
from policies.base import Decision
from policies.prompt import render_user
from sage_env import Answer, Invalid, Sample, Skip, VideoQAEnv, Zoom, format_action
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS, ways
from sage_env.wrappers.chat_observations import user_text
from tests.helpers.handmade import item, result, trajectory


def measured() -> Trajectory:
    """An episode of two looks, of which the first and the overview have a credit."""
    played = trajectory("q", True, looks=((12.0, 15.0), (40.0,)))
    first, *rest = played.turns
    noted = Turn(first.decision, first.reward, {**first.info, "credit": 1.234})
    return Trajectory(
        "q", 0, [noted, *rest], {**played.start_info, "credit": -0.5}, terminated=True
    )


def test_lanes_follow_the_cursor() -> None:
    played = trajectory("x", True, looks=((12.0, 40.0),))
    moves = [Skip(60.0), Zoom(5.0, 7.0, 2), Invalid("?", "no JSON"), Skip(90.0)]
    turns = [Turn(Decision(move), 0.0, {"frame_seconds": []}) for move in moves]
    played.turns[1:1] = turns
    spans = [lane.span for lane in lanes(played)]
    assert spans == [None, (12.0, 41.0), (41.0, 60.0), (5.0, 7.0), None, (60.0, 90.0), None]


def test_the_overview_is_step_0_and_every_turn_has_what_came_back() -> None:
    steps = episode_steps(item("q"), measured())
    assert [step.turn for step in steps] == [0, 1, 2, 3]
    assert [step.action for step in steps] == ["overview", "sample", "sample", "answer"]
    seconds = [[frame.second for frame in step.frames] for step in steps]
    assert seconds == [[25.0, 75.0], [12.0, 15.0], [40.0], []]
    assert [step.credit for step in steps] == [-0.5, 1.234, None, None]
    assert steps[0].span == (0.0, 100.0) and steps[1].span == (12.0, 16.0)
    assert [step.reward for step in steps] == [None, 0.0, 0.0, 1.0]
    blind = measured()
    blind.start_info = {"frame_seconds": []}
    assert [step.turn for step in episode_steps(item("q"), blind)] == [1, 2, 3]


def test_the_credit_is_kept_in_the_run_folder(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_result("a", result((item("q"), measured())))
    (again,) = folder.load_result("a").trajectories
    assert [lane.credit for lane in lanes(again)] == [-0.5, 1.234, None, None]


ZOOM = Zoom(1.0, 2.0, 3)


@pytest.mark.parametrize(
    ("text", "thought", "raw"),
    [
        ("", None, False),
        (format_action(ZOOM), None, False),
        (format_action(ZOOM, "a red one?"), "a red one?", False),
        (f"  {format_action(ZOOM, 'hm')}\n", "hm", False),
        (f"Well. {format_action(ZOOM, 'hm')}", "hm", True),
        (f"<think>red?</think>{format_action(ZOOM)}", "<think>red?</think>", True),
        ("<think>never ended", "<think>never ended", True),
        ('{"thought": "</think>", "action": "zoom"}', "</think>", True),
    ],
)
def test_what_was_written_is_split_and_nothing_of_it_is_lost(text, thought, raw) -> None:
    played = Trajectory("q", 0, [Turn(Decision(ZOOM, text), 0.0, {"frame_seconds": []})])
    (step,) = episode_steps(item("q"), played)
    assert step.call == format_action(ZOOM) and step.thought == thought
    assert step.raw == (text if raw else None)
    if not raw and text:
        assert json.loads(text) == (
            ({"thought": thought} if thought else {}) | json.loads(step.call)
        )


def test_what_is_no_action_says_why() -> None:
    bad = Invalid("zoom!", "no JSON object was found")
    played = Trajectory("q", 0, [Turn(Decision(bad, "zoom!"), 0.0, {"frame_seconds": []})])
    (step,) = episode_steps(item("q"), played)
    assert (step.action, step.call, step.reason) == ("invalid", "zoom!", bad.reason)
    assert step.raw is None


def test_an_answer_that_was_not_judged_is_a_turn() -> None:
    played = Trajectory(
        "q", 0, [], {"frame_seconds": []}, error="JudgeError: gone",
        failed=Decision(Answer("yes", ((1.0, 2.0),)), "yes"),
    )  # fmt: skip
    (step,) = episode_steps(item("q"), played)
    assert step.turn == 1 and step.action == "answer" and step.claimed == ((1.0, 2.0),)


def test_sampled_tokens_stand_at_their_turn() -> None:
    records = [None, TurnRecord(("a", "b"), logprob=(-1.0, -2.0), value=(0.5, 0.25)), None]
    steps = episode_steps(item("q"), measured(), records)
    assert [step.pieces is not None for step in steps] == [False, False, True, False]
    assert steps[2].pieces is not None and steps[2].pieces.logprob == (-1.0, -2.0)
    assert steps[2].tokens == 2 and steps[2].value == 0.5


class Follows:
    """Plays given actions, and keeps every observation that it saw."""

    def __init__(self, actions: Any) -> None:
        self._actions = list(actions)

    def reset(self, *, seed: int | None = None) -> None:
        self.seen: list[Any] = []

    def act(self, observation: Any) -> Any:
        self.seen.append(observation)
        return self._actions[len(self.seen) - 1]


def played_ways(*, told: bool) -> Any:
    """Yield questions, episodes of every kind and what was seen in them."""
    for asked in ITEMS:
        end = float(asked.video.stem)
        cut = [Sample(0.0, end, 9), Zoom(0.0, end / 2, 8), Sample(0.0, end, 6), Answer("none")]
        for actions in [*ways(asked, end, 4), cut]:
            env: Any = VideoQAEnv(
                dataset=[asked],
                opener=open_memory,
                max_turns=4,
                max_frames=24,
                overview_frames=4,
                frames_per_turn=6,
                frame_size=(32, 32),
            )
            follows = Follows(actions)
            found: list[Trajectory] = []
            envs = [Telling(env) if told else env]
            collect(envs, follows, [EpisodeSpec(asked.id, 0)], seed=0, progress=found.append)
            yield asked, Trajectory.from_json(json.loads(json.dumps(found[0].to_json()))), follows


def test_prompts_are_what_a_policy_read_or_not_known() -> None:
    """Inferred from the record: never a wrong one, and nearly all of them."""
    known = of = 0
    for asked, played, follows in played_ways(told=False):
        prompts = turn_prompts(asked, played, "full")
        assert len(prompts) == len(played.turns) + 1
        for number, (prompt, observation) in enumerate(zip(prompts, follows.seen, strict=False)):
            read = render_user(observation, first=number == 0, style="full")
            words = "".join(piece for piece in read if isinstance(piece, str))
            wanted = re.sub(r"<[\d.]+ seconds>", "", words)
            of += 1
            if prompt is not None:
                known += 1
                assert prompt.split() == wanted.split(), (asked.id, number)
    assert known > 0.6 * of > 30


def test_every_turn_has_the_prompt_that_stood_before_it() -> None:
    for asked, played, follows in played_ways(told=True):
        steps = [step for step in episode_steps(asked, played) if step.turn]
        wanted = [user_text(seen, first=k == 0) for k, seen in enumerate(follows.seen)]
        assert [step.prompt for step in steps] == wanted[: len(steps)]


def test_where_all_words_were_kept_every_prompt_is_known() -> None:
    for asked, played, follows in played_ways(told=True):
        prompts = turn_prompts(asked, played)
        for number, observation in enumerate(follows.seen):
            assert prompts[number] == user_text(observation, first=number == 0)


def test_the_wording_follows_from_the_policy() -> None:
    names = ["sage-mm-tiny", "sage-mm:some/model", "random", None]
    assert [style_of({"policy": name}) for name in names] == ["brief", "full", None, None]
    assert style_of({}) is None
