"""Laws of `page/scripts/beliefs`, `compare_parts`, `curve_data`, `curves`, `frames`, `heat_strip`,
`looks`, `player`, `scene`, `turn_card`, `turns`, `updates`, `what_if`, `work`: small
numbers worked by hand, each script beside stand-ins for the file and the address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from algos.viewer.page.page_files import SCRIPTS
from tests.helpers.viewer.scripts import scripts

LEFT_OUT = {  # they want the page around them as soon as they are read
    "data.js", "state.js", "keys.js", "tools.js", "main.js", "run.js", "live.js",
    "selection.js", "columns.js", "filters.js", "filter_panel.js", "column_chooser.js",
    "downloads.js", "compare.js", "question.js", "section_links.js"
}  # fmt: skip
NAMES = (
    "Axis", "Beliefs", "CompareParts", "CurveData", "Curves", "Data", "Dom", "Flips", "Frames",
    "HeatStrip", "Looks", "Player", "Scene", "TurnCard", "Turns", "Updates", "Verdict", "WhatIf",
    "Work", "given",
)  # fmt: skip
STUBS = """
let table = [];
const Data = {
  run: { entries: [], columns: [] },
  rows: {
    get count() { return table.length; },
    get: (key, i) => (table[i][key] === undefined ? null : table[i][key]),
  },
  rowOf: () => -1, sheet: () => Promise.resolve(null), picture: () => null, onLoad: () => {},
};
const State = {
  get: () => ({}), set: () => {}, on: () => {},
  link: (changes) => `#${new URLSearchParams(changes)}`,
};
const Keys = { add: () => {}, bindings: [] };
const given = (rows, run = {}) => { table = rows; Object.assign(Data.run, run); };
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    names = [name.removeprefix("scripts/") for name in SCRIPTS if name.startswith("scripts/")]
    files = [name for name in names if name not in LEFT_OUT]
    with scripts(files, NAMES, STUBS) as found:
        yield found


def step(turn: int, action: str = "zoom", *seconds: float, **more: Any) -> dict[str, Any]:
    return {"turn": turn, "action": action, "frames": [[one, -1, -1] for one in seconds], **more}


def played(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"entry": "a", "steps": list(steps), **more}


# --- frames


def test_a_size_is_told_as_width_by_height(page: Any) -> None:
    assert page.evaluate("Looks.sizeWords([252, 448])") == "448 × 252 pixels"


def test_of_two_frames_as_near_the_earlier_is_the_nearest(page: Any) -> None:
    nearest = "(at) => Looks.nearest([{ second: 1 }, { second: 3 }, { second: 5 }], at).second"
    assert [page.evaluate(nearest, at) for at in (2, 2.1, 4, 9)] == [1, 3, 3, 5]


def test_a_frame_was_seen_before_within_a_480th_of_a_second(page: Any) -> None:
    """30 and 30.002 are in different buckets of 1/480 s, 30.0022 is further than one."""
    episode = played(step(1, "zoom", 30.0), step(2, "zoom", 30.002, 30.0022), step(3, "zoom", 31))
    seen = page.evaluate("(one) => Looks.frames({}, one).map((frame) => frame.seen)", episode)
    assert seen == [None, 1, None, None]


def test_many_frames_stand_on_pages(page: Any) -> None:
    told = """(episode) => {
      const strip = Frames.strip({}, episode.steps[0], { episode, time: 99 }).element;
      const said = () => strip.querySelector("[aria-live]").textContent;
      const shown = () => [strip.querySelectorAll("li").length, said()];
      const last = shown();
      strip.querySelector(".frames-bar button").click();
      return [last, shown(), strip.querySelector("li:last-child").dataset.place];
    }"""
    episode = played(step(1, "zoom", *range(100)))
    assert page.evaluate(told, episode) == [
        [4, "frames 97 to 100 of 100"], [48, "frames 49 to 96 of 100"], "95",
    ]  # fmt: skip


def test_playing_goes_on_after_the_frame_at_the_cursor(page: Any) -> None:
    told = """([episode, time, turn]) => {
      const seen = [];
      const player = Player.create({}, episode, { time, turn, onTime: (...at) => seen.push(at) });
      document.body.replaceChildren(player.element);
      player.toggle();
      player.stop();
      return seen[0];
    }"""
    episode = played(step(0, "overview", 1, 2), step(1, "zoom", 1.5))
    assert page.evaluate(told, [episode, 1, 0]) == [2, 0]
    assert page.evaluate(told, [episode, 2, 0]) == [1.5, 1]
    assert page.evaluate(told, [episode, 1.5, 1]) == [1, 0], "from the start after the last"
    assert page.evaluate(told, [episode, 1.7, 0]) == [1, 0], "and from where no frame is"


