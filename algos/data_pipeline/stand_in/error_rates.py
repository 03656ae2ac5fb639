"""How often the stand-in errs, and where: drawn from a seed and a name, never from a position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from algos.data_pipeline.stand_in.planted import OF_QUESTIONS, OF_REPLIES, OF_REQUESTS
from algos.seeds import subseed

NO_ERRORS: Mapping[str, float] = {}
SOME_ERRORS: Mapping[str, float] = {
    "wrong_answer": 0.05,
    "wrong_times": 0.05,
    "times_past_end": 0.03,
    "times_reversed": 0.01,
    "whole_video": 0.01,
    "answer_not_in_options": 0.02,
    "same_options": 0.01,
    "gives_itself_away": 0.03,
    "long_answer": 0.02,
    "near_duplicate": 0.05,
    "exact_duplicate": 0.01,
    "injected": 0.01,
    "missing_field": 0.01,
    "malformed": 0.04,
    "truncated": 0.04,
    "blocked": 0.03,
    "withheld": 0.03,
    "refusal": 0.03,
    "busy_with_delay": 0.05,
    "busy": 0.03,
    "failed": 0.03,
    "cut": 0.03,
    "silent": 0.01,
}
"""Rates of the offline line. The paper says that about 5 % of its questions needed edits; these are
higher, so that few videos have enough of each kind to count."""


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """Settings of the errors.

    Attributes:
        rates: by kind, see `planted`; those of one level add up to at most 1.
        seed: of all draws.
        daily_quota: replies after which the day's quota is spent; `None` for no quota.
        delay: seconds that a 429 asks to wait.
        silence: seconds for which a silent request is held.
        latency: seconds that every reply takes.

    Raises:
        ValueError: if a kind is not known, or rates are none.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    daily_quota: int | None = None
    delay: float = 0.2
    silence: float = 30.0
    latency: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no rate."""
        levels = (OF_QUESTIONS, OF_REPLIES, OF_REQUESTS)
        known = [kind for level in levels for kind in level]
        for kind, rate in self.rates.items():
            if kind not in known:
                raise ValueError(f"{kind!r} is no error: there are {', '.join(known)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {kind} must be 0 to 1, got {rate}")
        for level in levels:
            if sum(self.rates.get(kind, 0.0) for kind in level) > 1 + 1e-9:
                raise ValueError(f"the rates of {', '.join(level)} add up to more than 1")

    def of_question(self, video: str, name: str) -> str:
        """Return what is wrong with a question; empty for nothing."""
        return self._drawn(OF_QUESTIONS, "question", video, name)

    def of_reply(self, video: str, attempt: int) -> str:
        """Return what is wrong with a reply about a video; empty for nothing."""
        return self._drawn(OF_REPLIES, "reply", video, attempt)

    def of_request(self, video: str, attempt: int) -> str:
        """Return what happens to a request about a video; empty for nothing."""
        return self._drawn(OF_REQUESTS, "request", video, attempt)

    def _drawn(self, level: Mapping[str, str], *name: int | str) -> str:
        place = subseed(self.seed, "stand-in", *name) / 2**32
        for kind in level:
            place -= self.rates.get(kind, 0.0)
            if place < 0:
                return kind
        return ""
