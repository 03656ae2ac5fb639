"""Laws of `algos.exactness.tolerance`: which bounds hold where, and what is beyond them."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch

from algos.exactness.tolerance import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    NOISE_FACTOR,
    STATISTICS,
    Tolerance,
    tolerance_of,
)
from tests.helpers.toy import ToyPolicy

torch.set_num_threads(1)
SOUND = {metric: 1e-9 for metric, _ in STATISTICS.values()}


class Rounding(ToyPolicy):
    """Says that it computes in another dtype than its weights have."""

    compute_dtype = torch.bfloat16


def test_float32_has_one_bound_on_the_largest_as_it_always_had() -> None:
    assert Tolerance(max=1e-3) == FLOAT32
    assert not FLOAT32.needs_noise
    assert FLOAT32.exceeded({**SOUND, "proof/max_dlogp": 1e-3}) == ""
    assert "max |dlogp| 0.0011, more than 0.001" in FLOAT32.exceeded({"proof/max_dlogp": 1.1e-3})


def test_the_bounds_are_those_of_the_dtype_that_is_computed_in() -> None:
    assert tolerance_of(ToyPolicy(), None) == FLOAT32
    assert tolerance_of(Rounding(), None) == BFLOAT16
    half = Rounding()
    half.compute_dtype = torch.float16
    assert tolerance_of(half, None) == FLOAT16


def test_a_bound_that_is_given_is_of_the_largest_and_the_only_one() -> None:
    for policy in (ToyPolicy(), Rounding()):
        assert tolerance_of(policy, 0.25) == Tolerance(max=0.25)


@pytest.mark.parametrize("name", STATISTICS)
def test_each_statistic_has_its_bound(name: str) -> None:
    metric, words = STATISTICS[name]
    bound = getattr(BFLOAT16, name)
    assert 0 < bound < inf
    assert BFLOAT16.exceeded({**SOUND, metric: bound}) == ""
    for found in (1.01 * bound, nan, inf):
        assert BFLOAT16.exceeded({**SOUND, metric: found}).startswith(f"{words} ")


@pytest.mark.parametrize("name", STATISTICS)
def test_a_bound_grows_with_the_learners_own_noise_and_never_shrinks(name: str) -> None:
    metric, _ = STATISTICS[name]
    least = getattr(BFLOAT16, name)
    loud, quiet = {f"proof/noise_{name}": least}, {f"proof/noise_{name}": least / 100}
    assert BFLOAT16.bound(name, quiet) == least
    assert BFLOAT16.bound(name, loud) == NOISE_FACTOR * least
    assert BFLOAT16.exceeded({**loud, metric: 0.99 * NOISE_FACTOR * least}) == ""
    assert BFLOAT16.exceeded({**quiet, metric: 0.99 * NOISE_FACTOR * least}) != ""


def test_gaps_that_go_one_way_are_told_with_what_they_look_like() -> None:
    one_way = {"proof/imbalance": 0.9, "proof/imbalance_score": 12.0}
    assert "95% of the tokens likelier than when sampled" in BFLOAT16.exceeded(one_way)
    other = {name: -value for name, value in one_way.items()}
    assert "95% of the tokens less likely" in BFLOAT16.exceeded(other)
    assert "top-p or top-k" in BFLOAT16.exceeded(other)


def test_neither_few_tokens_nor_a_slight_lean_are_an_imbalance() -> None:
    few = {"proof/imbalance": 1.0, "proof/imbalance_score": 5.0}  # 25 tokens
    slight = {"proof/imbalance": 0.1, "proof/imbalance_score": 10.0}  # 10,000 tokens
    assert BFLOAT16.exceeded(few) == BFLOAT16.exceeded(slight) == ""
    assert FLOAT32.exceeded({"proof/imbalance": 1.0, "proof/imbalance_score": 50.0}) == ""


def test_what_an_older_version_did_not_log_is_not_beyond_a_bound() -> None:
    assert BFLOAT16.exceeded({"proof/max_dlogp": 0.01, "proof/mean_dlogp": None}) == ""
    assert BFLOAT16.exceeded({}) == ""


def test_sums_over_tokens_may_be_off_by_what_most_tokens_may_be() -> None:
    assert FLOAT32.of_a_token == 1e-3
    assert Tolerance(max=0.25).of_a_token == 0.25
    assert BFLOAT16.of_a_token == BFLOAT16.q99 < BFLOAT16.max
