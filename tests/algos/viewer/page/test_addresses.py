"""Laws of `page/scripts/state`, `filters`, `run`: every view is a link, whatever the link says."""

from __future__ import annotations

import random
from urllib.parse import parse_qs

import pytest

from algos.viewer.writing import write_view
from tests.helpers.viewer.browser import opened
from tests.helpers.viewer.made_up import HOSTILE, made_up_run
from tests.helpers.viewer.run_table import drawn, go, saved_keys, settled, until

GARBAGE = (
    "%", "%E0%A4%A", "=", "&&==&", "view=", "view=admin", "view=question", "view=question&q=nobody",
    "view=compare&q=nobody&e=x&f=y", "sort=nothing", "sort=-", "sort=--frames", "cols=,,,%2C,nope",
    "cols=%25%25%2525", "filter=:::", "filter=turns:a..b", "filter=turns:1..2..3",
    "filter=turns:..",
    'filter="', 'filter="\\', "filter=verdict:maybe", "filter=entry:nobody", "filter=evidence:x",
    "filter=family:", "filter=turns:1e999..", "find=%22", "find=\\", "turn=-1", "turn=1e9&t=x&w=9",
    "q=q1&turn=99999&t=1e300&w=5-2", "q=q1&w=a-b", "__proto__=1&constructor=2&toString=3",
    "filter=__proto__:1 constructor:2 toString:x", "theme=pink", "section=nowhere", "nowhere",
    "q=q1&e=__proto__", "cell=?&group=%00", "\u2028\u202e", HOSTILE.replace("\ud800", ""),
)  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("addresses") / "page.html"
    write_view(made_up_run(40, entries=2), made)
    return made


@pytest.fixture(scope="module")
def page(path):
    with opened(path) as found:
        found.page.set_default_timeout(5000)
        settled(found)
        yield found
        found.require_quiet()


def address(found) -> dict[str, str]:
    hash_ = found.page.evaluate("location.hash").removeprefix("#")
    return {key: values[0] for key, values in parse_qs(hash_, keep_blank_values=True).items()}


def test_no_address_breaks_the_page(page):
    draws = random.Random(5)
    letters = "abqQ&=#%:;,.\"'\\<>/?+- 0129é\u2028"
    texts = [*GARBAGE, *("".join(draws.choices(letters, k=30)) for _ in range(30))]
    for text in texts:
        page.page.evaluate("text => { location.hash = text; }", text)
        drawn(page)
        page.require_quiet()
        assert page.page.is_hidden("#trouble"), text
    go(page)
    assert len(saved_keys(page)) == 40


def test_unknown_columns_and_bad_numbers_are_left_out_and_the_rest_is_kept(page):
    go(page, filter="turns:x..2 nothing:1 verdict:right", sort="nothing", cols="nope,frames")
    heads = page.page.locator(".head .sort").all_text_contents()
    assert heads == ["Question", "Frames"]
    assert page.page.locator(".filter-chip").all_text_contents() == ["Verdict: right ✕"]


def test_what_a_reader_does_is_a_link_that_shows_the_same_to_another(page, path):
    go(page)
    page.page.get_by_role("button", name="grounded").click()
    page.page.click('[data-key="frames"]')
    page.page.click('[data-key="frames"]')
    page.page.fill("#find", "needle 1")
    until(page, "location.hash.includes('find')")
    settled(page)
    told = address(page)
    assert told == {
        "filter": "evidence:seen verdict:right",
        "sort": "-frames",
        "find": "needle 1",
    }
    mine = saved_keys(page)
    assert 0 < len(mine) < 40
    with opened(f"{path.as_uri()}{page.page.evaluate('location.hash')}") as other:
        settled(other)
        assert saved_keys(other) == mine
        assert other.page.input_value("#find") == "needle 1"
        other.require_quiet()


def test_filters_made_in_dialogs_are_in_the_address_and_one_step_back_each(page):
    go(page)
    page.page.get_by_role("button", name="Filter Family", exact=True).click()
    page.page.get_by_label("needle").check()
    page.page.get_by_label("order").check()
    page.page.keyboard.press("Escape")
    settled(page)
    page.page.get_by_role("button", name="Filter Turns", exact=True).click()
    page.page.get_by_label("least Turns").fill("2")
    page.page.get_by_label("most Turns").fill("no number")
    assert "Not a number" in page.page.text_content("dialog [role=status]")
    page.page.get_by_label("most Turns").fill("3")
    page.page.get_by_role("button", name="Done").click()
    settled(page)
    both = {"filter": "group.family:needle,order turns:2..3"}
    assert address(page) == both
    page.page.go_back()
    until(page, "!location.hash.includes('turns')")
    assert address(page) == {"filter": "group.family:needle,order"}
    page.page.go_back()
    until(page, "!location.hash.includes('family')")
    page.page.go_forward()
    page.page.go_forward()
    until(page, "location.hash.includes('turns')")
    settled(page)
    assert page.page.locator(".filter-chip").count() == 2


def test_columns_that_a_reader_chose_are_in_the_address(page):
    go(page)
    page.page.get_by_role("button", name="Columns").click()
    page.page.get_by_role("checkbox", name="Cost").check()
    page.page.get_by_role("checkbox", name="Length").uncheck()
    page.page.get_by_role("button", name="Move Verdict up").click()
    page.page.get_by_role("button", name="Move Verdict up").click()
    focus = page.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focus == "Move Verdict down"  # up is not possible any more: the question stays first
    page.page.get_by_role("button", name="Done").click()
    until(page, "location.hash.includes('question,verdict')")
    heads = page.page.locator(".head .sort").all_text_contents()
    assert heads[:3] == ["Question", "Verdict", "Family"]
    assert heads[-1] == "Cost" and "Length" not in heads
    assert address(page)["cols"].startswith("question,verdict,group.family,prediction")


def test_a_link_to_a_section_keeps_the_filters(page):
    go(page, filter="verdict:wrong")
    page.page.click("#contents a")
    until(page, "location.hash.includes('section')")
    assert address(page) == {"filter": "verdict:wrong", "section": "summary"}
    assert page.page.locator(".filter-chip").count() == 1
    page.page.locator(".body .row a").nth(0).click()  # a question is no place of that page
    page.page.wait_for_selector(".question-view")
    assert "section" not in address(page)


def test_times_in_the_address_are_to_the_millisecond(page):
    go(page, q="q1")
    page.page.locator("[role=option]").first.hover()
    page.page.mouse.wheel(0, -333)
    until(page, "location.hash.includes('w=')")
    for end in address(page)["w"].split("-"):
        assert len(end.partition(".")[2]) <= 3


def test_the_back_button_goes_from_a_question_to_its_row(page):
    go(page, sort="-frames")
    page.page.locator(".body .row a").nth(4).click()
    page.page.wait_for_selector(".question-view")
    name = page.page.evaluate("new URLSearchParams(location.hash.slice(1)).get('q')")
    page.page.go_back()
    page.page.wait_for_selector(".grid-box .row", state="visible")
    until(page, "document.activeElement.closest('.body .row')")
    assert f"q={name}" in page.page.evaluate("document.activeElement.getAttribute('href')")
