"""Laws of `algos.ppo.training`, `algos.exactness`, `algos.verify`, in bfloat16 on the CPU.

The shipped model with a bfloat16 base and float32 adapters trains without a false alarm, and bugs
that are planted into its sampler stop the run. Frames are drawn when they are looked at.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.exactness.check_result import ExactnessError  # noqa: E402
from algos.exactness.tolerance import BFLOAT16, tolerance_of  # noqa: E402
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.training import train  # noqa: E402
from algos.runs.metrics import read_metrics  # noqa: E402
from algos.runs.run_folder import RunFolder  # noqa: E402
from algos.verify.verify_run import verify  # noqa: E402
from benchmarks.ppo.planted_samplers import BUGS, Bug, PlantedSampler  # noqa: E402
from policies.sage_mm import LoraSettings  # noqa: E402
from sage_env.env import VideoQAEnv  # noqa: E402
from sage_env.synth import open_rendered, sage_synth  # noqa: E402

torch.set_num_threads(1)
CONFIG = PPOConfig(
    advantage="group",
    updates=2,
    questions_per_update=4,
    episodes_per_question=2,
    minibatches=2,
    micro_batch=4,
    actor_lr=3e-3,
    eval_every=100,
)
CRITIC: dict[str, Any] = {"advantage": "critic", "critic_warmup": 1, "critic_epochs": 1}


def make_policy(bug: Bug = "none", seed: int = 0, **settings: Any) -> PlantedSampler:
    lora = LoraSettings(r=4, seed=seed)
    policy = PlantedSampler.load(dtype="bfloat16", lora=lora, max_new_tokens=48, **settings)
    policy.bug = bug
    return policy


def run(config: PPOConfig, policy: PlantedSampler, folder: Path) -> list[dict[str, Any]]:
    """Train; return the metrics of each update."""
    items = [item for item in sage_synth() if item.duration and item.duration <= 120][:6]
    options = {**policy.env_options, "max_turns": 3, "dataset": items, "opener": open_rendered}
    envs = [VideoQAEnv(**options) for _ in range(8)]
    train(config, policy, envs, [item.id for item in items], folder, progress=False)
    return read_metrics(folder / "metrics.jsonl")[1:]


def test_bfloat16_trains_actor_and_critic_and_its_run_is_verified(tmp_path: Path) -> None:
    """Base, cache and features in bfloat16; adapters, value head, log-probs and values float32."""
    policy = make_policy(critic="adapter")
    assert tolerance_of(policy, None) == BFLOAT16
    before = {name: tensor.clone() for name, tensor in policy.state().items()}
    config = replace(CONFIG, **CRITIC, kl_coef=0.1, entropy_coef=0.01, mismatch="token-tis")
    rows = run(config, policy, tmp_path)
    assert [row["update"] for row in rows] == [1, 2]
    # In float32 the first update would have stopped: that is why the tolerance follows the dtype.
    assert all(row["proof/max_dlogp"] > 1e-3 for row in rows)
    after = policy.state()
    for part in ("actor.", "critic."):
        moved = [not torch.equal(after[k], v) for k, v in before.items() if k.startswith(part)]
        assert moved and all(moved)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    found = [result for _, result in verify(RunFolder(tmp_path), policy, None)]
    assert {result.verdict for result in found} == {"ok"}
    rows = read_metrics(tmp_path / "metrics.jsonl")
    rows[2]["proof/mean_dlogp"] = 0.5
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, log = next(verify(RunFolder(tmp_path), policy, None))
    assert "update 2 logged mean |dlogp| 0.5, more than 0.02" in log.problem


def test_replies_under_a_grammar_train_in_bfloat16(tmp_path: Path) -> None:
    """What the noise is measured with has to be what the grammar allows."""
    policy = make_policy()
    policy.answers_only = True
    rows = run(replace(CONFIG, updates=1), policy, tmp_path)
    assert rows[0]["proof/noise_mean"] > 0 and rows[0]["proof/tokens"] > 0


@pytest.mark.parametrize("bug", ["temperature", "another frame"])
def test_a_planted_bug_stops_a_run_in_bfloat16(bug: Bug, tmp_path: Path) -> None:
    with pytest.raises(ExactnessError, match="re-scored tokens"):
        run(CONFIG, make_policy(bug), tmp_path)
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 1, "the first update must find it"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_twenty_updates_in_bfloat16_raise_no_false_alarm(seed: int, tmp_path: Path) -> None:
    rows = run(replace(CONFIG, updates=20, seed=seed), make_policy(seed=seed), tmp_path)
    assert len(rows) == 20


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS[1:])
@pytest.mark.parametrize("seed", range(2))
def test_every_planted_bug_is_found_within_two_updates_that_could_show_it(
    bug: Bug, seed: int, tmp_path: Path
) -> None:
    """An adapter is stale from the second update on."""
    config = replace(CONFIG, updates=3, seed=seed)
    with pytest.raises(ExactnessError, match="re-scored tokens"):
        run(config, make_policy(bug, seed), tmp_path)
