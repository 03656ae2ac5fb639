"""Laws of `policies.floors`: `choice_floors`, `majority_answer`, `named_floors`: unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from algos.rollout.playing import EpisodeSpec, collect
from policies.check.policy_check import check_policy
from policies.floors import ChoiceFloor, constant, longest, majority
from policies.floors.named_floors import named_floor
from policies.registry import UnknownPolicy, load_policy
from sage_env import Answer, QAItem, Sample, VideoQAEnv
from sage_env.datasets.matching import decide_answer
from sage_env.errors import DatasetError
from sage_env.testing import open_memory

ODD_CHOICES = [
    ("red", "blue", "green"),
    ("B. blue", "A. red", "C. teal"),
    ("(b) no", "(a) yes"),
    ("C", "B", "A"),
    ("2", "1", "3"),
    ("Will", "will"),
    ("0:15", "15", "1:15"),
    ("Is it red?", "It is red"),
    ("None of the above", "Both A and C", "A"),
    tuple(f"number {k}" for k in range(14)),
]


def ask(choices: tuple[str, ...], gold: str, name: str = "q") -> QAItem:
    return QAItem(name, Path("60.memory"), "which?", choices, gold, "mcq" if choices else "open")


def answer(policy: ChoiceFloor, choices: tuple[str, ...]) -> str:
    text = policy.act({"choices": "\n".join(choices)}).action
    return text.text  # type: ignore[union-attr]


@pytest.mark.parametrize("choices", ODD_CHOICES)
def test_a_constant_is_right_where_the_gold_is_at_its_position_and_nowhere_else(choices) -> None:
    for place, gold in enumerate(choices):
        item = ask(choices, gold)
        right = [
            decide_answer(item, answer(constant(number), choices), None).verdict
            for number in range(1, len(choices) + 2)
        ]
        assert right == [number == place for number in range(len(choices) + 1)], "they add up to 1"


def test_the_longest_choice_is_the_first_of_the_longest() -> None:
    assert answer(longest(), ("a", "bcd", "efg", "hi")) == "bcd"
    assert answer(longest(), ("a" + " " * 9, "bb")) == "bb", "blanks at the ends do not count"


def test_the_majority_is_what_was_right_most_often_elsewhere() -> None:
    yes, no = ("yes", "no"), ("no", "yes")
    seen = [
        ask(yes, "no"),
        ask(no, "no"),
        ask(yes, "yes"),
        ask(("a", "c"), "c"),
        ask((), "no"),
    ]
    policy = majority(seen)
    assert [answer(policy, choices) for choices in (yes, no)] == ["no", "no"]
    # gold positions 1, 0, 0, 1: as often, and the second position came first
    assert answer(policy, ("x", "y")) == "y"
    assert answer(majority([ask(yes, "no")]), ("x",)) == "no answer", "nothing is known of it"
    assert answer(policy, ()) == "no", "of the open ones alone"
    assert answer(majority([ask((), "a"), ask((), "b"), ask((), "b")]), ()) == "b"
    later = majority([ask(yes, "yes"), *[ask(("maybe", "no"), "no")] * 2])
    assert answer(later, yes) == "no" and answer(later, ("x", "y")) == "y", "not what came first"


def test_the_majority_is_of_the_training_split(monkeypatch) -> None:
    """Of the split that is played it would know the gold answers."""
    read = []

    def load(name: str, *, split: str) -> list[QAItem]:
        read.append((name, split))
        return [ask((), "b" if split == "train" else "gold")]

    monkeypatch.setattr("policies.floors.named_floors.load_dataset", load)
    assert answer(named_floor("majority", "mine"), ()) == "b"
    assert read == [("mine", "train")]


def test_an_open_question_gets_a_refusal_that_is_wrong_and_not_missing() -> None:
    for policy in (constant(1), longest(), majority([])):
        assert answer(policy, ()) == "no answer"
    items = [ask((), "blue", "open"), ask(("red", "blue"), "blue", "mcq")]
    for name, right in (("constant:2", [False, True]), ("constant", [False, False])):
        floor = load_policy(name)
        options = dict(floor.env_options)  # type: ignore[union-attr]
        envs = [VideoQAEnv(dataset=items, opener=open_memory, frame_size=(8, 8), **options)]
        played = collect(envs, floor, [EpisodeSpec(item.id) for item in items])
        last = [one.turns[-1].info for one in played]
        assert [info["correct"] for info in last] == right
        assert {info["stop_reason"] for info in last} == {"answered"}
        assert [info["spent"].frames_shown for info in last] == [0, 0]


def test_floors_are_policies_by_name() -> None:
    item = ask(("red", "blue"), "blue")
    env = VideoQAEnv(dataset=[item], opener=open_memory, frame_size=(8, 8), overview_frames=0)
    for name in ("constant:2", "longest", "majority:sage-synth"):
        check_policy(load_policy(name), env)
    for name in ("constant:0", "constant:two"):
        with pytest.raises(UnknownPolicy, match="above 0|from 1"):
            load_policy(name)
    with pytest.raises(UnknownPolicy, match="takes nothing after its name"):
        load_policy("longest:3")
    with pytest.raises(DatasetError, match="dataset must be one of"):
        load_policy("majority:nowhere")
    with pytest.raises(UnknownPolicy, match="lacks a part"):
        load_policy("majority")


def test_an_environment_without_frames_shows_none_and_says_so() -> None:
    env = VideoQAEnv(
        dataset=[ask(("red", "blue"), "blue")],
        opener=open_memory,
        frame_size=(8, 8),
        overview_frames=0,
        max_frames=0,
        reward="efficient",
    )
    observation, info = env.reset(seed=0, options={"max_frames": 0})
    assert env.observation_space.contains(observation)
    assert (observation["num_frames"], observation["frames_left"]) == (0, 0)
    assert info["budget"]["max_frames"] == 0
    observation, *_ = env.step(Sample(0.0, 9.0, 4))
    assert observation["num_frames"] == 0 and "no frames are left" in observation["message"]
    _, reward, ended, _, info = env.step(Answer("blue"))
    assert ended and info["correct"] and 0.9 < reward <= 1 and np.isfinite(reward)
    with pytest.raises(ValueError, match="max_frames must be a whole number >= 0"):
        VideoQAEnv(dataset=[ask((), "x")], overview_frames=0, max_frames=-1)
