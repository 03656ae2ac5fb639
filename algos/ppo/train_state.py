"""Everything that an update of PPO changes, in one place."""

from __future__ import annotations

from torch import Tensor

from algos.ppo.adaptive_kl import KLCoefficient
from algos.ppo.config import PPOConfig
from algos.ppo.optimisers import make_optimizer
from algos.recipe.frame_target import FramePrice
from algos.runs import checkpoint
from policies.base import FreezesReference, TrainablePolicy


class TrainState:
    """The policy, its two optimisers, the prices of frames and of the KL: all that may change."""

    def __init__(self, config: PPOConfig, policy: TrainablePolicy) -> None:
        """Make the optimisers.

        Raises:
            ValueError: if the advantage needs a critic and the policy has none.
        """
        self.policy = policy
        if config.kl_coef > 0 and isinstance(policy, FreezesReference):
            policy.freeze_reference()  # a checkpoint that is loaded brings its own
        self.frame_price = FramePrice(config.recipe)
        self.kl = KLCoefficient(config)
        self.actor = make_optimizer(
            policy.actor_parameters(), lr=config.actor_lr, weight_decay=config.actor_weight_decay
        )
        critic = policy.critic_parameters() if config.uses_critic else []
        decay = config.critic_weight_decay
        self.critic = (
            make_optimizer(critic, lr=config.critic_lr, weight_decay=decay) if critic else None
        )
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
        return tensors | self.frame_price.tensors() | self.kl.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` returned: same names, shapes `(...)`, float or int types."""
        self.policy.load_state(checkpoint.with_prefix(tensors, "policy/"))
        checkpoint.load_optimizer(self.actor, tensors, "actor/")
        if self.critic is not None:
            checkpoint.load_optimizer(self.critic, tensors, "critic/")
        self.frame_price.load_tensors(tensors)
        self.kl.load_tensors(tensors)
