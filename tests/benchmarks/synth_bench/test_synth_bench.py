"""Laws of `benchmarks.synth_bench`: a row says what was measured, and of which videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.evaluation.row_results import EpisodeResult
from benchmarks.synth_bench.__main__ import FILE, Settings, main, rows_of
from benchmarks.synth_bench.playing_rows import RowSettings, play_row
from benchmarks.synth_bench.reference_rows import REFERENCE, BenchRow
from benchmarks.synth_bench.submission import (
    KEYS,
    SubmissionError,
    check_row,
    load_rows,
    measured,
    save_rows,
    table_of,
)
from sage_env.errors import SageEnvError
from sage_env.synth.bench import BENCH_DIGEST, BENCH_SEED, BENCH_VERSION

PUBLISHED = Path("benchmarks/reports") / FILE


def result(number: int, correct: bool | None, **changes) -> EpisodeResult:
    group = {"family": "needle" if number % 2 else "when", "bucket": "0-60"}
    given = dict(frames=10 + number, turns=2, evidence_seen=True, error=None)
    return EpisodeResult(f"q{number}", f"v{number}", 30.0, group, correct, **{**given, **changes})


RESULTS = [
    result(0, True),
    result(1, False),
    result(2, False, missing=True),
    result(3, None),
    result(4, None, error="VideoError: gone"),
]
ROWS = [{"frames": 10 + k, "turns": 2, "error": r.error} for k, r in enumerate(RESULTS)]


def a_row(**changes):
    row = {
        "row": "mine",
        "policy": "openai:gpt",
        "about": "",
        "version": BENCH_VERSION,
        "seed": BENCH_SEED,
        "digest": BENCH_DIGEST,
        "pictures": "files",
        "environment": {},
        **measured(RESULTS, ROWS),
        "release": "0",
        "command": "",
        "submitter": "me",
        "notes": "",
    }
    return {**row, **changes}


def test_what_is_not_known_is_in_no_mean_and_everything_is_counted():
    found = measured(RESULTS, ROWS)
    assert (found["questions"], found["failed"], found["not_judged"]) == (5, 1, 1)
    assert found["answered"] == 3  # the fifth failed, and one ran out of turns
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["means"]["frames"] == pytest.approx((10 + 11 + 12 + 13) / 4)
    assert found["means"]["cost"] is None  # nobody said
    assert found["by"]["family"]["needle"] == {"questions": 2, "accuracy": 0.0}
    assert found["by"]["family"]["when"] == {"questions": 2, "accuracy": 0.5}
    half = [{**row, "tokens": None if k else 5} for k, row in enumerate(ROWS)]
    assert measured(RESULTS, half)["means"]["tokens"] is None


def test_a_row_of_other_videos_is_refused():
    assert check_row(a_row()) and set(a_row()) == set(KEYS)
    for changes, said in (
        ({"seed": 5}, "its seed is 5"),
        ({"digest": "0" * 32}, "its digest is"),
        ({"version": BENCH_VERSION + 1}, "its version is"),
        ({"accuracy": 85.0}, "it is a share"),
        ({"accuracy": "85 %"}, "accuracy is '85 %'"),
        ({"answered": 9}, "10 of 5 questions"),
        ({"questions": True}, "questions is True"),
    ):
        with pytest.raises(SubmissionError, match=said):
            check_row(a_row(**changes))
    for key in KEYS:
        with pytest.raises(SubmissionError, match=f"lacks '{key}'"):
            check_row({name: value for name, value in a_row().items() if name != key})
    with pytest.raises(SubmissionError, match="a JSON object"):
        check_row([])


def test_rows_are_kept_in_order_and_come_back(tmp_path):
    path = tmp_path / FILE
    assert load_rows(path) == []
    rows = [a_row(row=name) for name in ("zebra", "oracle", "ape", "constant")]
    save_rows(path, rows, tuple(REFERENCE))
    assert [row["row"] for row in load_rows(path)] == ["constant", "oracle", "ape", "zebra"]
    table = table_of(load_rows(path))
    assert "33.3" in table and "3/5" in table
    path.write_text("{}")
    with pytest.raises(SubmissionError, match="has no rows"):
        load_rows(path)


def test_the_rows_to_measure():
    cheap = [row.name for row in rows_of(Settings())]
    assert cheap == ["constant", "longest", "random", "scripted", "oracle"]
    assert len(rows_of(Settings(all=True))) == len(REFERENCE)
    (own,) = rows_of(Settings(policy="openai:gpt", max_frames=8))
    assert (own.name, own.environment) == ("openai:gpt-8", {"max_frames": 8})
    with pytest.raises(SageEnvError, match="no reference row is named nobody"):
        rows_of(Settings(rows=("nobody",)))


@pytest.mark.parametrize(("most", "overview"), [(8, 8), (12, 12), (16, 12), (64, 12)])
def test_a_small_budget_cuts_the_overview_that_the_policy_asks_for(tmp_path, most, overview):
    """As in the reference rows of the small model, so that yours stands beside them."""
    how = RowSettings(runs=tmp_path / "runs", root=tmp_path, quick=True, drawn=True)
    row = BenchRow("own", "sage-mm-tiny", "", {"max_frames": most, "max_turns": 1})
    played = play_row(row, how)["environment"]
    assert (played["max_frames"], played["overview_frames"]) == (most, overview)


def test_the_command_plays_rows_of_every_length_and_publishes_no_quick_one(tmp_path, capsys):
    rows = ("constant", "oracle")
    settings = Settings(
        rows=rows, quick=True, root=tmp_path, runs=tmp_path / "runs", out=tmp_path, envs=2
    )
    main(settings)
    printed = capsys.readouterr().out
    assert "constant" in printed and "100.0" in printed and "7/7" in printed
    assert not (tmp_path / FILE).exists()
    assert not list(tmp_path.rglob("*.mp4"))  # who sees nothing needs no file
    main(settings)  # goes on, with nothing left to play
    assert capsys.readouterr().out == printed


def test_the_published_rows_are_of_the_published_videos():
    rows = load_rows(PUBLISHED)
    assert {"constant", "longest", "random", "oracle"} <= {row["row"] for row in rows}
    found = {row["row"]: row for row in rows}
    assert found["oracle"]["accuracy"] == 1.0 and found["constant"]["questions"] == 556
    assert json.loads(PUBLISHED.read_text())["digest"] == BENCH_DIGEST
    for row in rows:
        assert not {"--runs", "--root", "--out", "--adapter"} & set(row["command"].split())


def test_a_command_is_told_without_folders(monkeypatch, tmp_path):
    words = ["x", "--rows", "oracle", f"--out={tmp_path}", "--root", str(tmp_path), "--quick"]
    monkeypatch.setattr("sys.argv", words)
    how = RowSettings(runs=tmp_path, root=tmp_path, quick=True, envs=1)
    row = play_row(REFERENCE["constant"], how)
    assert row["command"] == "python -m benchmarks.synth_bench --rows oracle --quick"
    assert str(tmp_path) not in json.dumps(row)
