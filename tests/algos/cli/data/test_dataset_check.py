"""Laws of `algos.cli.data.dataset_check`: `data check DATASET` and `data download`, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.cli.entry import main
from tests.helpers.clips import write_clip
from tests.helpers.native.hub import Hub, Page, use_hub

LINES = "A 1.0 2.0##he runs\nA 2.0 3.0##he sits\nB 1.0 2.0##she runs\nC 0.0 1.0##it rains\n"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charades_sta_test.txt").write_text(LINES)
    write_clip(tmp_path / "A.MP4", [25 * i for i in range(5)])


def ended(*arguments: str) -> int:
    """Return the exit code of a command."""
    return main(list(arguments)) or 0


def test_a_dataset_is_checked_counted_and_written_down(capsys) -> None:
    assert ended("data", "check", "charades-sta", "--root", ".") == 0
    out = capsys.readouterr().out
    assert "MISSING     videos/B.mp4: no video with this stem lies below the root" in out
    assert "4 questions about 3 videos: 1 found (0.00 hours), 2 missing, 0 undecodable" in out
    assert "to be asked: 2 of 3720 official questions, 1 of 1334 videos" in out
    assert "manifest: runs/availability/charades-sta-test.json" in out
    told = json.loads(Path("runs/availability/charades-sta-test.json").read_text())
    assert [video["status"] for video in told["videos"]] == ["found", "missing", "missing"]


def test_a_broken_video_is_written_down_and_ends_with_an_error(capsys) -> None:
    Path("B.mp4").write_text("no video")
    arguments = ["--annotations", "charades_sta_test.txt", "--quick", "--out", "here.json"]
    assert ended("data", "check", "charades-sta", *arguments) == 2
    said = capsys.readouterr()
    assert "UNDECODABLE B.mp4" in said.out and "1 of 3 videos are undecodable" in said.err
    assert json.loads(Path("here.json").read_text())["counts"]["undecodable"] == 1


def test_no_video_at_all_is_an_error(capsys) -> None:
    Path("A.MP4").unlink()
    assert ended("data", "check", "charades-sta", "--root", ".", "--split", "test") == 2
    assert "no video is there that can be played" in capsys.readouterr().err
    assert Path("runs/availability/charades-sta-test.json").exists()


def test_the_only_split_of_a_benchmark_is_the_default(capsys) -> None:
    assert ended("data", "check", "longvideobench", "--root", ".") == 2
    assert "no annotation file of longvideobench, validation" in capsys.readouterr().err


def test_a_function_names_a_dataset_too(tmp_path, monkeypatch, capsys) -> None:
    text = (
        "from pathlib import Path\nfrom sage_env import QAItem\n"
        "def questions():\n    return [QAItem('q', Path('A.MP4'), 'yes?', answer='yes')]\n"
    )
    (tmp_path / "asked_here.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert ended("data", "check", "asked_here:questions") == 0
    assert "to be asked: 1 of 1 questions, 1 of 1 videos" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["data", "check", ".", "--split", "test"], "--annotations, --split and --out are of a"),
        (["data", "check", "mlvu", "--allow-outside"], "--allow-outside is of a .jsonl file"),
        (["data", "check", "mlvu", "--root", "nowhere"], "nowhere is no folder"),
        (["data", "check", "mlvu"], "mlvu needs root=FOLDER (--root)"),
        (["data", "download", "mlvi", "--root", "x"], "'mlvi' is no benchmark: name one of "),
        (["data", "download", "sage-synth", "--root", "x"], "'sage-synth' is no benchmark"),
        (["data", "download", "next-gqa", "--root", "x"], "next-gqa is on no hub"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, told, capsys) -> None:
    assert ended(*arguments) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error


def test_a_download_says_what_comes_next(monkeypatch, capsys) -> None:
    pages = {"lmms-lab/charades_sta": Page({"charades_sta_test.txt": LINES.encode()})}
    with Hub(pages) as hub:
        use_hub(hub, monkeypatch)
        assert ended("data", "download", "charades-sta", "--root", "fresh") == 0
    out = capsys.readouterr().out
    assert "1 files of Charades-STA" in out
    assert "then: sage-vqa data check charades-sta --root fresh" in out
    assert Path("fresh/charades_sta_test.txt").read_text() == LINES
