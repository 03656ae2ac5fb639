"""Laws of `algos.recipe.turn_cap`, `frame_budget`, `curriculum`, `questions`: in training only."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from algos.evaluation.measures import evaluate
from algos.ppo.training import PPOConfig, draw_specs, train
from algos.recipe.curriculum import draw_items, is_over, item_weights
from algos.recipe.frame_budget import frame_budget
from algos.recipe.rewards import group_of
from algos.recipe.settings import Recipe
from algos.rollout.playing import EpisodeSpec
from sage_env.datasets.duration_buckets import bucket_of
from tests.helpers.handmade import item
from tests.helpers.toy import ITEMS, ToyEnv, cloned_policy

CONFIG = PPOConfig(questions_per_update=3, episodes_per_question=2)
SECONDS = [30.0, 40.0, 50.0, 100.0, 200.0, 4000.0]
NAMES = [f"q{k}" for k in range(len(SECONDS))]
DURATIONS = dict(zip(NAMES, SECONDS, strict=True))


def specs(update: int, count: int = 3, seed: int = 0, **recipe) -> list[EpisodeSpec]:
    config = replace(CONFIG, seed=seed, questions_per_update=count, recipe=Recipe(**recipe))
    return draw_specs(config, NAMES, update, DURATIONS)


def test_nothing_is_asked_of_the_environment_by_default() -> None:
    assert all(spec.options == {"item_id": spec.item_id} for spec in specs(1))
    assert EpisodeSpec().options is None


def test_turns_are_few_in_the_first_updates_and_then_all() -> None:
    caps = [
        {spec.max_turns for spec in specs(k, first_turns=6, first_turns_updates=2)}
        for k in (1, 2, 3)
    ]
    assert caps == [{6}, {6}, {None}]
    assert specs(1, first_turns=6)[0].options == {"item_id": specs(1)[0].item_id, "max_turns": 6}


def test_a_question_has_one_budget_and_questions_have_many() -> None:
    drawn = [spec for update in range(1, 41) for spec in specs(update, frame_budget=(4, 9))]
    assert all(drawn[i] == drawn[i + 1] for i in range(0, len(drawn), 2))
    count = Counter(spec.max_frames for spec in drawn[::2])
    assert set(count) == set(range(4, 10)) and max(count.values()) < 0.35 * sum(count.values())
    assert drawn[:6] == specs(1, frame_budget=(4, 9))
    assert drawn[:6] != specs(1, seed=1, frame_budget=(4, 9))
    same = [replace(spec, max_frames=None) for spec in drawn]
    assert same == [spec for update in range(1, 41) for spec in specs(update)]


def test_a_log_draw_asks_often_for_what_leaves_nothing_to_look_at() -> None:
    """By hand, of three budgets: log 2, log 3/2 and log 4/3 over log 4, that is .5, .29 and .21."""
    recipe = Recipe(frame_budget=(12, 14), frame_budget_draw="log")
    drawn = Counter(frame_budget(recipe, 0, place) for place in range(4000))
    shares = [drawn[budget] / 4000 for budget in (12, 13, 14)]
    assert shares == pytest.approx([0.5, 0.2925, 0.2075], abs=0.02) and sum(shares) == 1.0
    wide = Recipe(frame_budget=(12, 48), frame_budget_draw="log")
    seen = Counter(frame_budget(wide, 3, place) for place in range(4000))
    assert set(seen) == set(range(12, 49)) and 0.17 < seen[12] / 4000 < 0.21
    assert frame_budget(replace(wide, frame_budget=(7, 7)), 1, 5) == 7


def test_only_episodes_of_one_question_and_budget_are_compared() -> None:
    spec = EpisodeSpec("q", 1, 6, 30)
    assert group_of(spec) == group_of(replace(spec, seed=2))
    others = [
        replace(spec, item_id="r"),
        replace(spec, max_turns=None),
        replace(spec, max_frames=31),
    ]
    assert all(group_of(spec) != group_of(other) for other in others)


def test_weights_by_hand() -> None:
    buckets = [bucket_of(s) for s in (30.0, 4000.0, 100.0, 30.0)]  # three buckets have questions
    assert item_weights(buckets, 0.0).tolist() == [1, 0, 0, 1]
    assert item_weights(buckets, 0.25).tolist() == [1, 0, 0.5, 1]
    assert item_weights(buckets, 0.5).tolist() == [1, 0, 1, 1]
    assert item_weights(buckets, 0.75).tolist() == [1, 0.5, 1, 1]
    assert item_weights(buckets, 1.0).tolist() == [1, 1, 1, 1]


def asked(update: int, count: int = 3, **recipe) -> list[str | None]:
    return [spec.item_id for spec in specs(update, count, **recipe)[::2]]


def test_the_curriculum_moves_from_short_to_all_and_ends() -> None:
    assert set(asked(1, curriculum_updates=20)) == {"q0", "q1", "q2"}  # 0-60 seconds
    mean = [
        np.mean(
            [DURATIONS[str(q)] for s in range(30) for q in asked(k, seed=s, curriculum_updates=20)]
        )
        for k in (1, 7, 13, 20)
    ]
    assert mean == sorted(mean) and mean[0] < 60 < mean[-1]
    late = [q for s in range(200) for q in asked(20, 1, seed=s, curriculum_updates=20)]
    share = Counter(late)["q5"] / 200  # weight 0.85 beside five of weight 1
    assert abs(share - 0.85 / 5.85) < 0.08
    for update in (21, 22, 50):
        assert specs(update, curriculum_updates=20) == specs(update)


def test_no_question_comes_twice_before_all_open_ones_came_once() -> None:
    for update in range(1, 21):
        drawn = asked(update, 6, curriculum_updates=20)
        fewest, most = min(Counter(drawn).values()), max(Counter(drawn).values())
        assert most - fewest <= 1
    assert Counter(asked(1, 6, curriculum_updates=20)) == {"q0": 2, "q1": 2, "q2": 2}
    assert asked(5, curriculum_updates=20) == asked(5, curriculum_updates=20)


def test_a_curriculum_needs_durations() -> None:
    config = replace(CONFIG, recipe=Recipe(curriculum_updates=5))
    with pytest.raises(ValueError, match="that of 'q5' and 0 more questions is not known"):
        draw_specs(config, NAMES, 1, {**DURATIONS, "q5": None})
    with pytest.raises(ValueError, match="that of 'q0' and 5 more"):
        draw_specs(config, NAMES, 1)


class Recorded(ToyEnv):
    """Keeps what its resets were told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[set[str]] = []

    def reset(self, *, seed=None, options=None):
        self.told.append(set(options or {}))
        return super().reset(seed=seed, options=options)


