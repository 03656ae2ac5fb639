"""Laws of `page/scripts/keys`, `tools`, `main`, `run`, `data`, `downloads`, of the template and the
styles: keyboard, hostile texts, small and dark screens, paper, no script, an old browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from algos.viewer.view_data import Column
from algos.viewer.writing import write_view
from tests.helpers.viewer.browser import Opened, opened, serious_violations
from tests.helpers.viewer.made_up import HOSTILE, made_up_run
from tests.helpers.viewer.run_table import run_of, saved, saved_keys, settled, until

FOCUS = "document.activeElement"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("shell") / "page.html"
    write_view(made_up_run(300, entries=2), made)
    return made


@contextmanager
def shown(path, state: str = "", **how) -> Iterator[Opened]:
    with opened(f"{path.as_uri()}#{state}", **how) as found:
        found.page.set_default_timeout(5000)
        yield found
        found.require_quiet()


def view(found: Opened) -> str:
    return found.page.evaluate("document.documentElement.dataset.view")


def asked(found: Opened, key: str) -> str | None:
    return found.page.evaluate(f"new URLSearchParams(location.hash.slice(1)).get('{key}')")


def test_the_whole_way_by_keyboard(path):
    with shown(path) as found:
        settled(found)
        press = found.page.keyboard.press
        press("j")
        press("j")
        press("ArrowDown")
        assert found.page.evaluate(f"{FOCUS}.closest('.row').getAttribute('aria-rowindex')") == "4"
        press("End")
        assert (
            found.page.evaluate(f"{FOCUS}.closest('.row').getAttribute('aria-rowindex')") == "301"
        )
        press("Home")
        press("Enter")
        found.page.wait_for_selector(".question-view")
        assert (view(found), asked(found, "q")) == ("question", "q0")
        press("j")
        press("j")
        until(found, "location.hash.includes('q=q2')")
        press("k")
        until(found, "location.hash.includes('q=q1&')")
        assert "2 of 300" in found.page.text_content("#tools")
        press("Escape")
        found.page.wait_for_selector(".grid-box", state="visible")
        until(found, f"{FOCUS}.closest('.body .row')")
        assert re.search("q=q1(&|$)", found.page.evaluate(f"{FOCUS}.getAttribute('href')"))
        press("/")
        assert found.page.evaluate(f"{FOCUS}.id") == "find"


def test_left_and_right_go_through_the_turns(path):
    with shown(path, "q=q1&e=policy-0") as found:
        found.page.wait_for_selector(".question-view .tl-row")
        turns = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            found.page.keyboard.press(key)
            found.page.wait_for_timeout(350)
            turns.append(asked(found, "turn"))
        assert turns == ["1", "2", "1"]


def test_keys_are_letters_where_somebody_types_and_the_browsers_with_its_modifiers(path):
    with shown(path) as found:
        settled(found)
        found.page.click("#find")
        found.page.keyboard.type("j/k?")
        assert found.page.input_value("#find") == "j/k?"
        assert found.page.locator("dialog").count() == 0
        until(found, "location.hash.includes('find')")
        found.page.fill("#find", "")
        settled(found)
        found.page.locator("h1").click()
        for keys in ("Control+j", "Alt+j", "Meta+j"):
            found.page.keyboard.press(keys)
        assert found.page.evaluate(f"{FOCUS}.closest('.row')") is None


def test_help_is_a_dialog_that_takes_and_gives_back_the_focus(path):
    with shown(path, "q=q1") as found:
        found.page.wait_for_selector(".question-view")
        found.page.keyboard.press("?")
        words = found.page.text_content("dialog.help")
        for name in ("next question", "previous question", "next turn", "play", "search"):
            assert name in words
        assert found.page.evaluate(f"{FOCUS}.closest('dialog') !== null")
        found.page.keyboard.press("j")  # belongs to the dialog now
        found.page.keyboard.press("Escape")
        until(found, "!document.querySelector('dialog')")
        assert (view(found), asked(found, "q")) == ("question", "q1")


@pytest.mark.parametrize("state", ["", "filter=entry:*", "q=q1", "view=compare&q=q1"])
def test_planted_scripts_are_text(tmp_path, state):
    write_view(made_up_run(6, entries=2, updates=2, hostile=True), tmp_path / "page.html")
    with shown(tmp_path / "page.html", state) as found:
        found.page.wait_for_selector(".grid-box .row, .question-view, .cmp-head", state="attached")
        found.page.wait_for_timeout(300)
        assert HOSTILE[:40] in found.page.inner_text("body")
        if not state:
            assert HOSTILE[:40] in found.page.text_content(".grid-box .body .row")
            found.page.get_by_role("button", name="Filter Family", exact=True).click()
            assert HOSTILE[:40] in found.page.text_content("dialog")
            found.page.locator("dialog input").first.check()
            found.page.keyboard.press("Escape")
            settled(found)
            assert len(saved_keys(found)) == 2  # the value with all its signs came back
            assert HOSTILE[:40] in found.page.text_content(".filter-chip")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", 'a"b', "a,b", "two\nlines", "plain", ""]


def test_a_saved_file_has_every_cell_and_no_formula(tmp_path):
    columns = [
        Column(key="prediction", title="Answer", kind="text"),
        Column(key="turns", title="Turns", kind="number"),
    ]
    rows = [
        {"id": f"q{k}", "entry": "policy-0", "prediction": text, "turns": -k, "verdict": None}
        for k, text in enumerate(FORMULAS)
    ]
    write_view(run_of(rows, columns), tmp_path / "page.html")
    with shown(tmp_path / "page.html") as found:
        settled(found)
        lines = list(csv.DictReader(io.StringIO(saved(found, "CSV"), newline="")))
        kept = [line["prediction"] for line in lines]
        assert [line["turns"] for line in lines] == [str(-k) for k in range(len(FORMULAS))]
        objects = json.loads(saved(found))
        assert [one.get("prediction") or "" for one in objects] == FORMULAS
        assert [text.removeprefix("'") for text in kept] == FORMULAS
        for text in kept:
            assert not text.lstrip().startswith(("=", "+", "-", "@"))
        with found.page.expect_download() as download:
            found.page.get_by_role("button", name="Save CSV").click()
        assert download.value.suggested_filename == "questions.csv"


@pytest.mark.parametrize(
    ("state", "dark"), [("", False), ("filter=entry:*%20verdict:wrong&sort=-turns", True)]
)
def test_axe_finds_nothing_serious(path, state, dark):
    with shown(path, state, dark=dark) as found:
        settled(found)
        assert serious_violations(found) == []


@pytest.mark.parametrize("state", ["", "q=q1", "view=compare&q=q1"])
def test_nothing_is_wider_than_a_small_screen(path, state):
    with shown(path, state, width=420) as found:
        found.page.wait_for_selector(".grid-box .row, .question-view, .cmp-head", state="attached")
        found.page.wait_for_timeout(200)
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 420
        if not state:
            box = "document.querySelector('.grid-box')"
            found.page.evaluate(f"{box}.scrollLeft = 300")
            first = ".grid-box .body .row >> nth=0 >> .cell >> nth=0"
            place = found.page.locator(first).bounding_box()
            assert 0 <= place["x"] <= 20 and place["width"] < 220  # it stays, and leaves room


@pytest.mark.parametrize("state", ["", "q=q1", "view=compare&q=q1"])
def test_words_of_any_length_stay_in_their_box(tmp_path, state):
    made, long = made_up_run(3, entries=2), 10_000 * "W"
    many = " ".join(["many words"] * 300)

    def question(name):
        return replace(
            made.question(name), question=long, gold=long, group={long: long},
            choices=[long, many, "blue", "gold"],
        )  # fmt: skip

    run = replace(
        made, title=long, about={long: long, many: many}, notes=[long], question=question,
        entries=[replace(one, title=long) for one in made.entries],
    )  # fmt: skip
    write_view(run, tmp_path / "page.html")
    with shown(tmp_path / "page.html", state, width=420) as found:
        found.page.wait_for_selector(".grid-box .row, .question-view, .cmp-head", state="attached")
        found.page.wait_for_timeout(200)
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 420


def test_colours_are_the_readers_choice_and_stay(path):
    background = "getComputedStyle(document.body).backgroundColor"
    with shown(path) as found:
        settled(found)
        light = found.page.evaluate(background)
        found.page.get_by_label("Colours").select_option("dark")
        dark = found.page.evaluate(background)
        assert light != dark
        until(found, "location.hash.includes('theme=dark')")
        address = found.page.evaluate("location.hash")
        found.page.get_by_label("Colours").select_option("")
        assert found.page.evaluate(background) == light
    with shown(path, address.removeprefix("#")) as other:
        assert other.page.evaluate(background) == dark


def test_paper_has_the_sections_the_first_rows_and_the_open_question(path):
    with shown(path, "q=q1") as found:
        found.page.wait_for_selector(".question-view .tl-row")
        found.page.emulate_media(media="print")
        found.page.wait_for_timeout(100)
        assert found.page.is_visible("#summary")
        assert found.page.is_visible(".question-view")
        assert found.page.is_hidden(".grid-box") and found.page.is_hidden("#tools")
        assert found.page.is_hidden("#questions"), "a heading with nothing below it"
    with shown(path, "sort=frames") as found:
        settled(found)
        first = [row["id"] for row in json.loads(saved(found))][:200]
        found.page.emulate_media(media="print")
        until(found, "document.querySelectorAll('.printed tbody tr').length === 200")
        words = found.page.locator(".printed tbody tr td:first-child").all_text_contents()
        assert [text.split()[-1].rstrip("?") for text in words] == [one[1:] for one in first]
        assert "The first 200 of 300." in found.page.text_content(".printed")
        found.page.emulate_media(media="screen")
        until(found, "document.querySelectorAll('.printed tr').length === 0")
        assert found.page.pdf()[:5] == b"%PDF-"


def test_paper_has_every_column_of_a_wide_table(tmp_path):
    cells = "".join(f"<td>{k} and more words</td>" for k in range(8))
    wide = f'<div class="scroll"><table><tr>{cells}</tr></table></div>'
    run = replace(made_up_run(3), sections=[("wide", "Wide", wide)])
    write_view(run, tmp_path / "page.html")
    with shown(tmp_path / "page.html", width=720) as found:
        settled(found)
        hidden = "(box => box.scrollWidth - box.clientWidth)(document.querySelector('.scroll'))"
        assert found.page.evaluate(hidden) > 0
        found.page.emulate_media(media="print")
        assert found.page.evaluate(hidden) == 0


def test_without_a_script_the_page_is_a_document(path):
    with shown(path, script=False) as found:
        words = found.page.inner_text("body")
        assert "A made-up run" in words and "A table would stand here." in words
        assert "Which colour has the needle 7?" in words
        assert found.page.is_visible("#sheets img >> nth=0")
        assert found.page.is_hidden("#table") and found.page.is_hidden("#tools")


def test_an_old_browser_is_told_what_it_lacks(path):
    with shown(path) as found:
        found.page.add_init_script("delete window.DecompressionStream")
        found.page.reload()
        found.page.wait_for_selector("#trouble", state="visible")
        assert "cannot unpack" in found.page.text_content("#trouble")
        assert found.page.is_visible("#summary")


def test_a_file_that_ends_early_is_said_to_be_broken(path, tmp_path):
    cut = path.read_text("utf-8").partition('id="rows"')[0].rpartition("<script")[0]
    (tmp_path / "page.html").write_text(cut, "utf-8")
    with shown(tmp_path / "page.html") as found:
        found.page.wait_for_selector("#trouble", state="visible")
        assert "not whole" in found.page.text_content("#trouble")


COUNTED = """
  const Own = window.DecompressionStream;
  window.unpacked = 0;
  window.DecompressionStream = class { constructor(kind) { unpacked += 1; return new Own(kind); } };