# --- the time axis


def test_clocks_carry_into_the_minute(page: Any) -> None:
    assert page.evaluate("[59.94, 59.96, 3599.96].map((one) => Dom.clock(one))") == [
        "0:59.9", "1:00.0", "1:00:00.0",
    ]  # fmt: skip
    assert page.evaluate("[Axis.clock(59.96, 1), Axis.clock(59.5), Axis.clock(3600)]") == [
        "1:00.0", "1:00", "1:00:00",
    ]  # fmt: skip


def test_a_window_follows_a_second_that_it_does_not_show(page: Any) -> None:
    showing = "(at) => Axis.showing([20, 30], at, 100)"
    assert page.evaluate(showing, 30) == [20, 30]
    assert page.evaluate(showing, 50) == [45, 55]
    assert page.evaluate(showing, 99) == [90, 100] and page.evaluate(showing, 2) == [0, 10]


def test_labels_of_ticks_are_exact(page: Any) -> None:
    for end in (0.04, 0.3, 3, 45, 7200):
        found = page.evaluate("(end) => Axis.ticks([0, end], 800)", end)
        for second in found["seconds"]:
            assert round(second, found["decimals"]) == pytest.approx(second, abs=1e-9)


def test_speech_is_half_open_and_stands_where_it_is_spoken(page: Any) -> None:
    speech = [[10, 20, "one"], [20, 30, "two"]]
    at = "([speech, second]) => (Scene.speechAt({ speech }, second) || [])[2] || null"
    assert [page.evaluate(at, [speech, one]) for one in (9, 10, 20, 30)] == [
        None, "one", "two", None,
    ]  # fmt: skip
    bars = """(speech) => Scene.soundRow({ question: { speech }, window: [0, 100], width: 300 })[0]
      .getAttribute("d").match(/M[0-9]+/g).map((one) => Number(one.slice(1)))"""
    found = page.evaluate(bars, speech[:1])
    assert (min(found), max(found)) == (30, 57)  # 3 pixels a second: bars of [30, 60)


# --- numbers of a turn and of an episode


def test_a_low_rate_is_told_by_the_minute(page: Any) -> None:
    told = """(one) => {
      const view = { question: {}, episode: { steps: [one] }, scale: 1 };
      return TurnCard.create(view, one, null).element.querySelector(".turn-rate").textContent;
    }"""
    assert page.evaluate(told, step(1, "zoom", 1, 2, 3, span=[0, 4])) == "0.75 frames a second"
    assert page.evaluate(told, step(1, "zoom", 1, 2, span=[0, 60])) == "2 frames a minute"


def test_bars_of_credit_stand_on_the_side_of_their_sign(page: Any) -> None:
    """Zero is at 39, the largest is 29 long."""
    told = """(episode) => [...Beliefs.panel({}, episode, {}).element.querySelectorAll("rect")]
      .map((one) => ["y", "height"].map((name) => Number(one.getAttribute(name))))"""
    episode = played(step(1, credit=1.0), step(2, credit=-0.5))
    assert page.evaluate(told, episode) == [[10, 29], [39, 14.5]]


def test_the_ends_of_beliefs_are_those_of_the_last_turn(page: Any) -> None:
    told = """(episode) => [...Beliefs.panel({ choices: ["x", "y"], gold_choice: 1 }, episode, {})
      .element.querySelectorAll("text.end")].map((one) => one.textContent)"""
    episode = played(step(1, beliefs=[0.9, 0.1]), step(2, beliefs=[0.2, 0.8]))
    assert page.evaluate(told, episode) == ["B 80 % ◆", "A 20 %"]


# --- two entries, and updates


def test_a_sum_of_nothing_known_is_not_known(page: Any) -> None:
    total = "(steps) => CompareParts.total(steps, 'reward')"
    assert page.evaluate(total, [{"reward": None}, {}]) is None
    assert page.evaluate(total, [{"reward": 1.5}, {}, {"reward": -2}]) == -0.5


