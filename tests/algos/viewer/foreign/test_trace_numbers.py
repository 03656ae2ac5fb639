"""Laws of `algos.viewer.foreign`: `atif_traces`, `inspect_traces`, `times_told`, `trace_rows`.

A number is that of what it is called, and what is not told is no zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from algos.viewer.foreign.atif_traces import read_atif_trace
from algos.viewer.foreign.carried_files import CarriedPictures
from algos.viewer.foreign.inspect_traces import read_inspect
from algos.viewer.foreign.times_told import picture_times
from algos.viewer.foreign.trace_rows import row_of
from algos.viewer.foreign.traced import Source

SOURCE = Source(Path("trace.json"), None, CarriedPictures(None))


def sample(**changes: Any) -> dict[str, Any]:
    return {"id": "q", "epoch": 1, "input": "Who?", "target": "Ann", "messages": [], **changes}


def test_totals_of_a_document_are_those_that_it_names() -> None:
    totals = {"total_completion_tokens": 7, "total_prompt_tokens": 90, "total_cost_usd": 0.5}
    steps = [{"step_id": 1, "source": "user", "message": "Who?"}]
    found = read_atif_trace(
        {"schema_version": "ATIF-v1.8", "steps": steps, "final_metrics": totals}, SOURCE
    )
    assert found.row == {"tokens": 7, "prompt_tokens": 90, "cost": 0.5}


@pytest.mark.parametrize(("epoch", "name"), [(None, "q"), (1, "q"), (2, "q (epoch 2)")])
def test_each_epoch_is_a_question_of_its_own(epoch: int | None, name: str) -> None:
    assert read_inspect(sample(epoch=epoch), SOURCE).question.id == name


@pytest.mark.parametrize(
    ("value", "verdict"), [("C", True), ("I", False), ("N", False), ("P", None), (None, None)]
)
def test_a_score_is_a_verdict_where_it_is_one(value: str | None, verdict: bool | None) -> None:
    scored = sample(scores={"any": {"value": value}})
    assert read_inspect(scored, SOURCE).episode.verdict is verdict


def test_what_a_trace_does_not_show_is_no_zero() -> None:
    seen = row_of(read_inspect(sample(), SOURCE), "q", "a")
    assert not {"frames", "turns", "calls", "verdict"} & seen.keys()
    said = {"role": "assistant", "content": "Ann"}
    played = row_of(read_inspect(sample(messages=[said]), SOURCE), "q", "a")
    assert (played["turns"], played["calls"]) == (1, 0) and "frames" not in played


def test_tokens_that_a_model_does_not_count_are_not_known() -> None:
    def row(**usage: dict[str, int]) -> tuple[Any, Any]:
        found = read_inspect(sample(model_usage=usage), SOURCE).row
        return found["prompt_tokens"], found["tokens"]

    both = {"input_tokens": 5, "output_tokens": 2}
    assert row() == (None, None)
    assert row(a=both, b=both) == (10, 4)
    assert row(a=both, b={"output_tokens": 1}) == (None, 3)


def test_a_picture_is_of_the_time_that_stands_last_before_it() -> None:
    assert picture_times("<1.0 seconds> then <2.5 seconds>", 1) == [2.5]
    assert picture_times("<1.0 seconds> <2.5 seconds>", 2) == [1.0, 2.5]
    assert picture_times("<1.0 seconds> <2.5 seconds>", 3) == [None, None, None]
