"""The weights of SAGE-MM that training moves: who they are, taken, put back and saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from policies.errors import ModelError
from policies.sage_mm.model.full_parameters import FullParameterModel
from policies.sage_mm.model.sage_model import SageModel

if TYPE_CHECKING:
    from torch.nn import Parameter


class TrainedWeightsMixin:
    """What a trainer asks of the policy's weights.

    Attributes:
        model: the network.
    """

    model: SageModel

    def freeze_reference(self) -> None:
        """Make the actor as it is now the reference; loading an adapter does so with that one."""
        self.model.freeze_reference()

    def actor_parameters(self) -> list[Parameter]:
        """Return the actor's LoRA weights."""
        return self.model.actor_parameters()

    def critic_parameters(self) -> list[Parameter]:
        """Return the value head's weights and, if the critic has one, its adapter's."""
        return self.model.critic_parameters()

    def state(self) -> dict[str, Tensor]:
        """Return every trained tensor by name: detached copies on the CPU."""
        return self.model.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned. Running episodes are prefilled anew at their next turn.

        Raises:
            ValueError: if the names or shapes are not those of this model.
        """
        self.model.load_state(state)

    def save_adapter(self, folder: str | Path) -> None:
        """Write the actor's adapter as a folder that plain peft loads."""
        self.model.save_adapter(folder)

    def save_checkpoint(self, folder: str | Path) -> None:
        """Write a whole checkpoint that `load` reads, where all weights were trained.

        Raises:
            ModelError: if an adapter is trained, and the base is as it was.
        """
        if not isinstance(self.model, FullParameterModel):
            raise ModelError(
                f"{folder} is to be a whole checkpoint, but this model trains an adapter: use "
                'save_adapter, or load it with train="full"'
            )
        self.model.save_checkpoint(folder)
