"""Laws of `algos.suite.merging` and `dataset_questions`: shards merged are the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from algos.cli.entry import main
from algos.runs.append_log import read_log
from tests.helpers.clips import write_clip

CHOICES = ["yes", "no", "maybe", "never"]
NOT_THE_SAME = {"command", "sessions", "out", "shard"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with four clips, and eleven questions about these and two that lack."""
    for name in "abcd":
        write_clip(tmp_path / f"{name}.mp4", [25 * i for i in range(12)])
    rows = [
        {"id": f"q{k}", "video": f"{'abcdef'[k % 6]}.mp4", "question": "?",
         "choices": CHOICES, "answer": CHOICES[k % 4], "evidence": [[0, 1]] if k % 4 < 2 else []}
        for k in range(11)
    ]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluate(out: str, *more: str) -> int:
    return main(["eval", "--dataset", "data.jsonl", "--policy", "random", "--out", out, *more])


def contents(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        if path.suffix == ".jsonl":
            found[str(path.relative_to(out))] = [without(row) for row in read_log(path)]
        elif path.suffix == ".json":
            found[str(path.relative_to(out))] = without(json.loads(path.read_text()))
        elif path.suffix == ".html":
            found[str(path.relative_to(out))] = None  # the page shows times
    return found


def without(value: Any) -> Any:
    """Return JSON data without times, what a cache had, and the command that was given."""
    work = {"seconds", "seconds_by_stage", "decode_seconds", "frames_decoded", "frames_cached"}
    if isinstance(value, dict):
        return {k: without(x) for k, x in value.items() if k not in work | NOT_THE_SAME}
    return [without(x) for x in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("count", "more"),
    [
        (1, ()),
        (3, ("--envs", "2")),
        (4, ("--limit", "9")),
        (2, ("--policy", "uniform:4:random", "--controls", "longest", "oracle")),
    ],
)
def test_shards_merged_are_the_whole(count: int, more: tuple[str, ...], folder, capsys) -> None:
    assert evaluate("whole", *more) == 0
    table = capsys.readouterr().out.partition("\nsaved in")[0].partition("\n\n4 of")[0]
    shards = [f"shard{k}" for k in range(1, count + 1)]
    for k, out in enumerate(shards, 1):
        assert evaluate(out, *more, "--shard", f"{k}/{count}") == 0
    capsys.readouterr()
    assert main(["merge", *shards[::-1], "--out", "merged"]) == 0
    assert contents(folder / "merged") == contents(folder / "whole")
    said = capsys.readouterr().out
    assert said.startswith(table.split("\n\n")[0]), "another table"
    assert main(["merge", *shards, "--out", "merged"]) == 0, "it cannot be merged again"
    assert main(["verify", "merged"]) == 0
    summary = json.loads((folder / "merged/results.json").read_text())
    if "--controls" in more:
        parts = [f"{out}/uniform-4-random_oracle" for out in ("merged", *shards)]
        whole, *others = (json.loads((folder / one / "results.json").read_text()) for one in parts)
        for key in ("without video", "not for this control", "questions"):
            counts = [one[key] for one in others]
            assert whole[key] == sum(counts) > 0, key
        assert min(one["not for this control"] for one in others) > 0, "of one shard alone"
    else:
        assert summary["without video"] == summary["asked"] - summary["questions"] > 0


def test_the_tokens_that_are_kept_are_those_of_the_whole(folder, capsys) -> None:
    more = ("--policy", "tests.helpers.speaking:Speaking", "--record-tokens", "5")
    for out, shard in (("whole", ()), ("s1", ("--shard", "1/2")), ("s2", ("--shard", "2/2"))):
        assert evaluate(out, *more, *shard) == 0
    assert main(["merge", "s1", "s2", "--out", "merged"]) == 0
    (kept,) = [read_log(path) for path in (folder / "merged").rglob("*.tokens.jsonl")]
    (whole,) = [read_log(path) for path in (folder / "whole").rglob("*.tokens.jsonl")]
    assert kept == whole and len(kept) == 5, "of the questions whose video is there"
    text, said = CHOICES[0], kept[0]["turns"][0]
    assert said["text"] == [*text, ""] and said["stop"] == "\x00"
    assert said["logprob"] == [-0.693147] * 4 and said["entropy"] == [0.693147] * 4


def test_prices_are_those_of_all_shards(folder) -> None:
    """Shards that were played on different days may have been billed by different rows."""
    for k, days in ((1, ["old"]), (2, ["new", "old"])):
        assert evaluate(f"s{k}", "--shard", f"{k}/2") == 0
        path = folder / f"s{k}/results.json"
        prices = {"prices": [{"name": name, "prompt": 1.0} for name in days]}
        path.write_text(json.dumps(json.loads(path.read_text()) | prices))
    assert main(["merge", "s1", "s2", "--out", "merged"]) == 0
    found = json.loads((folder / "merged/results.json").read_text())["prices"]
    assert [price["name"] for price in found] == ["new", "old"]


def test_shards_that_are_not_the_whole_are_refused(folder, capsys) -> None:
    for k in (1, 2):
        assert evaluate(f"s{k}", "--shard", f"{k}/2") == 0
    assert evaluate("whole") == 0
    assert evaluate("other", "--shard", "2/2", "--seed", "1") == 0
    assert evaluate("third", "--shard", "2/3") == 0
    capsys.readouterr()
    for shards, said in (
        (["s1"], "the shards 2/2 are missing"),
        (["s1", "s2", "s2"], "a shard is there twice"),
        (["s1", "other"], "are of two evaluations: they differ in seed"),
        (["s1", "whole"], "whole is no shard"),
        (["s1", "third"], "do not have each question once"),
        (["s1", "nowhere"], "cannot be read"),
    ):
        assert main(["merge", *shards, "--out", "merged"]) == 2, shards
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert said in line
        assert not (folder / "merged/samples.jsonl").exists()
    assert main(["merge", "s1", "s2", "--out", "whole"]) == 0, "the same evaluation"
    assert main(["merge", "s1", "s2", "--out", "other"]) == 2


def test_a_shard_that_is_not_finished_is_not_merged(folder, capsys) -> None:
    for k in (1, 2):
        assert evaluate(f"s{k}", "--shard", f"{k}/2") == 0
    (folder / "s2/evaluations/random.json").unlink()
    assert main(["merge", "s1", "s2", "--out", "merged"]) == 2
    assert "s2 holds an unfinished evaluation" in capsys.readouterr().err
