"""Laws of `algos.cli.data`: `verify_data_command`, `audit_command`: what they read and write."""

from __future__ import annotations

import json

import pytest

from algos.cli.entry import main
from algos.data_pipeline.checking.check_log import CHECKS_FILE
from algos.data_pipeline.questions.question_files import QUESTIONS
from tests.helpers.clips import write_clip
from tests.helpers.data_line.checked_questions import generated, write_generated


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Questions about a video file of ten seconds."""
    root = tmp_path_factory.mktemp("verified")
    write_clip(root / "clip.mp4", range(0, 250, 25))
    questions = [
        generated(f"q{k}", "clip.mp4", question=text, evidence=((k + 2.0, k + 3.0),), duration=10.0)
        for k, text in enumerate(("Which colour?", "Who runs away at last?", "What is eaten?"))
    ]
    return write_generated(root, questions)


def test_a_folder_is_verified_and_audited_by_commands(folder, capsys) -> None:
    verify = ["data", "verify", str(folder), "--embedding", "letters", "--seed", "1"]
    policy = ["--answerer", "random", "--answerer", "longest"]
    assert main([*verify, *policy, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "3 questions" in said and "sufficient, random" in said and "blind, longest" in said
    assert not (folder / CHECKS_FILE).exists(), "nothing is played"
    assert main([*verify, *policy, "--checks", "blind", "uniform"]) == 0
    said = capsys.readouterr().out
    assert "3 questions" in said and f"  sage-vqa data audit {folder}\n" in said
    assert (folder / QUESTIONS).exists() and (folder / "datasheet.md").exists()
    assert main(["data", "audit", str(folder), "--size", "2"]) == 0
    assert "audit.html" in capsys.readouterr().out
    page = (folder / "audit.html").read_text()
    assert "data:image/jpeg;base64," in page
    sample = json.loads((folder / "audit.json").read_text())
    rows = [{"id": one["id"], "verdict": "accept"} for one in sample["questions"]]
    saved = folder / "said.json"
    saved.write_text(
        json.dumps({"kind": "sage-vqa audit", "sample": sample["sample"], "verdicts": rows})
    )
    assert main(["data", "audit", str(folder), "--verdicts", str(saved)]) == 0
    assert "accepted as they are (100.0%)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--checks", "blnd", "--dry-run"], "there is no check 'blnd'"),
        (["--tries", "0"], "tries must be from 1"),
        (["--answerer", "oracle"], "told more than it is shown"),
        (["--answerer", "no-such-policy"], "there is no policy"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(folder, capsys, arguments, said) -> None:
    command = ["data", "verify", str(folder), "--embedding", "letters", "--seed", "7"]
    assert main([*command, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_audit_before_any_check_says_what_to_run(tmp_path, capsys) -> None:
    assert main(["data", "audit", str(tmp_path)]) == 2
    assert "sage-vqa data verify" in capsys.readouterr().err
    assert main(["data", "audit", str(tmp_path), "--size", "0"]) == 2
    assert "--size must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "audit"])
def test_a_folder_of_something_else_is_refused_and_not_made(tmp_path, capsys, command) -> None:
    assert main(["data", command, str(tmp_path / "typo")]) == 2
    assert "give a folder that `sage-vqa data generate` wrote" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
