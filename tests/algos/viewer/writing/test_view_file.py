"""Laws of `algos.viewer.writing.view_file`, `page_values`, `question_parts`, `no_script`."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from io import BytesIO

import pytest
from PIL import Image

from algos.viewer.view_data import FrameView, QuestionView, RunView
from algos.viewer.writing import WriteSettings, write_view
from algos.viewer.writing.plain_values import plain
from algos.viewer.writing.question_parts import IN_A_PART
from tests.helpers.viewer.made_up import HOSTILE, made_up_run
from tests.helpers.viewer.pages import read_page


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep finished sheets out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGE_ENV_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def written(run: RunView, folder, **settings):
    path = folder / "report.html"
    told = write_view(run, path, WriteSettings(**settings))
    page = read_page(path)
    assert told.bytes == path.stat().st_size and told.detailed == len(page.questions)
    assert told.pictured == len(page.sheets) == page.run["pictured"]
    named = [asked["sheet"] for asked in page.questions.values() if "sheet" in asked]
    assert named == list(page.sheets)  # and none of a question that is not there
    return page


def test_a_page_holds_all_rows_and_the_details_of_all_questions(tmp_path) -> None:
    run = made_up_run(70, 3, updates=2)
    page = written(run, tmp_path)
    assert page.run["count"] == len(page.rows) == 70 * 5 and page.run["questions"] == 70
    for row, told in zip(page.rows, run.rows(), strict=True):
        assert {k: v for k, v in row.items() if v is not None} == plain(
            {k: v for k, v in told.items() if v is not None}
        )
    assert list(page.questions) == list(run.order)
    assert [entry["key"] for entry in page.run["entries"]] == [e.key for e in run.entries]
    assert page.run["entries"][-1]["update"] == 2 and "update" not in page.run["entries"][0]
    assert page.run["curves"] == plain(run.curves) and page.run["live"] is False


def test_a_question_has_the_names_of_the_seam_and_nothing_that_says_nothing(tmp_path) -> None:
    run = made_up_run(2)
    told, page = run.question("q1"), written(run, tmp_path)
    asked = page.questions["q1"]
    assert asked["evidence"] == plain(told.evidence) and asked["gold_choice"] == told.gold_choice
    for episode, (found, was) in enumerate(zip(asked["episodes"], told.episodes, strict=True)):
        assert found["entry"] == was.entry, episode
        said = ("id", "entry", "question", "gold", "duration")  # by the question, for all episodes
        assert found["row"] == plain({k: v for k, v in was.row.items() if k not in said})
        for step, view in zip(found["steps"], was.steps, strict=True):
            names = {one.name for one in fields(view)} - {"frames"}
            assert {k: v for k, v in step.items() if k != "frames"} == {
                k: plain(getattr(view, k))
                for k in names
                if plain(getattr(view, k)) not in (None, "", [], {})
            }
            assert [frame[0] for frame in step.get("frames", [])] == [
                plain(frame.second) for frame in view.frames
            ]
    assert None not in asked.values() and "" not in asked.values() and [] not in asked.values()


def test_frames_point_at_their_picture_in_the_sheet(tmp_path) -> None:
    """The made-up pictures are of one colour each: the cell must have that of its frame."""
    run = made_up_run(3, 2)
    page = written(run, tmp_path)
    told = [str(attrs["alt"]) for tag, attrs in page.tags if tag == "img"]
    captions = {text[: text.index(": ") + 2]: text for text in told}
    for name, asked in page.questions.items():
        sheet = Image.open(BytesIO(page.sheets[asked["sheet"]])).convert("RGB")
        wide, high = asked["cell"]
        cells = {f[1] for e in asked["episodes"] for s in e["steps"] for f in s.get("frames", [])}
        caption = captions[f"{asked['id']}: "]
        assert len(caption.partition("row by row: ")[2].split(", ")) == len(cells)
        frames = [
            (frame, view)
            for episode, played in zip(asked["episodes"], run.question(name).episodes, strict=True)
            for step, was in zip(episode["steps"], played.steps, strict=True)
            for frame, view in zip(step.get("frames", []), was.frames, strict=True)
        ]
        assert frames
        for (_, cell, _), view in frames:
            assert cell >= 0 and view.picture is not None
            x, y = cell % asked["across"] * wide, cell // asked["across"] * high
            found = sheet.getpixel((x + wide // 2, y + high // 2))
            real = Image.open(BytesIO(view.picture)).convert("RGB")
            wanted = real.getpixel((real.width // 2, real.height // 2))
            assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 24


def test_nothing_of_others_becomes_a_tag(tmp_path) -> None:
    page = written(made_up_run(40, 2, updates=1, hostile=True), tmp_path)
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    ids = [attrs["id"] for attrs in scripts if "id" in attrs]
    assert sorted(ids) == sorted(["run", "rows", "part-0", "part-1"])
    assert len(scripts) == 5  # and ours, that has none
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(str(attrs["src"]).startswith("data:image/webp;base64,") for attrs in images)
    assert not [tag for tag, attrs in page.tags for name in attrs if name.startswith("on")]
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert page.run["title"] == f"A made-up run {shown}"
    assert page.words.count("window.planted=1") >= 500  # as words: title, notes, rows, captions
    asked = page.questions["q0"]["question"]
    assert asked.endswith(HOSTILE)  # details keep every character, the lone surrogate too


def test_only_the_script_of_ours_may_run(tmp_path) -> None:
    page = written(made_up_run(2), tmp_path)
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    (code,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    parts = (policy or "").split("; ")
    assert f"script-src 'sha256-{digest}'" in parts and parts[0] == "default-src 'none'"
    assert {"img-src data: blob:", "base-uri 'none'", "form-action 'none'"} <= set(parts)
    assert not [part for part in parts if part.startswith("connect-src")]
    first = [tag for tag, _ in page.tags].index("title")
    assert any(a.get("http-equiv") for _, a in page.tags[:first]), "it must stand before all else"
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "base")]
    links = [str(attrs.get("href")) for tag, attrs in page.tags if tag == "link"]
    assert all(link.startswith("data:") for link in links)


def test_the_same_run_gives_the_same_bytes(tmp_path) -> None:
    one, other = tmp_path / "one.html", tmp_path / "other.html"
    write_view(made_up_run(40), one)
    write_view(made_up_run(40), other)
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_page_keeps_its_bound_and_says_what_is_left_out(tmp_path, share: float) -> None:
    run = made_up_run(100, 1)
    whole = written(run, tmp_path)
    smallest = written(run, tmp_path, max_bytes=0)
    assert len(smallest.rows) == 100 and smallest.questions == {}
    room = len(whole.text) - len(smallest.text)
    bound = len(smallest.text) + int(share * room) + 20_000
    page = written(run, tmp_path, max_bytes=bound, more="sage-vqa view runs/x")
    assert (tmp_path / "report.html").stat().st_size <= bound
    assert len(page.rows) == 100
    detailed = len(page.questions)
    assert list(page.questions) == list(run.order[:detailed])  # the most telling first
    assert 0 < detailed < 100 or len(page.sheets) < 100
    notes = " ".join(page.run["notes"])
    if detailed < 100:
        assert f"{detailed} of 100 questions" in notes and "`sage-vqa view runs/x`" in notes


def test_pictures_keep_a_bound_of_their_own(tmp_path) -> None:
    run = made_up_run(64)
    page = written(run, tmp_path, picture_bytes=30_000)
    spent = sum(len(base64.b64encode(sheet)) for sheet in page.sheets.values())
    assert 0 < spent <= 30_000 and len(page.questions) == 64
    none = written(run, tmp_path, picture_bytes=0)
    assert none.sheets == {} and len(none.questions) == 64
    assert "pictures" in none.run["notes"][-1]
    assert all(asked["missing"] for asked in none.questions.values())


def test_pictures_that_nobody_has_are_not_promised(tmp_path) -> None:
    """For want of room the server is named; where the videos are gone it has no more to show."""
    run = made_up_run(3, 1)

    def gone(name: str) -> QuestionView:
        question = run.question(name)
        steps = [
            replace(step, frames=[FrameView(frame.second) for frame in step.frames])
            for step in question.episodes[0].steps
        ]
        return replace(question, video=None, episodes=[replace(question.episodes[0], steps=steps)])

    none = written(run, tmp_path, picture_bytes=0, more="view --serve")
    assert none.run["notes"][-1].startswith("3 of 3 questions have no pictures, for want of room")
    assert none.run["notes"][-1].endswith("`view --serve` shows all.")
    lost = written(replace(run, question=gone), tmp_path, more="view --serve")
    assert lost.sheets == {} and not any("--serve" in note for note in lost.run["notes"])
    assert all(asked["missing"] for asked in lost.questions.values())


def test_questions_beyond_the_count_have_no_pictures_and_beyond_the_other_no_details(
    tmp_path,
) -> None:
    page = written(made_up_run(90), tmp_path, pictured=3, details=IN_A_PART + 1)
    assert len(page.sheets) == 3 and len(page.questions) == IN_A_PART + 1
    assert ["sheet" in asked for asked in page.questions.values()][:5] == [True] * 3 + [False] * 2


def test_it_is_read_without_a_script(tmp_path) -> None:
    run = made_up_run(600, 2, pictures=False)
    page = written(replace(run, question=made_up_run(600, 1).question), tmp_path, pictured=2)
    inside = re.findall(r"<noscript>(.*?)</noscript>", page.text, re.DOTALL)
    table = next(text for text in inside if "<table" in text)
    assert table.count("<tr") == 500 + 1 and "q499<" in table and "q500<" not in table
    words = {True: "✓ right", False: "✗ wrong", None: "not judged"}
    for row in run.rows():
        line = table.partition(f">{row['id']}<")[2].partition("</tr>")[0]
        cells = re.findall("<td[^>]*>([^<]*)</td>", line)
        if cells and row["entry"] == run.shown:  # one of the 500
            at = [column.key for column in run.columns if column.shown].index("verdict")
            assert cells[at] == words[row["verdict"]]
            recall = row["evidence_recall"]
            assert cells[at + 3] == str(row["turns"])
            assert cells[at + 5] == ("" if recall is None else f"{recall:g}")
    assert "A table would stand here." in page.words and "Nothing of this was played." in page.words
    sheets = [attrs for tag, attrs in page.tags if attrs.get("class") == "sheet"]
    assert [attrs["id"] for attrs in sheets] == ["sheet-0", "sheet-1"]
    captions = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert captions and all(captions)


def test_a_page_is_there_whole_or_as_it_was(tmp_path) -> None:
    run = made_up_run(40)
    path = tmp_path / "deep" / "report.html"
    write_view(run, path)
    before = path.read_bytes()

    def broken(name: str):
        if name == "q39":
            raise OSError("the disk is gone")
        return run.question(name)

    with pytest.raises(OSError, match="the disk is gone"):
        write_view(replace(run, question=broken), path)
    assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == [
        "report.html"
    ]


def test_a_run_without_rows_is_a_page_too(tmp_path) -> None:
    empty = replace(made_up_run(1), rows=lambda: iter(()), count=0, order=[])
    page = written(empty, tmp_path)
    assert page.rows == [] and page.questions == {}
