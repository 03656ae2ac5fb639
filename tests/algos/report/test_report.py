"""Laws of `algos.report.report`, `sections`, `charts`: one file, escaped, showing what was seen."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algos.report.charts import Chart, Point, Series, figure
from algos.report.example_choice import choose_examples
from algos.report.report import load_report, save_report, write_report
from algos.report.report_data import ReportData, check_told
from algos.report.timeline_view import duration_of, lanes, timeline
from algos.rollout.trajectory import Turn
from algos.runs.run_folder import RunFolder, RunFolderError
from policies.base import Decision
from sage_env import Invalid, Skip, Zoom
from sage_env.timeline import clock
from tests.helpers.clips import number_in, write_clip
from tests.helpers.handmade import item, result, trajectory

VOID = {"meta", "img", "br", "path", "circle", "rect"}
NASTY = '<script>alert("&")</script>'


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


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of 100 seconds whose frame i, at i seconds, shows the number i."""
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(100)])


@pytest.fixture
def data(clip: Path) -> ReportData:
    """Return a report of two questions, one about a video that is there."""
    asked = item("seen", str(clip), question=NASTY, choices=("yes", NASTY), kind="mcq")
    gone = item("gone", "no-such-file.mp4", group={})
    before = result(
        (asked, trajectory("seen", False, looks=((13.0,),), answer=NASTY)),
        (gone, trajectory("gone", False)),
        name="SFT base",
    )
    after = result(
        (asked, trajectory("seen", True, looks=((12.0, 40.0),))),
        (gone, trajectory("gone", None, error=f"VideoError: {NASTY}")),
        name="after PPO",
    )
    metrics = [
        {"update": k, "rollout/accuracy": 0.1 * k, "rollout/turns": None} for k in range(1, 5)
    ]
    return ReportData(
        NASTY,
        {"command": NASTY},
        {"base": before, "ppo": after},
        before="base",
        after="ppo",
        metrics=metrics,
        frame_size=(64, 96),
    )


def written(data: ReportData, folder: Path) -> str:
    write_report(folder / "report.html", data)
    return (folder / "report.html").read_text()


def test_the_report_is_one_well_formed_file(data, tmp_path) -> None:
    text = written(data, tmp_path)
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe")]
    assert all(source.startswith("data:") for source in page.values("src"))
    assert all(link.startswith("#") for link in page.values("href"))
    assert "http://" not in text and "https://" not in text
    targets = set(page.values("id"))
    assert {link[1:] for link in page.values("href")} <= targets
    assert len(page.values("id")) == len(targets)


def test_all_text_is_escaped(data, tmp_path) -> None:
    text = written(data, tmp_path)
    assert "<script" not in text and 'alert("' not in text
    words = " ".join(Page(text).words)
    assert words.count(NASTY) >= 6  # title twice, command, question, choice, answer


def test_half_a_character_of_a_model_does_not_cost_the_report(clip, tmp_path) -> None:
    """Lone surrogates in all that a model or a dataset can write."""
    odd = "\ud800 \udfffred"
    asked = item("seen", str(clip), question=odd, choices=("yes", odd), kind="mcq", answer=odd)
    played = trajectory("seen", False, looks=((13.0,),), answer="yes")
    last = played.turns[-1]
    played.turns[-1] = Turn(Decision(Invalid(odd, odd), odd), last.reward, last.info)
    failed = trajectory("seen", None, error=f"ServiceError: {odd}")
    shown = ReportData(
        odd,
        {"command": odd},
        {"a": result((asked, played), name="a"), "b": result((asked, failed), name="b")},
    )
    folder = RunFolder(tmp_path)
    text = save_report(folder, shown).read_text("utf-8")
    assert "red" in text and len(text) > 1000
    again = load_report(folder)
    assert again.title == odd and again.results["a"].items[0].question == odd
    assert again.results["a"].trajectories[0].turns[-1].decision.text == odd


def test_every_picture_has_words(data, tmp_path) -> None:
    page = Page(written(data, tmp_path))
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    pictures = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert pictures and all(attrs["aria-label"] for attrs in pictures)


def test_the_thumbnails_are_the_frames_that_were_shown(data, tmp_path) -> None:
    shown = [number for number, _ in thumbnails(written(data, tmp_path))]
    before, after = [25, 75, 13], [25, 75, 12, 40]
    assert shown == before + after


def test_only_frames_inside_the_evidence_are_marked(data, tmp_path) -> None:
    marked = {n for n, words in thumbnails(written(data, tmp_path)) if "evidence" in words}
    assert marked == {12, 13}


def thumbnails(text: str) -> Iterator[tuple[int, str]]:
    for attrs in (attrs for tag, attrs in Page(text).tags if tag == "img"):
        coded = base64.b64decode((attrs["src"] or "").partition(",")[2])
        picture = np.asarray(Image.open(io.BytesIO(coded)))
        yield number_in(picture), attrs["alt"] or ""


def test_a_video_that_is_gone_leaves_words_and_not_an_error(data, tmp_path) -> None:
    shown = ReportData("x", {}, {"base": data.results["base"]})
    words = " ".join(Page(written(shown, tmp_path)).words)
    assert "2 frames, not to be had now" in words and "no-such-file.mp4" in words


