"""Laws of `page/scripts/flips.js`, `heat_strip.js`: counts are those of the rows."""

from __future__ import annotations

import random

import pytest

from algos.evaluation.measures import difference, paired
from algos.evaluation.row_results import result_of_row
from tests.helpers.viewer.scripts import scripts

ROWS = """
const valueOf = (row, key) => (key in row ? row[key] : null);
const rowsOf = (list) => ({ count: list.length, get: (key, i) => valueOf(list[i], key) });
"""
TALLY = "([list, a, b, where]) => Flips.tally(rowsOf(list), a, b, where)"


@pytest.fixture(scope="module")
def page():
    with scripts(["flips.js", "heat_strip.js"], ["Flips", "HeatStrip", "rowsOf"], ROWS) as found:
        yield found


def row(entry, number, verdict, **more):
    return {"id": f"q{number}", "entry": entry, "verdict": verdict} | more


def result(one):
    rest = {
        "prediction": "x",
        "video": one["id"],
        "group": {},
        "frames": 0,
        "turns": 1,
        "error": None,
    }
    return result_of_row(one | rest)


def ids(rows, pairs):
    assert all(rows[i]["id"] == rows[j]["id"] for i, j in pairs)
    return [rows[i]["id"] for i, _ in pairs]


def test_flips_by_hand(page) -> None:
    a = [True, True, False, False, None, True]
    b = [True, False, True, False, True]
    rows = [row("a", n, v) for n, v in enumerate(a)] + [row("b", n, v) for n, v in enumerate(b)]
    found = page.evaluate(TALLY, [rows, "a", "b", None])
    lists = {key: ids(rows, pairs) for key, pairs in found["lists"].items()}
    assert lists == {"right": ["q0"], "a": ["q1"], "b": ["q2"], "wrong": ["q3"]}
    assert (found["judged"], found["unjudged"], found["alone"]) == (4, 1, 1)
    assert found["difference"] == 0
    assert page.evaluate(TALLY, [rows, "a", "c", None])["difference"] is None


@pytest.mark.parametrize("seed", range(8))
def test_flips_of_random_rows_are_those_of_the_measures(page, seed) -> None:
    draws = random.Random(seed)
    rows = []
    for entry in "abc":
        numbers = [n for n in range(60) if draws.random() < 0.8]
        draws.shuffle(numbers)
        rows += [
            row(entry, n, draws.choice((True, False, None)), **{"group.family": f"f{n % 3}"})
            for n in numbers
        ]
    draws.shuffle(rows)
    for where in (None, {"column": "group.family", "value": "f1"}):
        kept = [r for r in rows if where is None or r["group.family"] == where["value"]]
        ours, theirs = ([result(r) for r in kept if r["entry"] == e] for e in "ab")
        both = paired(ours, theirs)
        found = page.evaluate(TALLY, [rows, "a", "b", where])
        for key, verdicts in {
            "a": (True, False),
            "b": (False, True),
            "wrong": (False, False),
        }.items():
            expected = [a.item_id for a, b in both if (a.correct, b.correct) == verdicts]
            assert ids(rows, found["lists"][key]) == expected
        assert found["judged"] == len(both)
        assert found["difference"] == pytest.approx(difference(ours, theirs).mean)


def test_lines_of_the_heat_strip_are_the_questions_right_most_often_first(page) -> None:
    verdicts = {
        0: (False, False, None),
        1: (False, True, True),
        2: (True, False, True),
        3: (True,) * 3,
    }
    rows = [row(f"u{k}", n, v) for n, all_of in verdicts.items() for k, v in enumerate(all_of)]
    random.Random(1).shuffle(rows)
    rows = [one for one in rows if (one["entry"], one["id"]) != ("u2", "q0")]
    lines = page.evaluate(
        "([list, keys]) => HeatStrip.lines(rowsOf(list), keys)", [rows, ["u0", "u1", "u2"]]
    )
    assert [line["id"] for line in lines] == ["q3", "q2", "q1", "q0"]
    for line in lines:
        told = [None if k is None else (rows[k]["entry"], rows[k]["id"]) for k in line["cells"]]
        expected = [(f"u{k}", line["id"]) for k in range(3)]
        assert told == expected[: 2 + (line["id"] != "q0")] + [None] * (line["id"] == "q0")
