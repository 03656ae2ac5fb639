"""Laws of `algos.ppo.update_metrics`: spreads over what is learned from, as loops over floats."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.training import train
from algos.ppo.update_metrics import batch_row, played_row
from algos.recipe.settings import Recipe
from algos.runs.metrics import read_metrics
from tests.helpers.handmade import trajectory
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, cloned_policy, envs, toy_batch

torch.set_num_threads(1)
CONFIG = PPOConfig(whiten=True, critic_lam=0.5)
TRAINING = Path(__file__).parents[3] / "docs" / "training.md"


def spread(values: list[float]) -> list[float]:
    return [fmean(values), pstdev(values), min(values), max(values)]


def measured(row: dict[str, float | None], name: str) -> list[float | None]:
    return [row[f"{name}/{part}"] for part in ("mean", "std", "min", "max")]


@pytest.mark.parametrize("clock", ["token", "turn"])
def test_advantages_are_those_before_whitening_and_values_where_the_critic_is_read(clock) -> None:
    policy, batch, groups = toy_batch()
    with torch.no_grad():
        policy.critic["head"].weight.normal_()
    config = replace(CONFIG, clock=clock)
    plain = make_targets(replace(config, whiten=False), policy, batch, groups)
    row = batch_row([], batch, make_targets(config, policy, batch, groups))
    sampled = batch.sampled
    assert measured(row, "advantages") == pytest.approx(
        spread(plain.advantages[sampled].tolist()), abs=1e-5
    )
    judged = sampled if plain.value_mask is None else plain.value_mask
    assert (clock == "turn") == (judged.sum() < sampled.sum())
    assert measured(row, "values") == pytest.approx(spread(plain.old_values[judged].tolist()))
    assert measured(row, "returns") == pytest.approx(
        spread(plain.returns[judged].tolist()), abs=1e-5
    )


def test_what_is_left_out_of_the_loss_is_left_out() -> None:
    policy, batch, groups = toy_batch()
    config = replace(CONFIG, advantage="group", critic_lam=None, drop_ties=True)
    targets = make_targets(config, policy, batch, groups)
    assert targets.in_loss is not None and 0 < targets.in_loss.sum() < len(batch)
    row = batch_row([], batch, targets)
    raw = make_targets(replace(config, whiten=False), policy, batch, groups).advantages
    inside = raw[batch.sampled & targets.in_loss[:, None]]
    assert measured(row, "advantages") == pytest.approx(spread(inside.tolist()), abs=1e-5)
    assert not [name for name in row if name.startswith(("values/", "returns/"))]
    none = replace(targets, in_loss=torch.zeros(len(batch), dtype=torch.bool))
    assert measured(batch_row([], batch, none), "advantages") == [None] * 4


def test_tools_and_the_stop_token_are_read_where_they_are_said() -> None:
    policy: Any = ToyPolicy()
    played = [trajectory("q", True)]

    def skipped(**said: Any) -> float | None:
        env: Any = SimpleNamespace(unwrapped=SimpleNamespace(**said))
        return played_row(policy, env, played)["rollout/tool_skip"]

    assert skipped() is None and skipped(tools={}) is None
    assert skipped(tools={"transcribe": object()}) == 1.0


def test_every_number_of_a_run_stands_in_the_documentation(tmp_path: Path) -> None:
    """All settings that add numbers are on; those of `proof/` have a page section of their own."""
    config = replace(
        TOY_PPO,
        **dict(updates=2, questions_per_update=4, episodes_per_question=3, critic_warmup=0),
        **dict(advantage="both", drop_ties=True, target_kl=1.0, kl_coef=0.1, eval_every=1),
        recipe=Recipe(target_frames=2.0),
    )
    policy = cloned_policy(0)
    train(config, policy, envs(4), ITEMS, tmp_path, progress=False, validate=lambda _: 0.0)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    names = {name for row in rows for name in row} - {"update"}
    names |= {name for name in played_row(policy, envs(1)[0], [trajectory("q", True)])}
    told = set(re.findall(r"`([a-z]+/[A-Za-z_./]+)`", TRAINING.read_text("utf-8")))
    rooms = {name.partition("/")[0] for name in told if name.endswith("/...")}
    assert {"proof", "recipe", "policy"} == rooms
    buckets = {re.sub(r"/(\d+-\d+|\d+\+)$", "/BUCKET", name) for name in names}
    assert {n for n in buckets if n.partition("/")[0] not in rooms} - told == set()
