"""Laws of `policies.sage_mm.scoring`: bounded passes and few logits at a time change no score."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
pytest.importorskip("transformers")

from policies.passes import evaluate  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM, scoring  # noqa: E402
from policies.sage_mm.model import token_scores  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def policy(tiny_folder):
    policy = SageMM.load(tiny_folder, max_new_tokens=8, lora=LoraSettings(r=4))
    stir(policy)
    return policy


@pytest.fixture(scope="module")
def batch(policy):
    """Two questions of several rollouts each, and one alone."""
    policy.reset(seed=2)
    played = [play(policy, episode(seed, 2), (seed, k)) for seed in (1, 2) for k in range(3)]
    return as_batch([*played, play(policy, episode(3, 1), 3)], temperature=0.8)


def in_tiles(monkeypatch, ids: int = 100, rows: int = 16) -> None:
    monkeypatch.setattr(token_scores, "TILE_IDS", ids)
    for module in (token_scores, scoring):
        monkeypatch.setattr(module, "AT_ONCE", ids * rows)


def losses(policy, batch, **settings):
    """Scores, and gradients by the adapter of a loss of both."""
    found = policy.evaluate(batch, **settings)
    loss = (found.logprobs * batch.old_logprobs).sum() + 0.1 * found.entropy.sum()
    return found, torch.autograd.grad(loss, policy.actor_parameters())


def close(mine, theirs, atol: float = 1e-5) -> None:
    for one, other in zip(mine, theirs, strict=True):
        scale = max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one / scale, other / scale, atol=atol, rtol=0)


@pytest.mark.parametrize("rows", [1, 16, 999])
def test_tiles_give_the_scores_and_gradients_of_all_logits(
    policy, batch, monkeypatch, rows
) -> None:
    expected, theirs = losses(policy, batch)
    in_tiles(monkeypatch, rows=rows)
    if rows < 999:
        monkeypatch.setattr(policy.model, "log_probs", None)  # never all logits
    found, mine = losses(policy, batch)
    for name in ("logprobs", "entropy"):
        one, other = getattr(found, name), getattr(expected, name)
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
        assert torch.equal(one != 0, batch.sampled)
    close(mine, theirs)


def test_what_fits_at_once_is_scored_at_once_to_the_last_bit(policy, batch) -> None:
    """The scores of the small model are those that `log_probs` gives, and so its runs stay."""
    found = policy.evaluate(batch).logprobs[batch.sampled]
    states = scoring.states_before_sampled(policy.model, batch)
    all_ids = policy.model.log_probs(states, batch.temperature)
    chosen = batch.ids[batch.sampled]
    assert torch.equal(found, all_ids.gather(1, chosen[:, None])[:, 0])
    vocabulary = policy.model.base.lm_head.out_features
    assert token_scores.AT_ONCE > 20_000 * 640 > 9 * int(batch.sampled.sum()) * vocabulary


def test_what_a_grammar_allowed_is_scored_in_tiles_too(policy, monkeypatch) -> None:
    pytest.importorskip("llguidance")
    speaker = SageMM(policy.model, max_new_tokens=8, constrained=True)
    speaker.reset(seed=5)
    batch = as_batch([play(speaker, episode(seed, 2), seed) for seed in range(2)])
    expected, theirs = losses(speaker, batch)
    assert (expected.logprobs - SageMM(policy.model).evaluate(batch).logprobs).abs().max() > 0.1
    in_tiles(monkeypatch)
    found, mine = losses(speaker, batch)
    torch.testing.assert_close(found.logprobs, expected.logprobs, atol=1e-6, rtol=0)
    close(mine, theirs)


def test_the_reference_reads_what_the_critic_has_read_in_tiles(policy, batch, monkeypatch) -> None:
    expected = policy.reference_logprobs(batch.select(range(7)))
    part = batch.select(range(7))
    policy.values(part)
    in_tiles(monkeypatch)
    monkeypatch.setattr(policy.model, "hidden", None)
    found = policy.reference_logprobs(part)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_an_output_layer_with_an_adapter_is_cut_into_tokens(tiny_folder, monkeypatch) -> None:
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "lm_head"])
    learner = SageMM.load(tiny_folder, max_new_tokens=8, lora=config)
    stir(learner)
    learner.reset(seed=2)
    batch = as_batch([play(learner, episode(seed, 2), seed) for seed in range(2)])
    expected, theirs = losses(learner, batch)
    assert sum("lm_head" in name for name in learner.state()) == 2
    rows, log_probs = [], learner.model.log_probs

    def counted(states, *more):
        rows.append(len(states))
        return log_probs(states, *more)

    in_tiles(monkeypatch)
    monkeypatch.setattr(learner.model, "log_probs", counted)
    found, mine = losses(learner, batch)
    most = 1600 // learner.model.base.lm_head.out_features
    assert max(rows) <= most and sum(rows) == 2 * int(batch.sampled.sum()), "and made again"
    torch.testing.assert_close(found.logprobs, expected.logprobs, atol=1e-6, rtol=0)
    close(mine, theirs)


@pytest.mark.parametrize("tiled", [False, True])
def test_an_entropy_without_weight_has_no_gradient_and_the_same_value(
    policy, batch, monkeypatch, tiled
) -> None:
    if tiled:
        in_tiles(monkeypatch)
    expected = policy.evaluate(batch)
    found = evaluate(policy, batch, entropy_gradient=False)
    assert expected.entropy.requires_grad and not found.entropy.requires_grad
    assert torch.equal(found.entropy, expected.entropy.detach())
    assert torch.equal(found.logprobs, expected.logprobs)
    mine, theirs = (
        torch.autograd.grad(x.logprobs.sum(), policy.actor_parameters()) for x in (found, expected)
    )
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


def test_features_follow_their_tokens_through_every_selection(policy, batch) -> None:
    whole = batch.select(range(7))
    values = policy.values(whole)
    features = whole.cache[scoring.FEATURES]
    with torch.no_grad(), policy.model.using(None):
        expected = scoring.states_before_sampled(policy.model, whole)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
    padded = torch.zeros(*whole.ids.shape, features.shape[1])
    padded[whole.sampled] = features
    for rows in ([5, 0, 3], [2], [6, 5, 4, 3, 2, 1, 0]):
        part = whole.select(rows).select(range(len(rows)))
        own = padded[rows, : part.ids.shape[1]][part.sampled]
        assert torch.equal(part.cache[scoring.FEATURES], own)
        found = policy.values(part)
        torch.testing.assert_close(found, values[rows, : found.shape[1]], atol=1e-5, rtol=0)


def test_passes_without_gradient_have_bounded_tokens(policy, batch, monkeypatch) -> None:
    expected = policy.reference_logprobs(batch)
    tokens, hidden = [], policy.model.hidden

    def counted(ids, *more, **named):
        tokens.append(ids.shape[1])
        return hidden(ids, *more, **named)

    monkeypatch.setattr(policy.model, "hidden", counted)
    policy.reference_logprobs(batch)
    assert len(tokens) == 1
    whole = tokens.pop()
    assert whole == policy.pass_tokens(batch, range(7)) < int(batch.attention.sum())
    bound = whole // 2
    monkeypatch.setattr(scoring, "CHUNK_TOKENS", bound)
    found = policy.reference_logprobs(batch)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert 2 <= len(tokens) <= 4 and max(tokens) <= bound
    tokens.clear()
    with torch.no_grad():
        again = policy.evaluate(batch)
    assert 2 <= len(tokens) <= 4 and max(tokens) <= bound
    whole_pass = policy.evaluate(batch)
    assert max(tokens.pop(), bound) > bound, "one pass under autograd, which its caller has cut"
    for name in ("logprobs", "entropy"):
        one, other = getattr(again, name), getattr(whole_pass, name).detach()
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    tokens.clear()
    monkeypatch.setattr(scoring, "CHUNK_TOKENS", 1)
    policy.reference_logprobs(batch)
    assert tokens == [policy.pass_tokens(batch, [row]) for row in batch.order_by_prefix(range(7))]


def test_a_half_precision_base_trains_in_the_direction_of_a_float32_one(tiny_folder, batch) -> None:
    """States are of the base's dtype, scores and gradients float32, and no layer steps aside."""
    settings = {"lora": LoraSettings(r=4), "critic": "adapter", "max_new_tokens": 20}
    half, full = (SageMM.load(tiny_folder, dtype=d, **settings) for d in ("bfloat16", "float32"))
    for learner in (half, full):
        stir(learner)
        with torch.no_grad():
            learner.model.value_head.weight.fill_(0.1)
    half.reset(seed=2)
    asked = [episode(seed, 1) for seed in range(3)]
    played = as_batch([play(half, one, name) for name, one in enumerate(asked)])
    assert scoring.states_before_sampled(half.model, played).dtype == torch.bfloat16
    found: dict[str, list[torch.Tensor]] = {"actor": [], "critic": []}
    for learner in (half, full):
        shown = [first["frames"][: first["num_frames"]] for (first,) in asked]
        rows = replace(played, frames=learner.model.encoder.encode(shown), cache={})
        for of, scores in (
            ("actor", learner.evaluate(rows).logprobs),
            ("critic", learner.values(rows)),
        ):
            assert scores.dtype == torch.float32
            wanted = getattr(learner, f"{of}_parameters")()
            gradients = torch.autograd.grad(scores.sum(), wanted)
            assert {g.dtype for g in gradients} == {torch.float32}
            found[of].append(torch.cat([g.flatten() for g in gradients]))
    for pair in found.values():
        assert torch.nn.functional.cosine_similarity(*pair, dim=0) > 0.97
