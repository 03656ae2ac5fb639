"""Laws of `policies.baselines.scripted`, `reading_head`: eyes that read what the test painted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from policies.baselines.reading_head import BACKDROPS, SIGHTS
from policies.baselines.scripted import Habits, Scripted
from sage_env.actions.action import Answer, Zoom


class PaintedEyes:
    """An encoder whose keys are labels: pixel (0, 0) of a frame holds (backdrop, sight)."""

    def encode(self, batches):
        return [tuple(bytes(frame[0, 0, :2]) for frame in frames) for frames in batches]

    def features(self, keys):
        codes = torch.zeros(1, len(keys), len(BACKDROPS) + len(SIGHTS))
        for i, key in enumerate(keys):
            codes[0, i, key[0]] = codes[0, i, len(BACKDROPS) + key[1]] = 1.0
        return codes


def read(features):
    split = len(BACKDROPS)
    return [(BACKDROPS[f[:split].argmax()], SIGHTS[f[split:].argmax()]) for f in features]


def observe(labels, seconds, question, *, choices="", turns_left=5, frames_left=36, duration=120.0):
    frames = np.zeros((12, 64, 64, 3), np.uint8)
    for frame, (backdrop, sight) in zip(frames, labels, strict=False):
        frame[0, 0, :2] = BACKDROPS.index(backdrop), SIGHTS.index(sight)
    padded = np.full(12, -1.0, np.float32)
    padded[: len(seconds)] = seconds
    return {
        "frames": frames,
        "seconds": padded,
        "num_frames": len(labels),
        "duration": np.float32(duration),
        "turns_left": turns_left,
        "frames_left": frames_left,
        "question": question,
        "choices": choices,
        "message": "",
        "text": "",
    }


def policy(**habits):
    return Scripted(PaintedEyes(), read, Habits(**habits))


NEEDLE = "Which symbol flashes on the blue backdrop?"
EMPTY = [("grey", "empty"), ("blue", "empty"), ("blue", "empty"), ("red", "star")]
SECONDS = [15.0, 45.0, 75.0, 105.0]


def test_it_answers_what_it_sees() -> None:
    labels = [("grey", "star"), ("blue", "heart"), ("blue", "heart"), ("red", "ring")]
    decision = policy().act(observe(labels, SECONDS, "Which symbol stays on the blue backdrop?"))
    assert decision.action == Answer("heart")
    assert json.loads(decision.text)["thought"] == "blue heart"


def test_it_zooms_around_the_scene_and_then_into_it() -> None:
    player = policy()
    first = player.act(observe(EMPTY, SECONDS, NEEDLE))
    assert first.action == Zoom(15.0, 105.0, 8)
    closer = [20.0, 50.0, 60.0, 90.0]
    second = player.act(
        observe([("grey", "empty"), *[("blue", "empty")] * 3], closer, NEEDLE, turns_left=4)
    )
    assert second.action == Zoom(50.0, 90.0, 8)
    third = player.act(observe([("blue", "moon")], [70.0], NEEDLE, turns_left=3))
    assert third.action == Answer("moon")


def test_when_is_answered_with_the_time_of_the_frame() -> None:
    labels = [("grey", "empty"), ("blue", "empty"), ("blue", "bolt"), ("red", "star")]
    question = "When does a symbol flash on the blue backdrop, in seconds?"
    assert policy().act(observe(labels, SECONDS, question)).action == Answer("75.0")


def test_order_ignores_decoys_on_grey() -> None:
    labels = [("grey", "star"), ("blue", "moon"), ("red", "star")]
    question = "Which symbol comes first, the star or the moon?"
    decision = policy().act(observe(labels, [1.0, 2.0, 3.0], question, choices="star\nmoon"))
    assert decision.action == Answer("moon")


def test_a_mark_is_enlarged_before_it_is_read() -> None:
    question = "Which tiny mark is in the bottom right corner of the blue backdrop?"
    action = policy().act(observe(EMPTY, SECONDS, question)).action
    assert isinstance(action, Zoom) and action.box == (0.7, 0.7, 1.0, 1.0)


def test_a_mark_is_the_latest_that_the_corner_showed() -> None:
    question = "Which tiny mark is in the bottom right corner of the blue backdrop?"
    shown = [("blue", "star"), ("blue", "moon"), ("red", "ring")]
    player = policy()
    assert isinstance(player.act(observe(shown, [10.0, 20.0, 30.0], question)).action, Zoom)
    closer = observe([("blue", "empty")], [15.0], question, turns_left=4)
    assert player.act(closer).action == Answer("moon")


@pytest.mark.parametrize(
    ("habit", "labels", "expected"),
    [
        ("gives_up", EMPTY, Answer),
        ("needless", [("blue", "star")] * 4, Zoom),
    ],
)
def test_habits_strike_always_at_one(habit, labels, expected) -> None:
    for seed in range(5):
        player = policy(**{habit: 1.0})
        player.reset(seed=seed)
        assert isinstance(player.act(observe(labels, SECONDS, NEEDLE)).action, expected)


def second_turn(player: Scripted, labels, question: str = NEEDLE):
    """The action after an overview of `EMPTY` and one more look, at these labels."""
    player.act(observe(EMPTY, SECONDS, question))
    return player.act(observe(labels, [50.0, 60.0], question, turns_left=4)).action


def test_a_habit_strikes_in_its_own_turn_only() -> None:
    empty, star = [("blue", "empty")] * 2, [("blue", "star")] * 2
    assert second_turn(policy(needless=1.0), star) == Answer("star")
    assert second_turn(policy(wide=1.0), empty) == Zoom(50.0, 60.0, 8)
    assert second_turn(policy(quits=0.0), empty) == Zoom(50.0, 60.0, 8)
    assert isinstance(second_turn(policy(quits=1.0), empty), Answer)


def test_a_count_is_not_answered_from_the_overview() -> None:
    question = "How many times does the star flash on the blue backdrop?"
    labels = [("blue", "star"), ("blue", "empty"), ("blue", "star"), ("red", "star")]
    player = policy()
    assert player.act(observe(labels, SECONDS, question)).action == Zoom(0.0, 105.0, 8)
    closer = observe(labels[:3], [20.0, 50.0, 60.0], question, turns_left=4)
    assert player.act(closer).action == Answer("2")  # 15 and 20 s; empty at 45 and 50; 60 and 75 s


def test_a_wide_zoom_is_over_the_whole_video() -> None:
    labels = [("grey", "empty")] * 5 + [("blue", "empty")] + [("grey", "empty")] * 5
    seconds = [10.0 * i + 5 for i in range(11)]
    observation = observe(labels, seconds, NEEDLE)
    action = policy(wide=1.0).act(observation).action
    assert (action.start, action.end) == (0.0, float(observation["duration"]))
    action = policy().act(observation).action
    assert (action.start, action.end) == (45.0, 65.0)


def test_it_guesses_when_the_budget_is_spent() -> None:
    observation = observe(EMPTY, SECONDS, NEEDLE, choices="ring\nmoon", turns_left=1)
    action = policy().act(observation).action
    assert isinstance(action, Answer) and action.text in ("ring", "moon")


def test_an_episode_does_not_depend_on_the_batch() -> None:
    player = policy(gives_up=0.5, wide=0.5)
    observations = [observe(EMPTY, SECONDS, NEEDLE)] * 12
    player.reset(seed=3)
    together = [d.text for d in player.act_batch(observations, range(12))]
    player.reset(seed=3)
    alone = [player.act_batch([o], [i])[0].text for i, o in enumerate(observations)]
    assert together == alone and len(set(together)) > 2
