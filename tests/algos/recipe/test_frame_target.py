"""Laws of `algos.recipe.frame_target`: what is charged, how the price moves, where it settles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.ppo.training import train
from algos.recipe.frame_target import FramePrice, budgeted, charged, next_multiplier
from algos.recipe.settings import Recipe
from algos.rollout.playing import EpisodeSpec, collect
from algos.runs.metrics import read_metrics
from tests.helpers.handmade import trajectory
from tests.helpers.toy import ITEMS, TOY_PPO, cloned_policy, envs

torch.set_num_threads(1)
TARGET = Recipe(target_frames=20.0, multiplier_lr=0.1)


def test_a_turn_pays_for_the_frames_that_it_brought_right_or_wrong() -> None:
    for correct in (True, False):
        played = trajectory("q", correct, looks=((1.0, 2.0, 3.0), (4.0,)), overview=(9.0, 50.0))
        (after,) = charged([played], 0.01)
        assert [t.reward for t in after.turns] == [-0.03, -0.01, float(correct)]
        assert after.turns[0].info["reward_terms"] == {"frame_price": -0.03}
        assert after.ret == pytest.approx(correct - 0.04)  # the overview is not charged
        assert [t.reward for t in played.turns] == [0.0, 0.0, float(correct)]


def test_without_a_price_nothing_changes() -> None:
    played = trajectory("q", True, looks=((1.0,),))
    (after,) = charged([played], 0.0)
    assert all(a is b for a, b in zip(after.turns, played.turns, strict=True))
    off = FramePrice(Recipe())
    off.update(1e9)
    assert off.per_frame == 0.0 and off.tensors() == {}


def test_the_charge_is_on_the_last_sampled_token_of_its_turn() -> None:
    played = collect(envs(), cloned_policy(0), [EpisodeSpec(name) for name in ITEMS] * 4, seed=1)
    looked = [t for t in played if t.turns[0].info["frame_seconds"]]
    assert looked
    for before, after in zip(looked, charged(looked, 0.25), strict=True):
        difference = after.rewards - before.rewards
        (places,) = np.nonzero(difference)
        end = len(before.turns[0].decision.tokens.prompt) + len(
            before.turns[0].decision.tokens.completion
        )
        assert places.tolist()[0] == end - 1 and before.sampled[places].all()
        assert difference[end - 1] == -0.5
        assert after.ret - before.ret == difference.sum()


def test_the_multiplier_moves_by_hand() -> None:
    assert next_multiplier(TARGET, 0.3, 30.0) == pytest.approx(0.35)
    assert next_multiplier(TARGET, 0.3, 10.0) == pytest.approx(0.25)
    assert next_multiplier(TARGET, 0.3, 20.0) == 0.3
    assert next_multiplier(TARGET, 0.01, 0.0) == 0.0
    assert next_multiplier(TARGET, 0.99, 80.0) == 1.0


def test_it_rises_while_frames_exceed_the_target_and_settles_there() -> None:
    """An agent that takes 40 exp(-3 m) frames at the price m: dearer frames, fewer of them."""
    price, seen = FramePrice(TARGET), []
    for _ in range(400):
        seen.append((price.multiplier, 40 * math.exp(-3 * price.multiplier)))
        price.update(seen[-1][1])
    rising = [(a[0], b[0]) for a, b in zip(seen, seen[1:], strict=False) if a[1] > 20 + 1e-9]
    assert len(rising) > 5 and all(before < after for before, after in rising)
    assert seen[-1][1] == pytest.approx(20.0, abs=1e-6)
    assert price.multiplier == pytest.approx(math.log(2) / 3, abs=1e-6)
    assert price.per_frame == price.multiplier / 20


def test_a_target_that_is_met_costs_nothing_and_one_out_of_reach_a_bounded_price() -> None:
    met = FramePrice(replace(TARGET, multiplier_start=0.4))
    never = FramePrice(TARGET)
    for _ in range(200):
        met.update(12.0)
        never.update(33.0)
    assert met.multiplier == 0.0 and never.multiplier == 1.0


def test_a_checkpoint_keeps_it_to_the_last_bit() -> None:
    price = FramePrice(TARGET)
    price.update(27.1)
    again = FramePrice(TARGET)
    again.load_tensors(price.tensors())
    assert again.multiplier == price.multiplier != float(np.float32(price.multiplier))


def test_validation_prefers_who_keeps_to_the_target() -> None:
    assert budgeted(0.7, 99.0, Recipe()) == 0.7
    assert budgeted(0.7, 20.0, TARGET) == 0.7
    assert budgeted(0.7, 22.0, TARGET) == pytest.approx(0.6)


def test_it_buys_the_looks_that_help_most() -> None:
    """Four kinds of questions, 10 frames and 10 more for a look, a policy that climbs gradients.

    With a mean of 15 frames, half of the questions can be looked into: the two that gain most.
    """
    recipe = Recipe(target_frames=15.0, multiplier_lr=0.02)
    gain, logits = np.array([0.0, 0.9, 0.2, 0.5]), np.zeros(4)
    price = FramePrice(recipe)
    for _ in range(3000):
        looks = 1 / (1 + np.exp(-logits))
        logits += looks * (1 - looks) * (gain - 10 * price.per_frame)
        logits = logits.clip(-6, 6)
        price.update(10 + 10 * float(looks.mean()))
    assert looks.round().tolist() == [0, 1, 0, 1]
    assert 10 + 10 * looks.mean() == pytest.approx(15.0, abs=0.2)
    assert 0.2 < 10 * price.per_frame < 0.5


def test_ppo_stops_to_look_where_looks_cost_more_than_they_help(tmp_path) -> None:
    """Unpriced, the toy's policy learns to look in every episode (`test_ppo`)."""
    recipe = Recipe(target_frames=2.0, multiplier_start=0.8, multiplier_lr=0.1)
    config = replace(
        TOY_PPO,
        updates=7,
        questions_per_update=8,
        episodes_per_question=8,
        advantage="group",
        micro_batch=96,
        epochs=3,
        checkpoint_every=100,
        recipe=recipe,
    )
    train(config, cloned_policy(0), envs(64), ITEMS, tmp_path, progress=False)
    rows = read_metrics(tmp_path / "metrics.jsonl")[1:]
    frames = [row["rollout/frames"] for row in rows]
    assert frames[0] > 1.8 and frames[-1] < 1.3
    for now, then in zip(rows, rows[1:], strict=False):
        step = 0.1 * (now["rollout/frames"] / 2 - 1)
        assert then["recipe/multiplier"] == pytest.approx(now["recipe/multiplier"] + step)


