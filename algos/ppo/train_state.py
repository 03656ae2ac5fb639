"""Everything that an update of PPO changes, in one place."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Adam

from algos.ppo.config import PPOConfig
from algos.recipe.frame_target import FramePrice
from algos.runs import checkpoint
from policies.base import FreezesReference, TrainablePolicy


class TrainState:
    """The policy with its two optimisers and the price of frames: all that an update changes."""

    def __init__(self, config: PPOConfig, policy: TrainablePolicy) -> None:
        """Make the optimisers.

        Raises:
            ValueError: if the advantage needs a critic and the policy has none.
        """
        self.policy = policy
        if config.kl_coef > 0 and isinstance(policy, FreezesReference):
            policy.freeze_reference()  # a checkpoint that is loaded brings its own
        self.frame_price = FramePrice(config.recipe)
        self.actor = Adam(policy.actor_parameters(), lr=config.actor_lr)
        critic = policy.critic_parameters() if config.uses_critic else []
        self.critic = Adam(critic, lr=config.critic_lr) if critic else None
        if config.uses_critic and self.critic is None:
            raise ValueError(
                f'advantage="{config.advantage}" needs a critic and this policy has no critic '
                'parameters: use advantage="group"'
            )

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that a checkpoint needs, by name: float or int tensors, any `(...)`."""
        tensors = {f"policy/{name}": tensor for name, tensor in self.policy.state().items()}
        tensors |= checkpoint.optimizer_tensors(self.actor, "actor/")
        if self.critic is not None:
            tensors |= checkpoint.optimizer_tensors(self.critic, "critic/")
        return tensors | self.frame_price.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` returned: same names, shapes `(...)`, float or int types."""
        self.policy.load_state(checkpoint.with_prefix(tensors, "policy/"))
        checkpoint.load_optimizer(self.actor, tensors, "actor/")
        if self.critic is not None:
            checkpoint.load_optimizer(self.critic, tensors, "critic/")
        self.frame_price.load_tensors(tensors)
