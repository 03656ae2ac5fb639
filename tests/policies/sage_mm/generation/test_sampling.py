"""Laws of `policies.sage_mm.generation.sampling` and `constrained`: draws and their scores."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.generation.sampling import (  # noqa: E402
    Sampling,
    cut,
    entropy_of,
    episode_random,
    policy_seed,
)
from sage_env.tools.reply_schema import action_schema  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play, stir  # noqa: E402


def test_cut_by_hand():
    p = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]])

    def kept(top_k, top_p):
        return cut(p.log(), top_k, top_p).exp()

    expected = torch.tensor([[0, 4 / 7, 0, 3 / 7], [0.5, 0.5, 0, 0]])
    torch.testing.assert_close(kept(2, 1.0), expected)
    torch.testing.assert_close(kept(0, 0.5), expected)  # 0.4 alone is less than a half
    torch.testing.assert_close(kept(0, 0.4)[0], torch.tensor([0, 1.0, 0, 0]))
    torch.testing.assert_close(kept(3, 0.6)[0], torch.tensor([0, 4 / 7, 0, 3 / 7]))
    torch.testing.assert_close(kept(9, 1.0), p)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=12),
    st.integers(0, 14),
    st.floats(0.01, 1.0),
    st.floats(0, 1, exclude_max=True),
)
def test_a_token_is_drawn_from_the_likeliest_and_scored_among_them(logits, k, share, uniform):
    logprobs = torch.tensor([logits]).log_softmax(-1)
    token, logprob = Sampling(1.0, k, share).draw(logprobs, torch.tensor([uniform]).double())
    order = sorted(range(len(logits)), key=lambda i: (-float(logprobs[0, i]), i))
    order = order[: k or None]
    p = logprobs[0, order].double().exp()
    p /= p.sum()
    before = p.cumsum(0) - p
    if len(p) > 1 and (before[1:] - share).abs().min() < 1e-6:
        return  # at the very edge rounding decides
    kept = [i for i, b in zip(order, before.tolist(), strict=True) if b < share]
    assert int(token) in kept
    expected = logprobs[0, int(token)] - logprobs[0, kept].logsumexp(0)
    torch.testing.assert_close(logprob[0], expected, atol=1e-5, rtol=0)


def test_what_is_no_distribution_is_refused():
    for bad in ((-1.0, 0, 1.0), (1.0, -1, 1.0), (1.0, 0, 0.0), (1.0, 0, 1.5), (np.nan, 0, 1.0)):
        with pytest.raises(ValueError, match="expected"):
            Sampling(*bad)


@pytest.fixture(scope="module")
def policy(tiny_folder):
    policy = SageMM.load(tiny_folder, max_new_tokens=10, lora=LoraSettings(r=4))
    stir(policy)
    return policy


def test_the_policy_returns_log_probs_of_what_it_drew_from(policy):
    """Re-scored with the cut, they are equal; without it, they are larger than the re-scored."""
    policy.top_k, policy.top_p, policy.temperature = 5, 0.8, 1.5
    policy.reset(seed=1)
    turns = play(policy, episode(1, 3), "x")
    policy.top_k, policy.top_p, policy.temperature = 0, 1.0, 1.0
    batch = as_batch([turns], temperature=1.5)
    uncut = policy.evaluate(batch).logprobs
    with torch.no_grad():
        positions = policy.model.positions(batch.ids, [batch.ids.shape[1]], batch.frames)
        hidden = policy.model.hidden(batch.ids, positions, batch.frames[0])[0, :-1]
        scores = policy.model.log_probs(hidden[batch.sampled[0, 1:]], 1.5)
    chosen, old = batch.ids[batch.sampled], batch.old_logprobs[batch.sampled]
    assert (scores.topk(5).indices == chosen[:, None]).any(1).all()
    expected = cut(scores, 5, 0.8).gather(1, chosen[:, None])[:, 0]
    torch.testing.assert_close(old, expected, atol=2e-5, rtol=0)
    assert (old > uncut[batch.sampled] + 1e-3).all()


def test_one_token_is_greedy_and_certain(policy):
    policy.temperature = 0.0
    policy.reset(seed=1)
    greedy = play(policy, episode(2, 2), "x")
    policy.temperature, policy.top_k = 1.0, 1
    policy.reset(seed=2)
    first = play(policy, episode(2, 2), "x")
    policy.top_k = 0
    for a, b in zip(greedy, first, strict=True):
        assert a.completion.tolist() == b.completion.tolist()
        assert (b.logprobs == 0).all() and (a.logprobs < 0).any()


def test_training_refuses_cut_samples(policy):
    from algos.ppo.config import PPOConfig
    from algos.ppo.training import _roll_out

    policy.top_p = 0.9
    with pytest.raises(ValueError, match="cannot be re-scored"):
        _roll_out(PPOConfig(), policy, [], [], 1, None, None)
    policy.top_p = 1.0


def test_constrained_replies_are_actions_and_rescore_as_sampled(tiny_folder):
    pytest.importorskip("llguidance")
    policy = SageMM.load(tiny_folder, max_new_tokens=150, constrained=True)
    stir(policy, scale=0.05)
    policy.reset(seed=3)
    decisions = policy.act_batch([observe(i) for i in range(8)], range(8))
    ended = [d for d in decisions if d.tokens.completion[-1] == policy.model.tokens.stop]
    assert ended
    for decision in ended:  # what a schema cannot say, such as start < end, may still be wrong
        validate(json.loads(decision.text), action_schema())
    assert all(len(d.tokens.completion) == 150 for d in decisions if d not in ended)
    batch = as_batch([[d.tokens] for d in decisions])
    torch.testing.assert_close(
        policy.evaluate(batch).logprobs, batch.old_logprobs, atol=1e-4, rtol=0
    )
    free = SageMM(policy.model)
    assert (batch.old_logprobs - free.evaluate(batch).logprobs)[batch.sampled].max() > 0.1
    policy.temperature = 0.0
    free_turn = play(free, [observe(9)], "x")
    with pytest.raises(ValueError, match="cannot stand here in an action"):
        policy.evaluate(as_batch([free_turn]))


def test_what_counts_as_a_cut():
    """Greedy decoding leaves nothing out that is re-scored: its log-probs are those at T = 1."""
    assert not Sampling(1.0, 0, 1.0).cuts and not Sampling(0.0, 3, 0.5).cuts
    assert Sampling(1.0, 1, 1.0).cuts and Sampling(0.1, 0, 0.99).cuts
    for wrong in ((-0.1, 0, 1.0), (float("nan"), 0, 1.0), (float("inf"), 0, 1.0)):
        with pytest.raises(ValueError):
            Sampling(*wrong)
    for wrong in ((1.0, -1, 1.0), (1.0, 0, 0.0), (1.0, 0, 1.1)):
        with pytest.raises(ValueError, match="expected top_k >= 0 and 0 < top_p <= 1"):
            Sampling(*wrong)


def test_constrained_decoding_says_what_it_needs(tiny_folder, monkeypatch):
    import sys

    from policies.sage_mm.generation.constrained import ActionGrammar
    from sage_env.errors import MissingExtra

    chat = SageMM.load(tiny_folder).model.tokens
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtra, match=r"sage-video-qa\[constrained\]"):
        ActionGrammar(chat, 400)


def test_a_seed_and_a_name_are_the_same_numbers_on_any_machine():
    """Recorded runs are played again from them; NumPy promises the streams."""
    assert policy_seed(7) == 16920295385781661272
    found = [float(episode_random(policy_seed(7), name).random()) for name in ("a", 0, ("a", 0))]
    assert found == pytest.approx(
        [0.5727382035599905, 0.31201800830423976, 0.8825446952738392], abs=1e-15
    )
    assert policy_seed(None) != policy_seed(None), "fresh entropy"


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e6])
def test_every_temperature_above_0_is_taken_and_draws(temperature):
    sampling = Sampling(temperature, 0, 1.0)
    token, _ = sampling.draw(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0.2]).double())
    assert int(token) == 0 and not sampling.cuts
    greedy, score = Sampling(0.0, 1, 0.1).draw(
        torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0.2]).double()
    )
    assert int(greedy) == 1 and float(score.exp()) == pytest.approx(0.75), "scored uncut"


def test_by_default_nothing_is_cut():
    assert Sampling() == Sampling(1.0, 0, 1.0) and not Sampling().cuts


def test_the_entropy_is_of_what_is_left_to_draw_from():
    """Of p = .1 .4 .2 .3, two tokens are kept: with 4/7 and 3/7, of which the entropy is .683."""
    logprobs = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.25, 0.25, 0.25, 0.25]]).log()
    assert entropy_of(logprobs).tolist() == pytest.approx([1.2799, math.log(4)], abs=1e-4)
    kept = Sampling(1.0, top_k=2).kept(logprobs)
    assert entropy_of(kept).tolist() == pytest.approx([0.6829, math.log(2)], abs=1e-4)
    assert Sampling(0.0, top_k=2).kept(logprobs) is logprobs, "greedy cuts nothing"
    masked = torch.tensor([[0.0, -1e9]]).log_softmax(-1)
    assert entropy_of(masked).tolist() == [0.0]
