"""Laws of `algos.exactness.gap_statistics`: by hand, to first order, and what each is there for."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from algos.exactness.gap_statistics import (
    DOUBT,
    context_names,
    gap_statistics,
    imbalance,
    log_odds_gaps,
)
from tests.helpers.toy import toy_batch

torch.set_num_threads(1)


def names(count: int) -> list[bytes]:
    return [bytes([k // 256, k % 256]) for k in range(count)]


def test_the_statistics_by_hand() -> None:
    then = torch.tensor([0.5, 0.9, 0.25, 0.5, 0.5]).double().log()
    now = then + torch.tensor([0.01, 0.0, -0.03, 0.02, 0.0]).double()
    found = gap_statistics(now, then)
    assert found["max"] == pytest.approx(0.03)
    assert found["mean"] == pytest.approx(0.06 / 5)
    assert found["q99"] == pytest.approx(0.02 + 0.96 * 0.01)  # 0.99 * 4 = 3.96 of the way
    odds = log_odds_gaps(now, then).sort().values.tolist()  # 1 - p is about 0.5, 0.1, 0.75, 0.5
    expected = [0.0, 0.0, 0.01 / 0.4975, 0.03 / 0.7537, 0.02 / 0.495]
    assert odds == pytest.approx(expected, rel=1e-3)
    assert found["log_odds"] == pytest.approx(odds[2])


@given(st.floats(0.001, 0.999), st.floats(-1e-4, 1e-4))
def test_the_gap_of_log_odds_is_that_of_the_definition(p: float, gap: float) -> None:
    then = math.log(p)
    now = min(then + gap * (1 - p), -1e-9)
    odds = [x - math.log1p(-math.exp(x)) for x in (now, then)]
    found = log_odds_gaps(*torch.tensor([[now], [then]], dtype=torch.float64)).item()
    assert found == pytest.approx(abs(odds[0] - odds[1]), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("sure", [0.0, 3.0, 6.0])
def test_a_wrong_logit_moves_the_log_odds_alike_however_sure_the_policy_is(sure: float) -> None:
    """While the log-prob of a likely token hardly moves, and would hide it."""
    logits = torch.tensor([sure, 0.0, 0.0, -1.0], dtype=torch.float64)
    wrong = logits + torch.tensor([0.1, 0.0, 0.0, 0.0])
    found = gap_statistics(wrong.log_softmax(0)[:1], logits.log_softmax(0)[:1])
    assert found["log_odds"] == pytest.approx(0.1, rel=0.01)
    assert found["max"] < 0.1 and (sure < 6 or found["max"] < 1e-3)


def test_a_token_that_is_certain_is_not_divided_by_nothing() -> None:
    certain, step = torch.zeros(1), torch.full((1,), -6e-8)
    assert log_odds_gaps(step, certain).item() == pytest.approx(6e-8 / DOUBT)
    assert log_odds_gaps(certain, certain).item() == 0


def test_imbalance_by_hand() -> None:
    gaps = torch.tensor([0.1, 0.2, 0.3, 0.1, 0.1, 0.2, -0.1, -0.9, 0.0])
    share, score = imbalance(gaps, names(9))
    assert share == pytest.approx((6 - 2) / 8) and score == pytest.approx((6 - 2) / math.sqrt(8))
    assert imbalance(-gaps, names(9)) == (pytest.approx(-share), pytest.approx(-score))
    assert imbalance(torch.zeros(3), names(3)) == (0.0, 0.0)


def test_tokens_of_the_same_context_count_once() -> None:
    gaps = torch.tensor([0.1, 0.1, 0.1, -0.1])
    share, score = imbalance(gaps, [b"a", b"a", b"a", b"b"])
    assert (share, score) == (0.0, 0.0)
    first = imbalance(torch.tensor([0.1, -0.1, -0.1, 0.1]), [b"a", b"a", b"a", b"b"])
    assert first == (1.0, pytest.approx(2 / math.sqrt(2))), "the first of a name counts"


def test_the_names_of_contexts_are_of_all_tokens_and_the_first_frame_up_to_the_token() -> None:
    _, batch, _ = toy_batch()
    found = context_names(batch)
    rows, places = batch.sampled.nonzero().T.tolist()
    keys = [
        (batch.frames[row][:1], *batch.ids[row, : place + 1].tolist())
        for row, place in zip(rows, places, strict=True)
    ]
    assert len(found) == len(keys) == int(batch.sampled.sum())
    pairs = set(zip(found, keys, strict=True))
    assert len(pairs) == len(set(found)) == len(set(keys)) < len(keys), "some must be shared"
    batch.frames = [(bytes([k]),) for k in range(len(batch))]
    assert len(set(context_names(batch))) == len(found)


def rounded(scale: float, count: int = 400, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits `(N, 30)` of a policy that is mostly sure; the same, rounded otherwise; a generator.

    Rounding is what 16 bits do: the same size for every logit, whatever its value.
    """
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 30, generator=generator).double() * 4
    noise = torch.randn(count, 30, generator=generator).double() * scale
    return logits, logits + noise, torch.rand(count, generator=generator).double()


def drawn(scores: Tensor, uniforms: Tensor) -> Tensor:
    token = (scores.exp().cumsum(-1) < uniforms[:, None]).sum(-1).clamp(max=scores.shape[1] - 1)
    return token[:, None]


@pytest.mark.parametrize("seed", range(5))
def test_rounding_is_balanced_and_what_is_sampled_from_another_distribution_is_not(seed) -> None:
    """With 400 tokens and rounding of 0.02 in each logit: no single gap would tell."""
    then, now, uniforms = rounded(0.02, seed=seed)
    learner = now.log_softmax(-1)

    def score(sampler: Tensor) -> float:
        token = drawn(sampler, uniforms)
        gaps = (learner.gather(1, token) - sampler.gather(1, token))[:, 0]
        return imbalance(gaps, names(len(gaps)))[1]

    sound = then.log_softmax(-1)
    assert abs(score(sound)) < 4
    assert score((then / 1.05).log_softmax(-1)) > 6
    assert score((then * 1.05).log_softmax(-1)) < -6
    ordered = sound.sort(descending=True)
    kept = ordered.values.exp().cumsum(-1) - ordered.values.exp() < 0.95
    mask = torch.zeros_like(kept).scatter(1, ordered.indices, kept)
    assert score(sound.masked_fill(~mask, -math.inf).log_softmax(-1)) < -6