"""


def test_details_are_unpacked_when_asked_for_and_only_a_few_are_kept(path):
    with shown(path, "q=q0") as found:
        found.page.add_init_script(COUNTED)
        found.page.reload()
        found.page.wait_for_selector(".question-view .tl-row")
        counts = []
        for number in (1, 31, 32, 33, 0, 64, 96, 128, 160, 192, 224, 0):
            found.page.evaluate(f"location.hash = 'q=q{number}'")
            until(found, f"document.title.includes('needle {number}?')")
            found.page.wait_for_selector(".question-view .tl-row")
            counts.append(found.page.evaluate("unpacked"))
        # The rows, and the part of 0 to 31; the next; both are there; six more, and 0 has to go.
        assert counts == [2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10]


def test_the_page_of_one_question_begins_with_it(tmp_path):
    """With an entry before, it begins with both; a link to a place is followed all the same."""
    for entries, first in ((1, "question"), (2, "compare")):
        one = write_view(made_up_run(1, entries=entries), tmp_path / f"{entries}.html").path
        with shown(one) as found:
            until(found, f"document.documentElement.dataset.view === '{first}'")
            until(found, "location.hash.includes('q=q0')")
            found.page.keyboard.press("Escape")
            settled(found)
            until(found, "document.querySelector('.grid-box').offsetHeight < 150")
        with shown(one, "questions") as found:
            settled(found)
            assert view(found) == "run"


def test_the_count_is_of_the_questions_that_an_entry_was_asked(tmp_path):
    run = made_up_run(6, entries=2)
    lost = {("q0", run.entries[0].key), ("q3", run.entries[0].key)}
    rows = [row for row in run.rows() if (row["id"], row["entry"]) not in lost]
    part = replace(run, rows=lambda: iter(rows), count=len(rows))
    with shown(write_view(part, tmp_path / "page.html").path, "view=run") as found:
        words = ("4 of 4 questions that it was asked (6 in all)", "6 of 6 questions")
        for entry, told in zip(run.entries, words, strict=True):
            found.page.select_option(".table-bar select", entry.key)
            until(found, f"document.querySelector('.count').textContent === '{told}'")
        assert found.problems == []