def test_beliefs_of_two_are_set_against_each_other(page: Any) -> None:
    told = """([question, rows]) => [...CompareParts.beliefs(question, rows).querySelectorAll("td")]
      .map((one) => one.textContent)"""
    question = {"choices": ["x", "y", "z"], "gold_choice": 1}
    rows = [{"turn": 1, "a": {"beliefs": [0.1, 0.7, 0.2]}, "b": {"beliefs": [0.5, 0.5, 0.0]}}]
    assert page.evaluate(told, [question, rows]) == ["70 %", "50 %", "+20.0", "x", "−40.0"]


def test_the_right_choice_is_marked(page: Any) -> None:
    told = (
        """(question) => CompareParts.asked(question, [0, 0]).querySelector(".gold").textContent"""
    )
    question = {"question": "?", "choices": ["x", "y", "z"], "gold_choice": 1}
    assert page.evaluate(told, question).startswith("y")


def test_an_update_says_what_its_row_says_and_whether_the_verdict_changed(page: Any) -> None:
    page.evaluate("""given([], { entries: [0, 1, 2].map((update) =>
        ({ key: `u${update}`, title: `U${update}`, update })) })""")
    episodes = [
        played(step(0, "overview", 1, 2), step(1, "answer"), entry=f"u{k}", verdict=right, row=row)
        for k, (right, row) in enumerate([(False, {}), (False, {"frames": 9}), (True, {})])
    ]
    told = """(question) => [...Updates.strip(question).querySelectorAll("li")]
      .map((one) => [one.className, one.querySelector(".up-facts").textContent])"""
    found = page.evaluate(told, {"id": "q", "duration": 10, "episodes": episodes})
    assert [name for name, _ in found] == ["", "", "changed"]
    assert [text.split(" · ")[2] for _, text in found] == ["2 frames", "9 frames", "2 frames"]


def test_cells_of_the_heat_strip_lie_by_update_across_and_question_down(page: Any) -> None:
    """Of 60 by 11 pixels; q1 is right after update 1 alone, q0 never and once not judged."""
    page.evaluate("""given([
      { id: "q0", entry: "u0", verdict: false, frames: 4 },
      { id: "q0", entry: "u1", verdict: null },
      { id: "q1", entry: "u0", verdict: false, frames: 2 },
      { id: "q1", entry: "u1", verdict: true, frames: 8 },
    ])""")
    told = """() => {
      const strip = HeatStrip.create([0, 1].map((update) => ({ key: `u${update}`, update })),
        { link: () => null, name: (one) => one.key }).element;
      const places = (name, form) => strip.querySelector(name).getAttribute("d").match(form);
      const at = (kind) => places(`.heat-${kind}`, /M[0-9.]+ [0-9.]+/g);
      const marks = ["right", "wrong", "none"].map(at);
      strip.querySelectorAll(".heat-switch button")[1].click();
      return [marks, places(".heat-bars", /M[0-9.]+ [0-9.]+h[0-9.]+/g)];
    }"""
    marks, bars = page.evaluate(told)
    assert marks == [["M61 1"], ["M27 2.5", "M27 13.5"], ["M90 16.5"]]
    assert bars == ["M1 2h14.5", "M61 2h58.0", "M1 13h29.0"]  # of 58 pixels: 2, 8 and 4 of 8


# --- learning curves


def test_what_was_not_measured_is_no_zero(page: Any) -> None:
    rows = [{"update": 3, "a": 1.0}, {"update": 4, "a": None, "b": 2}, {"update": 5, "a": "x"}]
    found = page.evaluate("(rows) => CurveData.read(rows)", rows)
    assert found["axis"] == "update" and found["x"] == [3, 4, 5] and found["names"] == ["a", "b"]
    assert found["values"] == {"a": [1, None, None], "b": [None, 2, None]}


def test_smoothing_forgets_the_older_values(page: Any) -> None:
    """Kept by half: 4, then (4/2 + 1) / 1.5, then nothing, then (3/2 + 3) / 1.75."""
    found = page.evaluate("CurveData.smooth([4, 1, null, 3], 0.5)")
    assert found == [4, 2, None, pytest.approx(4.5 / 1.75)]
    assert page.evaluate("CurveData.smooth([4, null], 0)") == [4, None]


def test_the_cursor_finds_the_nearest_value(page: Any) -> None:
    found = "[-5, 0, 4, 6, 7.4, 7.6, 99].map((at) => CurveData.nearest([0, 5, 10], at))"
    assert page.evaluate(found) == [0, 0, 1, 1, 1, 2, 2]
    assert page.evaluate("CurveData.nearest([3], 9)") == 0


