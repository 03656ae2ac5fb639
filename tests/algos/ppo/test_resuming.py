"""Laws of `algos.ppo.resuming`: a run goes on with its settings, whatever was added since."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from algos.ppo import training
from algos.ppo.config import PPOConfig
from algos.ppo.resuming import require_same_run, settings_of_run
from algos.ppo.training import train
from algos.recipe.settings import Recipe
from algos.runs import checkpoint
from algos.runs.checkpoint import ConfigChanged
from algos.runs.metrics import of_the_run, read_metrics
from tests.helpers.toy import ITEMS, TOY_PPO, cloned_policy, envs, interrupted_at
from tests.helpers.wiring.table_policy import TablePolicy

torch.set_num_threads(1)
EVERYTHING = replace(
    TOY_PPO,
    updates=6,
    questions_per_update=4,
    episodes_per_question=3,
    critic_warmup=1,
    critic_pretrain_updates=2,
    epochs=3,
    eval_every=1,
    lr_schedule="cosine",
    lr_warmup_updates=2,
    lr_min_ratio=0.1,
    actor_lr=0.1,
    target_kl=1e-2,
    kl_coef=0.2,
    adaptive_kl=0.05,
    entropy_coef=0.02,
    entropy_coef_end=0.0,
    actor_weight_decay=0.1,
    critic_weight_decay=0.2,
    patience=3,
)
"""Whatever moves from update to update, at once."""


def run(folder: Path, config: PPOConfig = EVERYTHING) -> TablePolicy:
    """Train; the table's reference is somewhere else, so that the KL is not 0."""
    policy = TablePolicy(0)
    train(config, policy, envs(6), ITEMS, folder, progress=False, validate=lambda p: float(p.seed))
    return policy


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder


@pytest.mark.parametrize("calls", [2, 4, 6])
def test_a_run_of_schedules_goes_on_bit_for_bit_from_any_update(whole, tmp_path, calls) -> None:
    with interrupted_at("collect", call=calls):
        run(tmp_path)
    run(tmp_path)
    rows = [read_metrics(folder / "metrics.jsonl") for folder in (whole, tmp_path)]
    assert list(map(of_the_run, rows[0])) == list(map(of_the_run, rows[1]))
    coefficients = [row["charts/kl_coef"] for row in rows[0][1:]]
    assert len(rows[0]) > 5 and len(set(coefficients)) > 2, "the case must hold a KL that is kept"
    assert any(row.get("losses/stopping_kl") for row in rows[0]), "and passes that end early"
    ends = [checkpoint.load_latest(folder / "checkpoints") for folder in (whole, tmp_path)]
    assert ends[0] is not None and ends[1] is not None
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    assert all(torch.equal(x, ends[1].tensors[name]) for name, x in ends[0].tensors.items())


def test_what_is_logged_is_what_was_used(tmp_path: Path, monkeypatch) -> None:
    used: list[tuple[float, ...]] = []
    straight = training._learn

    def learning(config, state, *rest):
        row = straight(config, state, *rest)
        rates = [o.param_groups[0]["lr"] for o in (state.actor, state.critic)]
        used.append((config.kl_coef, config.entropy_coef, *rates))
        return row

    monkeypatch.setattr(training, "_learn", learning)
    run(tmp_path)
    names = ("kl_coef", "entropy_coef", "learning_rate", "critic_learning_rate")
    rows = read_metrics(tmp_path / "metrics.jsonl")[1:]
    assert [tuple(row[f"charts/{name}"] for name in names) for row in rows] == used
    assert used[0][0] == used[1][0] == used[2][0] == 0.2, "it stays while the actor does"


def test_settings_that_an_older_version_did_not_have_were_at_their_defaults() -> None:
    old = settings_of_run(PPOConfig(), ITEMS)
    for name in ("patience", "lr_schedule", "target_kl", "critic_pretrain_updates"):
        del old[name]
    del old["recipe"]["step_credit"]
    require_same_run(old, settings_of_run(PPOConfig(), ITEMS), PPOConfig())
    changes: list[tuple[str, Any]] = [
        ("lr_schedule", "cosine"),
        ("recipe", Recipe(step_credit=0.5)),
    ]
    for name, value in changes:
        config = replace(PPOConfig(), **{name: value})
        with pytest.raises(ConfigChanged, match=name):
            require_same_run(old, settings_of_run(config, ITEMS), config)


@pytest.mark.parametrize(
    "setting",
    [{"lr_schedule": "linear"}, {"lr_schedule": "cosine"}, {"entropy_coef_end": 0.1}],
)
def test_updates_are_added_only_where_none_depends_on_their_number(setting) -> None:
    for change, refused in (({}, False), (setting, True)):
        config = replace(PPOConfig(), **change)
        longer = replace(config, updates=31)
        saved, now = settings_of_run(config, ITEMS), settings_of_run(longer, ITEMS)
        if not refused:
            require_same_run(saved, now, longer)
            continue
        with pytest.raises(ConfigChanged, match="updates: was 30, is 31"):
            require_same_run(saved, now, longer)


def test_only_the_critic_learns_while_it_is_pretrained(tmp_path: Path) -> None:
    config = replace(
        TOY_PPO,
        updates=3,
        questions_per_update=4,
        episodes_per_question=3,
        critic_warmup=3,
        critic_pretrain_updates=2,
        keep_last=9,
    )
    train(config, cloned_policy(0), envs(6), ITEMS, tmp_path, progress=False)
    states = [checkpoint.load(tmp_path / "checkpoints", update).policy for update in range(4)]

    def moved(before: int) -> set[str]:
        pairs = [(name, states[before][name], states[before + 1][name]) for name in states[0]]
        return {name.split(".")[0] for name, old, new in pairs if not torch.equal(old, new)}

    assert [moved(k) for k in range(3)] == [{"critic"}, {"critic"}, {"actor", "critic"}]


MAY_DIFFER = {"updates", "micro_batch", "micro_batch_tokens", "workers", "checkpoint_every"}
MAY_DIFFER |= {"keep_last", "patience", "rescore_tolerance"}
MAY_DIFFER |= {"record_tokens", "record_validation"}


@pytest.mark.parametrize("name", sorted(asdict(PPOConfig())))
def test_a_run_goes_on_with_every_other_setting_as_it_was(name: str) -> None:
    """Nothing that a number of an update comes from may change, nor which questions or order."""
    config = PPOConfig()
    now = settings_of_run(config, ["a", "b"])
    other = {**now, name: "another"}
    if name in MAY_DIFFER:
        require_same_run(other, now, config)
    else:
        with pytest.raises(ConfigChanged, match=rf"{name}\b.*was"):
            require_same_run(other, now, config)
    with pytest.raises(ConfigChanged, match="items"):
        require_same_run(settings_of_run(config, ["b", "a"]), now, config)
