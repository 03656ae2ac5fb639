"""Quantiles of the Student-t and beta distributions, from the incomplete beta function.

Two functions of a page do not ask for a library of 100 MB. Source: NIST Digital Library of
Mathematical Functions, https://dlmf.nist.gov/8.17, equations 8.17.5 (the function) and 8.17.22 (its
continued fraction); the quantiles are found by bisection.
"""

from __future__ import annotations

import math
from functools import lru_cache

_TINY = 1e-300
_CONVERGED = 1e-14
_TERMS = 2_000  # of the continued fraction; about the square root of the larger parameter is needed


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function `I_x(a, b)`, a probability.

    Source: https://dlmf.nist.gov/8.17, equations 8.17.5 and 8.17.22.

    Args:
        a: first parameter, above 0.
        b: second parameter, above 0.
        x: in [0, 1].
    """
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on this side only
        return 1.0 - incomplete_beta(b, a, 1 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a
    return front * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction by Lentz's method."""
    c, d = 1.0, 1.0 / _away_from_0(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_0(1.0 + term * d)
            c = _away_from_0(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < _CONVERGED:
            break
    return value


def _away_from_0(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return where a beta distribution has that share below it, in [0, 1].

    Source: the inverse of https://dlmf.nist.gov/8.17, equation 8.17.5.
    """
    low, high = 0.0, 1.0
    for _ in range(60):  # halves 1 down to its last bit
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@lru_cache(maxsize=1024)
def student_t_quantile(share: float, freedom: float) -> float:
    """Return where a Student-t distribution has that share below it.

    `I_x(freedom / 2, 1 / 2)` with `x = freedom / (freedom + t**2)` is the share beyond ± t.

    Source: https://dlmf.nist.gov/8.17, and Student, Biometrika 6, 1908.

    Args:
        share: in [0.5, 1).
        freedom: degrees of freedom, above 0; need not be whole.
    """
    x = beta_quantile(2 * (1 - share), freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)
