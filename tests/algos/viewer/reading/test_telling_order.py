"""Laws of `algos.viewer.reading.telling_order`, `table_rows`, `run_facts`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.row_results import EpisodeResult
from algos.viewer.reading.run_facts import (
    duration_text,
    playing_facts,
    session_facts,
    training_facts,
)
from algos.viewer.reading.table_rows import SeenKeys, flat_row
from algos.viewer.reading.telling_order import TellingOrder


def row(name: str, entry: str, verdict: bool | None, **values: Any) -> dict[str, Any]:
    return {"id": name, "entry": entry, "verdict": verdict, **values}


def order(rows: list[dict[str, Any]], before: str | None = "old", **more: Any) -> list[str]:
    telling = TellingOrder("new", before, **more)
    assert list(telling.passing(rows)) == rows
    return telling.order()


ROWS = [
    row("fine", "new", True, evidence_recall=1.0),
    row("lucky", "new", True, evidence_recall=0.0),
    row("unjudged", "new", None),
    row("wrong", "new", False),
    row("failed", "new", None, error="VideoError"),
    row("flipped", "new", True),
    row("lost", "new", False),
    *(row(name, "old", True) for name in ("fine", "lucky", "lost", "failed")),
    *(row(name, "old", False) for name in ("wrong", "flipped")),
]


def test_flips_come_first_then_failures_wrong_lucky_and_the_rest() -> None:
    expected = ["flipped", "lost", "failed", "wrong", "lucky", "unjudged", "fine"]
    assert order(ROWS) == expected
    assert order(ROWS[::-1])[2:] == expected[2:]


def test_luck_is_known_only_where_the_evidence_is() -> None:
    rows = [row("unknown", "new", True), row("none", "new", True, evidence_recall=None)]
    assert order([*rows, row("lucky", "new", True, evidence_recall=0.0)])[0] == "lucky"


def test_without_a_before_entries_that_differ_come_first_and_floors_do_not_count() -> None:
    found = order([*ROWS, row("fine", "floor", False)], before=None, controls=["floor"])
    assert set(found[:2]) == {"flipped", "lost"} and found[-1] == "fine"


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.sampled_from(["new", "old", "floor"]),
            st.sampled_from([True, False, None]),
        )
    )
)
def test_every_question_stands_there_once(rows: list[tuple[str, str, bool | None]]) -> None:
    found = order([row(*one) for one in rows])
    assert sorted(found) == sorted({name for name, _, _ in rows})


def test_the_first_ones_are_of_many_kinds() -> None:
    rows = [
        row(f"{family}{k}", "new", False, **{"group.family": family, "duration": seconds})
        for family in ("needle", "count")
        for seconds in (30.0, 3000.0)
        for k in range(int(seconds), int(seconds) + 5)
    ]
    found = order(rows)
    kinds = [(name[:5], len(name)) for name in found]
    assert len(set(kinds[:4])) == 4 and len(found) == 20


def test_a_row_is_flat_and_says_nothing_of_this_machine() -> None:
    stored = {
        "id": "q",
        "video": "/home/somebody/videos/a.mp4",
        "group": {"family": "needle"},
        "reward_terms": {"answer": 1.0},
        "seconds_by_stage": {"decode": 0.5},
        "verdict": True,
        "tool_calls": {"ok": 1},
    }
    found = flat_row(stored, "a")
    assert found["video"] == "a.mp4" and found["entry"] == "a"
    assert found["group.family"] == "needle" and found["reward.answer"] == 1.0
    assert found["seconds.decode"] == 0.5 and "tool_calls" not in found
    assert flat_row({**stored, "entry": "b"}, "a")["entry"] == "b"


def test_a_column_is_there_where_some_row_has_something() -> None:
    rows = [
        {"id": "a", "entry": "x", "cost": None, "group.tier": None, "turns": 0},
        {"id": "b", "entry": "x", "verdict": False, "reward.answer": 0.0},
    ]
    keys = SeenKeys()
    assert list(keys.passing(rows)) == rows
    assert [one.key for one in keys.columns()] == ["question", "verdict", "turns", "reward.answer"]


def test_what_was_run_is_told_in_a_line() -> None:
    session = {"commit": "0123456789abcdef+", "machine": "Linux", "accelerator": "H200"}
    told = session_facts({"sessions": [{}, session]})
    assert told == {"commit": "0123456789+", "machine": "Linux, H200"}
    assert session_facts({}) == session_facts({"sessions": [1]}) == {}
    assert training_facts([]) == {}
    rows = [{"update": 0}, {"update": 1, "time/rollout": 100.0, "time/learn": 20.0}]
    assert training_facts(rows) == {"updates": "1", "time of updates": "2 min"}
    timed = EpisodeResult("a", "v", 9.0, {}, True, 8, 1, None, None, spent={"seconds": 1.25})
    assert playing_facts([timed, timed]) == {"time of episodes": "2.5 s"}
    assert playing_facts([timed, replace(timed, spent={})]) == playing_facts([]) == {}
    assert [duration_text(x) for x in (8.12, 59.0, 90.0, 7200.0)] == [
        "8.1 s", "59.0 s", "2 min", "2.0 h",
    ]  # fmt: skip
