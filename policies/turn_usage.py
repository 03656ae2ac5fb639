"""What a turn took: the tokens of every reply that was asked for, as the policy counts them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenCounts:
    """The tokens of one reply, as its server or its model counts them.

    Attributes:
        prompt: of the whole request, cached ones included.
        completion: generated, thinking included.
        cached: those of `prompt` that the server had in its cache.
        thinking: those of `completion` that are not shown.
        visual: those of `prompt` that stand for pictures; `None` where the server does not say.
        visual_cached: those of `cached` that stand for pictures; `None` likewise.
        audio: those of `prompt` that stand for sound; `None` likewise.
    """

    prompt: int
    completion: int
    cached: int = 0
    thinking: int = 0
    visual: int | None = None
    visual_cached: int | None = None
    audio: int | None = None

    @property
    def visual_billed(self) -> int | None:
        """Return the tokens of pictures that were not cached; `None` where that is not known."""
        cached = 0 if not self.cached else self.visual_cached
        return None if self.visual is None or cached is None else self.visual - cached


@dataclass(frozen=True)
class TurnUsage:
    """What one turn took.

    Attributes:
        replies: the counts of every reply that came for it, also of those that could not be used;
            `None` for one that came without counts. The last is the reply that was used.
        resent: whether its prompts hold the conversation so far, and not only what is new.
        failed: requests that failed and were sent again.
        model: `SERVER/NAME`, as a price list has it; `None` for a model of one's own.
        dollars: by prices that the user gave; `None` without any.
        seconds: that the turn waited for its replies; `None` where its batch was timed as a whole.
    """

    replies: tuple[TokenCounts | None, ...]
    resent: bool = False
    failed: int = 0
    model: str | None = None
    dollars: float | None = None
    seconds: float | None = None

    @property
    def counted(self) -> tuple[TokenCounts, ...] | None:
        """Return the counts of all replies; `None` where one of them has none."""
        known = tuple(counts for counts in self.replies if counts is not None)
        return known if len(known) == len(self.replies) else None
