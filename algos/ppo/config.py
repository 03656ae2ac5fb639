"""The settings of a PPO run, one explanation under each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from algos.recipe.settings import Recipe


@dataclass(frozen=True)
class PPOConfig:
    """Settings of a run. GRPO, RLOO and others are settings too: see `algos.presets`."""

    seed: int = 0
    """Seeds the order of questions, the environments, sampling, and minibatches."""
    updates: int = 30
    """Updates in the whole run."""
    questions_per_update: int = 24
    """Questions drawn per update; all are drawn once before any is drawn again."""
    episodes_per_question: int = 8
    """Episodes played per drawn question, all from the same start."""
    temperature: float = 1.0
    """Sampling temperature, > 0; re-scoring uses the same."""
    advantage: Literal["critic", "group", "both"] = "critic"
    """critic: GAE. group: the whole episode's return above the mean of the question's other
    episodes, the same for each of its tokens, no critic. both: GAE with a critic of what that group
    mean leaves over."""
    leave_one_out: bool = True
    """Leave an episode's own return out of its question's mean."""
    divide_by_std: bool = False
    """With "group": divide by the standard deviation of the question's returns, as GRPO does."""
    drop_ties: bool = False
    """Leave episodes out of the actor's loss, and its denominator, where all of the question's
    returns are equal; they are counted as `rollout/tied`."""
    clock: Literal["token", "turn", "bi-level"] = "token"
    """What one step of GAE is: a sampled token; a turn; or turns outside and tokens inside them."""
    gamma: float = 1.0
    """Discount per sampled token, on the clock of tokens; other clocks do not discount tokens."""
    lam: float = 1.0
    """GAE's lambda from token to token; not used by "group"."""
    turn_gamma: float = 1.0
    """Discount per turn, on the other clocks."""
    turn_lam: float = 1.0
    """GAE's lambda from turn to turn, on the other clocks; not used by "group"."""
    lam_alpha: float | None = None
    """On the clock of tokens: lambda is 1 - 1 / (lam_alpha * sampled tokens) instead of `lam`."""
    critic_lam: float | None = None
    """Lambda of the critic's targets, on every clock; None: that of the advantages."""
    whiten: bool = True
    """Scale advantages to unit variance over the batch (and centre them, with a critic); left out
    when all returns are equal."""
    epochs: int = 1
    """Passes of the actor over each batch."""
    minibatches: int = 4
    """Optimiser steps per pass."""
    micro_batch: int = 16
    """Episodes per forward pass; changes memory and speed, not the gradient."""
    micro_batch_tokens: int | None = None
    """Tokens per forward pass at most, shared prefixes counted once; an episode that has more is a
    pass of its own. Changes memory and speed, not the gradient; None: only `micro_batch` counts."""
    workers: int = 1
    """Forward passes of the actor's update that run side by side, each on one core (CPU only)."""
    clip_low: float = 0.2
    """The probability ratio is clipped below 1 - clip_low."""
    clip_high: float = 0.28
    """The probability ratio is clipped above 1 + clip_high."""
    dual_clip: float | None = 3.0
    """Bound of the ratio on tokens with a negative advantage, > 1; None: no bound."""
    ratio_level: Literal["token", "sequence"] = "token"
    """Whether each token has its own ratio, or all of an episode their geometric mean (GSPO)."""
    aggregation: Literal["token-mean", "sequence-mean", "constant-length"] = "token-mean"
    """Mean of the actor's loss: over all tokens of a minibatch; over episodes, of means over their
    tokens; or over episodes, of sums over their tokens divided by `constant_length`."""
    constant_length: int = 512
    """Tokens that stand for an episode with constant-length."""
    value_clip: float = 0.5
    """How far the value may move from the rollout's before its loss is clipped."""
    kl_coef: float = 0.0
    """Weight of the KL from the reference: the policy that training started from (its adapter, or
    the base where it had none); 0 leaves its forward pass out."""
    kl_in: Literal["loss", "reward"] = "loss"
    """loss: the actor minimises it beside its own loss. reward: every sampled token pays for its
    own, and critic and baselines see it."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    """Which estimate is reported; the gradient in the loss is always k2's, which is that of the
    KL of each token's own distribution, given the tokens before it: how a token changes what
    comes after it is not in it. In the reward only k1 has the right expected gradient, and there
    that is."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus."""
    actor_lr: float = 1e-5
    """Adam's learning rate for the actor."""
    critic_lr: float = 5e-5
    """Adam's learning rate for the critic."""
    lr_decay: bool = False
    """Let both learning rates fall linearly to 0 over the run."""
    critic_epochs: int = 2
    """Passes of the critic over each batch."""
    critic_warmup: int = 10
    """Passes of the critic over the first batch, from which the actor does not learn; 0: no such
    batch."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm, actor and critic apart."""
    rescore_sample: int = 8
    """Episodes per update whose log-probs are re-scored and compared; 0 for none."""
    rescore_tolerance: float | None = None
    """Largest |difference| allowed on any token, in nats; beyond it the run stops. None: the bounds
    of the dtype that the model computes in (`algos.exactness.tolerance`), 1e-3 in float32."""
    mismatch: Literal["none", "token-tis", "sequence-mask"] = "none"
    """Correct for a sampler that is not the learner (`algos.objectives.mismatch`): the ratio is
    then to what the learner says before its first step, and the loss of each token is weighted by
    learner over sampler, truncated; or that of each episode, left out beyond the cap. One more
    forward pass."""
    mismatch_cap: float = 2.0
    """Largest such weight, >= 1."""
    eval_every: int = 5
    """Updates between validations; the start and the end are validated too."""
    checkpoint_every: int = 1
    """Updates between checkpoints; an interrupt loses what came after the last one."""
    keep_last: int = 2
    """Newest checkpoints kept, besides the best."""
    recipe: Recipe = field(default_factory=Recipe)
    """Schedules, budgets and further rewards of training; all off by default."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train."""
        at_least = {f.name: 1 for f in fields(self) if f.type == "int"}
        at_least |= {"seed": 0, "critic_warmup": 0, "rescore_sample": 0}
        if self.advantage != "critic":
            at_least["episodes_per_question"] = 2
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.micro_batch_tokens is not None and self.micro_batch_tokens < 1:
            got = self.micro_batch_tokens
            raise ValueError(f"micro_batch_tokens must be at least 1 or None, got {got}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0 to learn, got {self.temperature}")
        if self.dual_clip is not None and not self.dual_clip > 1:
            raise ValueError(f"dual_clip must be above 1 or None, got {self.dual_clip}")
        for name in ("gamma", "lam", "turn_gamma", "turn_lam", "critic_lam"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        self._check_clock()
        self._check_advantage()
        self._check_kl()
        self._check_mismatch()

    # The checks below refuse settings that would silently do nothing, or something else than they
    # say. Each setting of a row needs what stands beside it:
    #
    #     lam_alpha                 clock = "token"
    #     gamma other than 1        clock = "token"
    #     turn_gamma, turn_lam      clock = "turn" or "bi-level"
    #     divide_by_std             advantage = "group"
    #     drop_ties                 advantage = "group" or "both"
    #     kl_in = "reward"          kl_estimator = "k1"
    #     mismatch_cap              mismatch = "token-tis" or "sequence-mask"

    def _check_clock(self) -> None:
        """Refuse discounts and lambdas that the clock does not use."""
        if self.lam_alpha is not None and not (self.lam_alpha > 0 and self.clock == "token"):
            raise ValueError(
                f'lam_alpha must be above 0 and needs clock="token", got {self.lam_alpha} with '
                f'clock="{self.clock}"'
            )
        if self.clock != "token" and self.gamma != 1:
            raise ValueError(
                f'gamma is the discount per token, got {self.gamma} with clock="{self.clock}": '
                "leave it at 1 and set turn_gamma, so that long turns are not discounted for more"
            )
        if self.clock == "token" and (self.turn_gamma, self.turn_lam) != (1, 1):
            raise ValueError('turn_gamma and turn_lam need clock="turn" or clock="bi-level"')

    def _check_advantage(self) -> None:
        """Refuse what is done to a group's returns where no advantage compares them."""
        if self.divide_by_std and self.advantage != "group":
            raise ValueError(f'divide_by_std needs advantage="group", got "{self.advantage}"')
        if self.drop_ties and self.advantage == "critic":
            raise ValueError('drop_ties needs advantage="group" or "both", got "critic"')

    def _check_kl(self) -> None:
        """Refuse a KL that, as a reward, would pull to another policy than the reference."""
        if self.kl_in == "reward" and self.kl_estimator != "k1":
            raise ValueError(
                'kl_in="reward" needs kl_estimator="k1": as rewards, k2 and k3 pull towards '
                f'something else than the reference; got "{self.kl_estimator}"'
            )

    def _check_mismatch(self) -> None:
        """Refuse tolerances that nothing meets, and a cap of weights that are not there."""
        if self.rescore_tolerance is not None and not self.rescore_tolerance > 0:
            raise ValueError(
                f"rescore_tolerance must be above 0 or None, got {self.rescore_tolerance}"
            )
        if not self.mismatch_cap >= 1:
            raise ValueError(f"mismatch_cap must be at least 1, got {self.mismatch_cap}")
        if self.mismatch == "none" and self.mismatch_cap != 2:
            raise ValueError('mismatch_cap needs mismatch="token-tis" or mismatch="sequence-mask"')

    @property
    def uses_critic(self) -> bool:
        """Return whether the advantage needs a critic."""
        return self.advantage != "group"