def test_evaluation_knows_nothing_of_it(tmp_path) -> None:
    training, validation = Recorded(), Recorded()
    recipe = Recipe(first_turns=1, frame_budget=(2, 3), curriculum_updates=9)
    config = replace(CONFIG, updates=1, recipe=recipe, rescore_sample=0, critic_warmup=0)
    asked = [item(name) for name in ITEMS]

    def validate(policy) -> float:
        return float(len(evaluate([validation], policy, asked).trajectories))

    durations = {name: 9.0 for name in ITEMS}
    train(
        config, cloned_policy(0), [training], ITEMS, tmp_path,
        durations=durations, validate=validate, progress=False,
    )  # fmt: skip
    assert len(training.told) == 6 and len(validation.told) == 2 * len(ITEMS)
    assert all(told == {"item_id", "max_turns", "max_frames"} for told in training.told)
    assert all(told == {"item_id"} for told in validation.told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("first_turns", 0),
        ("first_turns_updates", 0),
        ("curriculum_updates", 0),
        ("frame_budget", (0, 4)),
        ("frame_budget", (5, 4)),
        ("target_frames", 0.0),
        ("multiplier_lr", float("nan")),
        ("multiplier_start", 1.5),
        ("step_credit", -0.1),
    ],
)
def test_settings_that_cannot_train_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"recipe.{name} must be"):
        Recipe(**{name: value})


@pytest.mark.parametrize(("update", "turns"), [(1, 3), (4, 3), (5, None)])
def test_the_last_update_of_few_turns_has_few(update: int, turns: int | None) -> None:
    found = specs(update, first_turns=3, first_turns_updates=4)
    assert {spec.max_turns for spec in found} == {turns}
    assert {spec.max_turns for spec in specs(update, first_turns_updates=4)} == {None}


def test_a_curriculum_ends_with_its_last_update() -> None:
    recipe = Recipe(curriculum_updates=4)
    assert [is_over(recipe, update) for update in (1, 4, 5)] == [False, False, True]
    assert is_over(Recipe(), 1)
    short = {"q0", "q1", "q2"}  # the shortest bucket
    first = specs(1, count=3, curriculum_updates=4)
    assert {spec.item_id for spec in first} == short, "at the start the shortest alone"
    walked = [s.item_id for s in specs(5, count=6, curriculum_updates=4)]
    assert walked == [s.item_id for s in specs(5, count=6)], "after it, the walk through all"


def test_the_weights_of_a_curriculum_by_hand() -> None:
    buckets = [bucket_of(30.0), bucket_of(100.0), bucket_of(4000.0), bucket_of(30.0)]
    for progress, expected in (
        (0.0, [1, 0, 0, 1]), (0.25, [1, 0.5, 0, 1]), (0.5, [1, 1, 0, 1]), (0.75, [1, 1, 0.5, 1]),
        (1.0, [1, 1, 1, 1]),
    ):  # fmt: skip
        assert item_weights(buckets, progress).tolist() == expected
    assert item_weights(buckets[:1], 0.0).tolist() == [1.0], "one bucket is all there is"


def test_a_curriculum_needs_every_length_and_0_is_one() -> None:
    draw = dict(seed=0, update=1)
    recipe = Recipe(curriculum_updates=4)
    for lengths in ({"a": 1.0}, {"a": 1.0, "b": None}):
        with pytest.raises(ValueError, match="that of 'b' and 0 more questions is not known"):
            draw_items(recipe, ["a", "b"], lengths, 2, **draw)
    with pytest.raises(ValueError, match="that of 'a' and 1 more questions is not known"):
        draw_items(recipe, ["a", "b"], {}, 2, **draw)
    found = draw_items(recipe, ["a", "b"], {"a": 0.0, "b": 9000.0}, 5, **draw)
    assert found == ["a"] * 5, "drawn again where there are no others"
    assert draw_items(recipe, ["a"], {"a": 0.0}, 0, **draw) == []


def test_a_range_of_one_budget_is_that_budget_and_both_ends_are_drawn() -> None:
    assert {s.max_frames for s in specs(1, frame_budget=(7, 7))} == {7}
    drawn = {s.max_frames for s in specs(1, count=40, frame_budget=(3, 4))}
    assert drawn == {3, 4}
    assert [s.max_frames for s in specs(1, seed=1, frame_budget=(1, 99))] != [
        s.max_frames for s in specs(1, seed=2, frame_budget=(1, 99))
    ]
