"""Laws of `page/scripts/question`, `turns`, `turn_card`, `frames`, `enlarged`,
`picture`, `looks`, `prompt`, `verdict`, `beliefs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from algos.viewer.writing.view_file import write_view
from tests.helpers.viewer.browser import Opened, colour_in, opened, serious_violations
from tests.helpers.viewer.made_up import HOSTILE, made_up_run
from tests.helpers.viewer.one_question import write_question

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)
STEPS = [
    {"turn": 0, "action": "overview", "frames": [[10, 0, -1], [30, 1, -1], [50, 2, -1]]},
    {
        "turn": 1,
        "action": "zoom",
        "span": [29, 33],
        "box": [0.5, 0, 1, 0.5],
        "frames": [[30.001, 1, 0], [31, 1, 0], [32, 1, 0]],  # 30.001 is the frame of 30 s
        "prompt": "turns left: 2\nframes left: 8\nWhich?",
        "beliefs": [0.1, 0.9],
        "reward_terms": {"frames": -0.25, "found": 0.5},
        "credit": 0.75,
        "value": 0.5,
    },
    {
        "turn": 2,
        "action": "answer",
        "prompt": "turns left: 1\nframes left: 8\nWhich?\nHurry.",
        "beliefs": [0.8, 0.2],
        "told": "a tool said so",
        "call": "answer(red)",
        "value": 0.25,
    },
]
QUESTION: dict[str, Any] = {
    "choices": ["red", "green"],
    "gold": "green",
    "gold_choice": 1,
    "evidence": [[30, 31.5]],
    "episodes": [
        {"entry": "a", "steps": STEPS, "verdict": False, "prediction": "red", "rule": "exact"},
        {"entry": "b", "steps": STEPS[:1], "verdict": True, "prediction": "green"},
    ],
}


@contextmanager
def shown(
    folder: Path, question: Mapping[str, Any], state: str = "", **how: Any
) -> Iterator[Opened]:
    path = write_question(folder / "page.html", question, pictures=[RED, GREEN, BLUE])
    with opened(f"{path.as_uri()}#view=question&q=q{state}", **how) as found:
        found.page.wait_for_selector(".turns")
        yield found
        found.require_quiet()


def card(turn: int) -> str:
    return f"article.turn[data-turn='{turn}']"


def changed(**changes: Any) -> dict[str, Any]:
    """Return the question with changes to its first episode."""
    first = {**QUESTION["episodes"][0], **changes}
    return {**QUESTION, "episodes": [first]}


def test_frames_say_what_they_are(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        assert page.locator(f"{card(1)} .thumb").count() == 3
        assert page.locator(f"{card(1)} .badge").count() == 2  # 30.001 and 31 of [30, 31.5)
        assert page.locator(f"{card(1)} .again").all_inner_texts() == ["seen in the overview"]
        assert "3: 2 new, 1 seen before, 2 in the evidence" in page.inner_text(card(1))
        label = page.get_attribute(f"{card(1)} .frame >> nth=0", "aria-label")
        assert label == (
            "frame at 0:30.0, turn 1, zoom, box 50 % to 100 % across, 0 % to 50 % down, "
            "inside the evidence, seen before in the overview"
        )


def test_a_part_of_a_frame_stands_beside_the_whole_with_its_box(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&turn=1&t=31") as found:
        found.page.wait_for_selector(".stage .pair:nth-child(2) canvas.drawn")
        seen, whole = found.page.query_selector_all(".stage canvas")
        assert colour_in(seen, 2, 2) == pytest.approx(GREEN, abs=8)
        assert colour_in(whole, 1, 6) == pytest.approx(RED, abs=8)
        edge = colour_in(whole, 4, 2)  # the left edge of a box from the middle on
        assert edge != pytest.approx(RED, abs=40)


def test_a_frame_in_large_and_on_to_the_next(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.focus(f"{card(0)} .frame >> nth=1")
        page.keyboard.press("Enter")
        assert page.inner_text(".enlarged-words").startswith("2 of 6: frame at 0:30.0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.inner_text(".enlarged-words").startswith("4 of 6: frame at 0:30.0, turn 1")
        assert page.locator("dialog canvas").count() == 2
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        assert page.get_attribute("article.turn.active", "data-turn") == "1"


def test_keys_move_the_turn_and_play_the_frames(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.keyboard.press("ArrowRight")
        assert page.inner_text(".tl-flag") == "0:30.0"  # its first frame
        page.keyboard.press("ArrowRight")
        assert page.get_attribute("article.turn.active", "data-turn") == "2"
        page.keyboard.press("ArrowLeft")
        assert page.get_attribute("article.turn.active", "data-turn") == "1"
        page.select_option(".player select", "8")
        page.locator(".player select").blur()
        page.keyboard.press(" ")
        page.wait_for_selector(".stage >> text=0:32.0")


def test_a_link_brings_back_the_moment(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION, "&e=a&turn=1&t=31&w=20-40") as found:
        page = found.page
        assert page.inner_text(".tl-flag") == "0:31.0"
        assert page.inner_text(".tl-window") == "0:20.0 to 0:40.0"
        assert "0:31.0" in page.inner_text(f"{card(1)} .thumb.current")
        page.click("button.entry >> text=Policy b")
        page.wait_for_selector("button.entry[aria-pressed=true] >> text=Policy b")
        assert page.locator("article.turn").count() == 1
        assert "Right without" not in page.inner_text(".verdict")
        href = page.get_attribute("a >> text=Compare with", "href")
        assert href.startswith("#view=compare") and {"e=b", "f=a", "q=q"} <= {*href[1:].split("&")}


def test_the_prompt_is_shown_against_the_turn_before(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.click(f"{card(2)} summary >> text=What it read")
        page.wait_for_selector(f"{card(2)} ins")
        assert "2 new, 1 gone, against turn 1." in page.inner_text(f"{card(2)} .prompt").replace(
            "\n", " "
        )
        assert page.locator(f"{card(2)} ins").all_inner_texts() == ["+ turns left: 1", "+ Hurry."]
        assert page.locator(f"{card(2)} del").all_inner_texts() == ["− turns left: 2"]
        assert page.inner_text(f"{card(2)} .prompt-lines summary") == "2 lines unchanged"
        assert "Data from outside" in page.inner_text(f"{card(2)} .told")


def test_terms_of_the_reward_are_parts_of_one_bar(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        bars = found.page.locator(f"{card(1)} .reward-bar rect")
        places = [
            bars.nth(k).evaluate("e => [+e.getAttribute('x'), +e.getAttribute('width')]")
            for k in (0, 1)
        ]
        # zero at 80 of 160; the largest side, 0.5, is 79 long
        assert places == [pytest.approx([80 - 39.5, 39.5]), pytest.approx([80, 79])]
        words = found.page.inner_text(f"{card(1)} .rewards").replace("\n", " ")
        assert "reward +0.25" in words and "frames −0.25" in words and "found +0.5" in words


NEVER = [{"turn": 1, "action": "sample", "frames": [[10, -1, -1], [40, -1, -1]]}]


def test_why_it_ended_so_stands_beside_it(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        hints = found.page.locator(".hints li").all_inner_texts()
        assert hints[0].startswith("It saw the evidence (3 frames of it, first in the overview)")
        assert hints[1].startswith("Before turn 1 the right choice was its most probable one")
        assert len(hints) == 2


def test_words_that_stand_beside_each_other_are_not_read_as_one(tmp_path: Path) -> None:
    with shown(tmp_path, {**QUESTION, "group": {"family": "when", "tier": "core"}}) as found:
        assert found.page.text_content(".tags").endswith("family when tier core")
        assert "green gold answer" in found.page.text_content(".choices")


def test_a_rule_that_could_not_tell_decided_nothing(tmp_path: Path) -> None:
    with shown(tmp_path, changed(rule="undecided")) as found:
        assert "decided by no rule: none could tell" in found.page.text_content(".verdict .facts")
    with shown(tmp_path, changed(rule="wrong_choice")) as found:
        assert "decided by the rule wrong choice" in found.page.text_content(".verdict .facts")


def test_beliefs_are_drawn_and_told(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        words = page.get_attribute(".beliefs svg[role=img] >> nth=0", "aria-label")
        assert "green: 90 % before turn 1, 20 % before turn 2" in words
        # before turn 1 at the left, 0.9 of 118 pixels above the foot at 128; then 0.2
        assert page.get_attribute(".gold-line .curve >> nth=0", "d") == "M34 21.8L274 104.4"
        page.click(".beliefs summary >> nth=0")
        page.wait_for_selector(".beliefs td")
        assert page.locator(".beliefs td").all_inner_texts() == ["10 %", "90 %", "80 %", "20 %"]
        page.keyboard.press("ArrowRight")
        assert page.get_attribute(".beliefs .here >> nth=0", "d").startswith("M34 ")


def test_without_pictures_the_reason_and_the_times_stand(tmp_path: Path) -> None:
    question = changed(steps=NEVER)
    path = write_question(tmp_path / "page.html", {**question, "missing": "No licence."})
    with opened(f"{path.as_uri()}#q=q") as found:
        found.page.wait_for_selector(".turns")
        assert "No pictures here: No licence." in found.page.inner_text(card(1))
        assert found.page.locator(f"{card(1)} .frame").all_inner_texts() == ["0:10.0", "0:40.0"]
        found.page.click(f"{card(1)} .frame >> nth=1")
        assert found.page.inner_text(".tl-flag") == "0:40.0"
        found.require_quiet()


def test_on_paper_every_text_is_open_and_the_player_is_left_out(tmp_path: Path) -> None:
    with shown(tmp_path, QUESTION) as found:
        page = found.page
        page.emulate_media(media="print")
        # A printer does not wait: all of it must stand when the event is through.
        page.evaluate(
            """() => {
            dispatchEvent(new Event("beforeprint"));
            window.stood = document.querySelectorAll("article.turn ins").length;
        }"""
        )
        assert page.evaluate("window.stood") == 2
        assert page.locator("details.fold:not([open])").count() == 0
        assert not page.is_visible(".player")
        assert page.is_visible(".tl-row >> nth=2")


def test_a_question_without_details_says_so(tmp_path: Path) -> None:
    path = write_question(tmp_path / "page.html", QUESTION)
    with opened(f"{path.as_uri()}#q=other") as found:
        said = found.page.wait_for_selector("#question-view [role=alert]").inner_text()
        assert said.startswith("The details of question other are not in this page")
        found.require_quiet()


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        (1200, False),
        pytest.param(1200, True, marks=pytest.mark.slow),
        pytest.param(420, False, marks=pytest.mark.slow),
    ],
)
def test_readable_by_all(tmp_path: Path, width: int, dark: bool) -> None:
    with shown(tmp_path, QUESTION, "&turn=1", width=width, dark=dark) as found:
        assert serious_violations(found) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        found.page.keyboard.press("Tab")
        found.page.click(f"{card(1)} .frame >> nth=0")
        assert serious_violations(found) == []


def test_scripts_planted_in_every_text_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_view(made_up_run(questions=3, hostile=True), path)
    with opened(f"{path.as_uri()}#view=question&q=q1") as found:
        page = found.page
        page.wait_for_selector(".turn")
        page.evaluate(
            "document.querySelectorAll('#question-view details').forEach(d => { d.open = true; })"
        )
        page.wait_for_timeout(100)
        assert HOSTILE.split("\u2028")[0] in page.inner_text(".question")
        assert (
            page.locator(
                "#question-view script, #question-view img, #question-view [onload]"
            ).count()
            == 0
        )
        found.require_quiet()


def facts(found: Opened) -> dict[str, str]:
    script = """() => Object.fromEntries([...document.querySelectorAll("dl.facts > div")].map(
        (one) => [one.querySelector("dt").textContent, one.querySelector("dd").textContent]))"""
    told: dict[str, str] = found.page.evaluate(script)
    return told


def test_frames_of_another_video_lie_in_no_evidence(tmp_path: Path) -> None:
    """Their times are of that video: a control that is shown a wrong one has seen no evidence."""
    steps = [{**step, "elsewhere": True} for step in STEPS]
    steps[0] = {**steps[0], "frames": [[10, -1, -1], [30, -1, -1], [150, -1, -1]]}
    played = {"entry": "a", "steps": steps, "verdict": True, "prediction": "green"}
    question = QUESTION | {"episodes": [{**played, "other_video": "0035.mp4"}]}
    with shown(tmp_path, question) as found:
        told = facts(found)
        assert told["played on another video"] == "0035.mp4"
        assert "evidence seen" not in told and "first hit" not in told
        assert "evidence" not in str(found.page.text_content(".hints"))
        assert found.page.locator(".thumb.hit, .tl-diamonds").count() == 0
        assert "in the evidence" not in str(found.page.text_content("main"))


def test_a_row_alone_says_what_it_saw(tmp_path: Path) -> None:
    row = {"frames": 9, "turns": 3, "evidence_recall": 1.0, "evidence_hit_turn": 2}
    episodes = [{"entry": "a", "steps": [], "verdict": False, "prediction": "red", "row": row}]
    with shown(tmp_path, QUESTION | {"episodes": episodes}) as found:
        told = facts(found)
        assert told["first hit"] == "turn 2" and told["evidence seen"] == "100 % of 1 span"
        hint = found.page.text_content(".hints li")
        assert hint == "It saw the evidence (first in turn 2) and still answered wrong."
    row |= {"evidence_recall": 0.0, "evidence_hit_turn": None}
    with shown(tmp_path, QUESTION | {"episodes": episodes}) as found:
        assert facts(found)["first hit"] == "never"
        assert found.page.text_content(".hints li") == "It never saw the evidence."
