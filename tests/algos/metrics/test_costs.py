"""Laws of `algos.metrics.costs`: what a question cost, by hand, and `None` for what nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from algos.metrics.costs import cost_fields, unique_frames
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory
from policies.base import Decision, TurnTokens
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env import Answer
from sage_env.history import Spent
from tests.helpers.handmade import item, trajectory

QUESTION, DAY = item("q"), date(2026, 12, 1)
SPENT = Spent(2, 5, 4, 30.0, frames_decoded=77, decode_seconds=0.5)


def used(usages: Sequence[TurnUsage | None], **changes: Any) -> dict[str, Any]:
    """Return the fields of an episode whose turns took these."""
    played = trajectory("q", True, looks=((1.0,),) * (len(usages) - 1))
    turns = [
        replace(turn, decision=replace(turn.decision, usage=usage))
        for turn, usage in zip(played.turns, usages, strict=True)
    ]
    return cost_fields(QUESTION, replace(played, turns=turns, **changes), DAY)


def flash(*replies: TokenCounts | None, **more: Any) -> TurnUsage:
    return TurnUsage(replies, True, model="google/gemini-3.8-flash", **more)


def test_a_chat_of_two_turns_by_hand() -> None:
    """Turn 1 shows 500 visual tokens; a first reply was of no use, and is paid for all the same.
    Turn 2 shows 200 more, and the provider has 600 of the 1,300 tokens in its cache, 400 visual."""
    fields = used(
        [
            flash(TokenCounts(800, 30, visual=500), TokenCounts(800, 20, visual=500), failed=2),
            flash(TokenCounts(1300, 50, 600, 40, visual=700, visual_cached=400)),
        ]
    )
    assert fields["visual_tokens"] == 700, "each frame once"
    assert fields["visual_tokens_billed"] == 500 + 500 + 300, "sent again, less those cached"
    assert (fields["prompt_tokens"], fields["cached_tokens"]) == (2900, 600)
    assert (fields["tokens"], fields["thought_tokens"]) == (100, 40)
    assert (fields["replies"], fields["retries"]) == (3, 2)
    assert fields["cost"] == pytest.approx((2300 * 0.75 + 600 * 0.075 + 100 * 3.75) / 1e6)
    assert fields["price"] == "google/gemini-3.8-flash until 2027-01-01"


def test_a_long_request_is_priced_by_itself_and_not_by_the_sum_of_the_turns() -> None:
    short = TurnUsage((TokenCounts(150_000, 0),), True, model="google/gemini-3.1-pro-preview")
    assert used([short, short])["cost"] == pytest.approx(0.6), "300,000 tokens, none of them long"


def test_what_a_server_does_not_say_is_not_known_and_costs_nothing_else() -> None:
    known = TokenCounts(100, 10)
    fields = used([flash(known), flash(None)])
    for name in ("prompt_tokens", "cached_tokens", "tokens", "cost", "visual_tokens_billed"):
        assert fields[name] is None, name
    assert fields["replies"] == 2
    fields = used([flash(known)])  # pictures are not told apart
    assert fields["prompt_tokens"] == 100 and fields["cost"] is not None
    assert fields["visual_tokens"] is fields["visual_tokens_billed"] is None
    half = TokenCounts(100, 10, cached=50, visual=80)  # which of the cached are pictures?
    fields = used([flash(half)])
    assert (fields["visual_tokens"], fields["visual_tokens_billed"]) == (80, None)


def test_dollars_are_of_a_known_price_or_none() -> None:
    counts = TokenCounts(1000, 100)
    assert used([TurnUsage((counts,), True, model="127.0.0.1/gpt-4o")])["cost"] is None
    assert used([TurnUsage((counts,))])["cost"] is None, "nobody bills a model of one's own"
    given = TurnUsage((counts,), True, model="127.0.0.1/m", dollars=0.25)
    fields = used([given, given])
    assert (fields["cost"], fields["price"]) == (0.5, "given")
    assert used([given, flash(counts)])["cost"] is None, "two bills do not add up"
    heard, silent = (
        TurnUsage((TokenCounts(1000, 100, audio=n),), True, model="google/gemini-2.5-flash")
        for n in (None, 0)
    )
    assert used([silent, silent])["cost"] == pytest.approx(2 * (0.3e-3 + 0.25e-3))
    assert used([silent, heard])["cost"] is None, "a part of the bill is not the bill"


def test_a_model_of_ones_own_reads_each_token_once() -> None:
    turns = [TurnUsage((TokenCounts(n, 7, visual=v),)) for n, v in ((100, 64), (30, 16))]
    fields = used(turns)
    assert (fields["prompt_tokens"], fields["tokens"]) == (130, 14)
    assert (fields["visual_tokens"], fields["visual_tokens_billed"]) == (80, 80)


def test_a_model_that_reads_the_conversation_again_pays_for_it_again() -> None:
    turns = [TurnUsage((TokenCounts(n, 7, visual=v),), True) for n, v in ((100, 64), (140, 80))]
    fields = used(turns)
    assert (fields["visual_tokens"], fields["visual_tokens_billed"]) == (80, 144)


def test_tokens_that_were_sampled_count_where_nobody_counted_them() -> None:
    played = trajectory("q", True, looks=((1.0,),))
    said = TurnTokens(np.arange(5), np.arange(3), np.zeros(3, np.float32))
    last = replace(played.turns[-1], decision=Decision(Answer("yes"), tokens=said))
    fields = cost_fields(QUESTION, replace(played, turns=[played.turns[0], last]))
    assert (fields["prompt_tokens"], fields["tokens"]) == (5, 3)
    assert fields["visual_tokens"] is fields["cost"] is None


def test_a_policy_without_a_model_has_no_tokens() -> None:
    fields = used([None, None])
    assert {fields[name] for name in ("tokens", "prompt_tokens", "cost", "price", "replies")} == {
        None
    }


def test_the_requests_of_an_episode_that_the_policy_failed_are_not_known() -> None:
    turn = flash(TokenCounts(100, 10, visual=0))
    failed = used([turn, turn], error="ReplyUnusable: nothing came")
    assert failed["cost"] is failed["tokens"] is failed["prompt_tokens"] is None
    stepped = used([turn, turn], error="VideoError: gone", failed=Decision(Answer("a"), usage=turn))
    assert stepped["prompt_tokens"] == 300, "its last request came back, and was paid for"


def test_frames_and_seconds_are_of_the_whole_episode() -> None:
    played = trajectory("q", True, looks=((25.0, 30.0),), overview=(25.0, 75.0))
    played.turns[-1].info["spent"] = SPENT
    played.stage_seconds = {"prefill": 1.5, "policy": 0.25}
    played.seconds = 2.5
    fields = cost_fields(QUESTION, played)
    assert (fields["frames_decoded"], fields["frames_unique"]) == (77, 3)
    assert fields["seconds_by_stage"] == {"decode": 0.5, "prefill": 1.5, "policy": 0.25}
    read = Trajectory.from_json(played.to_json())
    assert cost_fields(QUESTION, read)["seconds_by_stage"] is None, "times are not stored"
    whole = replace(played, conditions=Conditions(whole_video=True))
    fields = cost_fields(QUESTION, whole)
    assert fields["frames_decoded"] is fields["frames_unique"] is None, "never 0"


def test_frames_of_one_picture_are_one_and_of_two_are_two() -> None:
    times = [k / 240 for k in range(50)]  # of a video of 240 frames per second
    rounded = [float(np.float32(t)) for t in times]
    assert unique_frames([*times, *rounded]) == 50
    assert unique_frames([]) == 0 and unique_frames([3.0, 1.0, 3.0]) == 2


def tools_used(*usages: dict[str, Any] | None, calls: dict[str, int] | None = None) -> Any:
    """Return what an episode says of models that tools asked."""
    played = trajectory("q", True, looks=((1.0,),) * (len(usages) - 1))
    turns = [
        replace(turn, info={**turn.info, "tool_calls": calls or {}}
                | ({} if usage is None else {"tool_usage": usage}))
        for turn, usage in zip(played.turns, usages, strict=True)
    ]  # fmt: skip
    fields = cost_fields(QUESTION, replace(played, turns=turns), DAY)
    return fields["tool_tokens"], fields["tool_cost"]


def looked(*replies: dict[str, int] | None, model: str = "google/gemini-3.8-flash") -> Any:
    return {"model": model, "replies": list(replies), "failed": 0}


def test_models_that_tools_ask_are_counted_apart_and_unknown_stays_unknown() -> None:
    first, second = {"prompt": 1000, "completion": 10}, {"prompt": 500, "completion": 20}
    dollars = pytest.approx((1500 * 0.75 + 30 * 3.75) / 1e6)
    assert tools_used(None, None) == (0, 0.0)
    assert tools_used(looked(first), None, looked(second)) == (1530, dollars)
    assert tools_used(looked(first, None), looked(second)) == (None, None)
    assert tools_used(looked(first, model="localhost/eye"), looked(second)) == (1530, None)
    assert tools_used(looked(first), None, calls={"ok": 1, "late": 1}) == (None, None)
    assert tools_used(looked(first), None, calls={"ok": 1, "refused": 3})[0] == 1010
