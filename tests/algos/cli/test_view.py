"""Laws of `algos.cli.view_command` and `algos.viewer.changed_views`: on a small run of one clip."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import webbrowser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import urlopen

import pytest
from filelock import FileLock

from algos.cli import view_command
from algos.cli.entry import main
from algos.cli.options import CommandError
from algos.cli.view_command import byte_count
from algos.runs.run_folder import RunFolder
from algos.viewer.changed_views import only_questions, with_videos
from tests.helpers.clips import write_clip
from tests.helpers.source_tree import ROOT
from tests.helpers.viewer.made_up import made_up_run
from tests.helpers.viewer.pages import read_page

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a clip, four questions, and an evaluation of them in `run`."""
    path = tmp_path_factory.mktemp("view")
    write_clip(path / "a.mp4", [25 * i for i in range(40)])
    rows = [
        {"id": f"q{k}", "video": "a.mp4", "question": f"yes {k}?", "choices": ["yes", "no"],
         "answer": "yes" if k else "no", "duration": 40.0, "group": {"family": "needle"}}
        for k in range(4)
    ]  # fmt: skip
    (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["--dataset", str(path / "data.jsonl"), "--frame-size", "64", "64"]
    given += ["--policy", "random", "--overview-frames", "4"]
    assert main(["eval", *given, "--out", str(path / "run")]) == 0
    return path


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, for a test that changes it."""
    return Path(shutil.copytree(folder / "run", tmp_path / "run"))


@pytest.fixture(autouse=True)
def _no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail(f"opened {address}"))


def told(page: Path) -> dict[str, Any]:
    """Return what a page says of its run."""
    text = page.read_text("utf-8").split('id="run">')[1].split("</script>")[0]
    return dict(json.loads(text))


def refused(arguments: list[str], capsys: Printed) -> str:
    """Return the sentence with which a command is refused, and check that it is one."""
    assert main(["view", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert "Traceback" not in error
    return error.splitlines()[-1]


def test_eval_says_how_to_open_its_page(folder: Path, tmp_path: Path, capsys: Printed) -> None:
    given = ["--dataset", str(folder / "data.jsonl"), "--policy", "random", "--limit", "1"]
    assert main(["eval", *given, "--out", str(tmp_path / "a run")]) == 0
    assert f"open it with: sage-vqa view '{tmp_path}/a run'" in capsys.readouterr().out


def test_the_page_of_a_run_is_its_report_and_is_written_when_it_must_be(
    run: Path, capsys: Printed
) -> None:
    page = run / "report.html"
    page.unlink()
    assert main(["view", str(run)]) == 0
    assert str(page) in capsys.readouterr().out and told(page)["questions"] == 4
    made = page.stat().st_mtime_ns
    assert main(["view", str(run)]) == 0
    assert page.stat().st_mtime_ns == made, "it is not older than the run"
    os.utime(run / "samples.jsonl")
    os.utime(page, ns=(made - 10**9, made - 10**9))
    assert main(["view", str(run)]) == 0
    assert page.stat().st_mtime_ns > made
    page.write_text("a page of an older release")
    assert main(["view", str(run)]) == 0
    assert told(page)["questions"] == 4


def test_a_page_of_some_questions_takes_no_place_of_the_whole(run: Path, capsys: Printed) -> None:
    whole = (run / "report.html").read_bytes()
    out = run.parent / "some.html"
    assert main(["view", str(run), "--question", "q2", "--question", "q0", "--out", str(out)]) == 0
    assert (told(out)["questions"], told(out)["count"]) == (2, 2)
    assert main(["view", str(run), "--question", "q2"]) == 0
    elsewhere = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert told(elsewhere)["questions"] == 1 and run not in elsewhere.parents
    assert (run / "report.html").read_bytes() == whole
    shutil.rmtree(elsewhere.parent)


def test_a_folder_that_cannot_be_written_has_its_page_elsewhere(
    run: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from algos.viewer.writing import view_file

    write = view_file.write_view

    def locked(view: Any, path: Path, settings: Any) -> Any:
        if run in path.parents:
            raise PermissionError(13, "Permission denied")
        return write(view, path, settings)

    monkeypatch.setattr(view_file, "write_view", locked)
    (run / "report.html").unlink()
    assert main(["view", str(run)]) == 0
    said = capsys.readouterr().out
    page = Path(said.strip().splitlines()[-1])
    assert "cannot be written (Permission denied)" in said and told(page)["questions"] == 4
    shutil.rmtree(page.parent)


def test_pictures_are_left_out_when_asked(run: Path) -> None:
    out = run.parent / "page.html"
    assert main(["view", str(run), "--pictures", "none", "--out", str(out)]) == 0
    assert told(out)["pictured"] == 0 and "data:image" not in out.read_text("utf-8")
    assert main(["view", str(run), "--out", str(out)]) == 0
    assert told(out)["pictured"] == 4


def test_frames_of_a_dataset_that_forbids_them_are_shown_when_asked(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from algos.viewer.reading import report_files

    monkeypatch.setattr(report_files, "may_show_frames", lambda dataset: False)
    out = run.parent / "page.html"
    assert main(["view", str(run), "--out", str(out)]) == 0
    assert told(out)["pictured"] == 0 and "licence" in " ".join(told(out)["notes"])
    assert main(["view", str(run), "--allow-frames", "--out", str(out)]) == 0
    assert told(out)["pictured"] == 4


def test_max_bytes_is_kept_and_what_is_left_out_is_said(run: Path, capsys: Printed) -> None:
    out = run.parent / "page.html"
    assert main(["view", str(run), "--out", str(out)]) == 0
    whole = out.stat().st_size
    assert main(["view", str(run), "--max-bytes", str(whole - 2000), "--out", str(out)]) == 0
    assert out.stat().st_size <= whole - 2000
    assert "The details of 0 of 4 questions are in this page" in capsys.readouterr().out


def test_two_runs_are_one_page(folder: Path, run: Path) -> None:
    out = run.parent / "both.html"
    assert main(["view", str(folder / "run"), str(run), "--out", str(out)]) == 0
    assert len(told(out)["entries"]) == 2 and told(out)["questions"] == 4


def test_the_command_that_shows_all_shows_the_same(
    folder: Path, run: Path, capsys: Printed
) -> None:
    """Two runs are served as two, and their videos and frames are those of the page."""
    given = [str(run), str(folder / "run"), "--videos", str(folder)]
    out = ["--out", str(run / "two.html"), "--pictures", "none"]
    assert main(["view", *given, *out]) == 0
    said = capsys.readouterr().out
    assert f"`sage-vqa view {run} {folder}/run --videos {folder} --serve` shows all" in said


def test_of_two_runs_each_keeps_its_name(folder: Path, tmp_path: Path) -> None:
    given = ["--dataset", str(folder / "data.jsonl"), "--policy", "random", "--limit", "1"]
    assert main(["eval", *given, "--out", str(tmp_path / "later")]) == 0
    out = tmp_path / "both.html"
    assert main(["view", str(folder / "run"), str(tmp_path / "later"), "--out", str(out)]) == 0
    counts = Counter(row["entry"].partition(":")[0] for row in read_page(out).rows)
    assert counts == {"run": 4, "later": 1} and told(out)["title"] == "run and later"


def test_a_trace_is_a_page_too(tmp_path: Path, capsys: Printed) -> None:
    rows = [
        {"doc_id": k, "target": "A", "filtered_resps": ["A" if k else "B"], "acc": float(k > 0)}
        | {"doc": {"question": f"what {k}?", "answer": "A"}, "resps": [["A" if k else "B"]]}
        for k in range(7)
    ]
    trace = tmp_path / "samples_mine.jsonl"
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "page.html"
    assert main(["view", str(trace), "--out", str(out)]) == 0
    assert told(out)["questions"] == 7 and 'id="learned"' in out.read_text("utf-8")
    assert main(["view", str(trace)]) == 0
    page = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert told(page)["questions"] == 7 and list(tmp_path.glob("report*")) == []
    shutil.rmtree(page.parent)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["{run}", "--question", "q22"], "the run has no question 'q22': did you mean 'q2'?"),
        (["{run}/gone"], "there is no run and no trace at"),
        (["{run}", "--port", "70000"], "--port must be from 0 to 65535, got 70000"),
        (["{run}", "--pictures", "many"], "--pictures takes a number of bytes, such as 500k"),
        (["{run}", "--max-bytes", "-1"], "--max-bytes takes a number of bytes"),
        (["{run}", "--videos", "{run}/gone"], "--videos needs a folder, or one video"),
        (["{run}", "--serve", "--out", "x.html"], "--serve writes no file"),
        (["{run}/report.html"], "report.html is no JSON"),
        (["{run}", "--entry", "x"], "--entry belongs to --clip"),
        (["{run}", "--clip", "q1"], "--clip needs --out with a .gif or .mp4 file, got None"),
        (["{run}", "--clip", "q1", "--out", "a.avi"], "--clip needs --out with a .gif or .mp4"),
        (["{run}", "--clip", "q22", "--out", "a.gif"], "no question 'q22'"),
        (["{run}", "--clip", "q1", "--entry", "x", "--out", "a.gif"], "--entry of 'q1' takes "),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(
    folder: Path, given: list[str], said: str, capsys: Printed
) -> None:
    assert said in refused([one.format(run=folder / "run") for one in given], capsys)


def test_a_run_that_has_only_begun_is_said_to(tmp_path: Path, capsys: Printed) -> None:
    with FileLock(tmp_path / "lock"):
        said = refused([str(tmp_path)], capsys)
    assert "has only begun and holds nothing to show yet" in said


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("500000", 500_000), ("500k", 500_000), ("20MB", 20_000_000)]
)
def test_bytes_are_written_as_people_do(text: str, count: int) -> None:
    assert byte_count("--max-bytes", text) == count


@pytest.mark.parametrize("text", ["", "k", "1.5M", "1e6", "٣", "-3", "5 apples", "9" * 13])
def test_other_words_are_no_bytes(text: str) -> None:
    with pytest.raises(CommandError, match="--max-bytes takes a number of bytes"):
        byte_count("--max-bytes", text)


def test_a_browser_is_opened_only_where_somebody_sees_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    given = ["view", str(folder / "run")]
    if sys.platform == "linux":
        assert main(given) == 0 and opened == []
        monkeypatch.setenv("DISPLAY", ":0")
    assert main([*given, "--no-open"]) == 0 and opened == []
    assert main(given) == 0
    assert opened == [(folder / "run" / "report.html").as_uri()]


def test_an_episode_is_written_as_a_film(folder: Path, tmp_path: Path, capsys: Printed) -> None:
    out = tmp_path / "slides" / "q1.gif"
    assert main(["view", str(folder / "run"), "--clip", "q1", "--out", str(out)]) == 0
    assert out.read_bytes()[:6] == b"GIF89a" and str(out) in capsys.readouterr().out


# --- served


@contextmanager
def viewing(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command in a process of its own; give its address and the process."""
    # Whoever starts the tests may ignore SIGINT, as a shell does for what runs in the background.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; import sys; from algos.cli.entry import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "view", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def read(address: str) -> Any:
    with urlopen(address, timeout=20) as reply:
        return json.loads(reply.read())


def test_a_run_that_goes_on_is_served_and_ctrl_c_stops_it(run: Path) -> None:
    rows = (run / "samples.jsonl").read_text().splitlines(keepends=True)
    folder = RunFolder(run)
    for path in (folder.report_settings, folder.summary):
        path.unlink()
    (run / "samples.jsonl").write_text("".join(rows[:2]))
    with folder.alone(), viewing(str(run)) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        assert read(f"{address}rows.json")["count"] == 2
        first = read(f"{address}state.json")["version"]
        with (run / "samples.jsonl").open("a") as file:
            file.write("".join(rows[2:]))
        end = monotonic() + 60
        while read(f"{address}state.json")["version"] == first:
            assert monotonic() < end, "the new rows never came"
            sleep(0.1)
        assert read(f"{address}rows.json")["count"] == 4
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_what_is_over_is_served_when_asked(
    folder: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []

    class UserLooks:
        """Stands for the user, who looks while the command waits, and then stops it."""

        def wait(self) -> None:
            address = capsys.readouterr().out.splitlines()[0]
            number = read(f"{address}rows.json")["details"]["parts"][0]
            (question,) = read(f"{address}part/{number}.json")["questions"]
            assert question["video"]["href"] == f"video/{number}"
            with urlopen(f"{address}{question['video']['href']}", timeout=20) as reply:
                seen.append(reply.read())
            raise KeyboardInterrupt

    monkeypatch.setattr(view_command, "Event", UserLooks)
    assert main(["view", str(folder / "run"), "--serve"]) == 0
    assert seen == [(folder / "a.mp4").read_bytes()]
    assert capsys.readouterr().out.strip() == "stopped"


# --- changed views


def test_some_questions_are_shown_alone_and_in_their_order() -> None:
    run = only_questions(made_up_run(9), ["q7", "q2", "q7"])
    assert list(run.order) == ["q7", "q2"] and run.count == 4
    assert {row["id"] for row in run.rows()} == {"q7", "q2"}
    assert "2 of 9 questions" in run.notes[-1]
    with pytest.raises(KeyError, match="q9"):
        only_questions(made_up_run(9), ["q1", "q9"])


def test_videos_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.mp4", "b/a.mp4"):
        (tmp_path / name).write_bytes(b"")
    run = made_up_run(1)
    for named, found in (
        ("/data/b/a.mp4", tmp_path / "b/a.mp4"),
        ("c/a.mp4", tmp_path / "a.mp4"),
        ("../b/a.mp4", tmp_path / "b/a.mp4"),
        ("c/x.mp4", Path("c/x.mp4")),
    ):
        video = Path(named)
        view = replace(run, question=lambda name, v=video: replace(run.question(name), video=v))
        assert with_videos(view, tmp_path).question("q0").video == found
    assert with_videos(run, tmp_path).question("q0").video is None
