"""Laws of `algos.experiment.settings`: a setting that would do nothing is refused."""

from __future__ import annotations

from typing import Any

import pytest

from algos.experiment.settings import Training
from algos.ppo.config import PPOConfig
from algos.rollout.environment_options import OptionError


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"frames_weight": 0.5, "reward": "answer"}, 'frames_weight is of reward="efficient"'),
        ({"turns_weight": 0.5, "reward": "m:f"}, 'turns_weight is of reward="efficient"'),
        ({"lora_rank": 8, "train": "full"}, "all weights are trained"),
        ({"lora_rank": 8, "adapter": "x"}, "x brings its own"),
        ({"show_credit": True, "rows": ("direct:4",)}, "of the rows base and after"),
        ({"feature_cache": ("cpu=1GB", "cpu=2GB")}, "names a level twice"),
        ({"temperatures": (0.1, 0.10000001)}, "different numbers"),
    ],
)
def test_a_setting_of_what_is_not_there_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Training(**settings).require_use()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"frames_weight": 0.5},
        {"reward": "answer"},
        {"lora_rank": 8},
        {"adapter": "x"},
        {"lora_rank": 8, "adapter": "x", "critic": "adapter", "ppo": PPOConfig()},
        {"show_credit": True},
        {"feature_cache": ("cpu=1GB", "gpu=2GB")},
        {"temperatures": (0.1, 0.2)},
    ],
)
def test_a_setting_that_does_something_is_not(settings: dict[str, Any]) -> None:
    config = Training(**settings)
    config.require_use()  # which raises for what does nothing
    assert config == Training(**settings)
