"""Laws of `page/scripts/compare.js`, `compare_parts.js`, `updates.js`: two entries in a browser."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from algos.viewer.reading.replay_commands import what_if_commands
from algos.viewer.view_data import DifferenceView
from algos.viewer.writing import write_view
from sage_env.timeline import clock
from tests.helpers.viewer.browser import chromium, opened, serious_violations
from tests.helpers.viewer.made_up import made_up_run

RUN = made_up_run(40, 2, updates=4, seed=0)
LISTS = {"a": (True, False), "b": (False, True), "wrong": (False, False), "right": (True, True)}


def expected(key, family=None):
    """Ids of a list, from the rows: A is the entry that is shown, B that before."""
    verdicts = {}
    for row in RUN.rows():
        if family in (None, row["group.family"]):
            verdicts.setdefault(row["id"], {})[row["entry"]] = row["verdict"]
    return [n for n, of in verdicts.items() if (of["policy-1"], of["policy-0"]) == LISTS[key]]


def with_commands(run):
    def question(name):
        found = run.question(name)
        commands = what_if_commands(["runs/my run", "--entry", "it's"], name)
        episodes = [replace(one, commands=commands) for one in found.episodes]
        return replace(found, episodes=episodes)

    return replace(run, question=question)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    chromium()
    interval = DifferenceView(
        a="policy-0", b="policy-1", questions=9, difference=0.1, interval=(-0.05, 0.25)
    )
    run = replace(with_commands(RUN), differences=[interval])
    return write_view(run, tmp_path_factory.mktemp("page") / "run.html").path


@pytest.fixture
def at(page_file):
    """Open the page at an address; everything that it did must have been quiet."""
    contexts = []

    def go(address, **window):
        context = opened(f"{page_file.as_uri()}#{address}", **window)
        found = context.__enter__()
        contexts.append((context, found))
        ready = ".flip-summary, .cmp-asked" if "view=compare" in address else ".turn, .turns"
        found.page.wait_for_selector(ready)
        return found.page

    yield go
    try:
        for _, found in contexts:
            found.require_quiet()
    finally:
        for context, _ in contexts:
            context.__exit__(None, None, None)


def counts(page):
    text = page.locator(".flip-lists").text_content()
    return [int(number) for number in re.findall(r"\((\d+)\)", text)]


def test_lists_of_flips_are_those_of_the_rows(at) -> None:
    page = at("view=compare")
    assert counts(page) == [len(expected(key)) for key in LISTS]
    for place, key in enumerate(LISTS):
        page.locator(".flip-lists button").nth(place).click()
        hrefs = page.locator(".flip-table a").evaluate_all("all => all.map(a => a.hash)")
        ids = [re.search(r"[#&]q=([^&]*)", href)[1] for href in hrefs]
        assert ids == expected(key) and f"list={key}" in page.url
    summary = page.locator(".flip-summary").text_content()
    won, lost = len(expected("a")), len(expected("b"))
    points = 100 * (won - lost) / sum(len(expected(key)) for key in LISTS)
    assert f"{abs(points):.1f} points" in summary and "−25.0 to +5.0" in summary


def test_a_group_keeps_its_questions_and_has_no_interval_of_all(at) -> None:
    page = at("view=compare")
    page.locator(".flip-group select").select_option("group.family:count")
    assert counts(page) == [len(expected(key, "count")) for key in LISTS]
    assert "95 %" not in page.locator(".flip-summary").text_content()
    again = at(page.url.partition("#")[2])
    assert counts(again) == counts(page)


def test_the_first_different_turn_is_marked_on_axis_and_list(at) -> None:
    page = at("view=compare&q=q3")
    said = page.locator(".cmp-first").text_content()
    turn = int(re.search(r"turn (\d+)", said)[1])
    assert page.locator(".cmp-turn.first").get_attribute("data-turn") == str(turn)
    assert "first different turn" in page.locator(".cmp-turn.first").text_content()
    before = page.locator(".cmp-turn").evaluate_all("all => all.map(e => e.className)")[:turn]
    assert all("same" in name for name in before)
    assert page.locator(".cmp-axis .tl-row.marked").count() >= 1


def test_swap_and_choice_are_in_the_address(at) -> None:
    page = at("view=compare&q=q3&e=policy-1&f=policy-0")
    heads = page.locator(".cmp-measures thead").text_content()
    assert "A: Policy 1" in heads and "B: Policy 0" in heads
    page.get_by_role("button", name="Swap A and B").click()
    page.locator(".cmp-measures thead", has_text="A: Policy 0").wait_for()
    assert "e=policy-0" in page.url and "f=policy-1" in page.url
    focused = "document.activeElement.textContent"
    assert page.evaluate(focused) == "Swap A and B"  # the keyboard can swap back
    page.get_by_label("Entry B").select_option("update-2")
    page.locator(".cmp-measures thead", has_text="update 2").wait_for()
    page.get_by_label("Entry B").select_option("policy-0")  # what A is: they change places
    page.locator(".cmp-measures thead", has_text="B: Policy 0").wait_for()
    assert "A: After update 2" in page.locator(".cmp-measures thead").text_content()


def test_keys_go_from_flip_to_flip_and_stop_at_the_ends(at) -> None:
    ids = expected("a")
    page = at(f"view=compare&list=a&q={ids[0]}")
    assert page.get_by_role("button", name="Previous flip").is_disabled()
    for name in ids[1:]:
        page.keyboard.press("n")
        page.wait_for_url(re.compile(f"[#&]q={name}(&|$)"))
        page.get_by_text(f"Which colour has the needle {name[1:]}?").first.wait_for()
    assert page.get_by_role("button", name="Next flip").is_disabled()
    page.keyboard.press("n")
    page.keyboard.press("p")
    page.wait_for_url(re.compile(f"[#&]q={ids[-2]}(&|$)"))


def test_arrow_keys_go_from_turn_to_turn(at) -> None:
    page = at("view=compare&q=q3")
    turns = page.locator(".cmp-turn").evaluate_all("all => all.map(e => e.dataset.turn)")
    seen = []
    for _ in turns:
        page.keyboard.press("ArrowRight")
        seen.append(page.locator(".cmp-turn.active").get_attribute("data-turn"))
    assert seen == turns and len(turns) > 1
    page.keyboard.press("ArrowRight")  # there is none
    page.keyboard.press("ArrowLeft")
    assert page.locator(".cmp-turn.active").get_attribute("data-turn") == turns[-2]


def test_a_time_moves_the_cursor_of_what_is_there(at) -> None:
    page = at("view=compare&q=q3")
    page.evaluate("document.querySelector('.compare').dataset.same = '1'")
    page.locator(".cmp-turn .frame").nth(2).click()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("[#&]t=[0-9.]+"))
    assert page.locator(".compare").get_attribute("data-same") == "1"  # nothing was drawn anew
    second = float(re.search(r"[#&]t=([0-9.]+)", page.url)[1])
    frames = [step for step in RUN.question("q3").episodes[1].steps if step.frames][0].frames
    assert second == pytest.approx(frames[2].second, abs=0.05)
    assert page.locator(".tl-flag").text_content() == clock(frames[2].second)


def test_a_difference_of_measures_is_a_minus_b(at) -> None:
    page = at("view=compare&q=q3&e=policy-1&f=policy-0")
    rows = {row["entry"]: row for row in RUN.rows() if row["id"] == "q3"}
    gap = rows["policy-1"]["frames"] - rows["policy-0"]["frames"]
    line = page.locator(".cmp-measures tr", has_text="Frames shown")
    cells = line.locator("td").all_text_contents()
    assert cells[:2] == [str(rows[k]["frames"]) for k in ("policy-1", "policy-0")]
    assert cells[2] == f"{'+' if gap > 0 else '−' if gap else ''}{abs(gap)}"


def test_one_question_over_the_updates(at) -> None:
    page = at("view=question&q=q3")
    items = page.locator(".up-strip li")
    assert items.count() == 4
    rows = {row["entry"]: row for row in RUN.rows() if row["id"] == "q3"}
    words = {True: "right", False: "wrong", None: ""}
    for k, text in enumerate(items.all_text_contents(), 1):
        row = rows[f"update-{k}"]
        assert f"after update {k}" in text and words[row["verdict"]] in text
        assert f"{row['frames']} frame" in text and f"{row['turns']} turn" in text
    page.locator(".up-strip a").nth(2).click()
    page.wait_for_selector(".cmp-asked")
    assert "e=update-3" in page.url and "f=update-2" in page.url


def test_the_heat_strip_opens_what_it_shows(at) -> None:
    page = at("view=compare")
    box = page.locator(".heat")
    box.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    said = page.locator(".heat-said").text_content()
    page.locator(".heat-table summary").click()
    page.locator(".heat-table tbody tr").first.wait_for()
    cells = page.locator(".heat-table tbody tr").nth(1).locator("a")
    assert page.locator(".heat-table tbody tr").count() == 40
    assert cells.nth(1).get_attribute("aria-label") == f"{said}, compare"
    assert "after update 2" in said
    box.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".cmp-asked")
    assert "e=update-2" in page.url and "f=update-1" in page.url


def test_a_command_follows_its_inputs_and_is_copied(at) -> None:
    page = at("view=question&q=q3&turn=1")
    fold = page.locator("summary", has_text="What if").first
    fold.click()
    panel = page.locator(".what-if").first
    panel.get_by_label("Most frames").fill("9")
    command = panel.locator(".what-command").first
    start = "sage-vqa replay 'runs/my run' '--entry=it'\"'\"'s' --question=q3 --turn 1"
    assert command.text_content().startswith(f"{start} --max-frames 9 --max-turns ")
    panel.get_by_label("Most frames").fill("0")
    assert "needs: most frames" in command.text_content()
    assert panel.get_by_role("button", name="Copy: Another budget").is_disabled()
    panel.get_by_role("textbox", name="Policy").fill("a b;$(c)")
    assert "--policy='a b;$(c)'" in panel.locator(".what-command").nth(1).text_content()
    panel.get_by_role("button", name="Copy: Another policy").click()
    panel.locator("[role=status]", has_text="Another policy").wait_for()


def test_narrow_dark_and_silent(at) -> None:
    for window in ({"width": 420}, {"dark": True}, {}):
        page = at("view=compare&q=q3", **window)
        sides = page.locator(".cmp-sides").first.locator(".cmp-side")
        a, b = (sides.nth(k).bounding_box() for k in (0, 1))
        below = b["y"] >= a["y"] + a["height"]
        assert below == (window.get("width") == 420)
        width = window.get("width", 1200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "address, dark",
    [("view=compare", False), ("view=compare&q=q3", True), ("view=question&q=q3", False)],
)
def test_axe_finds_nothing_serious(page_file, address, dark) -> None:
    with opened(f"{page_file.as_uri()}#{address}", dark=dark) as found:
        found.page.wait_for_selector(".flip-summary, .cmp-asked, .turn, .turns")
        if "question" in address:
            found.page.locator("summary", has_text="What if").first.click()
        assert serious_violations(found) == []
        found.require_quiet()


def test_planted_scripts_do_not_run(tmp_path) -> None:
    run = with_commands(made_up_run(6, 2, updates=2, hostile=True))
    path = write_view(run, tmp_path / "run.html").path
    for address in ("view=compare", "view=compare&q=q1", "view=question&q=q1"):
        with opened(f"{path.as_uri()}#{address}") as found:
            found.page.wait_for_selector(".flip-summary, .cmp-asked, .turn, .turns")
            opens = re.compile("What if|of this list|as a table|thought")
            for fold in found.page.locator("summary", has_text=opens).all()[:4]:
                if fold.is_visible():
                    fold.click()
            assert "window.planted=1" in found.page.locator("main").text_content()
            assert found.page.evaluate("typeof window.planted") == "undefined"
            found.require_quiet()


def test_a_run_of_one_entry_says_so(tmp_path) -> None:
    path = write_view(made_up_run(3, 1), tmp_path / "run.html").path
    with opened(f"{path.as_uri()}#view=compare&q=q1") as found:
        found.page.wait_for_selector(".cmp-head")
        assert "nothing to compare" in found.page.locator(".compare").text_content()
        found.require_quiet()


def test_what_was_learned_from_is_no_column_among_the_validations(tmp_path) -> None:
    """Of questions of its own after each update: no question is there over the updates."""
    made = made_up_run(4, entries=1, updates=4)
    names = ("validated-0", "validated-1", "learned-1", "learned-2")
    keys = dict(zip([f"update-{k}" for k in (1, 2, 3, 4)], names, strict=True))
    entries = [replace(made.entries[0])] + [
        replace(one, key=keys[one.key], update=int(keys[one.key][-1])) for one in made.entries[1:]
    ]
    own = {"learned-1": "q2", "learned-2": "q3"}
    rows = [{**row, "entry": keys.get(row["entry"], row["entry"])} for row in made.rows()]
    rows = [row for row in rows if own.get(row["entry"], row["id"]) == row["id"]]
    run = replace(made, entries=entries, shown="policy-0", rows=lambda: iter(rows), count=len(rows))
    run = replace(run, question=lambda name: replace(made.question(name), episodes=()))
    write_view(run, tmp_path / "page.html")
    with opened(f"{(tmp_path / 'page.html').as_uri()}#view=compare") as found:
        found.page.wait_for_selector(".heat")
        found.page.locator(".heat-table summary").click()
        found.page.wait_for_selector(".heat-table thead th")
        heads = found.page.locator(".heat-table thead th").all_text_contents()
        assert found.page.locator(".heat").count() == 1
        assert heads[1:] == ["0", "1"]
        found.require_quiet()
