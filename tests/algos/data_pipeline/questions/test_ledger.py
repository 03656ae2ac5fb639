"""Laws of `algos.data_pipeline.questions.ledger` and `services`: dollars, and a budget."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.questions.ledger import BudgetSpent, Ledger, paid_replies, spent_on
from algos.data_pipeline.questions.services import default_model, facts_of, tier_share
from algos.metrics.prices import price_of
from policies.turn_usage import TokenCounts

MODEL = "google/gemini-3.8-flash"
THEN = datetime(2026, 12, 1, tzinfo=UTC)
MILLION = TokenCounts(1_000_000, 100_000, cached=400_000)
# 600,000 x 0.75 + 400,000 x 0.075 + 100,000 x 3.75 dollars per million
DOLLARS = 0.45 + 0.03 + 0.375


def test_a_reply_is_priced_by_the_row_of_its_day_and_by_its_tier(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for name, tier in [("a", "standard"), ("b", "flex"), ("c", "batch")]:
        ledger.pay(name, stage="generate", model=MODEL, counts=MILLION, tier=tier, when=THEN)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    ledger.pay("d", stage="check", model=MODEL, counts=MILLION, when=later)
    ledger.close()
    lines = paid_replies(tmp_path / "ledger.jsonl")
    assert [line.dollars for line in lines] == pytest.approx(
        [DOLLARS, DOLLARS / 2, DOLLARS / 2, 2 * DOLLARS]
    )
    assert lines[0].price is not None and lines[0].price["name"] == f"{MODEL} until 2027-01-01"
    assert lines[0].price["prompt"] == 0.75 and lines[3].price["prompt"] == 1.5
    assert lines[0].when == "2026-12-01T00:00:00+00:00"
    assert spent_on(one for one in lines if one.stage == "check").replies == 1


def test_a_request_is_paid_once_also_by_another_process(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    first = ledger.pay("a", stage="s", model=MODEL, counts=MILLION, when=THEN)
    assert ledger.pay("a", stage="s", model=MODEL, counts=None) == first
    ledger.close()
    again = Ledger(tmp_path / "l")
    assert "a" in again and "b" not in again
    again.pay("a", stage="s", model=MODEL, counts=MILLION)
    assert again.spent().replies == 1 and again.spent().dollars == pytest.approx(DOLLARS)
    again.close()


def test_what_is_not_known_is_not_zero(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    ledger.pay("a", stage="s", model=MODEL, counts=MILLION, when=THEN)
    ledger.pay("b", stage="s", model=MODEL, counts=None, at_most=0.5)
    spent = ledger.spent()
    assert (spent.replies, spent.unknown) == (2, 1)
    assert spent.dollars == pytest.approx(DOLLARS)
    assert spent.at_most == pytest.approx(DOLLARS + 0.5)
    assert "1 of unknown cost" in spent.sentence()
    ledger.pay("c", stage="s", model="elsewhere/m", counts=MILLION)
    assert ledger.spent().at_most is None and ledger.spent().unknown == 2
    ledger.close()


def test_a_line_that_could_not_be_written_is_not_taken_for_paid(tmp_path, monkeypatch) -> None:
    ledger = Ledger(tmp_path / "l")
    append = ledger._log.append
    monkeypatch.setattr(ledger._log, "append", lambda row: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ledger.pay("a", stage="s", model=MODEL, counts=MILLION, when=THEN)
    assert "a" not in ledger
    monkeypatch.setattr(ledger._log, "append", append)
    ledger.pay("a", stage="s", model=MODEL, counts=MILLION, when=THEN)
    ledger.close()
    assert len(paid_replies(tmp_path / "l")) == 1


def test_a_budget_can_be_spent_to_its_last_cent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", budget=1.0)
    ledger.reserve("a", 0.5)
    ledger.reserve("b", 0.5)
    with pytest.raises(BudgetSpent):
        ledger.reserve("c", 1e-6)
    ledger.close()


def test_with_a_budget_nothing_of_unknown_cost_is_sent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", budget=10.0)
    with pytest.raises(BudgetSpent, match="not known"):
        ledger.reserve("a", None)
    ledger.pay("b", stage="s", model="elsewhere/m", counts=MILLION)
    with pytest.raises(BudgetSpent, match="not known"):
        ledger.reserve("c", 0.01)
    ledger.close()


def test_what_is_on_its_way_counts_and_what_was_refused_does_not(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l", budget=1.0)
    ledger.reserve("a", 0.6)
    with pytest.raises(BudgetSpent, match=r"0\.6000 is spent or set aside"):
        ledger.reserve("b", 0.5)
    ledger.release("a")
    ledger.reserve("b", 0.5)
    ledger.reserve("begun", 0.9, begun=True)  # by an earlier process: too late to refuse
    with pytest.raises(BudgetSpent):
        ledger.reserve("c", 0.01)
    ledger.close()


@given(
    st.floats(0.1, 5.0),
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 1.0), st.booleans()), max_size=30),
)
def test_the_budget_is_never_exceeded_whatever_is_known_of_the_costs(
    budget: float, requests: list[tuple[float, float, bool]]
) -> None:
    """A reply costs a share of what was set aside; some never come, some are refused."""
    with TemporaryDirectory() as folder:
        ledger, true = Ledger(Path(folder) / "l", budget), 0.0
        row = price_of(MODEL, THEN.date())
        assert row is not None
        for number, (most, share, comes) in enumerate(requests):
            try:
                ledger.reserve(f"{number}", most)
            except BudgetSpent:
                assert true + most > budget - sum(one[0] for one in requests[:number])
                continue
            if number % 5 == 4:
                ledger.release(f"{number}")
                continue
            tokens = TokenCounts(int(most * share / row.prompt * 1e6), 0)
            dollars = row.dollars(tokens)
            assert dollars is not None
            true += dollars  # billed, whether the reply comes or not
            counts = tokens if comes else None
            ledger.pay(f"{number}", stage="s", model=MODEL, counts=counts, when=THEN)
        assert true <= budget + 1e-9
        ledger.close()


def test_facts_of_services_are_there_for_the_default_and_the_papers_model() -> None:
    name = default_model("gemini")
    assert name is not None and default_model("openai") is None
    for model in (f"google/{name}", "google/gemini-2.5-flash"):
        facts = facts_of(model)
        assert facts is not None and price_of(model, THEN.date()) is not None
        assert set(facts.frame) == {"default", "low", "medium", "high"}
    assert name != "gemini-2.5-flash" and facts_of("google/gemini-9") is None
    assert (tier_share("standard"), tier_share("flex"), tier_share("batch")) == (1.0, 0.5, 0.5)
