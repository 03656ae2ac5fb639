"""Laws of `algos.viewer.sharing`: `inspect_log`, `inspect_messages`.

`ACCEPTED` is what inspect_ai 0.3.285's `EvalLog` was seen to ask for: its reader took the logs of
`made_up_run` (hostile and not) and of a real evaluation as they are written here, and read the
same verdicts, calls and messages out of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from algos.cli.entry import main
from algos.viewer.foreign import open_trace
from algos.viewer.sharing.inspect_log import SharingError, sample_of, write_inspect_log
from algos.viewer.view_data import EntryView, EpisodeView, QuestionView
from tests.helpers.played.planned_run import planned_run
from tests.helpers.viewer.made_up import made_up_run

ACCEPTED: dict[str, dict[str, Any]] = {
    "log": {"version": int, "status": str, "eval": dict, "samples": list, "results": dict},
    "eval": {"created": str, "task": str, "dataset": dict, "model": str, "config": dict},
    "sample": {
        "id": str,
        "epoch": int,
        "input": str,
        "target": str,
        "messages": list,
        "output": dict,
        "scores": dict,
        "metadata": dict,
    },
}
ROLES = {"user", "assistant", "tool"}


def fits(value: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    return all(isinstance(value.get(key), kind) for key, kind in shape.items())


@pytest.mark.parametrize("hostile", [False, True])
def test_a_log_has_what_the_real_reader_asks_for(tmp_path: Path, hostile: bool) -> None:
    run = made_up_run(12, hostile=hostile)
    assert write_inspect_log(run, tmp_path / "a.json") == 12
    log = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert fits(log, ACCEPTED["log"]) and fits(log["eval"], ACCEPTED["eval"])
    assert (log["version"], log["status"], len(log["samples"])) == (2, "success", 12)
    for sample in log["samples"]:
        assert fits(sample, ACCEPTED["sample"])
        calls: list[str] = []
        for message in sample["messages"]:
            assert message["role"] in ROLES and isinstance(message["content"], str | list)
            calls += [call["id"] for call in message.get("tool_calls", ())]
            if message["role"] == "tool":
                assert message["tool_call_id"] == calls.pop(0)
        assert not calls


def test_scores_count_right_and_wrong_and_nothing_else(tmp_path: Path) -> None:
    run = made_up_run(40)
    write_inspect_log(run, tmp_path / "a.json", entry="policy-0")
    log = json.loads((tmp_path / "a.json").read_text())
    rows = {row["id"]: row for row in run.rows() if row["entry"] == "policy-0"}
    for sample in log["samples"]:
        row = rows[sample["id"]]
        score = sample["scores"].get("verdict", {}).get("value")
        assert score == {True: "C", False: "I", None: None}[row["verdict"]]
        assert (sample["error"] is None) == (row["error"] is None)
    verdicts = [row["verdict"] for row in rows.values() if row["verdict"] is not None]
    (score,) = log["results"]["scores"]
    assert score["metrics"]["accuracy"]["value"] == sum(verdicts) / len(verdicts)
    assert (score["scored_samples"], score["unscored_samples"]) == (
        len(verdicts),
        40 - len(verdicts),
    )
    assert log["results"]["completed_samples"] == len(verdicts)


def test_no_answer_is_not_the_same_as_a_wrong_one() -> None:
    question = QuestionView(id="q", question="Who?")
    entry = EntryView(key="e", title="E")
    told = {
        sample_of(
            question, EpisodeView(entry="e", steps=(), verdict=False, prediction=said), entry
        )["scores"]["verdict"]["value"]
        for said in (None, "Ann")
    }
    assert told == {"N", "I"}
    unjudged = EpisodeView(entry="e", steps=(), prediction="Ann")
    assert sample_of(question, unjudged, entry)["scores"] == {}


def test_what_was_written_opens_again_with_the_same_turns_and_times(tmp_path: Path) -> None:
    run = made_up_run(8)
    write_inspect_log(run, tmp_path / "a.json")
    back = open_trace(tmp_path / "a.json")
    assert sorted(back.order) == sorted(run.order)
    for name in run.order:
        then, now = run.question(name), back.question(name)
        (before,) = [e for e in then.episodes if e.entry == run.shown]
        (after,) = now.episodes
        assert after.verdict == before.verdict
        if before.verdict is not None:
            assert after.prediction == before.prediction
        assert (now.gold, now.gold_choice, now.evidence) == (
            then.gold,
            then.gold_choice,
            then.evidence,
        )
        assert [(s.turn, s.action, s.span, s.thought) for s in after.steps[1:]] == [
            (s.turn, s.action, s.span, s.thought) for s in before.steps[1:]
        ]
        for s, t in zip(after.steps, before.steps, strict=True):
            assert [f.second for f in s.frames] == [round(f.second, 1) for f in t.frames]


def test_numbers_that_json_has_not_are_unknown(tmp_path: Path) -> None:
    run = made_up_run(1)
    name = run.order[0]
    question = run.question(name)
    odd = replace(question.episodes[1], row={"cost": float("nan"), "seconds": float("inf")})
    run = replace(run, question=lambda _: replace(question, episodes=[odd]))
    write_inspect_log(run, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    (sample,) = json.loads(text)["samples"]
    assert sample["total_time"] is None


def test_an_entry_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SharingError, match="policy-0, policy-1.*'other'"):
        write_inspect_log(made_up_run(1), tmp_path / "a.json", entry="other")
    assert not (tmp_path / "a.json").exists()


def test_the_command_writes_a_log_of_a_finished_run(tmp_path: Path) -> None:
    run = planned_run(tmp_path)
    assert main(["export", str(run), "--format", "inspect", "--out", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").glob("*.json")
    log = json.loads(path.read_text())
    assert fits(log, ACCEPTED["log"]) and log["samples"]