def test_a_report_is_rebuilt_from_its_folder_to_the_byte(data, tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_text(
        "".join(f'{{"update": {k}, "rollout/accuracy": {0.1 * k}}}\n' for k in range(1, 5))
    )
    path = save_report(folder, data)
    first = path.read_bytes()
    path.unlink()
    write_report(path, load_report(folder))
    assert path.read_bytes() == first


def test_a_folder_that_is_no_run_is_named(tmp_path) -> None:
    with pytest.raises(RunFolderError, match=r"report\.json cannot be read"):
        load_report(RunFolder(tmp_path / "nothing"))
    (tmp_path / "report.json").write_text('{"results": []}')
    with pytest.raises(RunFolderError, match=r"report\.json is not complete"):
        load_report(RunFolder(tmp_path))


def test_roles_must_be_results(data) -> None:
    with pytest.raises(ValueError, match="direct must be one of"):
        ReportData("x", {}, data.results, direct="nobody")


def test_the_headline_is_about_one_group_and_every_other_has_its_own_table(tmp_path) -> None:
    hard = {"tier": "hard", "family": "count"}
    core = [item(n, f"{n}.mp4") for n in "abefg"]
    pairs = [(x, trajectory(x.id, True)) for x in core]
    pairs += [(item(n, f"{n}.mp4", group=hard), trajectory(n, False)) for n in "cdhij"]
    data = ReportData("x", {}, {"a": result(*pairs)}, only={"tier": "core"}, examples=0)
    words = " ".join(Page(written(data, tmp_path)).words)
    summary = words[words.index("tier core") : words.rindex("Accuracy and cost")]
    first, second = summary.split("tier hard", 1)
    assert "100.0 [47.8, 100.0]" in first and " 0.0 [0.0, 52.2]" not in first  # 5 of 5, 0 of 5
    assert " 0.0 [0.0, 52.2]" in second and "count" in words[words.rindex("Accuracy and cost") :]


def test_a_page_can_neither_run_nor_load_anything(data, tmp_path) -> None:
    page = Page(written(data, tmp_path))
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policy.split("; ")[0] == "default-src 'none'" and "script-src" not in policy
    assert {"base-uri 'none'", "form-action 'none'", "img-src data:"} <= set(policy.split("; "))
    first = [tag for tag, _ in page.tags].index("title")
    assert any(a.get("http-equiv") for _, a in page.tags[:first]), "it must stand before all else"
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    sources = [a["src"] for _, a in page.tags if a.get("src")]
    assert sources and all(source.startswith("data:image/") for source in sources)


def test_won_and_lost_questions_are_shown_with_both_episodes(data) -> None:
    chosen = choose_examples(data.results["ppo"], data.results["base"])
    assert [e.heading for e in chosen] == ["Wrong before learning, right after"]
    assert [who for who, _ in chosen[0].episodes] == ["SFT base, greedy", "after PPO, greedy"]


def test_examples_are_of_all_kinds_and_none_twice() -> None:
    pairs = []
    for k in range(40):
        asked = item(f"q{k}", duration=30.0 if k % 2 else 3000.0, evidence=())
        pairs.append((asked, trajectory(f"q{k}", k % 4 < 2)))
    chosen = choose_examples(result(*pairs), limit=6)
    assert len({e.item.id for e in chosen}) == 6
    assert [e.heading for e in chosen] == [
        "Short video, right",
        "Short video, right",
        "Short video, wrong",
        "Short video, wrong",
        "Long video, right",
        "Long video, wrong",
    ]


def test_lanes_follow_the_cursor() -> None:
    played = trajectory("x", True, looks=((12.0, 40.0),))
    moves = [Skip(60.0), Zoom(5.0, 7.0, 2), Invalid("?", "no JSON"), Skip(90.0)]
    turns = [Turn(Decision(move), 0.0, {"frame_seconds": []}) for move in moves]
    played.turns[1:1] = turns
    spans = [lane.span for lane in lanes(played)]
    assert spans == [None, (12.0, 41.0), (41.0, 60.0), (5.0, 7.0), None, (60.0, 90.0), None]


def test_the_axis_is_as_long_as_the_video() -> None:
    played = trajectory("x", True, looks=((12.0, 40.0),))
    played.start_info["span"] = [0.0, 63.5]  # the overview is of the whole video
    assert duration_of(item("x", duration=70.0), played) == 70.0
    assert duration_of(item("x", duration=None), played) == 63.5
    played.start_info = {"frame_seconds": []}  # played blind: up to the end of the last look
    assert duration_of(item("x", duration=None, evidence=()), played) == 41.0


def test_a_moment_in_two_hours_is_still_seen() -> None:
    asked = item("x", duration=7200.0, evidence=((3600.0, 3600.5),))
    picture = timeline(asked, trajectory("x", True), "me")
    band = re.search(r'class="evidence" x="([\d.]+)" y="\d+" width="([\d.]+)"', picture)
    assert band and float(band[2]) >= 3 and abs(float(band[1]) - 519) < 8


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
        {"entries": {"a": []}}, {"title": None}, {"examples": "x"}, {"official": "many"}, [], "x",
    ],
)  # fmt: skip
def test_settings_of_another_type_are_refused(told) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        check_told(told)


def test_settings_of_older_versions_may_lack_some() -> None:
    check_told({"title": "a run", "about": {}})