def test_a_charge_stands_beside_other_terms_and_frames_may_not_be_told() -> None:
    played = trajectory("q", True, looks=((1.0, 2.0),))
    played.turns[0].info["reward_terms"] = {"cost": -0.5}
    played.turns[1].info["frame_seconds"] = None
    (after,) = charged([played], 0.25)
    assert after.turns[0].info["reward_terms"] == {"cost": -0.5, "frame_price": -0.5}
    assert after.turns[1] is played.turns[1], "no frame, no charge"
    played.turns[0].info["reward_terms"] = None
    (after,) = charged([played], 0.25)
    assert after.turns[0].info["reward_terms"] == {"frame_price": -0.5}


def test_a_price_moves_only_with_a_target_and_where_frames_are_known() -> None:
    price = FramePrice(replace(TARGET, multiplier_start=0.5))
    price.update(None)
    assert price.multiplier == 0.5
    price.update(0.0)
    assert price.multiplier == pytest.approx(0.4), "no frames at all are known to be none"
    free = FramePrice(Recipe(multiplier_start=0.5))
    free.update(40.0)
    assert (free.multiplier, free.per_frame) == (0.5, 0.0)
    free.load_tensors({"recipe/multiplier": torch.tensor(0.9)})
    assert free.multiplier == 0.5
    assert price.tensors()["recipe/multiplier"].dtype == torch.float64
