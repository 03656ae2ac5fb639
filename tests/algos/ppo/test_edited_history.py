"""Laws of `algos.ppo.exactness_guard`: a policy whose context is not its record is stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from algos.exactness.rescoring import ExactnessError
from algos.ppo.training import PPOConfig, train
from algos.runs.checkpoint import load_latest
from tests.helpers.toy import ITEMS, ToyPolicy, cloned_policy, envs

torch.set_num_threads(1)
SMALL = PPOConfig(updates=1, questions_per_update=4, episodes_per_question=4, rescore_sample=16)


class Forgetful(ToyPolicy):
    """Like chat templates that drop earlier replies: it goes on without its first turn."""

    def act_batch(self, observations, episodes):
        for episode in episodes:
            self.ids[episode] = []
            self.rngs.setdefault(episode, np.random.default_rng(len(self.rngs)))
        return super().act_batch(observations, episodes)


def test_a_context_that_does_not_extend_the_record_stops_the_run(tmp_path: Path) -> None:
    policy = Forgetful()
    policy.load_state(cloned_policy(0).state())
    with pytest.raises(ExactnessError, match="turn 1, sampled token 0") as caught:
        train(SMALL, policy, envs(16), ITEMS, tmp_path, progress=False)
    assert "compare their inputs" in str(caught.value)
    latest = load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.update == 0
