"""Is the GPU exact: the CPU's tokens in float32, and the sampler's log-probs again in bfloat16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from algos.batching.token_batches import collate
from algos.rollout.trajectory import Trajectory
from benchmarks.gpu.episodes import play, questions
from policies.sage_mm import SageMM

EPISODES = 4
"""Of each question."""


def measure(device: str, count: int = 8) -> dict[str, Any]:
    """Play the same episodes on the CPU and on a device, and re-score the device's.

    Sampling draws from the same uniforms everywhere: in float32 an episode is the same token for
    token but where two tokens are equally likely to the last bits.

    Args:
        device: what is compared with the CPU.
        count: questions.
    """
    on_cpu = _played("cpu", torch.float32, count)[1]
    found: dict[str, Any] = {"episodes": len(on_cpu)}
    for dtype in (torch.float32, torch.bfloat16):
        policy, there = _played(device, dtype, count)
        name = str(dtype).removeprefix("torch.")
        same, gaps = compare(on_cpu, there)
        found[f"{name}: episodes as on the CPU"] = same
        found[f"{name}: largest |dlogp| to the CPU"] = float(gaps.max(initial=0.0))
        found |= {f"{name}: {k}": v for k, v in _rescored(policy, there).items()}
    return found


def _played(device: str, dtype: torch.dtype, count: int) -> tuple[SageMM, list[Trajectory]]:
    policy = SageMM.load(device=device, dtype=dtype)
    return policy, play(policy, questions(count), EPISODES, **policy.env_options)


def compare(
    ours: Sequence[Trajectory], theirs: Sequence[Trajectory]
) -> tuple[int, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return how many episodes are the same, and the gaps of log-probs up to where they part.

    Args:
        ours: episodes.
        theirs: of the same questions, in the same order.

    Returns:
        the number of episodes with the same tokens, and float64 `(N,)` in nats.
    """
    same, gaps = 0, [np.zeros(0)]
    for one, other in zip(ours, theirs, strict=True):
        a, b = one.token_ids, other.token_ids
        length = min(len(a), len(b))
        differ = a[:length] != b[:length]
        end = int(differ.argmax()) if differ.any() else length
        same += int(len(a) == len(b) == end)
        sampled = one.sampled[:end]
        gap = one.logprobs[:end].astype(np.float64) - other.logprobs[:end]
        gaps.append(np.abs(gap[sampled]))
    return same, np.concatenate(gaps)


def _rescored(policy: SageMM, played: Sequence[Trajectory]) -> dict[str, float]:
    """Return by how much the learner's log-probs differ from the sampler's, in nats."""
    batch = collate(played, policy.temperature, policy.model.device)
    with torch.no_grad():
        again = policy.evaluate(batch).logprobs
    gaps = (again - batch.old_logprobs)[batch.sampled].abs().double().cpu()
    return {
        "mean |dlogp| sampler to learner": float(gaps.mean()),
        "99 % quantile of it": float(gaps.quantile(0.99)),
        "largest": float(gaps.max()),
    }
