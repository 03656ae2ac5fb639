"""Laws of `algos.ppo.training`: what every update is fed, and which update is called the best."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algos.ppo import training
from algos.ppo.training import draw_specs, train
from algos.recipe.settings import Recipe
from algos.runs.checkpoint import Best, load, load_best, load_latest
from algos.runs.metrics import read_metrics
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)
CONFIG = replace(
    TOY_PPO,
    updates=3,
    questions_per_update=4,
    episodes_per_question=3,
    temperature=0.8,
    eval_every=2,
    critic_warmup=0,
    seed=11,
)
FAILING = [*ITEMS[:4], "breaks", "unreadable"]


class Calls(list[tuple[tuple[Any, ...], dict[str, Any]]]):
    """The calls of a function of `algos.ppo.training`, with what it returned as the last."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        straight = getattr(training, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            said = straight(*args, **kwargs)
            self.append(((*args, said), kwargs))
            return said

        monkeypatch.setattr(training, name, watched)


def run(config, folder: Path, items=ITEMS, **options) -> ToyPolicy:
    policy = cloned_policy(0)
    train(config, policy, envs(6), items, folder, progress=False, **options)
    return policy


def greedy(policy) -> float:
    policy.temperature = 0.0
    return 0.0


def test_every_update_plays_its_own_questions_with_a_seed_of_its_own(tmp_path, monkeypatch) -> None:
    temperatures, collect = [], training.collect

    def heard(envs, policy, *rest, **kwargs):
        temperatures.append(policy.temperature)
        return collect(envs, policy, *rest, **kwargs)

    monkeypatch.setattr(training, "collect", heard)
    calls = Calls("collect", monkeypatch)
    run(CONFIG, tmp_path, validate=greedy)
    assert temperatures == [0.8] * 3, "a greedy validation must not make the next rollout greedy"
    for update, (args, _) in enumerate(calls, 1):
        assert list(args[2]) == draw_specs(CONFIG, ITEMS, update)
    seeds = [kwargs["seed"] for _, kwargs in calls]
    assert len(set(seeds)) == 3
    other = Calls("collect", monkeypatch)
    run(replace(CONFIG, seed=12), tmp_path / "other")
    assert not {kwargs["seed"] for _, kwargs in other} & set(seeds)


def test_groups_keep_step_with_the_episodes_when_some_failed(tmp_path, monkeypatch) -> None:
    calls, played = Calls("make_targets", monkeypatch), Calls("collect", monkeypatch)
    config = replace(CONFIG, questions_per_update=6)
    run(config, tmp_path, FAILING)
    for (_, _, batch, groups, _), _ in calls:
        episodes = [t for t in played[0][0][-1] if t.error is None]
        played.pop(0)
        assert len(groups) == len(batch) == len(episodes) < 18
        for k, (group, episode) in enumerate(zip(groups, episodes, strict=True)):
            assert group[0] == episode.item_id
            ids = batch.ids[k, : len(episode.token_ids)]
            assert ids.tolist() == episode.token_ids.tolist()
            assert float(batch.rewards[k].sum()) == episode.ret


def test_the_batch_is_scored_at_the_temperature_of_the_rollout(tmp_path, monkeypatch) -> None:
    calls = Calls("collate", monkeypatch)
    run(CONFIG, tmp_path)
    assert {args[-1].temperature for args, _ in calls} == {0.8}


def test_the_critic_learns_before_the_actor_and_each_its_own_passes(tmp_path, monkeypatch) -> None:
    calls = Calls("fit", monkeypatch)
    config = replace(CONFIG, epochs=2, critic_epochs=3, critic_warmup=5)
    policy = run(config, tmp_path)
    seen = [(args[1].name, kwargs["epochs"]) for args, kwargs in calls]
    later = [("critic", 3), ("actor", 2)]
    assert seen == [("critic", 5), ("actor", 0), *later, *later]
    for args, _ in calls:
        own = policy.actor_parameters() if args[1].name == "actor" else policy.critic_parameters()
        assert [id(p) for p in args[2].param_groups[0]["params"]] == [id(p) for p in own]


