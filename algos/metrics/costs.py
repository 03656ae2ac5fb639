"""What a question cost: frames, tokens, seconds by stage, dollars. Unknown is `None`, and never 0.

| key | is |
|---|---|
| `frames_decoded` | pictures that the decoder made for it, for tools as well |
| `frames_unique` | distinct times among the frames shown, those within `SAME_FRAME` taken as one |
| `visual_tokens` | tokens of frames, each counted once: when it was shown first |
| `visual_tokens_billed` | tokens of frames in all requests, sent again or not, less those cached |
| `prompt_tokens` | tokens of all requests; of a model of one's own, those that it read |
| `cached_tokens` | those of them that the provider had in its cache |
| `tokens` | generated, thinking included |
| `thought_tokens` | those of them that are not shown |
| `replies`, `retries` | that came, used or not; requests that failed and were sent again |
| `seconds_by_stage` | `decode`; the policy's, as `policy` or by its own stages; `tool`; `judge` |
| `cost` | dollars of the policy's requests |
| `price` | name of the `PriceRow`, or `given`: the prices that the user gave |
| `tool_tokens` | of the requests of tools that ask a model, sent and generated; 0 without any |
| `tool_cost` | dollars of these; of other services that a tool pays for nothing is known |

SAGE-MM keeps what it has read, so it reads each token once. Nobody bills a model of one's own: what
its machine costs is not known here, and its `cost` is `None`, not 0. A question whose request
failed for good has no tokens and no cost, since nobody says what the failed ones took.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from algos.metrics.prices import price_of
from algos.rollout.stage_seconds import decode_seconds
from algos.rollout.trajectory import Trajectory
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env.datasets.item import QAItem
from sage_env.tools.calling import FAILED, LATE

SAME_FRAME = 1 / 480
"""Seconds: half a frame of a video of 240 frames per second. Times of frames are presentation
times, so those of one frame differ by rounding alone, and those of two by at least this much."""
GIVEN = "given"
"""What `price` says of prices that the user gave."""
_DECODE = "decode"


def cost_fields(item: QAItem, trajectory: Trajectory, day: date | None = None) -> dict[str, Any]:
    """Return what the row of a question says of its cost; see the module for the keys.

    Args:
        item: the question.
        trajectory: its episode; one that was read from a file has no seconds, and tokens only
            where the policy samples its own.
        day: that prices are of; by default today.
    """
    infos = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    spent = infos[-1].get("spent") or {}
    whole = trajectory.conditions.whole_video  # what such a policy saw is not counted in frames
    seconds = [second for info in infos for second in info.get("frame_seconds") or ()]
    played = trajectory.seconds is not None
    told = "decode_seconds" in spent
    stages = {_DECODE: decode_seconds(infos[-1])} if told else {}
    return {
        "frames_decoded": None if whole else spent.get("frames_decoded"),
        "frames_unique": None if whole else unique_frames(seconds),
        "seconds_by_stage": (stages | trajectory.stage_seconds or None) if played else None,
        **_token_fields(trajectory, day),
        **_tool_fields(trajectory, day),
    }


def _tool_fields(trajectory: Trajectory, day: date | None) -> dict[str, Any]:
    """Return what models took that tools asked; a call without an end says nothing of it."""
    if {LATE, FAILED} & trajectory.tool_calls.keys():
        return {"tool_tokens": None, "tool_cost": None}
    tokens, dollars = 0, 0.0
    known, priced = True, True
    for usage in filter(None, (turn.info.get("tool_usage") for turn in trajectory.turns)):
        row = price_of(str(usage["model"]), day)
        for counts in (one and TokenCounts(**one) for one in usage["replies"]):
            bill = row.dollars(counts) if row is not None and counts is not None else None
            known, priced = known and counts is not None, priced and bill is not None
            tokens += counts.prompt + counts.completion if counts is not None else 0
            dollars += bill or 0.0
    return {"tool_tokens": tokens if known else None, "tool_cost": dollars if priced else None}


def unique_frames(seconds: Sequence[float], tolerance: float = SAME_FRAME) -> int:
    """Return how many different frames were shown, of their times in any order."""
    count, last = 0, float("-inf")
    for second in sorted(seconds):
        if second - last > tolerance:
            count, last = count + 1, second
    return count


def _token_fields(trajectory: Trajectory, day: date | None) -> dict[str, Any]:
    usages = _usages(trajectory)
    if not usages:
        return dict.fromkeys(_TOKEN_KEYS)
    counted = [usage.counted for usage in usages]
    known = None if None in counted else [one for turn in counted if turn for one in turn]
    price, cost = _dollars(usages, known, day)
    return {
        "visual_tokens": _shown(usages, dropped=_dropped(trajectory)),
        "visual_tokens_billed": _sum(known, "visual_billed"),
        "prompt_tokens": _sum(known, "prompt"),
        "cached_tokens": _sum(known, "cached"),
        "tokens": _sum(known, "completion"),
        "thought_tokens": _sum(known, "thinking"),
        "replies": sum(len(usage.replies) for usage in usages),
        "retries": sum(usage.failed for usage in usages),
        "cost": cost,
        "price": price,
    }


_TOKEN_KEYS = (
    "visual_tokens",
    "visual_tokens_billed",
    "prompt_tokens",
    "cached_tokens",
    "tokens",
    "thought_tokens",
    "replies",
    "retries",
    "cost",
    "price",
)


def _usages(trajectory: Trajectory) -> list[TurnUsage]:
    """Return what the turns took for which a model was asked; [] where that is not known."""
    decisions = [turn.decision for turn in trajectory.turns]
    if trajectory.failed is not None:
        decisions.append(trajectory.failed)
    elif trajectory.error is not None:  # the policy failed: nobody counted its last requests
        return []
    found: list[TurnUsage] = []
    for decision in decisions:
        usage, tokens = decision.usage, decision.tokens
        if usage is None and tokens is not None:  # read from a file, or a policy of the user's
            counts = TokenCounts(len(tokens.prompt), len(tokens.completion))
            usage = TurnUsage((counts,), tokens.fresh)
        if usage is not None:
            found.append(usage)
    return found


def _dropped(trajectory: Trajectory) -> bool:
    """Return whether the policy forgot turns of the episode."""
    spoken = [turn.decision.tokens for turn in trajectory.turns]
    return any(tokens is not None and tokens.dropped for tokens in spoken)


def _shown(usages: Sequence[TurnUsage], *, dropped: bool) -> int | None:
    """Return the visual tokens of an episode, each frame's counted once.

    Where a turn's prompt holds the conversation so far, it is the largest that holds them all.
    """
    last = [usage.replies[-1] for usage in usages if usage.replies]
    visual = [None if counts is None else counts.visual for counts in last]
    known = [count for count in visual if count is not None]
    resent = any(usage.resent for usage in usages)
    if len(known) < len(usages) or (resent and dropped):
        return None
    return max(known, default=0) if resent else sum(known)


def _sum(counts: Sequence[TokenCounts] | None, name: str) -> int | None:
    if counts is None:
        return None
    values = [getattr(one, name) for one in counts]
    return None if None in values else sum(values)


def _dollars(
    usages: Sequence[TurnUsage], counts: Sequence[TokenCounts] | None, day: date | None
) -> tuple[str | None, float | None]:
    """Return the name of the price, and the dollars of all replies."""
    given = [usage.dollars for usage in usages if usage.dollars is not None]
    if len(given) == len(usages):
        return GIVEN, sum(given)
    models = {usage.model for usage in usages}
    model = models.pop() if len(models) == 1 else None
    row = None if model is None else price_of(model, day)
    if row is None or counts is None:
        return None, None
    bills = [row.dollars(one) for one in counts]
    known = [bill for bill in bills if bill is not None]
    return row.name, sum(known) if len(known) == len(bills) else None
