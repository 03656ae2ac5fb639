"""Laws of `sage_env.states`, `actions.action_record`: a state goes on as if nothing were."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sage_env import Answer, Invalid, Sample, Skip, UseTool, VideoQAEnv, Zoom
from sage_env.actions.action_record import action_record, read_action_record
from sage_env.datasets.item import item_digest
from sage_env.datasets.matching import Judged
from sage_env.errors import JudgeError, ResetNeeded, StateError, VideoError
from sage_env.rewards import sage
from sage_env.states.random_record import random_record, read_random
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from tests.helpers.source_tree import ROOT
from tests.helpers.tools_to_try import Blueness, Echo

ARGUMENTS: dict[str, Any] = {
    "dataset": ITEMS,
    "opener": open_memory,
    "frame_size": (6, 8),
    "max_frames": 40,
    "frames_per_turn": 5,
    "overview_frames": 4,
    "tools": [Echo(), Blueness()],
    "reward": sage(early=0.3),
}
PLAY = [
    Sample(10, 30, 3),
    Invalid("zoom!\ud800", "no JSON"),
    Zoom(20, 24, 9, (0.0, 0.25, 0.5, 1.0)),
    UseTool("echo", {"text": "ärger\u2028", "times": 2}),
    UseTool("blueness", {"at": 31.5}),
    UseTool("echo", {"times": 2}),
    Sample(50, 9000, 1000),
    Skip(12.25),
    Sample(10, 30, 3),
    Answer("star", ((20.0, 24.0),)),
]
"""Every kind of turn: served, clamped, refused, repeated, of a tool; ten of them."""


def make(**changes: Any) -> VideoQAEnv:
    return VideoQAEnv(**{**ARGUMENTS, **changes})


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    written = json.dumps(state, allow_nan=False)
    assert json.loads(written) == state, "tuples and keys that are no text come back as others"
    return json.loads(written)


def same(one: Any, other: Any) -> bool:
    """Return whether two returns of step or reset are equal, but for what a clock says."""
    return data_equivalence(one, other) and without_clocks(one) == without_clocks(other)


def without_clocks(returned: Any) -> str:
    return re.sub(r"decode_seconds=[^,)]*", "", repr(returned))


@pytest.mark.parametrize("arguments", [{}, {"snap": True, "overview_frames": 0}])
@pytest.mark.parametrize("turn", range(len(PLAY) + 1))
def test_another_environment_goes_on_from_any_turn_in_the_same_way(turn, arguments):
    """Frames, times, rewards, infos, the history, and the questions that are drawn later."""
    env, other = (make(max_turns=12, **arguments) for _ in range(2))
    env.reset(seed=3)
    env.reset()  # questions were drawn before: the generator stands somewhere
    env.reset(options={"item_id": "which", "max_frames": 25, "max_turns": 10})
    for action in PLAY[:turn]:
        env.step(action)
    state = through_json(env.get_state())
    other.reset(seed=8)
    other.step(Skip(5.0))
    other.set_state(state)
    assert other.history == env.history and other.get_state() == state
    for action in PLAY[turn:]:
        assert same(env.step(action), other.step(action)), action
    assert other.history == env.history and other.history.ended
    assert [same(env.reset(), other.reset()) for _ in range(4)] == [True] * 4


def test_what_the_machine_spent_goes_on_being_counted():
    env, other = make(), make()
    env.reset(seed=0, options={"item_id": "which"})
    state = env.get_state()
    state["episode"]["spent"] |= {"frames_decoded": 7, "decode_seconds": 2.5, "frames_cached": None}
    other.set_state(state)
    _, _, _, _, info = other.step(Sample(0, 50, 3))
    assert info["spent"].decode_seconds > 2.5
    assert info["spent"].frames_decoded is None  # this video does not count: never 7, never 0
    assert info["spent"].frames_shown == 7


times = st.floats(0, 90, allow_subnormal=False)
actions = st.one_of(
    st.builds(Skip, times),
    st.builds(lambda s, n, k: Sample(s, s + n, k), times, st.floats(0.01, 60), st.integers(1, 9)),
    st.builds(lambda s, n, k: Zoom(s, s + n, k), times, st.floats(0.01, 9), st.integers(1, 9)),
    st.builds(Invalid, st.text(), st.text(st.characters(codec=None))),
    st.builds(lambda text: UseTool("echo", {"text": text}), st.text()),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(actions, min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 2**70))
@example([Sample(1 / 3, 2 / 3, 3)] * 3, 1, 2**70)
def test_any_play_can_be_cut_anywhere(play, cut, seed):
    env, other = make(), make()
    env.reset(seed=seed, options={"item_id": "which"})
    for action in play[:cut]:
        env.step(action)
    other.set_state(through_json(env.get_state()))
    for action in play[cut:]:
        assert same(env.step(action), other.step(action))
    assert same(env.reset(), other.reset())


@given(st.one_of(actions, st.builds(Answer, st.text(min_size=1, max_size=9))))
def test_an_action_comes_back_from_its_record(action):
    assert read_action_record(json.loads(json.dumps(action_record(action)))) == action


def test_a_damaged_record_of_an_action_never_becomes_an_invalid_action():
    with pytest.raises(ValueError, match="cannot be read"):
        read_action_record({"action": '{"action": "skip", "to": -'})


IN_ANOTHER_PROCESS = """
import json, sys
import numpy
from tests.sage_env.states.test_saved_states import PLAY, make, without_clocks
numpy.set_printoptions(threshold=sys.maxsize)
env, turn = make(), int(sys.argv[1])
env.set_state(json.load(sys.stdin))
for action in PLAY[turn:]:
    print(without_clocks(env.step(action)))
