"""Laws of `algos.cli.eval_command`, `score_command`: an outage of the judge is scored later."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from algos.cli import main
from algos.runs.append_log import read_log
from policies.judges.grading_prompt import PROMPT_HASH
from tests.helpers.clips import write_clip
from tests.helpers.foreign.judge_wires import OpenAIWire, graded
from tests.helpers.loopback import Loopback, Says

pytest.importorskip("openai")

SAYS = """
from sage_env import Answer

class Says:
    env_options = {"overview_frames": 1}

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        return Answer("the truck" if observation["question"] == "rule?" else "a lorry")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(20)])
    rows = [
        {"id": name, "video": "a.mp4", "question": f"{name}?", "answer": "truck"}
        for name in ("rule", "one", "two")
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "saying_policy.py").write_text(SAYS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return tmp_path


def verdicts(path: str) -> dict[str, tuple[object, object]]:
    return {row["id"]: (row["verdict"], row["rule"]) for row in read_log(Path(path))}


def test_an_outage_of_the_judge_loses_no_answer_and_is_scored_later(folder, capsys) -> None:
    play = ["eval", "--policy", "saying_policy:Says", "--dataset", "data.jsonl", "--out", "run"]
    with Loopback(lambda _: Says({"error": {"message": "x"}}, 400), OpenAIWire.about) as dead:
        judged = f"openai:j-1?base_url={dead.url}/v1&attempts=1"
        assert main([*play, "--judge", judged]) == 0
        other = judged.replace("attempts=1", "attempts=2")
        assert main([*play, "--judge", other]) == 0 and len(dead.asked) == 2  # not played again
    assert verdicts("run/samples.jsonl") == {
        "rule": (True, "text"), "one": (None, None), "two": (None, None)
    }  # fmt: skip
    rows = {row["id"]: row for row in read_log(Path("run/samples.jsonl"))}
    assert rows["one"]["error"] is None
    assert "openai:j-1 gave no verdict" in rows["one"]["judge_words"]
    total = json.loads(Path("run/results.json").read_text())["measures"][0]["measures"]
    assert (total["questions"], total["unjudged"], total["failed"]) == (3, 2, 0)
    assert total["accuracy"] == 1.0
    capsys.readouterr()
    good = OpenAIWire.says(graded("CORRECT", "a lorry is a truck"))
    with Loopback(lambda _: good, OpenAIWire.about) as alive:
        judged = f"openai:j-1?base_url={alive.url}/v1"
        assert main(["score", "run", "--judge", judged, "--out", "scored"]) == 0
        assert len(alive.asked) == 2
    assert verdicts("scored/samples.jsonl")["two"] == (True, "judge")
    row = read_log(Path("scored/samples.jsonl"))[1]
    assert row["judge_words"] == "a lorry is a truck" and row["judge"]["model"] == "j-1-2026"
    assert row["played_verdict"] is None
    assert main(["compare", "run", "scored"]) == 0
    assert "2 without a verdict in one of them" in capsys.readouterr().out


def test_a_judge_that_answers_has_its_words_in_the_rows(folder) -> None:
    good = OpenAIWire.says(graded("INCORRECT", "a lorry is a lorry"))
    with Loopback(lambda _: good, OpenAIWire.about) as alive:
        judged = f"openai:j-1?base_url={alive.url}/v1"
        play = ["eval", "--policy", "saying_policy:Says", "--dataset", "data.jsonl"]
        assert main([*play, "--judge", judged, "--out", "run", "--envs", "1"]) == 0
    row = {one["id"]: one for one in read_log(Path("run/samples.jsonl"))}["two"]
    assert (row["verdict"], row["rule"]) == (False, "judge")
    assert row["judge_words"] == "a lorry is a lorry" and row["judge"]["judge"] == "openai:j-1"
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["settings"]["judge"] == {"name": "openai:j-1", "prompt": PROMPT_HASH}
    assert "127.0.0.1" not in json.dumps(manifest["settings"])
