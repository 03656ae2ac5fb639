"""Laws of `line.stages`, `settings`, `line_report`: a stage runs once, and the page says it all.

Stages are made up; the whole line is played in `test_whole_line`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from algos.data_pipeline.line.line_report import collect, write_report
from algos.data_pipeline.line.settings import LineError, LineSettings, keep_settings
from algos.data_pipeline.line.stages import Stage, run_stages, seconds_of


def stage(name: str, played: list[str], fails: bool = False) -> Stage:
    def run(settings: LineSettings):
        played.append(name)
        if fails:
            raise KeyboardInterrupt
        return {"said": name}

    return Stage(name, f"doing {name}", run)


def test_a_stage_that_is_done_is_not_run_again_and_an_interrupted_one_is(tmp_path) -> None:
    settings, played, told = LineSettings(out=tmp_path), [], []
    cut = [stage("a", played), stage("b", played, fails=True), stage("c", played)]
    with pytest.raises(KeyboardInterrupt):
        run_stages(cut, settings, told.append)
    assert played == ["a", "b"] and told[-1] == "[2/3] b: doing b"
    whole = [stage(name, played) for name in "abc"]
    found = run_stages(whole, settings, told.append)
    assert played == ["a", "b", "b", "c"] and found == {name: {"said": name} for name in "abc"}
    assert "[1/3] a: done before" in told
    times = seconds_of(tmp_path)
    assert {name: one["calls"] for name, one in times.items()} == {"a": 1, "b": 2, "c": 1}


def test_it_stops_after_a_stage_and_a_wrong_name_is_refused_before_any(tmp_path) -> None:
    played: list[str] = []
    stages = [stage(name, played) for name in "abc"]
    found = run_stages(stages, LineSettings(out=tmp_path, stop_after="b"), lambda _: None)
    assert list(found) == played == ["a", "b"]
    with pytest.raises(LineError, match="stop_after must be one of a, b, c"):
        run_stages(stages, LineSettings(out=tmp_path / "x", stop_after="d"), lambda _: None)
    assert played == ["a", "b"]


def test_a_folder_is_of_one_line_and_names_what_differs(tmp_path) -> None:
    settings = LineSettings(out=tmp_path)
    keep_settings(settings)
    keep_settings(replace(settings, envs=3, workers=1, stop_after="ppo"))  # change no result
    with pytest.raises(LineError, match="of other settings .seed: 2027, now 5"):
        keep_settings(replace(settings, seed=5))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"videos": Path("v")}, "the stand-in knows the videos that are made here"),
        ({"service": "gemini"}, "give --videos FOLDER together with --service gemini"),
        ({"held_out": 1.0}, r"held_out must be in \(0, 1\)"),
        ({"tries": (1, 2, 3)}, "tries must be one number, or one for each of the 2 teachers"),
        ({"answerers": ()}, "nobody checks the questions"),
        ({"updates": 0}, "updates must be at least 1, got 0"),
    ],
)
def test_settings_of_no_line_are_refused(given, told) -> None:
    with pytest.raises(LineError, match=told):
        LineSettings(**given)


def results(accuracy: float) -> dict:
    """Return what the stages of a line may have said."""
    estimate = {"mean": accuracy, "interval": [accuracy - 0.1, accuracy + 0.1]}
    line = {"questions": 40, "judged": 40, "accuracy": estimate}
    line |= {"frames": {"mean": 12.5, "interval": None}, "turns": {"mean": 1.5, "interval": None}}
    counts = {"questions": 3, "direct": 1, "left out": {"always answered rightly": 2}}
    sft = {"episodes": 5, "direct": 2, "state-action pairs": 9, "questions": 4}
    sft |= {"left out": {"wrong <b>": 7}}
    teacher = {"episodes": 9, "failed": 1, "right": 6, "kept": 5}
    return {
        "videos": {"videos": 4, "spoken": 0, "note": "no video speaks"},
        "checks": {"questions": 20, "kept": 12, "told": "sufficient <script> 3"},
        "distill": {"by policy": {"scripted": teacher}, "sft": sft, "dpo": {"cheaper": 1}}
        | {"rl": counts},
        "sft": {"step": 8, "steps": 8},
        "ppo": {"update": 4, "updates": 6},
        "eval": {
            "lines": {"base": line, "after PPO": line},
            "gains": {"after PPO minus base": {**estimate, "questions": 40}},
            "families": {"easy": {"base": [1, 2], "after PPO": [2, 2]}},
            "videos": 6,
        },
        "tools": {"note": "nothing speaks"},
    }


def test_the_report_has_every_number_and_no_markup_of_others(tmp_path) -> None:
    settings = LineSettings(out=tmp_path, videos=tmp_path, service="gemini")
    questions = settings.question_folder
    questions.mkdir(parents=True)
    row = {"id": "q", "video": "a.mp4", "check": "sufficient", "reason": "<img src=x>"}
    (questions / "rejected.jsonl").write_text(json.dumps(row) + "\n")
    path = write_report(settings, results(0.8))
    text = path.read_text()
    for word in ("80.0 [70.0, 90.0]", "+80.0 [+70.0, +90.0]", "7 wrong &lt;b&gt;", "1/2", "2/2"):
        assert word in text, word
    assert "sufficient &lt;script&gt; 3" in text and "&lt;img src=x&gt;" in text
    assert "<img src=x>" not in text and "Planted errors" not in text
    found = json.loads((tmp_path / "results.json").read_text())
    assert found == json.loads(json.dumps(collect(settings, results(0.8)), default=str)) | {
        "made by": found["made by"]
    }
    assert found["rejected"]["by check"] == {"sufficient": 1}
    assert found["ledger"]["all"]["replies"] == 0
