"""Laws of `algos.suite.playing_entries`, `algos.runs.running_totals`: a run says what it cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.suite.evaluating import evaluate_entries
from policies.base import Decision
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env import Answer, QAItem
from sage_env.testing import open_memory

COUNTS = TokenCounts(1000, 100, visual=400)


class Billed:
    """Answers at once; a model of a price list, or one whose prices were given."""

    def __init__(self, model: str, dollars: float | None = None) -> None:
        self.model, self.dollars = model, dollars

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        usage = TurnUsage((COUNTS,), True, model=self.model, dollars=self.dollars)
        return Decision(Answer("red"), usage=usage)


def test_the_price_rows_of_a_run_stand_in_its_results(tmp_path: Path) -> None:
    items = [
        QAItem(f"q{k}", Path(f"{60 + k}.memory"), "which?", ("red", "blue"), "red", "mcq")
        for k in range(3)
    ]
    policies = {"listed": Billed("openai/gpt-4o"), "given": Billed("127.0.0.1/m", 0.25)}
    evaluate_entries(
        items,
        policies,
        tmp_path,
        controls=["blind"],
        opener=open_memory,
        frame_size=(8, 8),
    )
    folders = {path.name: path for path in tmp_path.iterdir() if (path / "samples.jsonl").exists()}
    assert set(folders) == {"listed", "given", "listed_blind", "given_blind"}
    for name, path in folders.items():
        rows = [json.loads(line) for line in (path / "samples.jsonl").read_text().splitlines()]
        (price,) = json.loads((path / "results.json").read_text())["prices"]
        cost = (1000 * 2.5 + 100 * 10) / 1e6 if "listed" in name else 0.25
        assert [row["cost"] for row in rows] == [pytest.approx(cost)] * 3
        assert {row["price"] for row in rows} == {price["name"]}
        assert {row["visual_tokens_billed"] for row in rows} == {400}
        assert {row["frames"] for row in rows} == ({0} if name.endswith("blind") else {16})
    listed = json.loads((folders["listed"] / "results.json").read_text())["prices"][0]
    assert (listed["model"], listed["prompt"], listed["completion"]) == ("gpt-4o", 2.5, 10.0)
