"""The toy policy as two tables: what is said next, and what it is worth, hang on the last token.

Its gradients can be written down by hand, see `slow_tables`. Weights are float64.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from policies.base import TokenBatch
from tests.helpers.toy import WORDS, ToyPolicy

Table = list[list[float]]


class TablePolicy(ToyPolicy):
    """Row b of the actor's table holds the logits after token b, the critic's list its value."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.temperature = 1.0
        self.actor = nn.ModuleDict({"table": nn.Embedding(len(WORDS), len(WORDS))}).double()
        self.critic = nn.ModuleDict({"table": nn.Embedding(len(WORDS), 1)}).double()
        with torch.no_grad():
            for parameter in (*self.actor_parameters(), *self.critic_parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
            self.reference = self.actor["table"].weight.detach() + 0.5 * torch.randn(
                len(WORDS), len(WORDS), generator=generator
            )
        self.reset()

    def _logits(self, net: Mapping[str, nn.Module], ids: Tensor) -> Tensor:
        return self._after(net["table"].weight, ids)

    def _after(self, table: Tensor, ids: Tensor) -> Tensor:
        found = table[ids]
        return found if found.shape[-1] == 1 else self._speakable(found)

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        logits = self._after(self.reference, batch.ids) / batch.temperature
        chosen = logits.log_softmax(-1)[:, :-1].gather(-1, batch.ids[:, 1:, None])[..., 0]
        return nn.functional.pad(chosen, (1, 0)).where(batch.sampled, 0.0)


def tables(policy: TablePolicy) -> tuple[Table, list[float], Table]:
    """The actor's table, the critic's list and the reference's table, as Python floats."""
    actor, critic = policy.actor["table"].weight, policy.critic["table"].weight
    return actor.tolist(), critic[:, 0].tolist(), policy.reference.tolist()
