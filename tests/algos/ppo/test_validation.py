"""Laws of `algos.ppo.validation`, `algos.ppo.update_metrics`: what a run writes of itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
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
from algos.ppo.validation import Validation
from algos.recipe.settings import Recipe
from algos.runs import checkpoint
from algos.runs.checkpoint import Best
from algos.runs.metrics import read_metrics
from tests.helpers.handmade import trajectory
from tests.helpers.toy import (
    ITEMS,
    TOY_PPO,
    ToyPolicy,
    cloned_policy,
    envs,
    interrupted_at,
    toy_batch,
)

torch.set_num_threads(1)
CONFIG = replace(
    TOY_PPO,
    advantage="group",
    updates=6,
    questions_per_update=2,
    episodes_per_question=2,
    eval_every=1,
    rescore_sample=0,
)


def run(config: PPOConfig, folder: Path, validate: Any) -> Best | None:
    policy = cloned_policy(0)
    return train(config, policy, envs(4), ITEMS, folder, progress=False, validate=validate)


def saying(*scores: Any) -> Any:
    said: Iterator[Any] = iter(scores)
    return lambda policy: next(said)


def validated(folder: Path) -> list[dict[str, Any]]:
    return read_metrics(folder / "validation.jsonl")


def test_a_number_is_a_score_and_a_mapping_is_written_down(tmp_path: Path) -> None:
    more = {"accuracy": 0.5, "frames": None, "score": 0.7, "accuracy/tier/core": 1}
    best = run(replace(CONFIG, updates=2), tmp_path, saying(0.25, more, 0.6))
    assert best == Best(1, 0.7)
    assert validated(tmp_path) == [
        {"update": 0, "score": 0.25},
        {"update": 1, **more},
        {"update": 2, "score": 0.6},
    ]
    row = read_metrics(tmp_path / "metrics.jsonl")[1]
    found = {name: value for name, value in row.items() if name.startswith("eval/")}
    assert found == {f"eval/{name}": value for name, value in more.items()}


@pytest.mark.parametrize("said", [{"accuracy": 1.0}, {"score": None}, float("nan")])
def test_what_cannot_be_compared_is_no_score(tmp_path: Path, said: Any) -> None:
    with pytest.raises(ValueError, match="validate must return a number, or a mapping"):
        run(CONFIG, tmp_path, saying(said))


def test_without_validation_there_is_no_file_and_no_patience(tmp_path: Path) -> None:
    run(replace(CONFIG, updates=1), tmp_path, None)
    assert not (tmp_path / "validation.jsonl").exists()
    with pytest.raises(ValueError, match="patience needs a validation"):
        run(replace(CONFIG, patience=1), tmp_path / "other", None)


def test_rows_of_updates_that_are_played_again_are_dropped(tmp_path: Path) -> None:
    config = replace(CONFIG, updates=4, checkpoint_every=3)
    with interrupted_at("collect", call=3):
        run(config, tmp_path, saying(0.9, 0.5, 0.4))
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2]
    run(config, tmp_path, saying(0.1, 0.2, 0.3, 0.35))
    assert [(row["update"], row["score"]) for row in validated(tmp_path)] == [
        (0, 0.9), (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.35)
    ]  # fmt: skip


def test_a_run_ends_after_so_many_validations_without_a_new_best(tmp_path: Path, caplog) -> None:
    scores = (0.5, 0.4, 0.6, 0.6, 0.6)  # as good is not better
    config = replace(CONFIG, patience=2, checkpoint_every=3)
    assert run(config, tmp_path, saying(*scores)) == Best(2, 0.6)
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2, 3, 4]
    latest = checkpoint.load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.update == 4, "the last is saved"
    assert "ended after update 4 of 6: 2 validations in a row found nothing better" in caplog.text
    # ended is ended, and a longer patience goes on
    assert run(config, tmp_path, saying()) == Best(2, 0.6)
    assert run(replace(config, patience=3), tmp_path, saying(0.1)) == Best(2, 0.6)
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2, 3, 4, 5]
    assert run(replace(config, patience=None), tmp_path, saying(0.7)) == Best(6, 0.7)


def test_a_patient_run_is_the_beginning_of_the_whole_one(tmp_path: Path) -> None:
    scores = (0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0)
    run(replace(CONFIG, patience=3), tmp_path / "ended", saying(*scores))
    run(CONFIG, tmp_path / "whole", saying(*scores))
    ended = checkpoint.load_latest(tmp_path / "ended" / "checkpoints")
    assert ended is not None and ended.update == 3
    run(replace(CONFIG, patience=None), tmp_path / "ended", saying(*scores[4:]))
    ends = [checkpoint.load(tmp_path / name / "checkpoints", 6) for name in ("ended", "whole")]
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


def test_patience_counts_validations_and_not_updates(tmp_path: Path) -> None:
    config = replace(CONFIG, patience=2, eval_every=4, updates=30)
    validation = Validation(config, lambda _: 0.0, tmp_path, keep_through=0)
    found = [u for u in range(31) if validation.exhausted(u, Best(4, 1.0))]
    assert found == list(range(12, 31))
    assert not any(validation.exhausted(u, None) for u in range(31))
    assert [u for u in range(31) if validation.due(u)] == [*range(0, 31, 4), 30]


def test_patience_waits_for_the_actor_to_learn(tmp_path: Path) -> None:
    """While only the critic learns, no validation can be better than the one before."""
    own = {"advantage": "critic", "critic_pretrain_updates": 3, "critic_warmup": 1}
    config = replace(CONFIG, patience=2, **own)  # type: ignore[arg-type]
    validation = Validation(config, lambda _: 0.0, tmp_path, keep_through=0)
    assert [u for u in range(7) if validation.exhausted(u, Best(0, 1.0))] == [5, 6]


def test_a_run_that_ends_says_so_in_one_line(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        run(replace(CONFIG, patience=1, updates=3), tmp_path, saying(0.5, 0.9, 0.95, 0.99))
    assert "ended after" not in caplog.text


SPREADS = PPOConfig(whiten=True, critic_lam=0.5)
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
    config = replace(SPREADS, clock=clock)
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
    config = replace(SPREADS, advantage="group", critic_lam=None, drop_ties=True)
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
