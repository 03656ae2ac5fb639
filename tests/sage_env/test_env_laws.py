"""Laws of `sage_env.env`, `history`: whatever is done, generated actions, steps too many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sage_env.actions.action import Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.env import VideoQAEnv
from sage_env.errors import ResetNeeded
from sage_env.rewards import sage
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from tests.helpers.tools_to_try import Blueness, Echo

TURNS, FRAMES = 12, 60
starts = st.one_of(st.floats(0, 70), st.floats(0, 4000), st.sampled_from([0.0, 60.0, 1e300]))
lengths = st.one_of(st.floats(1e-9, 90), st.floats(1, 1e6))
spans = st.tuples(starts, lengths).map(lambda s: (s[0], max(s[0] + s[1], s[0] * (1 + 1e-9))))
counts = st.one_of(st.integers(1, 9), st.integers(1, 10**6))
corners = st.floats(0, 0.9)
boxes = st.none() | st.tuples(corners, corners).map(lambda p: (*p, 1.0, p[1] + 0.05))
arguments = st.one_of(
    st.fixed_dictionaries({"text": st.text()}, optional={"times": st.integers(-1, 6)}),
    st.fixed_dictionaries({"at": st.floats(-1, 700) | st.none()}),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)
names = st.sampled_from(["echo", "blueness"]) | st.text(min_size=1)
actions = st.one_of(
    st.builds(Skip, starts),
    st.builds(lambda s, n: Sample(*s, n), spans, counts),
    st.builds(lambda s, n, b: Zoom(*s, n, b), spans, counts, boxes),
    st.builds(Invalid, st.text(), st.text(st.characters(codec=None))),
    st.builds(UseTool, names, arguments),
)
answers = st.builds(Answer, st.sampled_from(["A", "B", "star", "301", "the fox", "nothing", "\0"]))


class Episodes(RuleBasedStateMachine):
    """An environment, what it owes us after each call, and what it has told us so far."""

    checked = 0  # observations, of all machines

    def __init__(self):
        super().__init__()
        self.env = VideoQAEnv(
            dataset=ITEMS, opener=open_memory, frame_size=(3, 4), max_turns=TURNS,
            max_frames=FRAMES, frames_per_turn=8, overview_frames=6, tools=[Echo(), Blueness()],
            reward=sage(early=0.3, reasonable=lambda item, action, history: True),
        )  # fmt: skip
        self.running, self.turns, self.frames, self.spent = False, 0, 0, None

    @rule(seed=st.none() | st.integers(0, 99))
    def reset(self, seed):
        observation, info = self.env.reset(seed=seed)
        self.running, self.turns, self.frames = True, 0, info["spent"].frames_shown
        self.spent = info["spent"]
        assert info["stop_reason"] is None and info["reward_terms"] == {}
        self.check(observation)

    @precondition(lambda self: self.running)
    @rule(several=st.lists(actions, min_size=3, max_size=12))
    def look(self, several):
        for action in several:
            if self.running:
                self.step(action)

    @precondition(lambda self: self.running)
    @rule(answer=answers)
    def answer(self, answer):
        self.step(answer)

    @precondition(lambda self: not self.running)
    @rule(action=st.one_of(actions, answers))
    def step_too_many(self, action):
        with pytest.raises(ResetNeeded):
            self.env.step(action)

    @precondition(lambda self: self.running)
    @rule(thing=st.sampled_from([None, "skip", 3, (0.0, 1.0)]))
    def step_with_something_else(self, thing):
        with pytest.raises(TypeError):
            self.env.step(thing)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.turns += 1
        self.frames += observation["num_frames"]
        assert reward == sum(info["reward_terms"].values()) and isinstance(reward, float)
        assert terminated is (isinstance(action, Answer) or self.turns == TURNS)
        assert truncated is False
        assert ("correct" in info) is terminated is (info["stop_reason"] is not None)
        spent = info["spent"]
        assert spent.turns == self.turns == len(self.env.history.actions)
        assert all(spent[name] >= self.spent[name] for name in spent if spent[name] is not None)
        assert 0 <= spent.frames_unique <= spent.frames_shown == self.frames
        assert spent.seconds_covered <= observation["duration"] * (1 + 1e-6)
        times = info["frame_seconds"]
        assert len(times) == observation["num_frames"] and times == sorted(set(times))
        assert (info["span"] is not None) >= bool(times)
        assert observation["text"] == self.env.history.looks[-1].text
        self.spent, self.running = spent, not terminated
        self.check(observation)

    def check(self, observation):
        Episodes.checked += 1
        assert observation in self.env.observation_space
        assert observation["turns_left"] == TURNS - self.turns >= 0
        assert observation["frames_left"] == FRAMES - self.frames >= 0
        assert 0 <= observation["cursor"] <= observation["duration"]
        shown = observation["num_frames"]
        assert not observation["frames"][shown:].any()
        assert (observation["seconds"][shown:] == -1).all()
        seconds = observation["seconds"][:shown]
        assert ((seconds >= 0) & (seconds < observation["duration"])).all()


def test_laws_hold_in_any_order_of_calls():
    limits = settings(max_examples=20, stateful_step_count=20)
    before = Episodes.checked
    run_state_machine_as_test(Episodes, settings=limits)
    assert Episodes.checked > before + 20


def drawn(random, odd):
    """Draw an action, odd ones among them."""
    kind = random.integers(12)
    start, length = random.uniform(0, 4000) ** random.uniform(0, 1), random.exponential(30) + 1e-9
    count = int(random.integers(1, 12) if random.integers(8) else 10 ** random.integers(1, 6))
    if kind == 0:
        return Answer(odd[random.integers(len(odd))])
    if kind < 3:
        return Skip(start)
    if kind < 6:
        return Sample(start, start + length, count)
    if kind < 9:
        x, y = random.uniform(0, 0.9, 2).tolist()
        return Zoom(start, start + length, count, (x, y, 1.0, y + 0.05) if kind > 7 else None)
    if kind == 9:
        return Invalid("?", odd[random.integers(len(odd))])
    if kind == 10:
        return UseTool("blueness", {"at": float(start - 1)})
    return UseTool("echo", {"text": odd[random.integers(len(odd))], "times": count})


@pytest.mark.parametrize(
    "number", [1_000, pytest.param(20_000, marks=pytest.mark.slow, id="20000")]
)
def test_laws_hold_over_thousands_of_actions(number):
    random, machine, episodes = np.random.default_rng(number), Episodes(), 0
    odd = ["A", "star", "301", "the fox", "nothing", "", "\0", "汉", "x" * 5_000, "\u2028\n"]
    for _ in range(number):
        if not machine.running or random.integers(200) == 0:
            machine.reset(int(random.integers(1 << 31)))
            episodes += 1
        machine.step(drawn(random, odd))
        if not machine.running:
            machine.step_too_many(Skip(1.0))
    assert number / TURNS < episodes < number / 2
