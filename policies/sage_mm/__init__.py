"""SAGE-MM: a Qwen3-VL-family model with LoRA that plays the environment token by token.

May not: know how it is trained; it says what its tokens score, and lends its weights.

Rooms, in the order of imports: `tokens/` (no torch), `vision/`, `model/`, `generation/`. Root, in
the order to read it: `policy` (the policy itself), `context` (one episode's tokens, append-only),
`kv_budget` (whose keys and values are held), `episode_sampler` (replies of many episodes),
`scoring` (log-probs and values of what was sampled), `beliefs` (over a question's choices, turn by
turn), `trained_weights` (taken, put back, saved),
`introspection` (the policy read from outside), `stage_timer` (where its time goes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from policies.sage_mm.generation.rollout_memory import (
        RolloutShape,
        rollout_bytes,
        slots_for,
        slots_on,
    )
    from policies.sage_mm.model.adapters import LoraSettings
    from policies.sage_mm.policy import SageMM

__all__ = ["LoraSettings", "RolloutShape", "SageMM", "rollout_bytes", "slots_for", "slots_on"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "LoraSettings": "policies.sage_mm.model.adapters",
        "RolloutShape": "policies.sage_mm.generation.rollout_memory",
        "SageMM": "policies.sage_mm.policy",
        "rollout_bytes": "policies.sage_mm.generation.rollout_memory",
        "slots_for": "policies.sage_mm.generation.rollout_memory",
        "slots_on": "policies.sage_mm.generation.rollout_memory",
    },
    extra="sage",
)
