"""Laws of `algos.viewer.run_sections.links` and of script `section_links`, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from algos.viewer.run_sections.sections import with_sections
from algos.viewer.writing.view_file import write_view
from tests.helpers.viewer.browser import Opened, opened, serious_violations
from tests.helpers.viewer.made_up import made_up_run


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = with_sections(made_up_run(60, pictures=False))
    return write_view(run, tmp_path_factory.mktemp("page") / "report.html").path


def told(found: Opened, words: str) -> None:
    found.page.get_by_text(words, exact=True).wait_for(timeout=15_000)


@pytest.mark.parametrize("name", ["grounded", "lucky", "misread", "missed"])
def test_a_cell_leads_to_as_many_questions_as_it_counts(page: Path, name: str) -> None:
    with opened(page) as found:
        told(found, "60 of 60 questions")
        link = found.page.get_by_role("link", name=name, exact=True)
        count = link.locator("xpath=following-sibling::b").text_content()
        link.click()
        told(found, f"{count} of 60 questions")
        found.page.wait_for_timeout(100)
        top = found.page.evaluate(
            "document.querySelector('#questions').getBoundingClientRect().top"
        )
        assert abs(top) < 400, "the table is in sight"
        found.require_quiet()


def test_a_kind_leads_to_its_wrong_answers(page: Path) -> None:
    with opened(page) as found:
        told(found, "60 of 60 questions")
        row = found.page.locator("#learned table tbody tr").first
        wrong = row.locator("td").nth(1).text_content()
        assert 0 < int(wrong) < 60
        row.get_by_role("link").click()
        told(found, f"{wrong} of 60 questions")
        found.require_quiet()


def test_a_question_in_a_list_opens(page: Path) -> None:
    with opened(page) as found:
        told(found, "60 of 60 questions")
        link = found.page.locator("#surprises li a").first
        name = link.text_content()
        link.click()
        found.page.locator(".question-view").wait_for(timeout=15_000)
        assert re.search(rf"[#&]q={name}(&|$)", found.page.evaluate("location.hash"))
        found.require_quiet()


def test_sections_are_read_by_a_screen_reader_and_without_a_script(page: Path) -> None:
    with opened(page) as found:
        told(found, "60 of 60 questions")
        assert serious_violations(found) == []
    with opened(page, script=False, dark=True, width=420) as found:
        text = found.page.locator("#learned").inner_text()
        assert "questions right" in text and "It fails most on" in text
        wide = found.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 420, "nothing sticks out of a narrow window"
