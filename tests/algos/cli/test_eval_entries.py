"""Laws of `algos.cli.eval_command` with several entries, and of `algos.suite.estimating`, `joining`
and `manifest_settings`: one table, every number explained, no failure and no key in it.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from algos.cli.entry import main
from algos.cli.eval_command import Eval
from algos.runs.append_log import read_log
from sage_env import QAItem
from tests.helpers.clips import write_clip
from tests.helpers.loopback import KEY, PROXIES, Loopback, Says

CHOICES = ["yes", "no", "maybe", "never"]
POLICIES = """
from sage_env import Answer, Sample
from sage_env.errors import JudgeError


class First:
    '''Looks at as many frames as there are, then takes the first choice.'''

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        if observation["frames_left"] > 0 and observation["turns_left"] > 1:
            return Sample(0.0, 5.0, 2)
        return Answer("A")


class Fails(First):
    def act(self, observation):
        raise ZeroDivisionError(observation["question"])


def judge(item, text):
    raise JudgeError("nobody is there")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with two clips, six questions and policies of a user's."""
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", [25 * i for i in range(12)])
    rows = [
        {"id": f"q{k}", "video": f"{'ab'[k % 2]}.mp4", "question": f"{k}?", "choices": CHOICES,
         "answer": CHOICES[k % 4 if k < 4 else 0]}
        for k in range(6)
    ]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "entry_policies.py").write_text(POLICIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def evaluate(*more: str, out: str = "run", data: str = "data.jsonl") -> int:
    return main(["eval", "--dataset", data, "--out", out, "--seed", "3", *more])


def policies(*names: str) -> list[str]:
    return [word for name in names for word in ("--policy", name)]


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_one_table_has_every_policy_and_its_floors(capsys) -> None:
    named = policies("entry_policies:First", "uniform:4:random")
    assert evaluate(*named, "--controls", "constant", "blind", "shuffled") == 0
    table = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    titles = [line.split("  ")[0] for line in table[2:]]
    assert titles == [
        "entry_policies:First",
        "uniform:4:random",
        *(f"constant-{k}" for k in (1, 2, 3, 4)),
        "entry_policies:First, blind",
        "uniform:4:random, blind",
        "entry_policies:First, shuffled",
        "uniform:4:random, shuffled",
    ]
    joined = read("run/results.json")["entries"]
    assert [one["title"] for one in joined] == titles
    first, floor = joined[0], joined[2]
    assert first["measures"]["accuracy"] == floor["measures"]["accuracy"] == 3 / 6
    assert floor["minus the first"] == {"questions": 6, "mean": 0.0, "interval": None}
    page = Path("run/report.html").read_text()
    assert all(title in page for title in titles)
    for one in joined:
        assert (Path("run") / one["name"] / "report.html").exists()
        rows = read_log(Path("run") / one["name"] / "samples.jsonl")
        keys = ("policy", "control", "budget", "repeat")
        assert all(tuple(row[k] for k in keys) == tuple(one[k] for k in keys) for row in rows)
    assert main(["verify", "run"]) == 0 and main(["report", "run"]) == 0


def test_a_ladder_of_budgets_and_direct_at_the_same_frames(capsys) -> None:
    assert evaluate(*policies("entry_policies:First"), "--budgets", "2", "4", "--direct") == 0
    lines = {e["name"]: e for e in read("run/results.json")["entries"]}
    names = ["entry_policies-First_2f", "entry_policies-First_4f"]
    direct = [f"uniform-{k}-entry_policies-First" for k in (2, 4)]
    assert [n.replace("_policies", "-policies") for n in names + direct] == list(lines)
    assert [e["measures"]["frames"] for e in lines.values()] == [2, 4, 2, 4]
    assert "Accuracy against frames" in Path("run/report.html").read_text()


def test_a_folder_takes_more_entries_and_refuses_to_become_another(capsys) -> None:
    assert evaluate(*policies("random")) == 0
    assert evaluate(*policies("random", "entry_policies:First")) == 2
    assert "holds one evaluation, without entries: give these" in capsys.readouterr().err
    both = policies("random", "uniform:2:random")
    assert evaluate(*both, out="joint") == 0
    alone, beside = (read_log(Path(p, "samples.jsonl")) for p in ("run", "joint/random"))
    assert [r["prediction"] for r in alone] == [r["prediction"] for r in beside]
    assert evaluate(*policies("entry_policies:First"), out="joint") == 0
    assert len(read("joint/results.json")["entries"]) == 3
    assert evaluate(*both, "--limit", "2", out="joint") == 2
    assert "holds an evaluation with other settings (limit None, now 2" in capsys.readouterr().err


def test_what_one_policy_cannot_costs_the_others_nothing(capsys) -> None:
    named = policies("entry_policies:Nobody", "entry_policies:First")
    assert evaluate(*named) == 2
    said = capsys.readouterr()
    assert "entry_policies:First" in said.out and "not finished: entry-policies-Nobody" in said.out
    assert "Nobody" in said.err.strip().splitlines()[-1]


def test_failed_and_unjudged_questions_are_counted_apart_and_in_no_accuracy(capsys) -> None:
    rows = [json.loads(line) for line in Path("data.jsonl").read_text().splitlines()]
    rows[4] |= {"choices": [], "answer": "a red thing", "kind": "open"}
    Path("open.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    named = policies("entry_policies:First", "entry_policies:Fails")
    judge = ("--judge", "entry_policies:judge")
    assert evaluate(*named, *judge, data="open.jsonl") == 2
    said = capsys.readouterr()
    assert "entry-policies-Fails: every question failed, the first with: ZeroDivisi" in said.err
    first, fails = (one["measures"] for one in read("run/results.json")["entries"])
    assert (first["questions"], first["unjudged"], first["failed"]) == (6, 1, 0)
    assert first["accuracy"] == 2 / 5, "an answer that was not judged counts as wrong"
    assert (fails["questions"], fails["failed"], fails["accuracy"]) == (0, 6, None)


def test_an_estimate_loads_and_writes_nothing(capsys) -> None:
    named = policies("sage-mm:/nowhere", "uniform:4:openai:gpt-5.4", "openai:unheard-of")
    assert evaluate(*named, "--max-frames", "32", "--max-turns", "2", "--estimate") == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    cells = [re.split(r"  +", line) for line in lines]
    assert [c[3] for c in cells] == ["192", "24", "192", "408"]  # 6 questions of 32, 4, 32
    assert cells[0][4] == f"{192 * 49:,}"  # of 224 x 224 pixels, one for 32 x 32
    assert cells[0][-1] == "0.00" and 0 < float(cells[1][-1]) < 1
    assert cells[2][-1] == cells[3][-1] == "not known"
    assert not Path("run").exists()
    assert evaluate(*policies("random")) == 0
    capsys.readouterr()
    assert evaluate(*policies("random"), "--estimate") == 0
    assert "from rows        0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--repeat", "0"), "--repeat must be at least 1"),
        (("--budgets", "0"), "--budgets must be at least 1"),
        (("--direct",), "--direct answers from the frames of --budgets"),
        (("--budgets", "8", "--max-frames", "4"), "leave out one of them"),
        (("--max-failed", "2"), "--max-failed is a share"),
        (("--controls", "blnd"), "there is no control 'blnd'"),
        (("--shard", "3/2"), "--shard takes i/n"),
        (("--shard", "1/3"), "3 shards of 2 videos"),
        (("--ids", "nowhere"), "--ids nowhere cannot be read"),
        (("--policy-option", f"api_key={KEY}"), "a key is read from the environment"),
        (("--policy-option", f"base_url=http://me:{KEY}@host/v1"), "a key is read from the env"),
    ],
)
def test_what_asks_for_nothing_is_refused_before_anything_is_written(more, said, capsys) -> None:
    assert evaluate(*policies("random", "uniform:2:random"), *more) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and KEY not in line and not Path("run").exists()


