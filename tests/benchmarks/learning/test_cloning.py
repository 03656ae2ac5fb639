"""Laws of `benchmarks.learning.cloning`: what is fitted is the policy itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.batching.token_batches import collate  # noqa: E402
from algos.rollout.playing import EpisodeSpec, collect  # noqa: E402
from algos.sft.environments import open_envs  # noqa: E402
from benchmarks.learning.arm_job import ppo_settings  # noqa: E402
from benchmarks.learning.arms import ARMS  # noqa: E402
from benchmarks.learning.cloning import _fit  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import stir  # noqa: E402
from tests.helpers.tiny_model import write_tiny_model  # noqa: E402
from tests.helpers.wiring.cloning_task import ENV, write_items  # noqa: E402


def test_the_loss_is_at_temperature_1_whatever_the_episodes_were_sampled_at(tmp_path) -> None:
    policy = SageMM.load(write_tiny_model(tmp_path / "model"), lora=LoraSettings(r=4))
    stir(policy)
    policy.max_new_tokens, policy.temperature = 6, 0.5
    items = write_items(tmp_path)
    with open_envs(items, ENV, 1) as envs:
        played = collect(envs, policy, [EpisodeSpec(item.id, 0) for item in items[:2]])
    config = replace(ppo_settings(ARMS["agent"], 0), minibatches=1, temperature=0.5)
    still = torch.optim.SGD(policy.actor_parameters(), lr=0.0)
    found = _fit(config, policy, played, still, np.random.default_rng(0))
    nats = [
        float(policy.evaluate(collate(played, temperature)).logprobs.sum().detach())
        for temperature in (1.0, 0.5)
    ]
    tokens = sum(int(t.sampled.sum()) for t in played)
    assert found == pytest.approx(-nats[0] / tokens, abs=1e-5)
    assert abs(nats[0] - nats[1]) / tokens > 1e-3, "otherwise nothing was told apart"
