"""Laws of `policies.sage_mm.policy`, `model.sage_model`, `model.value_head`: one of each, none."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from peft import LoraConfig  # noqa: E402

from policies.base import context_digest  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.model.adapters import LANGUAGE_LINEARS  # noqa: E402
from policies.sage_mm.model.language_model import language_states  # noqa: E402
from policies.sage_mm.model.value_head import new_value_head  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def policy(tiny_folder) -> SageMM:
    policy = SageMM.load(tiny_folder, max_new_tokens=8, lora=LoraSettings(r=4))
    stir(policy)
    return policy


def test_a_new_policy_samples_what_can_be_trained_on(policy) -> None:
    """Uncut, at a temperature of 1, one batch at a time; replies as long as a thought needs."""
    new = SageMM(policy.model)
    assert (new.temperature, new.top_k, new.top_p, new.when_full) == (1.0, 0, 1.0, "error")
    assert (new.max_new_tokens, new.max_batch, new.workers) == (256, 64, 1)
    default = {n: p.default for n, p in inspect.signature(SageMM).parameters.items()}
    assert (default["draft_tokens"], default["prefix_cache_bytes"]) == (192, 1 << 30)
    assert default["kv_bytes"] is default["prefix_in_place"] is None
    assert (default["constrained"], default["tools"]) == (False, ())


def test_what_is_measured_of_nothing_and_of_one(tiny_folder) -> None:
    fresh = SageMM.load(tiny_folder, max_new_tokens=1)
    nothing = fresh.measures()
    assert set(nothing.values()) == {0} and len(nothing) == 9
    fresh.reset(seed=1)
    play(fresh, [observe(1, 1)], "x")
    one = fresh.measures()
    assert one["policy/encodes_per_frame"] == one["policy/tokens_per_step"] == 1.0
    assert one["policy/sampled_tokens"] == 1
    before = fresh.encodes
    play(fresh, [observe(2, 0)], "y")
    assert fresh.encodes == before, "no frame, nothing to encode"


def test_an_observation_without_frames_is_played_and_scored(policy) -> None:
    policy.reset(seed=1)
    (turn,) = play(policy, [observe(3, 0)], "x")
    assert turn.frames == ()
    batch = as_batch([[turn]])
    torch.testing.assert_close(
        policy.evaluate(batch).logprobs, batch.old_logprobs, atol=2e-5, rtol=0
    )
    ids = torch.from_numpy(turn.prompt)[None]
    positions = policy.model.positions(ids, [ids.shape[1]], [()])
    with torch.no_grad():
        plain = policy.model.hidden(ids, positions, ())
        none = torch.zeros_like(ids, dtype=torch.bool)
        for visual, features in ((None, None), (none, None), (None, torch.ones(4, 0, 64))):
            found = language_states(policy.model.base, ids, positions, visual, features)
            torch.testing.assert_close(found, plain, atol=1e-6, rtol=0)


def test_acting_on_nobody_is_nothing_and_names_must_be_as_many_as_observations(policy) -> None:
    policy.reset(seed=1)
    assert policy.act_batch([], []) == []
    with pytest.raises(ValueError):
        policy.act_batch([observe(1)], [])
    with pytest.raises(ValueError):
        policy.act_batch([observe(1)], ["x", "y"])
    policy.end(["never begun"])


@pytest.mark.parametrize("max_batch", [1, 3])
def test_a_batch_of_one_more_or_one_less_plays_the_same(policy, monkeypatch, max_batch) -> None:
    looks = [episode(i, 1)[0] for i in range(3)]
    policy.reset(seed=2)
    alone = [play(policy, [look], k)[0] for k, look in enumerate(looks)]
    monkeypatch.setattr(policy, "max_batch", max_batch)
    policy.reset(seed=2)
    for one, decision in zip(alone, policy.act_batch(looks, range(3)), strict=True):
        assert decision.tokens is not None
        assert one.completion.tolist() == decision.tokens.completion.tolist()
        np.testing.assert_allclose(one.logprobs, decision.tokens.logprobs, atol=2e-5)


def test_the_seed_of_new_adapters_is_that_of_their_settings_or_0(tiny_folder, policy) -> None:
    """Whatever torch was seeded with, and however the adapter was described."""

    def state(lora):
        torch.manual_seed(int(torch.randint(1 << 30, (1,))))
        return SageMM.load(tiny_folder, lora=lora).state()

    given = LoraConfig(r=4, lora_alpha=32, target_modules=LANGUAGE_LINEARS)
    named, plain, other = (state(x) for x in (given, LoraSettings(r=4), LoraSettings(r=4, seed=1)))
    assert all(torch.equal(named[name], tensor) for name, tensor in plain.items())
    assert any(not torch.equal(other[name], tensor) for name, tensor in plain.items())
    default = SageMM.load(tiny_folder).state()
    assert all(torch.equal(default[n], x) for n, x in state(LoraSettings()).items())


def test_the_log_probs_of_greedy_decoding_are_those_at_1(policy) -> None:
    hidden = torch.randn(3, policy.model.config.hidden_size)
    greedy, plain, warm = (policy.model.log_probs(hidden, t) for t in (0.0, 1.0, 1e-2))
    assert torch.equal(greedy, plain) and (warm - plain).abs().max() > 1
    allowed = torch.zeros(3, plain.shape[1], dtype=torch.bool)
    allowed[:, [30, 31]] = True
    found = policy.model.log_probs(hidden, 1.0, allowed).exp()
    torch.testing.assert_close(found[:, [30, 31]].sum(1), torch.ones(3))
    assert not found[:, ~allowed[0]].any()


def test_the_adapter_of_a_block_is_put_back_also_after_an_error(policy) -> None:
    model = policy.model
    used = model.weights_in_use()
    with pytest.raises(ZeroDivisionError), model.using(None):
        assert model.weights_in_use() == [] and model.adapter is None
        raise ZeroDivisionError
    assert model.adapter == "actor"
    assert [id(p) for p in model.weights_in_use()] == [id(p) for p in used]
    assert {id(p) for p in used} == {id(p) for p in policy.actor_parameters()}
    assert all(p.requires_grad for p in (*policy.actor_parameters(), *policy.critic_parameters()))


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_a_new_head_says_0_and_can_learn(critic) -> None:
    head = new_value_head(6, critic)
    assert not head(torch.randn(5, 6)).any() and head(torch.randn(2, 3, 6)).shape == (2, 3, 1)
    assert len(list(head.parameters())) == (2 if critic == "adapter" else 4)
    head(torch.randn(5, 6)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in head.parameters())


def test_a_state_of_another_model_is_refused_and_moves_nothing(policy) -> None:
    state = policy.state()
    name = next(iter(state))
    for wrong in (
        {n: x for n, x in state.items() if n != name},
        {**state, "actor.more": torch.zeros(1)},
        {**state, name: torch.zeros(1)},
    ):
        with pytest.raises(ValueError, match="the state is of another model"):
            policy.load_state(wrong)
    assert all(torch.equal(state[n], x) for n, x in policy.state().items())


def test_a_turn_tells_what_was_read_before_it_was_sampled(policy) -> None:
    policy.reset(seed=4)
    read: list[int] = []
    for turn in play(policy, episode(6, 3), "x"):
        read += turn.prompt.tolist()
        assert turn.context == context_digest(np.array(read, np.int64))
        read += turn.completion.tolist()


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_a_head_can_say_any_number(critic) -> None:
    """A return may be a cost: nothing holds the value above 0, or below."""
    head = new_value_head(6, critic)
    states = torch.randn(9, 6)
    with torch.no_grad():
        for sign in (-1, 1):
            last = [m for m in head.modules() if isinstance(m, torch.nn.Linear)][-1]
            last.bias.fill_(sign * 5.0)
            torch.testing.assert_close(head(states), torch.full((9, 1), sign * 5.0))
        torch.nn.init.normal_(last.weight)
        assert head(states).std() > 1e-3, "and it depends on the state"
