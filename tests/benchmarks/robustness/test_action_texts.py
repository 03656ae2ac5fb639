"""Laws of `benchmarks.robustness.action_texts`: texts of each kind are tried, and faults seen."""

from __future__ import annotations

from benchmarks.robustness import action_texts
from sage_env.actions.action import Skip
from sage_env.actions.action_text import ActionText


def test_a_thousand_texts_have_no_fault() -> None:
    outcome = action_texts.read_batch((1, 0, 1000))
    assert outcome.tries == 1000 and outcome.faults == []
    assert {end.split(":")[0] for end in outcome.ends} >= {"whole", "drafted", "unfinished"}


def test_a_reader_that_takes_drafts_is_found(monkeypatch) -> None:
    monkeypatch.setattr(action_texts, "read_action", lambda text: ActionText(Skip(1.0)))
    outcome = action_texts.read_batch((1, 0, 100))
    assert any("unfinished" in fault for fault in outcome.faults)


def test_a_reader_that_raises_is_found(monkeypatch) -> None:
    def dead(text: str) -> ActionText:
        raise RecursionError("too deep")

    monkeypatch.setattr(action_texts, "read_action", dead)
    outcome = action_texts.read_batch((1, 5, 10))
    assert len(outcome.faults) == 10 and "text 5 of seed 1" in outcome.faults[0]
