"""Laws of `algos.presets`, `algos.ppo.config`: what each published method does, by hand.

The numbers are those of the papers that `algos.presets` names, not those of its settings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_loss, actor_objective, backward, fit
from algos.presets import PRESETS, preset
from policies.base import Evaluation, TokenBatch

torch.set_num_threads(1)
CRITICS = {"ppo", "turn-ppo", "bi-level", "vapo"}
VALUE = 0.25


@dataclass
class Scores:
    """A policy whose log-probs are its one parameter, and whose values are all alike."""

    now: torch.nn.Parameter
    gaps: Sequence[float] = (0.5, 0.5)
    """Nats by which each row is likelier under the policy that sampled than under the reference."""

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        chosen = self.now[batch.cache["row"]][:, : batch.ids.shape[1]]
        return Evaluation(chosen, torch.zeros_like(chosen))

    def values(self, batch: TokenBatch) -> torch.Tensor:
        return torch.full(batch.ids.shape, VALUE).double() * batch.sampled

    def reference_logprobs(self, batch: TokenBatch) -> torch.Tensor:
        gaps = torch.tensor(self.gaps).double()[batch.cache["row"], None]
        return batch.old_logprobs - gaps * batch.sampled


def batch_of(scores: list[float], lengths: list[int], turns: int = 1) -> TokenBatch:
    """Episodes of one prompt token, then as many sampled tokens in each turn as `lengths` says."""
    width = 1 + turns * max(lengths)
    ids = torch.arange(len(scores) * width).reshape(-1, width)
    place = torch.arange(width).expand(len(scores), -1)
    end = 1 + turns * torch.tensor(lengths)[:, None]
    sampled = (place >= 1) & (place < end)
    turn = ((place - 1) // torch.tensor(lengths)[:, None]).clamp(min=0)
    rewards = torch.zeros(ids.shape).double()
    rewards[torch.arange(len(scores)), end[:, 0] - 1] = torch.tensor(scores).double()
    return TokenBatch(
        ids=ids,
        attention=place < end,
        sampled=sampled,
        turn=torch.where(place < end, turn, -1),
        old_logprobs=torch.where(sampled, -1.0, 0.0).double(),
        rewards=rewards,
        frames=[()] * len(scores),
        cache={"row": torch.arange(len(scores))},
    )


def advantages(name: str, scores: list[float], **changes) -> list[list[float]]:
    batch = batch_of(scores, [2] * len(scores), turns=2)
    config = preset(name, kl_coef=0.0, **changes)
    found = make_targets(config, Scores(torch.nn.Parameter()), batch, ["q"] * len(scores))
    return found.advantages[:, 1:].tolist()


SPREAD = math.sqrt((0.75**2 + 3 * 0.25**2) / 3)
OUTCOME = {
    "grpo": (0.75 / SPREAD, -0.25 / SPREAD),
    "dapo": (0.75 / SPREAD, -0.25 / SPREAD),
    "gspo": (0.75 / SPREAD, -0.25 / SPREAD),
    "dr-grpo": (0.75, -0.25),
    "rloo": (1.0, -1 / 3),
}


@pytest.mark.parametrize("name", sorted(OUTCOME))
def test_one_of_four_is_right(name: str) -> None:
    """The question's mean is 1/4; of the others' it is 0 for the right one and 1/3 for the rest."""
    right, wrong = OUTCOME[name]
    found = advantages(name, [1.0, 0.0, 0.0, 0.0])
    assert [x for row in found for x in row] == pytest.approx([right] * 4 + [wrong] * 12)
    assert advantages(name, [1.0] * 4) == [[0.0] * 4] * 4, (
        "who agrees is neither praised nor blamed"
    )


# An episode of two turns of two tokens, reward 1 at its end, every value 1/4; not whitened.
LATER = 0.99 * VALUE - VALUE
CREDIT = {
    "ppo": [0.75] * 4,
    "turn-ppo": [LATER + 0.99 * 0.9 * 0.75] * 2 + [0.75] * 2,
    # Inside a turn lambda is 1, so that all its tokens have the turn's own advantage.
    "bi-level": [0.95 * VALUE - VALUE + 0.95 * 0.95 * 0.75] * 2 + [0.75] * 2,
    # 4 tokens are less than 1 / 0.05: lambda is 0, and only the last token sees the reward.
    "vapo": [0.0, 0.0, 0.0, 0.75],
}


@pytest.mark.parametrize("name", sorted(CREDIT))
def test_credit_by_hand(name: str) -> None:
    found = advantages(name, [1.0, 0.0], whiten=False)
    assert found[0] == pytest.approx(CREDIT[name])


@pytest.mark.parametrize("name", sorted(CRITICS))
def test_critics_are_taught_the_return(name: str) -> None:
    config = preset(name)
    batch = batch_of([1.0, 0.0], [2, 2], turns=2)
    found = make_targets(config, Scores(torch.nn.Parameter()), batch, ["q", "q"]).returns[0, 1:]
    expected = {
        "ppo": [1.0] * 4,
        "turn-ppo": [CREDIT[name][0] + VALUE, 0, 1.0, 0] if name == "turn-ppo" else [],
        "bi-level": [CREDIT[name][0] + VALUE] * 2 + [1.0] * 2,
        "vapo": [1.0] * 4,  # the critic's own lambda is 1, whatever that of the advantages
    }
    assert found.tolist() == pytest.approx(expected[name])


# Between these ratios a token still moves the policy, with a positive and a negative advantage.
EDGES = {
    "ppo": (1.28, 0.8, 3.0),
    "turn-ppo": (1.28, 0.8, 3.0),
    "bi-level": (1.28, 0.8, 3.0),
    "vapo": (1.28, 0.8, None),
    "grpo": (1.2, 0.8, None),
    "rloo": (1.28, 0.8, None),
    "dr-grpo": (1.2, 0.8, None),
    "dapo": (1.28, 0.8, None),
    "gspo": (1 + 4e-4, 1 - 3e-4, None),
}


@pytest.mark.parametrize("name", PRESETS)
def test_the_ends_of_the_clip(name: str) -> None:
    high, low, dual = EDGES[name]
    config = preset(name, kl_coef=0.0, whiten=False)
    batch = batch_of([1.0, 0.0], [1, 1])
    targets = make_targets(config, Scores(torch.nn.Parameter()), batch, ["q", "q"])
    good, bad = targets.advantages[:, 1].tolist()
    assert good > 0 > bad

    def moves(row: int, ratio: float) -> bool:
        policy = Scores(torch.nn.Parameter(batch.old_logprobs + math.log(ratio)))
        loss, _ = actor_loss(config, policy)(batch, targets, 2.0)
        (slope,) = torch.autograd.grad(loss, policy.now)
        return float(slope[row, 1]) != 0.0

    near = 1e-6
    assert moves(0, high - near) and not moves(0, high + near) and moves(0, 0.01)
    assert moves(1, low + near) and not moves(1, low - near)
    assert moves(1, (dual or 1e6) - near)
    assert not (dual and moves(1, dual + near))


def test_gspo_clips_an_episode_by_its_mean_ratio() -> None:
    config = preset("gspo", whiten=False)
    batch = batch_of([1.0, 0.0], [2, 2])
    targets = make_targets(config, Scores(torch.nn.Parameter()), batch, ["q", "q"])
    now = batch.old_logprobs.clone()
    now[:, 1] += 0.5
    now[:, 2] -= 0.5  # each far outside the clip, together not at all
    policy = Scores(torch.nn.Parameter(now))
    loss, stats = actor_loss(config, policy)(batch, targets, 4.0)
    (slope,) = torch.autograd.grad(loss, policy.now)
    assert float(stats["clipfrac"]) == 0 and bool((slope[batch.sampled] != 0).all())
    expected = -targets.advantages / 4
    torch.testing.assert_close(slope[batch.sampled], expected[batch.sampled])


LONG_AND_SHORT = {
    # Share of one token's slope in the mean over two episodes of 1 and 3 tokens.
    **dict.fromkeys(("ppo", "turn-ppo", "bi-level", "vapo", "dapo"), (1 / 4, 1 / 4)),
    **dict.fromkeys(("grpo", "gspo"), (1 / 2, 1 / 6)),
    **dict.fromkeys(("dr-grpo", "rloo"), (1 / 2 / 512, 1 / 2 / 512)),
}


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_token_of_a_long_and_of_a_short_episode_counts_for(name: str) -> None:
    config = preset(name, kl_coef=0.0, whiten=False)
    batch = batch_of([1.0, 0.0], [1, 3])
    policy = Scores(torch.nn.Parameter(batch.old_logprobs.clone()))
    targets = make_targets(config, policy, batch, ["q", "q"])
    actor = actor_objective(config, policy, batch, targets)  # type: ignore[arg-type]
    backward(config, actor, [0, 1], [policy.now])
    assert policy.now.grad is not None
    short, long = LONG_AND_SHORT[name]
    assert float(policy.now.grad[0, 1]) == pytest.approx(-short * float(targets.advantages[0, 1]))
    assert float(policy.now.grad[1, 3]) == pytest.approx(-long * float(targets.advantages[1, 3]))


@pytest.mark.parametrize("name", PRESETS)
def test_which_methods_pull_towards_the_reference_beside_their_loss(name: str) -> None:
    """GRPO with the weight 0.04; the policy is half a nat away, and nothing is earned."""
    config = preset(name, whiten=False)
    batch = batch_of([1.0, 1.0], [1, 1])
    policy = Scores(torch.nn.Parameter(batch.old_logprobs.clone()))
    targets = make_targets(config, policy, batch, ["q", "q"])
    targets = replace(targets, advantages=torch.zeros_like(targets.advantages))
    loss, _ = actor_loss(config, policy)(batch, targets, 2.0)
    (slope,) = torch.autograd.grad(loss, policy.now)
    assert float(slope[0, 1]) == pytest.approx(0.04 * 0.5 / 2 if name == "grpo" else 0.0)


def test_rloo_pays_for_the_kl_as_a_reward() -> None:
    batch = batch_of([1.0, 1.0], [1, 1])
    policy = Scores(torch.nn.Parameter(batch.old_logprobs.clone()), gaps=(0.0, 1.0))
    found = make_targets(preset("rloo"), policy, batch, ["q", "q"]).advantages[:, 1]
    assert found.tolist() == pytest.approx([0.05, -0.05]), "one nat costs 0.05"
    with_grpo = make_targets(preset("grpo"), policy, batch, ["q", "q"])
    assert not with_grpo.advantages.any()


def test_rloo_takes_one_step_on_a_batch() -> None:
    config = preset("rloo", critic_warmup=0)
    batch = batch_of([1.0, 0.0, 0.0, 0.0], [1, 2, 3, 1])
    policy = Scores(torch.nn.Parameter(batch.old_logprobs.clone()))
    policy.gaps = (0.5,) * 4
    targets = make_targets(config, policy, batch, ["q"] * 4)
    steps = []

    class Counting(torch.optim.SGD):
        def step(self, closure=None):
            steps.append(1)
            return super().step(closure)

    actor = actor_objective(config, policy, batch, targets)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    fit(config, actor, Counting([policy.now], lr=0.0), epochs=config.epochs, rng=rng)
    assert len(steps) == 1


def test_a_preset_changes_what_defines_it_and_nothing_of_the_run() -> None:
    run = {"seed", "updates", "questions_per_update", "episodes_per_question", "temperature"}
    run |= {"actor_lr", "critic_lr", "lr_decay", "max_grad_norm", "recipe", "value_clip"}
    run |= {"entropy_coef", "critic_epochs", "critic_warmup", "micro_batch", "gamma", "lam"}
    assert run < {field.name for field in fields(PPOConfig)}
    for name in PRESETS:
        assert all(getattr(preset(name), field) == getattr(PPOConfig(), field) for field in run)
        assert preset(name).uses_critic == (name in CRITICS)
