"""Laws of `page/scripts/table`: of any number of rows, those in sight are in the document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from algos.viewer.page.page_files import HERE
from algos.viewer.writing import WriteSettings, write_view
from tests.helpers.viewer.browser import Opened, opened, worked
from tests.helpers.viewer.made_up import made_up_run
from tests.helpers.viewer.run_table import settled, until
from tests.helpers.viewer.scripts import scripts

STUBS = """
const Data = { rows: { get: (key, i) => i } };
const Columns = { text: (column, i) => `${column.key} ${i}` };
const columns = [{ key: "question", title: "Question", kind: "text", about: "" },
  { key: "turns", title: "Turns", kind: "number", about: "" }];
function table(count, tallest) {
  const place = document.createElement("div");
  document.body.replaceChildren(place);
  const made = Table.create(place, { link: (i) => `#${i}`, open: (i) => (window.opened = i),
    onSort: () => {}, onFilter: () => {}, tallest });
  made.update({ rows: Int32Array.from({ length: count }, (_, i) => i), columns, sort: null,
    filtered: new Set() });
  return made;
}
"""
SEEN = """() => {
  const box = document.querySelector(".grid-box").getBoundingClientRect();
  const head = document.querySelector(".head").getBoundingClientRect().bottom;
  return [...document.querySelectorAll(".body .row")]
    .map((row) => [row.getBoundingClientRect(), Number(row.dataset.at)])
    .filter(([place]) => place.bottom > head + 1 && place.top < box.bottom - 1)
    .map((one) => one[1]).sort((a, b) => a - b);
}"""
ROW = 34


@contextmanager
def grid(count: int, tallest: float | None = None) -> Iterator[Any]:
    with scripts(["dom.js", "table.js"], ["table", "Dom"], STUBS) as page:
        style = (HERE / "styles/base.css").read_text() + (HERE / "styles/table.css").read_text()
        page.add_style_tag(content=style)
        page.evaluate("([n, t]) => { window.made = table(n, t); }", [count, tallest])
        yield page


def scrolled(page: Any, to: float) -> list[int]:
    page.evaluate("y => { document.querySelector('.grid-box').scrollTop = y; }", to)
    page.evaluate("() => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")
    return page.evaluate(SEEN)


@pytest.mark.parametrize("tallest", [None, 9000])
def test_every_row_can_be_scrolled_to_and_few_are_in_the_document(tallest):
    with grid(5000, tallest) as page:
        high = page.evaluate("document.querySelector('.grid-box').scrollHeight")
        assert high == pytest.approx(5000 * ROW if tallest is None else tallest, abs=40)
        before = -1
        for k in range(12):
            seen = scrolled(page, high * k / 11)
            assert seen == list(range(seen[0], seen[-1] + 1))  # no row is missing between others
            assert seen[0] >= before
            before = seen[0]
            assert page.evaluate("document.querySelectorAll('.body .row').length") < 60
        assert seen[-1] == 4999
        assert scrolled(page, 0)[0] == 0


def test_where_one_scrolls_is_what_one_sees():
    with grid(5000) as page:
        for row in (0, 1, 17, 2500):
            assert scrolled(page, row * ROW)[0] == row


@pytest.mark.parametrize("tallest", [None, 9000])
def test_keys_reach_every_row_and_the_active_one_keeps_the_focus(tallest):
    with grid(2000, tallest) as page:
        page.focus(".body a")
        where = "Number(document.activeElement.closest('.row').dataset.at)"
        for key, row in (
            ("ArrowDown", 1), ("ArrowDown", 2), ("End", 1999), ("ArrowDown", 1999),
            ("ArrowUp", 1998), ("Home", 0), ("ArrowUp", 0),
        ):  # fmt: skip
            page.keyboard.press(key)
            assert page.evaluate(where) == row
            assert row in page.evaluate(SEEN)
        page.keyboard.press("PageDown")
        down = page.evaluate(where)
        page.keyboard.press("PageUp")
        assert 5 < down < 60 and page.evaluate(where) == 0
        page.keyboard.press("ArrowDown")
        scrolled(page, 5000)  # the focus is out of sight now, and still there
        assert page.evaluate(where) == 1
        page.keyboard.press("ArrowDown")
        assert page.evaluate(where) == 2 and 2 in page.evaluate(SEEN)
        tabs = page.locator(".body a[tabindex='0']")
        assert tabs.count() == 1


def test_rows_say_which_of_how_many_they_are():
    with grid(1234) as page:
        scrolled(page, 100 * ROW)
        indices = page.evaluate(
            "[...document.querySelectorAll('.body .row')]"
            ".map((r) => [r.getAttribute('aria-rowindex'), r.children[1].textContent])"
        )
        assert all(text == f"turns {int(index) - 2}" for index, text in indices)
        assert page.get_attribute(".grid-box", "aria-rowcount") == "1235"
        page.locator(".body .row[data-at='104'] .cell:nth-child(2)").click()
        assert page.evaluate("window.opened") == 104


SCROLLED = """async (k) => {
  const box = document.querySelector(".grid-box");
  box.scrollTop = k < 40 ? box.scrollTop + 400 : (box.scrollHeight * ((7 * k) % 40)) / 40;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def frame_times(found: Opened) -> list[float]:
    """Return for how long the page worked for each step of scrolling, in seconds, ascending."""
    scroll = found.page.evaluate
    return sorted(worked(found, partial(scroll, SCROLLED, k)) for k in range(80))


@pytest.mark.slow
@pytest.mark.parametrize(("questions", "entries"), [(10_000, 1), (50_000, 2)])
def test_large_tables_open_soon_and_scroll_without_a_late_frame(tmp_path, questions, entries):
    path = tmp_path / "page.html"
    settings = WriteSettings(details=1000, pictured=5)
    write_view(made_up_run(questions, entries, pictures=False), path, settings)
    with opened(path) as found:
        paint = "performance.getEntriesByName('first-contentful-paint')[0]"
        until(found, f"Boolean({paint})", 10)
        assert found.page.evaluate(f"{paint}.startTime") < 2000
        settled(found)
        times = frame_times(found)
        assert times[-1] < 0.1, times[-5:]
        assert found.page.evaluate("document.querySelectorAll('*').length") < 3000
        assert found.page.evaluate("performance.memory.usedJSHeapSize") < 300e6
        found.require_quiet()