print(without_clocks(env.reset()))
"""


def test_another_process_goes_on_in_the_same_way():
    env, turn = make(), 4
    env.reset(seed=5, options={"item_id": "which"})
    for action in PLAY[:turn]:
        env.step(action)
    there = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(turn)],
        input=json.dumps(env.get_state()),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with np.printoptions(threshold=sys.maxsize):
        here = [without_clocks(env.step(action)) for action in PLAY[turn:]]
        here.append(without_clocks(env.reset()))
    assert there.stdout == "\n".join(here) + "\n"


def test_wrappers_play_on_around_a_state_that_is_set():
    """`gym.make` wants a `reset` of its own first; what follows is the state's."""
    env, other = (gym.make("sage_env:SageVideoQA-v0", **ARGUMENTS) for _ in range(2))
    env.reset(seed=1, options={"item_id": "which"})
    env.step(PLAY[0])
    other.unwrapped.set_state(env.unwrapped.get_state())
    with pytest.raises(gym.error.ResetNeeded):
        other.step(PLAY[1])
    other.reset(seed=4)
    other.unwrapped.set_state(env.unwrapped.get_state())
    for action in PLAY[1:]:
        assert same(env.step(action), other.step(action))


def test_before_an_episode_and_after_one():
    env, other = make(), make()
    other.reset(seed=9)
    other.set_state(through_json(env.get_state()))
    with pytest.raises(ResetNeeded):
        other.step(Skip(1.0))
    with pytest.raises(ResetNeeded):
        other.history  # noqa: B018
    env.reset(seed=2, options={"item_id": "which"})
    env.step(Answer("moon"))
    other.set_state(through_json(env.get_state()))
    with pytest.raises(ResetNeeded):
        other.step(Skip(1.0))
    assert other.history == env.history and other.history.verdict is False


def test_an_answer_that_was_not_judged_stays_so():
    def dead(item: Any, text: str) -> bool:
        raise JudgeError("no reply")

    env, other = make(judge=dead), make(judge=dead)
    env.reset(seed=0, options={"item_id": "who"})
    with pytest.raises(JudgeError):
        env.step(Answer("an owl"))
    other.set_state(through_json(env.get_state()))
    assert other.history == env.history and other.history.verdict is None
    with pytest.raises(ResetNeeded):
        other.step(Skip(1.0))


class Sure:
    """A judge that says why."""

    def judged(self, item: Any, text: str) -> Judged:
        return Judged(False, "an owl is no fox", {"judge": "sure", "model": "m1"})

    __call__ = judged


def test_what_a_judge_said_comes_back():
    env, other = make(judge=Sure()), make(judge=Sure())
    env.reset(seed=0, options={"item_id": "who"})
    env.step(Answer("an owl"))
    other.set_state(through_json(env.get_state()))
    assert other.history == env.history
    assert other.history.judged == Sure().judged(None, "")


