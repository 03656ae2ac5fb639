"""Laws of `benchmarks.robustness.killed_evaluation`: what is lost or played twice is a fault."""

from __future__ import annotations

import json
import os

import pytest

from algos.cli.entry import main
from algos.runs.evaluation_run import EvaluationRun
from benchmarks.robustness import killed_evaluation
from benchmarks.robustness.killed_evaluation import differences, run, write_dataset


def test_a_killed_evaluation_ends_as_if_nobody_had_disturbed_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(killed_evaluation, "QUESTIONS", 8)
    outcome = run(1, 0, tmp_path)
    assert outcome.faults == []
    assert outcome.ends == {"equal to the undisturbed one": 1}


@pytest.mark.parametrize("lost", ["rows", "seed"])
def test_the_campaign_finds_what_is_lost_and_what_is_answered_otherwise(
    lost, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(killed_evaluation, "QUESTIONS", 8)
    if lost == "rows":  # what was played is forgotten
        whole = EvaluationRun.__init__

        def forgetful(self, *given: object, **named: object) -> None:
            whole(self, *given, **named)
            self.done.clear()

        monkeypatch.setattr(EvaluationRun, "__init__", forgetful)
    else:  # an episode's seed depends on who plays it, wherever the kill comes
        from algos.rollout import one_by_one

        honest = one_by_one.subseed
        monkeypatch.setattr(
            one_by_one, "subseed", lambda seed, name: honest(seed, f"{os.getpid()} {name}")
        )
    outcome = run(1, 0, tmp_path)
    assert len(outcome.faults) >= 1
    said = "played again" if lost == "rows" else "samples.jsonl differs"
    assert said in outcome.faults[0]


def test_only_what_lasts_is_compared(tmp_path, capsys) -> None:
    write_dataset(tmp_path)
    arguments = ["eval", "--dataset", str(tmp_path / "questions.jsonl"), "--policy", "random"]
    for name in ("a", "b"):
        assert main([*arguments, "--limit", "3", "--out", str(tmp_path / name)]) == 0
    assert differences(tmp_path / "a", tmp_path / "b") == []
    rows = (tmp_path / "b" / "samples.jsonl").read_text().splitlines()
    changed = {**json.loads(rows[1]), "prediction": "mauve"}
    rows[1] = json.dumps(changed)
    (tmp_path / "b" / "samples.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "b" / "results.json").unlink()
    assert differences(tmp_path / "a", tmp_path / "b") == [
        "samples.jsonl differs",
        "results.json is missing",
    ]
