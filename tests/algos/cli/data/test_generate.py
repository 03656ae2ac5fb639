"""Laws of `algos.cli.data.generate_command`, `questions.estimate` and `summary`, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.cli.entry import main
from tests.helpers.loopback import KEY, PROXIES
from tests.helpers.pipeline.stand_in_videos import clips, stand_in


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*PROXIES, "GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"]:
        monkeypatch.delenv(name, raising=False)


def ended(*arguments: str) -> int:
    return main(["data", "generate", *arguments]) or 0


def test_a_dry_run_says_what_it_would_cost_and_needs_no_key(tmp_path: Path, capsys) -> None:
    clips(tmp_path, 2)
    (tmp_path / "bad.mp4").write_bytes(b"x")
    assert ended(str(tmp_path), "--dry-run", "--max-output-tokens", "1000") == 0
    out = capsys.readouterr().out
    assert "google/gemini-3.8-flash, tier standard: 2 of 3 videos, 0.02 hours" in out
    assert "skipped    bad.mp4: the video cannot be read" in out
    # 81 frames of 70 tokens and two prompts; replies of 1,000 tokens at 3.75 dollars a million
    tokens = int(out.partition("prompt tokens: ")[2].split()[0].replace(",", ""))
    assert 81 * 70 < tokens < 81 * 70 + 2 * 2000
    prompts, most = (float(out.partition(f"{k}: $")[2].split()[0]) for k in ("prompts", "tokens"))
    assert prompts == pytest.approx(tokens * 0.75e-6, abs=1e-4)
    assert most == pytest.approx(1.15 * prompts + 2000 * 3.75e-6, abs=2e-4)
    assert ended(str(tmp_path), "--dry-run", "--tier", "flex", "--max-output-tokens", "1000") == 0
    half = float(capsys.readouterr().out.partition("prompts: $")[2].split()[0])
    assert half == pytest.approx(prompts / 2, abs=1e-4)
    assert not list(tmp_path.glob("*.json*"))


def test_what_is_not_known_is_said_to_be_so(tmp_path: Path, capsys) -> None:
    clips(tmp_path, 1)
    assert ended(str(tmp_path), "--dry-run", "--service", "gemini:gemini-99") == 0
    assert "prompt tokens: not known for 1 of 1 videos" in capsys.readouterr().out


def test_questions_are_written_counted_and_priced(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.genai")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    videos, out = clips(tmp_path / "videos", 2), tmp_path / "out"
    with stand_in(videos, tmp_path / "p", {"times_past_end": 0.3}, daily_quota=2) as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        arguments = [str(videos[0].parent), "--out", str(out), "--poll", "0.01"]
        assert ended(*arguments) == 0
        told = capsys.readouterr().out
        assert "2 videos: 2 written" in told and "questions of 2 videos:" in told
        assert "rejected:" in told and "times_past_end" in told and "2 replies, $0.0" in told
        rows = [json.loads(line) for line in (out / "questions.jsonl").read_text().splitlines()]
        assert f"{len(rows)} questions are kept" in told and 0 < len(rows) < 12
        (videos[0].parent / "more.mp4").write_bytes(clips(tmp_path / "c", 3)[2].read_bytes())
        assert ended(*arguments) == 2
        told = capsys.readouterr()
        assert "not all videos were asked about" in told.err and "begins again at" in told.err
        assert KEY not in told.out + told.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none"], "is no folder"),
        (["."], "no video here"),
        ([".", "--budget", "0"], "budget must be dollars above 0"),
        ([".", "--questions", "5", "2"], "questions must be two numbers"),
        ([".", "--service", "llama", "--dry-run"], "no video here"),
        ([".", "--service-option", "key=abc"], "a key is read from the environment"),
        ([".", "--base-url", "http://h/?key=abc"], "a key is read from the environment"),
        ([".", "--timeout", "0"], "timeout > 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert ended(*arguments) == 2
    assert told in capsys.readouterr().err