def test_a_state_shares_nothing_with_the_environment():
    env = make()
    env.reset(seed=0, options={"item_id": "which"})
    state = env.get_state()
    before = json.dumps(state)
    env.step(Sample(0, 9, 2))
    assert json.dumps(state) == before
    state["settings"]["max_turns"] = -1
    state["episode"]["looks"].clear()
    assert env.get_state()["settings"]["max_turns"] == 10


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": ITEMS[:3]}, "dataset questions 4, here 3"),
        ({"dataset": (*ITEMS[:3], replace(ITEMS[3], answer="12:31"))}, "dataset digest"),
        ({"max_turns": 11}, "settings max_turns 10, here 11"),
        ({"frame_size": (6, 9)}, r"settings frame_size \[6, 8\], here \[6, 9\]"),
        ({"snap": True}, "settings snap False, here True"),
        ({"overview_frames": 3}, "overview_frames 4, here 3"),
        ({"tools": [Echo()]}, "blueness"),
        ({"reward": sage(early=0.4)}, r"early=0\.3.*early=0\.4"),
        ({"judge": lambda item, text: True}, "the judge None, here"),
    ],
)
def test_a_state_of_something_else_is_refused_and_what_differs_is_named(changes, said):
    env, other = make(), make(**changes)
    env.reset(seed=0, options={"item_id": "which"})
    other.reset(seed=0, options={"item_id": "which"})
    before = other.get_state()
    with pytest.raises(StateError, match=said):
        other.set_state(env.get_state())
    assert other.get_state() == before
    other.step(Skip(1.0))  # it goes on as it was


def test_another_version_is_refused():
    env = make()
    state = env.get_state() | {"state version": 2}
    with pytest.raises(StateError, match="state version 2, here 1"):
        env.set_state(state)


def damaged(state: dict[str, Any]) -> list[Any]:
    """Return states that nobody gave."""
    episode = state["episode"]

    def changed(**changes: Any) -> dict[str, Any]:
        return {**state, "episode": {**episode, **changes}}

    lacking = {k: v for k, v in episode.items() if k != "cursor"}
    return [
        None,
        [],
        {},
        {**state, "episode": None},
        {**state, "episode": lacking},
        {**state, "item": "nobody"},
        {**state, "random": {"bit_generator": "os"}},
        {k: v for k, v in state.items() if k != "running"},
        changed(cursor=None),
        changed(frames_left="9"),
        changed(actions=[{"action": "{"}]),
        changed(looks=[{}]),
        changed(budget={"turns": 3}),
        changed(spent=7),
        changed(looks=[{**episode["looks"][0], "span": [10**400, 10**401]}]),
        changed(looks=[{**episode["looks"][0], "seconds": [10**400]}]),
    ]


@pytest.mark.parametrize("number", range(16))
def test_a_damaged_state_is_refused_and_nothing_is_lost(number):
    env = make()
    env.reset(seed=0, options={"item_id": "which"})
    env.step(PLAY[0])
    before = env.get_state()
    with pytest.raises(StateError):
        env.set_state(damaged(env.get_state())[number])
    assert env.get_state() == before
    env.step(PLAY[1])


def test_a_video_that_is_another_one_by_now_is_told():
    lengths = {"60.memory": "60.memory"}
    env = make(opener=lambda path: open_memory(lengths.get(path.name, path.name)))
    env.reset(seed=0, options={"item_id": "which"})
    state = env.get_state()
    env.close()
    lengths["60.memory"] = "61.memory"
    with pytest.raises(StateError, match="60.0 s, and .* has 61.0 s"):
        env.set_state(state)
    with pytest.raises(ResetNeeded):
        env.step(Skip(1.0))
    lengths["60.memory"] = "gone"
    env.close()
    with pytest.raises(VideoError):
        env.set_state(state)


def test_a_picture_of_the_episode_is_the_same_after_a_state_was_set():
    env, other = (make(render_mode="rgb_array", frame_size=(48, 64)) for _ in range(2))
    env.reset(seed=0, options={"item_id": "which"})
    for action in PLAY:
        other.set_state(env.get_state())
        assert np.array_equal(env.render(), other.render()), action
        env.step(action)
    other.set_state(env.get_state())
    assert np.array_equal(env.render(), other.render())


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"])
def test_a_random_generator_comes_back(kind):
    generator = np.random.Generator(getattr(np.random, kind)(7))
    generator.integers(10, dtype=np.uint32)  # keeps half a draw back
    again = read_random(json.loads(json.dumps(random_record(generator))))
    assert again is not None and again.random(99).tolist() == generator.random(99).tolist()
    assert again.integers(10, dtype=np.uint32) == generator.integers(10, dtype=np.uint32)


def test_a_digest_is_of_every_field_and_of_no_folder(tmp_path):
    item = ITEMS[0]
    moved = replace(item, video=tmp_path / item.video.name)
    assert item_digest([item]) == item_digest([moved])
    for changes in ({"answer": "moon"}, {"tolerance": 1.0}, {"group": {}}, {"evidence": ()}):
        assert item_digest([replace(item, **changes)]) != item_digest([item])
    assert item_digest(ITEMS[:2]) != item_digest(ITEMS[1::-1])
