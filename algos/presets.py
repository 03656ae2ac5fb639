"""Published methods as settings of the one trainer.

| preset   | advantage                                | ratio, clip            | mean of the loss |
|----------|------------------------------------------|------------------------|------------------|
| ppo      | critic, GAE over tokens                  | token, 0.2 / 0.28      | tokens           |
| turn-ppo | critic, GAE over turns                   | token, 0.2 / 0.28      | tokens           |
| bi-level | critic, turns outside, tokens inside     | token, 0.2 / 0.28      | tokens           |
| vapo     | critic, lambda by length, critic's own   | token, 0.2 / 0.28      | tokens           |
| grpo     | question's mean, over its deviation      | token, 0.2 / 0.2       | per episode      |
| rloo     | mean of the question's other episodes    | 1: one step per batch  | constant length  |
| dr-grpo  | question's mean                          | token, 0.2 / 0.2       | constant length  |
| dapo     | as grpo, ties left out                   | token, 0.2 / 0.28      | tokens           |
| gspo     | as grpo                                  | episode, 3e-4 / 4e-4   | per episode      |

| preset   | paper                                                                            |
|----------|----------------------------------------------------------------------------------|
| ppo      | Schulman et al. 2017, https://arxiv.org/abs/1707.06347; GAE,                     |
|          | https://arxiv.org/abs/1506.02438; dual clip, https://arxiv.org/abs/1912.09729    |
| turn-ppo | Li et al. 2025, https://arxiv.org/abs/2512.17008                                 |
| bi-level | VAGEN, Wang et al. 2025, https://arxiv.org/abs/2510.16907                        |
| vapo     | Yue et al. 2025, https://arxiv.org/abs/2504.05118                                |
| grpo     | DeepSeekMath, Shao et al. 2024, https://arxiv.org/abs/2402.03300                 |
| rloo     | Ahmadian et al. 2024, https://arxiv.org/abs/2402.14740                           |
| dr-grpo  | Liu et al. 2025, https://arxiv.org/abs/2503.20783                                |
| dapo     | Yu et al. 2025, https://arxiv.org/abs/2503.14476                                 |
| gspo     | Zheng et al. 2025, https://arxiv.org/abs/2507.18071                              |

Only what defines a method is set: learning rates, batch sizes and rewards stay those of the run.
Where this trainer departs from the papers on purpose:

- The KL in the loss has k2's gradient, that of the KL of each token's distribution; papers
  differentiate k3. Neither sees how a token changes the KL of those after it.
- vapo is its estimator alone: the critic is not pretrained for many updates (`critic_warmup` passes
  over the first batch instead), and the loss has no language-modelling term on right episodes.
- dapo does not draw further questions in place of tied ones, and shapes no reward for length.
- rloo sums over an episode's tokens up to a constant factor, which Adam does not see.
- The deviation of grpo has no epsilon added; questions on which all agree have advantage 0.
- bi-level has VAGEN's discounts; it bootstraps from the state before a turn, not from its last
  token, and is not mixed with token GAE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from algos.ppo.config import PPOConfig
from sage_env.shadowing import require_ours

require_ours("algos")

PresetName = Literal[
    "ppo", "turn-ppo", "bi-level", "vapo", "grpo", "rloo", "dr-grpo", "dapo", "gspo"
]
_GROUP = {"advantage": "group", "leave_one_out": False, "whiten": False, "dual_clip": None}
PRESETS: Mapping[PresetName, Mapping[str, Any]] = {
    "ppo": {},
    "turn-ppo": {"clock": "turn", "turn_gamma": 0.99, "turn_lam": 0.9},
    "bi-level": {"clock": "bi-level", "turn_gamma": 0.95, "turn_lam": 0.95},
    "vapo": {"lam_alpha": 0.05, "critic_lam": 1.0, "dual_clip": None},
    "grpo": {
        **_GROUP,
        "divide_by_std": True,
        "clip_high": 0.2,
        "aggregation": "sequence-mean",
        "kl_coef": 0.04,
    },
    "rloo": {
        **_GROUP,
        "leave_one_out": True,
        "epochs": 1,
        "minibatches": 1,
        "aggregation": "constant-length",
        "kl_coef": 0.05,
        "kl_in": "reward",
        "kl_estimator": "k1",
    },
    "dr-grpo": {**_GROUP, "clip_high": 0.2, "aggregation": "constant-length"},
    "dapo": {**_GROUP, "divide_by_std": True, "drop_ties": True},
    "gspo": {
        **_GROUP,
        "divide_by_std": True,
        "ratio_level": "sequence",
        "clip_low": 3e-4,
        "clip_high": 4e-4,
        "aggregation": "sequence-mean",
    },
}


def preset(name: PresetName, **changes: Any) -> PPOConfig:
    """Return the settings of a published method, with changes.

    Args:
        name: one of `PRESETS`.
        changes: fields of `PPOConfig` that are to differ.

    Raises:
        ValueError: if there is no such preset, or the changes contradict it.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset is named {name!r}: choose one of {', '.join(PRESETS)}")
    return PPOConfig(**{**PRESETS[name], **changes})
