"""Laws of `algos.ppo.update` with the real policy: padding changes nothing, no pass twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.batching.token_batches import by_micro_batch  # noqa: E402
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.targets import Targets  # noqa: E402
from algos.ppo.update import actor_objective, backward, critic_objective  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402
from tests.helpers.tiny_model import write_tiny_model  # noqa: E402

torch.set_num_threads(1)
TURNS = [3, 1, 4, 2, 3, 1, 2, 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def policy_and_batch(folder, critic="head"):
    policy = SageMM.load(folder, max_new_tokens=6, lora=LoraSettings(r=4), critic=critic)
    stir(policy)
    policy.reset(seed=3)
    batch = as_batch([play(policy, episode(i, turns), i) for i, turns in enumerate(TURNS)])
    stir(policy, seed=1)  # away from the policy that sampled
    return policy, batch


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_padded_and_unpadded_episodes_give_the_same_gradient(folder, critic) -> None:
    policy, batch = policy_and_batch(folder, critic)
    lengths = batch.attention.sum(1)
    assert len(set(lengths.tolist())) > 4, "the episodes must need padding"
    advantages = torch.randn(len(batch), 1) * batch.sampled
    targets = Targets(advantages, advantages + 1, torch.zeros_like(advantages))
    config = PPOConfig(entropy_coef=0.01)
    parameters = policy.actor_parameters() + policy.critic_parameters()

    def gradients(size: int) -> list[torch.Tensor]:
        cut = replace(config, micro_batch=size)
        actor = actor_objective(config, policy, batch, targets)
        critic = critic_objective(config, policy, batch, targets)
        backward(cut, actor, range(8), policy.actor_parameters())
        backward(cut, critic, range(8), policy.critic_parameters())
        found = [p.grad for p in parameters if p.grad is not None]
        assert len(found) == len(parameters) and all(g.abs().max() > 0 for g in found)
        for parameter in parameters:
            parameter.grad = None
        return found

    alone = gradients(1)
    for size in (3, 8):
        for padded, expected in zip(gradients(size), alone, strict=True):
            torch.testing.assert_close(padded, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("critic", ["head", pytest.param("adapter", marks=pytest.mark.slow)])
def test_micro_batches_by_tokens_give_the_gradient_of_those_by_episodes(
    folder, monkeypatch, critic
) -> None:
    policy, batch = policy_and_batch(folder, critic)
    advantages = torch.randn(len(batch), 1) * batch.sampled
    targets = Targets(advantages, advantages + 1, torch.zeros_like(advantages))
    longest = int(batch.attention.sum(1).max())
    passes, hidden = [], policy.model.hidden

    def counted(ids, *more, **named):
        passes.append(ids.shape[1])
        return hidden(ids, *more, **named)

    monkeypatch.setattr(policy.model, "hidden", counted)

    def gradients(tokens: int | None) -> list[torch.Tensor]:
        config = PPOConfig(micro_batch=99, micro_batch_tokens=tokens)
        found = []
        for make in (actor_objective, critic_objective):
            objective = make(config, policy, batch, targets)
            wanted = getattr(policy, f"{objective.name}_parameters")()
            for parameter in wanted:
                parameter.grad = None
            backward(config, objective, range(8), wanted)
            found += [parameter.grad.clone() for parameter in wanted]
        return found

    whole = gradients(None)
    assert len(passes) == 2
    passes.clear()
    cut = gradients(longest)
    assert len(passes) > 2 and max(passes) <= longest
    for one, other in zip(cut, whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_the_entropy_has_a_gradient_where_it_has_a_weight(folder, monkeypatch, weight) -> None:
    policy, batch = policy_and_batch(folder)
    asked, evaluate = [], SageMM.evaluate

    def noted(self, part, *, entropy_gradient=True):
        asked.append(entropy_gradient)
        return evaluate(self, part, entropy_gradient=entropy_gradient)

    monkeypatch.setattr(SageMM, "evaluate", noted)
    zeros = torch.zeros_like(batch.old_logprobs)
    config = PPOConfig(entropy_coef=weight)
    objective = actor_objective(config, policy, batch, Targets(zeros, zeros, zeros))
    stats = backward(config, objective, range(8), policy.actor_parameters())
    assert set(asked) == {weight > 0} and stats["entropy"] > 0
    moved = max(float(p.grad.abs().max()) for p in policy.actor_parameters())
    assert (moved > 0) == (weight > 0), "advantages are 0"


def test_the_reference_reads_what_the_critic_has_read(folder, monkeypatch) -> None:
    policy, batch = policy_and_batch(folder)
    batch.temperature = 0.7
    expected = by_micro_batch(policy.reference_logprobs, batch, 3)
    by_micro_batch(policy.values, batch, 3)
    monkeypatch.setattr(policy.model, "hidden", None)  # no pass of the network from here on
    found = by_micro_batch(policy.reference_logprobs, batch, 3)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert expected[batch.sampled].max() < 0 and not found[~batch.sampled].any()


def test_only_what_was_sampled_becomes_logits(folder, monkeypatch) -> None:
    policy, batch = policy_and_batch(folder)
    rows, log_probs = [], policy.model.log_probs
    monkeypatch.setattr(
        policy.model,
        "log_probs",
        lambda hidden, *more: rows.append(len(hidden)) or log_probs(hidden, *more),
    )
    policy.evaluate(batch)
    assert rows == [int(batch.sampled.sum())]