@pytest.mark.parametrize("decays", [False, True])
def test_both_rates_fall_to_nothing_over_the_run_or_stay(tmp_path, monkeypatch, decays) -> None:
    rates: dict[str, list[float]] = {"actor": [], "critic": []}
    fit = training.fit

    def heard(config, objective, optimizer, **kwargs):
        rates[objective.name].append(optimizer.param_groups[0]["lr"])
        return fit(config, objective, optimizer, **kwargs)

    monkeypatch.setattr(training, "fit", heard)
    config = replace(CONFIG, updates=4, lr_decay=decays, actor_lr=0.04, critic_lr=0.08)
    run(config, tmp_path)
    shares = [1.0, 0.75, 0.5, 0.25] if decays else [1.0] * 4
    assert rates["actor"] == pytest.approx([0.04 * share for share in shares])
    assert rates["critic"] == pytest.approx([0.08 * share for share in shares])
    logged = [row["charts/learning_rate"] for row in read_metrics(tmp_path / "metrics.jsonl")[1:]]
    assert logged == pytest.approx(rates["actor"])


def test_minibatches_are_shuffled_anew_in_every_update(tmp_path, monkeypatch) -> None:
    calls = Calls("fit", monkeypatch)
    run(CONFIG, tmp_path)
    states = [str(kwargs["rng"].bit_generator.state["state"]["state"]) for _, kwargs in calls]
    assert len(set(states)) == CONFIG.updates


SCORES = [0.5, 0.25, 0.75, 0.75]
"""Of updates 0, 2, 4 and 5: the best comes once more at the end."""


