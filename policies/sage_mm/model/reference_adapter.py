"""The reference of a KL as an adapter of its own: a frozen copy of the actor's at some moment."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

PREFIX = "reference."
"""Before the names of the reference's tensors in the state of a model."""
_OUTPUT = "_B."  # in the names of LoRA's second matrices: all 0 until something was learned


class ReferenceAdapter:
    """The adapter `reference` of a peft model: there, or not, where the base is the reference.

    The names of its tensors are those of the actor's, with `.reference.` for `.actor.`.
    """

    def __init__(self, peft_model: Any, base: nn.Module) -> None:
        """Look at a model that has an adapter `actor`."""
        self._peft, self._base = peft_model, base

    @property
    def present(self) -> bool:
        """Return whether there is one."""
        return "reference" in self._peft.peft_config

    def freeze(self) -> None:
        """Make it a copy of the actor's as it is now; none if that changes nothing yet."""
        actor = {name: p.detach().clone() for name, p in self._named("actor").items()}
        outputs = [p for name, p in actor.items() if _OUTPUT in name and not p.is_meta]
        moved = any(bool(p.any()) for p in outputs)  # shapes alone (meta tensors) have not moved
        renamed = {name.replace(".actor.", ".reference."): p for name, p in actor.items()}
        self._put(renamed if moved else {})

    def state(self) -> dict[str, nn.Parameter]:
        """Return its tensors by the names that they have in a state; none without one."""
        return {f"{PREFIX}{name}": p for name, p in self._named("reference").items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Make it what a state holds: these tensors, or none.

        Raises:
            ValueError: if they are not of the actor's names and shapes.
        """
        given = {n.removeprefix(PREFIX): x for n, x in state.items() if n.startswith(PREFIX)}
        shapes = {n.replace(".reference.", ".actor."): tuple(x.shape) for n, x in given.items()}
        if given and shapes != {n: tuple(p.shape) for n, p in self._named("actor").items()}:
            raise ValueError(
                "the reference of the state is another adapter than the actor's: load it into a "
                "policy with the same checkpoint and lora"
            )
        self._put(given)

    def _named(self, adapter: str) -> dict[str, nn.Parameter]:
        return {n: p for n, p in self._base.named_parameters() if f".{adapter}." in n}

    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        if not tensors:
            if self.present:
                self._peft.delete_adapter("reference")
            return
        if not self.present:
            with torch.random.fork_rng(devices=[]):  # its initial weights are overwritten
                config = copy.deepcopy(self._peft.peft_config["actor"])
                self._peft.add_adapter("reference", config)
        named = self._named("reference")
        with torch.no_grad():
            for name, tensor in tensors.items():
                named[name].requires_grad_(False).copy_(tensor)
