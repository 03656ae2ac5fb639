"""Laws of `page/scripts/live`, `curves`, `algos.viewer.serving`: a served page keeps its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

import pytest

from algos.viewer.serving import served_run
from algos.viewer.serving.page_server import PageServer
from algos.viewer.serving.served_run import ServedRun
from algos.viewer.view_data import RunView
from tests.helpers.viewer.browser import Opened, opened
from tests.helpers.viewer.made_up import made_up_run


class Going:
    """A run that a test lets go on."""

    def __init__(self, run: RunView) -> None:
        self.run, self.mark = run, 0

    def become(self, run: RunView) -> None:
        self.run, self.mark = run, self.mark + 1

    @contextmanager
    def page(self, state: str = "") -> Iterator[Opened]:
        served = ServedRun(lambda: self.run, lambda: frozenset({("f", self.mark, 0)}))
        with (
            PageServer(served.find) as server,
            opened(f"{server.url}{state}", allow=server.url) as found,
        ):
            yield found


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_run, "_PAUSE", 0.0)
    monkeypatch.setattr(served_run, "_SHARE", 0.0)


def counted(found: Opened, words: str) -> None:
    """Wait until the table says so."""
    found.page.get_by_text(words, exact=True).wait_for(timeout=15_000)


def until(found: Opened, expression: str) -> None:
    """Wait until an expression holds; the policy of the page forbids it to wait by itself."""
    end = monotonic() + 15
    while not found.page.evaluate(expression):
        assert monotonic() < end, f"never: {expression}"
        found.page.wait_for_timeout(20)


def look_now(found: Opened) -> None:
    """Let the page ask its server at once, as when the reader comes back to it."""
    found.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def live(questions: int, **changes: object) -> RunView:
    return replace(made_up_run(questions), live=True, **changes)  # type: ignore[arg-type]


def test_new_rows_come_and_the_reader_stays_where_he_is() -> None:
    going = Going(live(120))
    with going.page("#sort=-turns") as found:
        counted(found, "120 of 120 questions")
        found.page.fill("#find", "needle 1")
        until(found, "location.hash.includes('find')")
        found.page.evaluate("scrollTo(0, 900)")
        place = found.page.evaluate("[scrollY, location.hash]")
        going.become(live(320))
        look_now(found)
        until(found, "document.querySelector('.count').textContent.endsWith(' of 320 questions')")
        assert found.page.evaluate("[scrollY, location.hash]") == place
        assert found.page.input_value("#find") == "needle 1"
        assert found.page.locator("#live").text_content() == (
            "The run goes on; this page follows it."
        )
        going.become(made_up_run(320))
        look_now(found)
        found.page.get_by_text("The run is over", exact=False).wait_for(timeout=15_000)
        found.require_quiet()


def test_a_question_is_drawn_anew_only_when_it_has_changed() -> None:
    going = Going(live(6))
    with going.page("#q=q3&turn=1") as found:
        found.page.locator(".question-view").wait_for(timeout=15_000)
        found.page.evaluate("document.querySelector('.question-view').kept = true")
        kept = "Boolean((document.querySelector('.question-view') || {}).kept)"
        going.become(live(9))
        look_now(found)
        until(found, "document.documentElement.dataset.shownState === '2'")
        assert found.page.evaluate(kept), "nothing of it has changed"
        rows = [
            {**row, "verdict": not row["verdict"]} if row["id"] == "q3" else row
            for row in made_up_run(9).rows()
        ]
        going.become(live(9, rows=lambda: iter(rows)))
        look_now(found)
        until(found, f"!{kept}")
        found.page.locator(".question-view").wait_for(timeout=15_000)
        assert "turn=1" in found.page.evaluate("location.hash")
        found.require_quiet()


def test_a_section_that_changes_is_replaced_and_its_open_parts_stay_open() -> None:
    text = "<p>{}</p><details><summary>Numbers</summary><p>of it</p></details>"
    sections = [("learned", "What was learned", text.format("nothing yet"))]
    going = Going(live(6, sections=sections))
    with going.page() as found:
        found.page.click("#learned summary")
        more = [
            (*sections[0][:2], text.format("a lot")),
            ("flow", "From the first look", "<p>x</p>"),
        ]
        going.become(live(9, sections=more, about={"data": "of now"}))
        look_now(found)
        found.page.get_by_text("a lot").wait_for(timeout=15_000)
        assert found.page.evaluate("document.querySelector('#learned details').open")
        assert found.page.locator("#contents a").all_text_contents() == [
            "What was learned",
            "Questions",
            "From the first look",
        ]
        assert found.page.locator(".about dd").all_text_contents() == ["of now"]
        assert "All 9 questions" in (found.page.text_content("#tools") or "")
        found.require_quiet()


def test_a_server_that_has_stopped_is_told() -> None:
    going = Going(live(3))
    with going.page() as found:
        counted(found, "3 of 3 questions")
        found.page.context.set_offline(True)
        look_now(found)
        found.page.get_by_text("The server does not answer any more").wait_for(timeout=15_000)
        assert found.page.locator(".count").text_content() == "3 of 3 questions"


def curves(updates: int) -> list[dict[str, float]]:
    return [
        {
            "update": float(k),
            "eval/score": k / updates,
            "losses/entropy": 1 - 0.998868 * k / (updates - 1),
        }
        | {f"time/stage-{n}": float(n) for n in range(8)}
        for k in range(updates)
    ]


@pytest.mark.parametrize("updates", [40, 900])
def test_every_metric_has_a_curve_with_one_cursor_and_a_search(updates: int) -> None:
    """40 points are a small SVG each, 900 are drawn by uPlot."""
    with Going(replace(made_up_run(3), curves=curves(updates))).page() as found:
        found.page.locator("#learning").scroll_into_view_if_needed()
        found.page.locator(".curve-bar").wait_for(timeout=15_000)
        assert "10 of 10 metrics" in str(found.page.locator(".curve-bar").text_content())
        boxes = "texts => texts.map(one => one.getBBox().x)"
        begins = found.page.locator(".curve text").evaluate_all(boxes)
        assert all(x >= 0 for x in begins), "a number at the axis is cut off"
        groups = found.page.locator(".curve-groups summary").all_text_contents()
        assert groups == ["main (2)", "eval (1)", "losses (1)", "time (8)"]
        kind = ".curve svg" if updates == 40 else ".curve canvas"
        assert found.page.locator(kind).count() == 2
        found.page.locator(".curve-cursor input").focus()
        found.page.keyboard.press("Home")
        assert found.page.locator(".curve-cursor output").text_content() == "update 0"
        values = found.page.locator(".curve-grid figcaption b").all_text_contents()
        assert values == ["0", "1"]
        found.page.fill(".curve-bar input[type=search]", "entropy")
        found.page.get_by_text("1 of 10 metrics").wait_for(timeout=5_000)
        assert found.page.locator(".curve-grid figcaption").all_text_contents() == [
            "losses/entropy 1",
            "losses/entropy 1",
        ]
        found.page.check(".curve-bar input[type=checkbox]")
        found.page.select_option(".curve-bar select", label="smoothing: much")
        assert found.page.locator(kind).count() == 2
        found.require_quiet()