def test_the_manifest_has_all_that_moves_a_number(capsys) -> None:
    assert evaluate(*policies("random"), "--frame-size", "64", "96", "--repeat", "2") == 0
    manifest = read("run/random_r1/manifest.json")
    told = manifest["settings"]
    assert set(told) >= {
        *("policy", "control", "budget", "repeat", "played by", "seed", "temperature", "split"),
        *("dataset", "digest of the questions", "annotations", "limit", "ids", "shard"),
        *("environment", "sampler", "pixels", "judge", "weights", "prompt", "policy options"),
        *("adapter", "version of sage-video-qa"),
    }
    assert told["pixels"] == {"height": 64, "width": 96, "area": None}
    assert told["sampler"]["max_frames"] == 128 and told["sampler"]["snap"] is False
    assert list(told["annotations"]) == ["data.jsonl"] and told["repeat"] == 1
    (session,) = manifest["sessions"]
    assert {"started", "versions", "commit", "machine", "decoder"} <= set(session)
    assert session["versions"]["numpy"] and session["decoder"]["libavcodec"]


def test_a_planted_key_is_nowhere(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A server that says the key back, in its errors and as its answer."""
    pytest.importorskip("openai")
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    answer = json.dumps({"action": "answer", "text": f"A {KEY}", "thought": KEY})
    reply = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": answer},
    }
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    chat = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}

    def says(asked: Any) -> Says:
        if "4?" in json.dumps(asked):
            return Says({"error": {"message": f"no such key: {KEY}"}}, status=422)
        return Says(chat | {"choices": [reply]})

    models = Says({"object": "list", "data": [{"id": "m", "object": "model"}]})
    with Loopback(says, models) as server:
        options = [f"base_url={server.url}/v1", "replies=json", "attempts=1"]
        more = [word for one in options for word in ("--policy-option", one)]
        evaluate(*policies("openai:m", "random"), *more, "--max-failed", "1")
    rows = read_log(Path("run/openai-m/samples.jsonl"))
    assert len(rows) == 6 and any(row["error"] for row in rows), "the server was not asked"
    said = capsys.readouterr()
    forms = [KEY.encode(), base64.b64encode(KEY.encode()), KEY.encode().hex().encode()]
    for path in Path("run").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [form for form in forms if form in data], path
    assert KEY not in said.out + said.err


def test_a_benchmark_that_a_judge_decides_says_before_the_play_that_none_is_there() -> None:
    def warned(rule: str, kind: str, judge: str) -> bool:
        asked = [QAItem("q", Path("a.mp4"), "?", answer="x", kind=kind)]
        dataset = SimpleNamespace(benchmark=SimpleNamespace(rule=rule))
        questions = SimpleNamespace(dataset=dataset, chosen=asked)
        told = Eval(dataset="sage-bench", judge=judge)._warnings(questions)  # type: ignore[arg-type]
        return bool(told)

    assert warned("judge", "open", "rule")
    assert not warned("judge", "open", "openai:x") and not warned("judge", "mcq", "rule")
    assert not warned("accuracy", "open", "rule")