def test_the_best_is_the_first_that_scored_most_and_its_weights_are_kept(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def validate(policy) -> float:
        seen.append(policy.state())
        return SCORES[len(seen) - 1]

    config = replace(CONFIG, updates=5, keep_last=1)
    policy = cloned_policy(0)
    best = train(config, policy, envs(6), ITEMS, tmp_path, progress=False, validate=validate)
    assert best == Best(4, 0.75)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert {r["update"]: r["eval/score"] for r in rows if "eval/score" in r} == dict(
        zip([0, 2, 4, 5], SCORES, strict=True)
    )
    kept, last = load_best(tmp_path / "checkpoints"), load_latest(tmp_path / "checkpoints")
    assert kept is not None and last is not None and (kept.update, last.update) == (4, 5)
    for found, expected in ((kept, seen[2]), (last, policy.state())):
        assert all(torch.equal(found.policy[name], tensor) for name, tensor in expected.items())
    assert any(not torch.equal(kept.policy[name], last.policy[name]) for name in kept.policy)


def test_update_0_is_the_untrained_policy(tmp_path: Path) -> None:
    scores = iter([0.9, 0.1, 0.1])
    start = cloned_policy(0).state()
    best = train(
        CONFIG,
        cloned_policy(0),
        envs(6),
        ITEMS,
        tmp_path,
        progress=False,
        validate=lambda _: next(scores),
    )
    assert best == Best(0, 0.9)
    kept = load(tmp_path / "checkpoints", 0)
    assert all(torch.equal(kept.policy[name], tensor) for name, tensor in start.items())
    assert set(read_metrics(tmp_path / "metrics.jsonl")[0]) == {"update", "eval/score"}


def test_the_price_of_frames_follows_what_was_seen(tmp_path: Path, monkeypatch) -> None:
    """Each update is charged with the price that the ones before it left."""
    recipe = Recipe(target_frames=2.0, multiplier_start=0.1, multiplier_lr=0.4)
    calls = Calls("with_recipe", monkeypatch)
    run(replace(CONFIG, recipe=recipe), tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")[1:]
    price = 0.1
    for row, (args, kwargs) in zip(rows, calls, strict=True):
        assert args[3] == pytest.approx(price / 2) and row["recipe/multiplier"] == args[3] * 2
        assert kwargs["temperature"] == 0.8
        price = min(max(price + 0.4 * (row["rollout/frames"] / 2 - 1), 0.0), 1.0)
    assert price != pytest.approx(0.1)


def test_unless_told_otherwise_an_interrupt_loses_no_update(tmp_path: Path) -> None:
    run(replace(CONFIG, keep_last=9), tmp_path)
    assert [load(tmp_path / "checkpoints", k).update for k in range(4)] == [0, 1, 2, 3]


def test_the_speed_is_that_of_the_sampled_tokens(tmp_path: Path, monkeypatch) -> None:
    calls = Calls("make_targets", monkeypatch)
    run(CONFIG, tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")[1:]
    for row, (args, _) in zip(rows, calls, strict=True):
        assert row["time/rollout"] > 0 and row["time/learn"] > 0 and row["time/cpu"] > 0
        took = row["time/rollout"] + row["time/learn"]
        assert took < 60, "seconds of this update, not since the machine began"
        assert row["time/tokens_per_second"] * took == pytest.approx(int(args[2].sampled.sum()))


def test_the_bar_begins_where_the_run_goes_on_and_ends_where_it_ends(tmp_path, monkeypatch) -> None:
    bars: list[tuple[int, int, int]] = []

    hidden: list[bool] = []

    class Bar(training.tqdm):  # type: ignore[type-arg]
        def __init__(self, **settings: Any) -> None:
            hidden.append(settings["disable"])
            super().__init__(total=settings["total"], initial=settings["initial"], file=StringIO())

        def close(self) -> None:
            super().close()
            bars.append((self.initial, self.n, self.total))

    monkeypatch.setattr(training, "tqdm", Bar)
    run(replace(CONFIG, updates=2), tmp_path)
    run(CONFIG, tmp_path)
    assert bars[0] == (0, 2, 2) and (2, 3, 3) in bars
    train(CONFIG, cloned_policy(0), envs(2), ITEMS, tmp_path)
    assert hidden == [True, True, False], "shown unless told otherwise"


def test_an_advantage_by_a_critic_needs_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ToyPolicy, "critic_parameters", lambda self: [])
    for advantage in ("critic", "both"):
        with pytest.raises(ValueError, match=f'advantage="{advantage}" needs a critic'):
            run(replace(CONFIG, advantage=advantage), tmp_path / advantage)
    run(replace(CONFIG, advantage="group", updates=1), tmp_path / "group")
    row = read_metrics(tmp_path / "group" / "metrics.jsonl")[-1]
    assert not any("value" in name or "explained" in name for name in row)


def test_samples_that_were_cut_are_not_trained_on(tmp_path: Path) -> None:
    for name, value in (("top_k", 3), ("top_p", 0.9)):
        policy = cloned_policy(0)
        setattr(policy, name, value)
        with pytest.raises(ValueError, match="cannot be re-scored"):
            train(CONFIG, policy, envs(2), ITEMS, tmp_path / name, progress=False)


def test_what_an_update_says_of_its_episodes(tmp_path: Path, monkeypatch) -> None:
    played, calls = Calls("collect", monkeypatch), Calls("make_targets", monkeypatch)
    config = replace(CONFIG, advantage="both", drop_ties=True, questions_per_update=6)
    run(config, tmp_path, FAILING)
    for row, (args, _), (of_targets, _) in zip(
        read_metrics(tmp_path / "metrics.jsonl")[1:], played, calls, strict=True
    ):
        kept = [t for t in args[-1] if t.error is None]
        assert row["rollout/failed"] == len(args[-1]) - len(kept) > 0
        assert row["rollout/return"] == pytest.approx(np.mean([t.ret for t in kept]))
        assert row["rollout/turns"] == pytest.approx(np.mean([t.num_turns for t in kept]))
        assert row["rollout/tied"] == int((~of_targets[-1].in_loss).sum())
