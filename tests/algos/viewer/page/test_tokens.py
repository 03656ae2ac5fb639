"""Laws of `page/scripts/token_scales`, `tokens`, `sparkline`: numbers of tokens, seen and said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.viewer.browser import Opened, opened, serious_violations, worked
from tests.helpers.viewer.made_up import HOSTILE
from tests.helpers.viewer.one_question import write_question
from tests.helpers.viewer.run_table import until
from tests.helpers.viewer.scripts import scripts

TOKEN = ".tokens-text .tok"
MEASURES = ["logprob", "entropy", "ratio", "advantage", "value"]
PIECES: dict[str, Any] = {
    "text": ['{"', " a\n", "", "é", "b", ""],
    "logprob": [-0.001, -0.05, -0.5, -1.0, -3.0, -9.0],
    "entropy": [0.01, 0.1, 0.3, 0.7, 1.5, 2.5],
    "ratio": [0.4, 0.85, 1.0, 1.05, 1.2, 3.0],
    "advantage": [-2.0, -0.1, 0.0, 0.1, 0.5, 2.0],
    "value": [0.0, 0.05, 0.15, 0.25, 0.45, 0.6],
    "in_loss": [True, True, False, False, True, True],
    "stop": "<|im_end|>",
}
LEVELS = {  # by hand, from the ends that the script names
    "logprob": [0, 1, 2, 3, 4, 5],
    "entropy": [0, 1, 2, 3, 4, 5],
    "ratio": [-4, -2, 0, 1, 2, 4],
    "advantage": [-4, -1, 0, 1, 2, 4],
    "value": [0, 0, 1, 2, 4, 5],
}


@pytest.fixture(scope="module")
def scales() -> Iterator[Any]:
    with scripts(["dom.js", "token_scales.js"], ["TokenScales"]) as page:
        yield page


def levels(page: Any, key: str, numbers: list[Any]) -> list[int | None]:
    pieces = {"text": ["x"] * len(numbers), key: numbers}
    told = """([pieces, key]) => {
      const measure = TokenScales.of(pieces).find((one) => one.key === key);
      const scale = TokenScales.scale(measure, pieces[key]);
      return pieces[key].map((x) => scale.level(x));
    }"""
    found: list[int | None] = page.evaluate(told, [pieces, key])
    return found


@pytest.mark.parametrize("key", MEASURES)
def test_levels_by_hand_and_in_the_order_of_the_numbers(scales: Any, key: str) -> None:
    assert levels(scales, key, PIECES[key]) == LEVELS[key]
    spread = [(k - 300) / 50 for k in range(601)]
    numbers = {"ratio": [math.exp(x) for x in spread], "logprob": spread[:301]}.get(key, spread)
    found = [one for one in levels(scales, key, numbers) if one is not None]
    assert found == sorted(found, reverse=key == "logprob") and len(set(found)) >= 6
    if key in ("ratio", "advantage"):
        middle = 1 if key == "ratio" else 0
        pairs = list(zip(found, numbers, strict=True))
        assert all((x > middle) == (level > 0) for level, x in pairs if level), "the sign is right"
        assert found == [-one for one in reversed(found)], "both sides alike"


def test_what_is_not_known_has_no_level_and_no_button(scales: Any) -> None:
    assert levels(scales, "entropy", [None, 1.0]) == [None, 3]
    assert levels(scales, "ratio", [0, 1.0]) == [None, 0], "no logarithm"
    assert levels(scales, "value", [0.5, 0.5]) == [0, 0], "all the same"
    asked = "(pieces) => TokenScales.of(pieces).map((one) => one.key)"
    assert scales.evaluate(asked, {"text": ["a"], "value": [0], "ratio": [None]}) == ["value"]


# --- on a page


@contextmanager
def shown(folder: Path, *pieces: dict[str, Any], **how: Any) -> Iterator[Opened]:
    """Open a page with a turn for each, and the tokens of the first."""
    steps = [
        {"turn": k, "action": "zoom", "pieces": one, "value": 0.1 * k, "advantage": 1 - k}
        for k, one in enumerate(pieces, 1)
    ]
    question = {"episodes": [{"entry": "a", "steps": steps}]}
    path = write_question(folder / "page.html", question)
    with opened(f"{path.as_uri()}#view=question&q=q&turn=1", **how) as found:
        unfold(found, 1)
        yield found
        found.require_quiet()


def unfold(found: Opened, turn: int) -> None:
    found.page.click(f"#turn-{turn} >> text=Tokens, one by one")
    found.page.wait_for_selector(f"#turn-{turn} {TOKEN}")


def choose(found: Opened, key: str) -> None:
    found.page.click(f".tokens-bar button[data-measure={key}]")


def said(found: Opened, turn: int = 1) -> dict[str, str]:
    """Return what is said of the token that is pointed at, by label."""
    told = "(all) => all.map((one) => [...one.children].map((part) => part.textContent))"
    return dict(found.page.eval_on_selector_all(f"#turn-{turn} .tokens-said > div", told))


def computed(found: Opened) -> list[dict[str, Any]]:
    told = """(all) => all.map((one) => {
      const style = getComputedStyle(one);
      const alpha = /\\/ ([0-9.]+)\\)$/.exec(style.backgroundColor);
      return {
        line: parseFloat(style.borderBottomWidth), dash: style.borderBottomStyle,
        alpha: alpha ? parseFloat(alpha[1]) : style.backgroundColor === "rgba(0, 0, 0, 0)" ? 0 : 1,
        colour: style.backgroundColor, struck: style.textDecorationLine,
      };
    })"""
    found_: list[dict[str, Any]] = found.page.eval_on_selector_all(TOKEN, told)
    return found_


def test_colour_and_line_grow_with_the_number_and_tell_its_side(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES) as found:
        for key in MEASURES:
            choose(found, key)
            marks = computed(found)
            strength = [abs(level) for level in LEVELS[key]]
            by_strength = sorted(zip(strength, marks, strict=True), key=lambda pair: pair[0])
            for (low, one), (high, other) in zip(by_strength, by_strength[1:], strict=False):
                assert (one["line"] < other["line"]) == (low < high), key
                assert (one["alpha"] < other["alpha"]) == (low < high), key
            dashed = [mark["dash"] == "dashed" for mark in marks]
            assert dashed == [level < 0 for level in LEVELS[key]], key
            hues = [mark["colour"].rpartition("/")[0] for mark in marks]
            sides = [
                {hue for hue, level in zip(hues, LEVELS[key], strict=True) if level * side > 0}
                for side in (1, -1)
            ]
            up, down = sides
            assert len(up) == 1 and len(down) == (key in ("ratio", "advantage")) and not up & down


def test_the_mask_is_struck_and_said(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES, {**PIECES, "in_loss": [True] * 6}) as found:
        struck = ["line-through" in mark["struck"] for mark in computed(found)]
        assert struck == [not one for one in PIECES["in_loss"]]
        assert "not in the loss" in found.page.inner_text(".tokens-legend")
        assert "2 of them not in the loss" in found.page.inner_text(".tokens-summary")
        unfold(found, 2)
        assert "all in the loss" in found.page.inner_text("#turn-2 .tokens-summary")
        assert "not in the loss" not in found.page.inner_text("#turn-2 .tokens-legend")


def test_blanks_and_special_tokens_are_seen(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES) as found:
        texts = found.page.eval_on_selector_all(TOKEN, "(all) => all.map((one) => one.textContent)")
        assert texts == ['{"', "·a↵", "…", "é", "b", "<|im_end|>"]
        assert found.page.locator(f"{TOKEN}.special").count() == 1
        assert found.page.locator(f"{TOKEN}.part").count() == 1
        summary = found.page.inner_text(".tokens-summary")
        assert "6 tokens" in summary and "least −9 at “<|im_end|>” (token 6)" in summary


def test_keys_move_over_tokens_and_say_their_numbers(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES, PIECES) as found:
        page = found.page
        page.focus(f"{TOKEN} >> nth=0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert said(found) == {
            "token 4": "é",
            "log-prob": "−1 (37 %)",
            "entropy": "0.7",
            "ratio": "1.05",
            "advantage": "+0.1",
            "value": "0.25",
            "loss": "not in it",
        }
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label.startswith("token 4 é, log-prob −1 (37 %)") and "loss not in it" in label
        assert page.locator("#turn-1 .tok[tabindex='0']").count() == 1
        page.keyboard.press("End")
        assert said(found)["token 6"] == "<|im_end|>" and said(found)["is"] == "the stop token"
        page.keyboard.press("ArrowRight")  # no further
        page.keyboard.press("Home")
        assert said(found)["token 1"] == '{"'
        page.wait_for_timeout(400)  # the address follows a little later
        assert "turn=1" in page.evaluate("location.hash"), "the arrow keys moved no turn"


def test_pointing_says_the_numbers(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES) as found:
        found.page.hover(f"{TOKEN} >> nth=4")
        assert said(found)["token 5"] == "b"


def test_a_pointer_that_rests_says_nothing_when_the_text_moves_under_it(tmp_path: Path) -> None:
    many = {"text": [" word"] * 900, "logprob": [-1.0] * 900}
    with shown(tmp_path, many, height=500) as found:
        found.page.hover(f"{TOKEN} >> nth=20")
        assert "token 21" in said(found)
        found.page.focus(f"{TOKEN} >> nth=0")
        found.page.keyboard.press("End")
        found.page.wait_for_timeout(300)  # a browser tells a resting pointer what is under it now
        assert "token 900" in said(found)


def test_a_measure_that_was_chosen_stays_for_the_next_turn(tmp_path: Path) -> None:
    few = {"text": ["x"], "logprob": [-1.0]}
    with shown(tmp_path, PIECES, PIECES, few) as found:
        assert found.page.get_attribute("#turn-1 [data-measure=logprob]", "aria-pressed") == "true"
        choose(found, "advantage")
        unfold(found, 2)
        again = found.page.locator("#turn-2 [data-measure=advantage]")
        assert again.get_attribute("aria-pressed") == "true"
        unfold(found, 3)
        pressed = found.page.locator("#turn-3 [aria-pressed=true][data-measure]")
        assert pressed.count() == 1 and pressed.get_attribute("data-measure") == "logprob"
        assert found.page.locator("#turn-3 [data-measure]").count() == 1


def test_numbers_stand_under_the_tokens_when_asked_for(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES) as found:
        choose(found, "ratio")
        found.page.check(".tokens-bar input")
        under = "(all) => all.map((one) => getComputedStyle(one, '::after').content)"
        assert found.page.eval_on_selector_all(TOKEN, under) == [
            '"0.4"', '"0.85"', '"1"', '"1.05"', '"1.2"', '"3"'
        ]  # fmt: skip
        choose(found, "logprob")
        assert found.page.eval_on_selector_all(TOKEN, under)[4] == '"−3"', "without the percent"


def test_value_and_advantage_have_a_course_over_the_turns(tmp_path: Path) -> None:
    with shown(tmp_path, PIECES, PIECES, PIECES) as found:
        labels = found.page.eval_on_selector_all(
            ".sparkline svg", "(all) => all.map((one) => one.getAttribute('aria-label'))"
        )
        assert labels == [
            "value by turn: turn 1: 0.1, turn 2: 0.2, turn 3: 0.3",
            "advantage by turn: turn 1: 0, turn 2: −1, turn 3: −2",
        ]
        places = found.page.eval_on_selector_all(
            ".sparkline >> nth=1 >> circle", "(all) => all.map((c) => +c.getAttribute('cy'))"
        )
        assert places == sorted(places) and len(set(places)) == 3, "what falls goes down"


def test_planted_texts_are_only_text(tmp_path: Path) -> None:
    planted = {
        **PIECES,
        "text": [HOSTILE, "\u202e", "\x00", "<b>", "</script>", ""],
        "stop": HOSTILE,
    }
    with shown(tmp_path, planted) as found:
        texts = found.page.eval_on_selector_all(TOKEN, "(all) => all.map((one) => one.textContent)")
        assert texts[0].startswith("</script><script>window.planted=1") and "⟨U+202E⟩" in texts[0]
        assert texts[1:5] == ["⟨U+202E⟩", "⟨U+0000⟩", "<b>", "</script>"]
        assert found.page.locator(f"{TOKEN} *").count() == 0
        for k in range(6):
            found.page.click(f"{TOKEN} >> nth={k}")


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_and_fits_a_narrow_screen(tmp_path: Path, dark: bool) -> None:
    with shown(tmp_path, PIECES, dark=dark, width=420) as found:
        for key in MEASURES:
            choose(found, key)
            assert [one for one in serious_violations(found) if "tok" in one] == []
        found.page.check(".tokens-bar input")
        assert [one for one in serious_violations(found) if "tok" in one] == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 420


def test_five_thousand_tokens_do_not_freeze_the_page(tmp_path: Path) -> None:
    count = 5000
    many = {
        "text": [" word"] * count,
        **{key: [PIECES[key][k % 6] for k in range(count)] for key in MEASURES},
    }
    with shown(tmp_path, many) as found:
        until(found, f"document.querySelectorAll('{TOKEN}').length === {count}")
        button = "document.querySelector('[data-measure=ratio]')"
        click = f"() => {{ {button}.click(); document.body.offsetHeight; }}"
        took = worked(found, lambda: found.page.evaluate(click))
        assert took < 1.0, "0.04 s on one core"
        found.page.focus(f"{TOKEN} >> nth=0")
        found.page.keyboard.press("End")
        assert said(found)[f"token {count}"] == "·word"
