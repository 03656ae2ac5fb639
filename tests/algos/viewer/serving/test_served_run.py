"""Laws of `algos.viewer.serving`: `served_run` and `run_changes`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from algos.runs.run_folder import RunFolder
from algos.viewer.page.page_files import generator
from algos.viewer.serving import served_run
from algos.viewer.serving.run_changes import is_going_on, is_newest, marks_of
from algos.viewer.serving.served_run import ServedRun
from algos.viewer.view_data import RunView
from sage_env.errors import DatasetError
from tests.helpers.viewer.made_up import made_up_run


class Going:
    """A run whose state a test changes."""

    def __init__(self, run: RunView) -> None:
        self.run, self.mark, self.reads = run, 0, 0
        self.fails: Exception | None = None

    def open(self) -> RunView:
        self.reads += 1
        if self.fails is not None:
            raise self.fails
        return self.run

    def marks(self) -> frozenset[tuple[str, int, int]]:
        return frozenset({("rows", self.mark, 0)})

    def served(self, **more: Any) -> ServedRun:
        return ServedRun(self.open, self.marks, **more)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_run, "_PAUSE", 0.0)
    monkeypatch.setattr(served_run, "_SHARE", 0.0)


def data(served: ServedRun, name: str) -> Any:
    found = served.find(name)
    assert found is not None and found.kind == "application/json"
    assert isinstance(found.body, bytes)
    return json.loads(found.body)


def test_the_page_carries_no_rows_and_may_ask_its_server_alone() -> None:
    found = Going(made_up_run(40)).served().find("")
    assert found is not None and isinstance(found.body, bytes)
    page = found.body.decode()
    assert 'class="packed"' not in page and "connect-src &#39;self&#39;" in page
    told = json.loads(page.split('id="run">')[1].split("</script>")[0])
    assert told["served"] is True and told["questions"] == 40 and told["count"] == 80


def test_every_row_is_there_and_names_where_its_details_are() -> None:
    served = Going(made_up_run(40)).served()
    rows = data(served, "rows.json")
    assert rows["count"] == 80 and len(rows["columns"]["entry"]["codes"]) == 80
    parts = dict(zip(rows["details"]["ids"], rows["details"]["parts"], strict=True))
    assert len(parts) == 40
    for name in ("q0", "q39"):
        (question,) = data(served, f"part/{parts[name]}.json")["questions"]
        assert question["id"] == name and len(question["episodes"]) == 2


def test_names_of_nothing_find_nothing() -> None:
    served = Going(made_up_run(3)).served()
    for name in (
        "part/3.json",
        "part/-1.json",
        "part/0",
        "part/0.webp",
        "sheet/0.json",
        "part/00000000000.json",
        "part/x.json",
        "video/0.json",
        "video/0",  # the run names no file
        "report.html",
        "rows",
    ):
        assert served.find(name) is None, name


def test_a_video_is_the_one_that_the_run_names(tmp_path: Path) -> None:
    video = tmp_path / "clip.webm"
    video.write_bytes(b"v")
    run = made_up_run(2)
    question = replace(run, question=lambda name: replace(run.question(name), video=video))
    served = Going(question).served(pictures=False)
    found = served.find("video/1")
    assert found is not None and (found.kind, found.body) == ("video/webm", video)
    (told,) = data(served, "part/1.json")["questions"]
    assert told["video"] == {"name": "clip.webm", "href": "video/1"}
    video.unlink()
    served = Going(question).served(pictures=False)
    (told,) = data(served, "part/1.json")["questions"]
    assert told["video"].get("href") is None


def test_pictures_can_be_turned_off() -> None:
    served = Going(made_up_run(2)).served(pictures=False)
    (told,) = data(served, "part/0.json")["questions"]
    assert "sheet" not in told and "turned off" in told["missing"]
    assert served.find("sheet/0.webp") is None


def test_pictures_are_drawn_once_and_are_those_of_the_details(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []
    draw = served_run.draw_pictures

    def counted(questions: Any, settings: Any) -> Iterator[Any]:
        asked = list(questions)
        drawn.extend(one.id for one in asked)
        return iter(list(draw(asked, settings)))

    monkeypatch.setattr(served_run, "draw_pictures", counted)
    served = Going(made_up_run(2)).served()
    (told,) = data(served, "part/1.json")["questions"]
    sheet = served.find(f"sheet/{told['sheet']}.webp")
    assert sheet is not None and sheet.kind == "image/webp"
    assert isinstance(sheet.body, bytes) and sheet.body[:4] == b"RIFF"
    served.find("part/1.json")
    assert drawn == ["q1"]


def test_what_is_kept_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_run, "_KEPT", 3)
    served = Going(made_up_run(8)).served(pictures=False)
    for k in range(8):
        served.find(f"part/{k}.json")
    assert list(served._kept) == [(1, 5), (1, 6), (1, 7)], "the newest"


def test_a_change_is_seen_and_what_has_not_changed_is_not_read_again() -> None:
    going = Going(replace(made_up_run(3), live=True))
    served = going.served()
    assert data(served, "state.json") == {"version": 1, "live": True, "problem": ""}
    assert data(served, "state.json")["version"] == 1 and going.reads == 1
    going.run, going.mark = replace(made_up_run(5), live=False), 1
    assert data(served, "state.json") == {"version": 2, "live": False, "problem": ""}
    assert data(served, "rows.json")["count"] == 10 and going.reads == 2


def test_the_files_are_looked_at_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_run, "_PAUSE", 3600.0)
    going = Going(made_up_run(3))
    served = going.served()
    assert data(served, "state.json")["version"] == 1
    going.mark = 1
    assert data(served, "state.json")["version"] == 1 and going.reads == 1


def test_details_are_those_of_the_newest_state() -> None:
    run = made_up_run(3)
    going = Going(run)
    served = going.served(pictures=False)
    first = data(served, "part/1.json")["questions"][0]
    going.run, going.mark = replace(run, question=made_up_run(3, entries=3).question), 1
    assert data(served, "part/1.json")["questions"][0] == first, "nobody has looked yet"
    data(served, "state.json")
    assert len(data(served, "part/1.json")["questions"][0]["episodes"]) == 3


def test_a_question_keeps_its_address_while_others_come() -> None:
    run = made_up_run(6)
    going = Going(replace(run, order=["q4", "q1"]))
    served = going.served(pictures=False)
    going.run, going.mark = replace(run, order=["q5", "q1", "q0", "q4"]), 1
    data(served, "state.json")
    details = data(served, "rows.json")["details"]
    parts = dict(zip(details["ids"], details["parts"], strict=True))
    assert (parts["q4"], parts["q1"]) == (0, 1) and sorted(parts.values()) == [0, 1, 2, 3]
    for name, number in parts.items():
        assert data(served, f"part/{number}.json")["questions"][0]["id"] == name


def test_what_cannot_be_read_is_told_and_the_last_state_stays() -> None:
    going = Going(made_up_run(3))
    served = going.served()
    going.fails, going.mark = DatasetError("line 7 is torn"), 1
    told = data(served, "state.json")
    assert told["version"] == 1 and told["problem"] == "line 7 is torn"
    assert data(served, "rows.json")["count"] == 6
    going.fails, going.mark = None, 2
    assert data(served, "state.json") == {"version": 2, "live": False, "problem": ""}


# --- files of a run


def test_a_run_is_going_on_while_its_lock_is_held(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not is_going_on(folder.path)
    with folder.alone():
        assert is_going_on(folder.path), "in this process"
        code = (
            "import sys; from pathlib import Path; from algos.viewer.serving.run_changes import "
            "is_going_on; print(is_going_on(Path(sys.argv[1])))"
        )
        found = subprocess.run(
            [sys.executable, "-c", code, str(folder.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == "True", "in another one"
    assert not is_going_on(folder.path)
    with folder.alone():  # looking has not taken it
        pass


def test_marks_change_with_what_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "evaluations").mkdir()
    (tmp_path / "checkpoints").mkdir()
    seen = [marks_of(tmp_path)]

    def changed(write: Callable[[], object]) -> bool:
        write()
        seen.append(marks_of(tmp_path))
        return seen[-1] != seen[-2]

    rows = tmp_path / "evaluations" / "base.jsonl"
    assert changed(lambda: rows.write_text("1\n"))
    assert changed(lambda: rows.write_text("1\n2\n"))
    assert not changed(lambda: None)
    assert not changed(lambda: (tmp_path / "checkpoints" / "state.json").write_text("{}"))
    assert not changed(lambda: (tmp_path / "report.html").write_text("page"))
    assert changed(rows.unlink)


def test_a_page_is_new_when_it_is_ours_and_no_file_is_newer(tmp_path: Path) -> None:
    rows, page = tmp_path / "samples.jsonl", tmp_path / "report.html"
    rows.write_text("{}\n")
    os.utime(rows, (1_000_000, 1_000_000))
    assert not is_newest(page, marks_of(tmp_path)), "there is none"
    page.write_text("<html>by an older release</html>")
    assert not is_newest(page, marks_of(tmp_path))
    page.write_text(f'<html><meta name="generator" content="{generator()}">')
    assert is_newest(page, marks_of(tmp_path))
    other = tmp_path / "summary.json"
    other.write_text("{}")
    os.utime(other, (1_000_000, 1_000_000))
    assert is_newest(page, marks_of(tmp_path))
    os.utime(rows, (4_000_000_000, 4_000_000_000))
    assert not is_newest(page, marks_of(tmp_path)), "one file is newer"
