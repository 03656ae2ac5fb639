"""The settings of a PPO run, one explanation under each."""

from __future__ import annotations

import math
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
    """Older name of `lr_schedule="linear"`: let both learning rates fall linearly to 0."""
    critic_epochs: int = 2
    """Passes of the critic over each batch."""
    critic_warmup: int = 10
    """Passes of the critic over the first batch, from which the actor does not learn; 0: no such
    batch. `critic_pretrain_updates` makes it the first batches."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm, actor and critic apart."""
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How both learning rates fall over the run, see `algos.ppo.schedules`."""
    lr_warmup_updates: int = 0
    """Updates in which a rate rises from near 0, counted from the first in which its network
    learns; the fall begins after them."""
    lr_min_ratio: float = 0.0
    """Share of the rates at which linear and cosine end, in [0, 1)."""
    target_kl: float | None = None
    """End the actor's passes over a batch before the optimiser step whose minibatch has a KL of
    the policy from the one that sampled (`losses/approx_kl`, k3) above this many nats per token;
    None: all passes. No factor of 1.5 is added, as others do."""
    adaptive_kl: float | None = None
    """KL from the reference, in nats per sampled token, to which `kl_coef` is steered, see
    `algos.ppo.adaptive_kl`; `kl_coef` is then its start. None: it stays."""
    adaptive_kl_rule: Literal["proportional", "doubling"] = "proportional"
    """How: by a share of the error per update (Ziegler et al.), or by halves and doubles (PPO)."""
    adaptive_kl_gain: float = 0.1
    """With proportional: how much of the coefficient an error of the whole target moves; errors
    count up to 0.2 of the target."""
    entropy_coef_end: float | None = None
    """Weight of the entropy bonus in the last update, reached linearly from `entropy_coef`; None:
    it stays."""
    actor_weight_decay: float = 0.0
    """Decoupled weight decay (AdamW, arXiv 1711.05101) of the actor's matrices, per step and times
    the rate; for LoRA it pulls towards the base. 0: Adam."""
    critic_weight_decay: float = 0.0
    """The same for the critic's matrices."""
    critic_pretrain_updates: int = 1
    """Updates at the start in which only the critic learns, `critic_warmup` passes over each."""
    patience: int | None = None
    """Validations in a row without a new best after which the run ends; None: it never ends
    early."""
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
    record_tokens: int = 2
    """Questions per update whose episodes are written to `tokens.jsonl` with the text and the
    numbers of every sampled token, chosen by the seed; 0 for none. It changes no number, and takes
    one more forward pass over these episodes."""
    record_validation: int = 256
    """Validation questions, chosen by the seed, whose episodes are written to
    `validation_episodes.jsonl` after each validation; 0 for none."""
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
        at_least |= {"seed": 0, "critic_warmup": 0, "rescore_sample": 0, "lr_warmup_updates": 0}
        at_least |= {"record_tokens": 0, "record_validation": 0}
        if self.advantage != "critic":
            at_least["episodes_per_question"] = 2
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.micro_batch_tokens is not None and self.micro_batch_tokens < 1:
            got = self.micro_batch_tokens
            raise ValueError(f"micro_batch_tokens must be at least 1 or None, got {got}")
        if not 0 < self.temperature < math.inf:
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
        self._check_coefficients()
        self._check_rates()
        self._check_ends()

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
    #     lr_min_ratio              lr_schedule = "linear" or "cosine"
    #     lr_warmup_updates         updates beyond them
    #     target_kl                 epochs * minibatches > 1: the first step's KL is 0
    #     adaptive_kl               kl_coef > 0
    #     adaptive_kl_rule, _gain   adaptive_kl
    #     entropy_coef_end          updates > 1, and another entropy_coef
    #     critic_weight_decay       a critic
    #     critic_pretrain_updates   a critic, critic_warmup > 0, updates beyond them

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

    def _check_coefficients(self) -> None:
        """Refuse coefficients that are none, and schedules of them that would not move."""
        for name in ("clip_low", "clip_high", "value_clip"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        for name in ("kl_coef", "entropy_coef", "entropy_coef_end"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0, got {value}")
        for name in ("target_kl", "adaptive_kl", "adaptive_kl_gain"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0, got {value}")
        if self.target_kl is not None and self.epochs * self.minibatches == 1:
            raise ValueError(
                "target_kl needs more than one step on a batch, because no weight has moved "
                "before the first: raise epochs or minibatches"
            )
        if self.adaptive_kl is not None and self.kl_coef == 0:
            raise ValueError("adaptive_kl needs kl_coef above 0, from which it starts")
        changed = self.adaptive_kl_rule != "proportional" or self.adaptive_kl_gain != 0.1
        if self.adaptive_kl is None and changed:
            raise ValueError("adaptive_kl_rule and adaptive_kl_gain need adaptive_kl")
        if self.adaptive_kl_rule == "doubling" and self.adaptive_kl_gain != 0.1:
            raise ValueError('adaptive_kl_gain needs adaptive_kl_rule="proportional"')
        if self.entropy_coef_end is not None:
            if self.updates == 1 or self.entropy_coef_end == self.entropy_coef:
                raise ValueError(
                    "entropy_coef_end needs updates above 1 and another entropy_coef, got "
                    f"{self.updates} updates from {self.entropy_coef} to {self.entropy_coef_end}"
                )

    def _check_rates(self) -> None:
        """Refuse learning rates that do not move as they say, and decay of what does not learn."""
        if self.lr_decay and self.lr_schedule == "cosine":
            raise ValueError('lr_decay is the older name of lr_schedule="linear", got "cosine"')
        for name in ("actor_lr", "critic_lr"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not self.max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be above 0, got {self.max_grad_norm}")
        if not 0 <= self.lr_min_ratio < 1:
            raise ValueError(f"lr_min_ratio must be in [0, 1), got {self.lr_min_ratio}")
        if self.lr_min_ratio > 0 and self.rate_schedule == "constant":
            raise ValueError('lr_min_ratio needs lr_schedule="linear" or lr_schedule="cosine"')
        for name in ("actor_weight_decay", "critic_weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.critic_weight_decay > 0 and not self.uses_critic:
            raise ValueError('critic_weight_decay needs a critic, got advantage="group"')

    def _check_ends(self) -> None:
        """Refuse stretches of updates that fill the run, and a patience of none."""
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1 or None, got {self.patience}")
        if self.critic_pretrain_updates > 1:
            if not (self.uses_critic and self.critic_warmup > 0):
                raise ValueError(
                    "critic_pretrain_updates needs a critic and critic_warmup above 0, got "
                    f'advantage="{self.advantage}" and critic_warmup={self.critic_warmup}'
                )
            if self.critic_pretrain_updates >= self.updates:
                raise ValueError(
                    "critic_pretrain_updates must leave updates for the actor, got "
                    f"{self.critic_pretrain_updates} of {self.updates}"
                )
        if self.lr_warmup_updates > 0:
            rising = self.first_actor_update - 1 + self.lr_warmup_updates
            if rising >= self.updates:
                raise ValueError(
                    "lr_warmup_updates must leave updates at the full rate, got "
                    f"{self.lr_warmup_updates} from update {self.first_actor_update} on, of "
                    f"{self.updates}"
                )

    @property
    def rate_schedule(self) -> Literal["constant", "linear", "cosine"]:
        """Return how the learning rates fall, by whichever name it was asked for."""
        return "linear" if self.lr_decay else self.lr_schedule

    @property
    def first_actor_update(self) -> int:
        """Return the first update from which the actor learns: 1, or after the critic's own."""
        warms_up = self.uses_critic and self.critic_warmup > 0
        return 1 + self.critic_pretrain_updates if warms_up else 1

    @property
    def uses_critic(self) -> bool:
        """Return whether the advantage needs a critic."""
        return self.advantage != "group"
