"""Laws of `algos.report.report_data`, `report_sections`, `sections`, `charts`."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from algos.report.charts import Chart, Point, Series, figure
from algos.report.report_data import ReportData, check_told
from algos.report.report_sections import report_sections
from sage_env.timeline import clock
from tests.helpers.handmade import item, result, trajectory

VOID = {"meta", "img", "br", "path", "circle", "rect"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


def test_roles_must_be_results() -> None:
    results = {"a": result((item("q"), trajectory("q", True)))}
    with pytest.raises(ValueError, match="direct must be one of"):
        ReportData("x", {}, results, direct="nobody")


def test_the_headline_is_about_one_group_and_every_other_has_its_own_table() -> None:
    hard = {"tier": "hard", "family": "count"}
    core = [item(n, f"{n}.mp4") for n in "abefg"]
    pairs = [(x, trajectory(x.id, True)) for x in core]
    pairs += [(item(n, f"{n}.mp4", group=hard), trajectory(n, False)) for n in "cdhij"]
    data = ReportData("x", {}, {"a": result(*pairs)}, only={"tier": "core"})
    sections = {name: " ".join(Page(html).words) for name, _, html in report_sections(data)}
    first, second = sections["summary"].split("tier hard", 1)
    assert "100.0 [47.8, 100.0]" in first and " 0.0 [0.0, 52.2]" not in first  # 5 of 5, 0 of 5
    assert " 0.0 [0.0, 52.2]" in second and "count" in sections["groups"]


def test_every_section_is_well_formed_and_has_something_to_tell() -> None:
    nasty = '<script>alert("&")</script>'
    asked = item("q", choices=("yes", nasty), kind="mcq", question=nasty, group={nasty: nasty})
    played = result((asked, trajectory("q", None, error=f"VideoError: {nasty}")), name=nasty)
    data = ReportData(nasty, {nasty: nasty}, {"a": played})
    sections = report_sections(data)
    assert {"summary", "length", "groups", "failed"} <= {name for name, _, _ in sections}
    for _, _, html in sections:
        page = Page(html)
        assert not [tag for tag, _ in page.tags if tag == "script"]
    assert nasty in " ".join(Page("".join(html for _, _, html in sections)).words)


@pytest.mark.parametrize(
    ("second", "text"),
    [(0, "0:00.0"), (59.96, "1:00.0"), (312.3, "5:12.3"), (3599.99, "1:00:00.0")],
)
def test_clock(second: float, text: str) -> None:
    assert clock(second) == text


def test_a_chart_shows_every_point_and_its_number() -> None:
    points = [Point(0, 0.25, (0.1, 0.4)), Point(1, 0.5, (0.3, 0.7))]
    chart = Chart("Accuracy", "length", [(0, "short"), (1, "long")], [Series("a", points)], True)
    text = figure(chart)
    Page(text)
    assert text.count('class="mark"') == 2 and text.count('class="bar"') == 2
    assert "25.0 [10.0, 40.0]" in text and "50.0 [30.0, 70.0]" in text
    # a table that can be scrolled can be scrolled by keyboard
    assert '<div class="scroll" tabindex="0" role="group" aria-label="Accuracy, numbers">' in text
    with pytest.raises(ValueError, match="at most 4 series"):
        figure(Chart("x", "x", [], [Series("a", points)] * 5))


@pytest.mark.parametrize("values", [[], [0.0], [-1.5, 2.0], [1e-6], [12345.0, 1.0]])
def test_every_range_of_values_can_be_drawn_inside_the_picture(values: list[float]) -> None:
    text = figure(Chart("x", "y", [], [Series("a", [Point(k, v) for k, v in enumerate(values)])]))
    Page(text)
    for x, y in re.findall(r'class="mark" d="M([-\d.]+) ([-\d.]+)m', text):
        assert 0 < float(x) < 560 and 0 < float(y) < 260


def test_the_axis_of_a_chart_always_holds_zero() -> None:
    for values in ([5.0, 6.0], [-6.0, -5.0]):
        points = [Point(k, value) for k, value in enumerate(values)]
        assert ">0</text>" in figure(Chart("x", "y", [], [Series("a", points)]))


@pytest.mark.parametrize(
    "told",
    [
        {"about": {"seed": 0}}, {"about": []}, {"only": -1}, {"entries": {"a": {"policy": {}}}},
        {"entries": {"a": []}}, {"title": None}, {"only": {"a": 1}}, {"official": "many"}, [], "x",
    ],
)  # fmt: skip
def test_settings_of_another_type_are_refused(told) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        check_told(told)


def test_settings_of_older_versions_may_lack_some() -> None:
    check_told({"title": "a run", "about": {}})