def test_a_logarithm_has_no_end_at_zero(page: Any) -> None:
    assert page.evaluate("CurveData.ends([0, 2, null, 8], true)") == [2, 8]
    assert page.evaluate("CurveData.ends([0, 2, null, 8], false)") == [0, 8]
    assert page.evaluate("[CurveData.ends([3], true), CurveData.ends([], false)]") == [
        [1.5, 6], [0, 1],
    ]  # fmt: skip


def test_a_curve_that_rises_goes_up(page: Any) -> None:
    told = """() => {
      const box = document.createElement("div");
      document.body.replaceChildren(box);
      Curves.mount(box, [0, 1, 2].map((update) => ({ update, "eval/score": update / 2 })));
      return box.querySelector(".curve-line").getAttribute("d");
    }"""
    places = re.findall(r"[ML]([0-9.]+) ([0-9.]+)", page.evaluate(told))
    across, down = zip(*[(float(x), float(y)) for x, y in places], strict=True)
    assert down == (130, 69, 8)  # from the foot to the top
    assert across[1] - across[0] == across[2] - across[1] > 100


# --- what else is counted


def test_the_active_turn_is_on_the_page_of_turns_that_is_shown(page: Any) -> None:
    told = """(episode) => {
      const list = Turns.list({}, episode, { turn: 30 });
      const cards = () => [...list.element.querySelectorAll("article")];
      const shown = () => cards().map((one) => Number(one.dataset.turn));
      const first = shown();
      list.update({ turn: 41 });
      return [first, shown(), list.element.querySelector("[aria-current]").dataset.turn];
    }"""
    episode = played(*(step(k, "skip", span=[k, k + 1]) for k in range(1, 46)))
    first, then, active = page.evaluate(told, episode)
    assert first == list(range(21, 41)) and then == list(range(41, 46)) and active == "41"


def test_a_list_of_flips_opens_at_the_page_of_its_question(page: Any) -> None:
    page.evaluate("""given(Array.from({ length: 240 }, (_, k) =>
      ({ id: `q${k >> 1}`, entry: k % 2 ? "b" : "a", verdict: k % 2 === 0 })))""")
    told = """(q) => {
      const box = document.createElement("div");
      Flips.list(box, { state: { e: "a", f: "b", list: "a", q }, onList() {}, onWhere() {} });
      const all = [...box.querySelectorAll("tbody a")].map((one) => one.textContent);
      return [all.length, all[0], box.querySelector(".flip-pager [role=status]").textContent];
    }"""
    assert page.evaluate(told, "q3") == [50, "q0", "page 1 of 3"]
    assert page.evaluate(told, "q50") == [50, "q50", "page 2 of 3"]
    assert page.evaluate(told, "q119") == [20, "q100", "page 3 of 3"]


def test_commands_begin_at_the_turn_that_was_opened(page: Any) -> None:
    page.evaluate("given([], { entries: [{ key: 'a', told: { policy: 'mine' } }] })")
    commands = [["go", "x --turn {turn} --policy={policy}"], ["drop", "x --drop {drop}"]]
    told = """([episode, turn]) => [...WhatIf.panel({}, episode, turn).querySelectorAll("pre")]
      .map((one) => one.textContent)"""
    episode = played(
        step(0, "overview", 1), step(1, "zoom", 2), step(2, "skip"), commands=commands,
        row={"policy": "another"},
    )  # fmt: skip
    found = {turn: page.evaluate(told, [episode, turn]) for turn in (0, 1, 2)}
    assert found == {
        0: ["x --turn 1 --policy=mine", "x --drop 0"],
        1: ["x --turn 1 --policy=mine", "x --drop 1"],
        2: ["x --turn 2 --policy=mine"],  # it was shown no frame
    }


def test_what_is_equal_stays_in_order_when_runs_are_merged(page: Any) -> None:
    sorted_ = """async () => {
      const items = Array.from({ length: 5000 }, (_, place) => ({ key: (7 * place) % 3, place }));
      const found = await Work.sorted(items, (a, b) => a.key - b.key);
      const after = (one, other) => one.key < other.key || one.place < other.place;
      return found.every((one, k) => !k || after(found[k - 1], one));
    }"""
    assert page.evaluate(sorted_)
