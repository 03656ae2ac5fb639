"""Laws of `policies.sage_mm.model.activation_checkpointing`.

Less is kept for the backward pass, and nothing else differs.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from torch.autograd.graph import saved_tensors_hooks  # noqa: E402

from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def policies(tiny_folder):
    """The same policy without and with checkpointed layers, and what the first one has played."""
    both = []
    for checkpointing in (False, True):
        policy = SageMM.load(
            tiny_folder,
            lora=LoraSettings(r=4),
            critic="adapter",
            checkpointing=checkpointing,
            max_new_tokens=10,
        )
        stir(policy)
        with torch.no_grad():
            policy.model.value_head.weight.fill_(0.1)
        policy.reset(seed=1)
        turns = [play(policy, episode(seed, 2), seed) for seed in range(3)]
        both.append((policy, turns))
    return both


def test_playing_is_the_same(policies):
    (_, plain), (_, again) = policies
    for one, other in zip(plain, again, strict=True):
        for turn, same in zip(one, other, strict=True):
            assert turn.completion.tolist() == same.completion.tolist()
            assert (turn.logprobs == same.logprobs).all()


def gradients(policy, turns, of_critic):
    """Return the gradients by every trained tensor, and the bytes kept for them."""
    batch, kept = as_batch(turns), 0

    def keep(tensor):
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        if of_critic:
            loss = policy.values(batch).square().sum()
        else:
            found = policy.evaluate(batch)
            loss = found.logprobs.sum() + found.entropy.sum()
    wanted = policy.actor_parameters() + policy.critic_parameters()
    return torch.autograd.grad(loss, wanted, allow_unused=True), kept


@pytest.mark.parametrize("of_critic", [False, True])
def test_gradients_are_the_same_and_less_is_kept(policies, of_critic):
    (plain, turns), (checkpointed, _) = policies
    expected, much = gradients(plain, turns, of_critic)
    found, little = gradients(checkpointed, turns, of_critic)
    assert little < 0.5 * much
    assert sum(g is not None for g in expected) > 4
    for gradient, wanted in zip(found, expected, strict=True):
        assert (gradient is None) == (wanted is None)
        if gradient is not None:
            torch.testing.assert_close(gradient, wanted, rtol=1e-5, atol=1e-6)
            assert gradient.abs().max() > 0 or not wanted.any()
    assert checkpointed.model.adapter == "actor"
