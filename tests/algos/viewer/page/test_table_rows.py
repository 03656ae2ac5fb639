"""Laws of `page/scripts/filters`, `selection`, `columns`, `work`: the rows are Python's rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from algos.viewer.writing import write_view
from sage_env.timeline import clock
from tests.helpers.viewer import made_up
from tests.helpers.viewer.browser import opened
from tests.helpers.viewer.run_table import go, natural, ordered, run_of, saved_keys, settled

COLUMNS = tuple(one for one in made_up.COLUMNS if one.shown and one.key != "frames")
FAMILIES = ["needle", "two words", 'a "quoted", one', "none", "a:b", None]
WORDS = ["red", "Rot", "ÄRGER", "q7", "10", "9", 'a"b', "x,y", "a:b", "%", "\\", "+", "straße"]


def random_rows(seed: int, questions: int) -> list[dict]:
    draws = random.Random(seed)
    rows = []
    for number in range(questions):
        for entry in ("policy-0", "policy-1"):
            if draws.random() < 0.1:
                continue
            rows.append(
                {
                    "id": f"q{number}",
                    "entry": entry,
                    "question": " ".join(draws.choices(WORDS, k=3)),
                    "group.family": draws.choice(FAMILIES),
                    "duration": draws.choice([None, 9.5, 10, 100.25, 3600, draws.random() * 1e4]),
                    "verdict": draws.choice([True, False, None]),
                    "prediction": draws.choice([None, *WORDS]),
                    "gold": draws.choice(WORDS),
                    "turns": draws.choice([None, -1, 0, 2, 10, 9]),
                    "evidence_recall": draws.choice([None, 0.0, 0.25, 1.0]),
                }
            )
    draws.shuffle(rows)
    for row in rows:
        if row["duration"] is not None:
            row["duration"] = round(row["duration"], 2)
    return rows


ROWS = random_rows(3, 300)


@dataclass
class Asked:
    """A random address, and the law of its rows."""

    state: dict = field(default_factory=dict)
    tests: list = field(default_factory=list)
    sort: tuple[str, bool] | None = None

    def rows(self) -> list[tuple[str, str]]:
        kept = [row for row in ROWS if all(test(row) for test in self.tests)]
        if self.sort:
            key, down = self.sort
            number = key in ("duration", "turns", "evidence_recall")
            of = float if number else lambda value: natural(str(value).lower())
            if key == "verdict":
                of = lambda value: natural(str(value))  # noqa: E731
            kept = ordered(kept, key, down, of)
        else:
            first = list(dict.fromkeys(row["id"] for row in ROWS))
            kept = sorted(kept, key=lambda row: first.index(row["id"]))
        return [(row["id"], row["entry"]) for row in kept]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def low(row: dict, key: str) -> str:
    return str("" if row[key] is None else row[key]).lower()


def term(draws: random.Random) -> tuple[str, object]:
    kind = draws.randrange(6)
    if kind == 0:
        names = draws.sample(["right", "wrong", "none"], draws.randint(1, 2))
        wanted = {{"right": True, "wrong": False, "none": None}[name] for name in names}
        return f"verdict:{','.join(names)}", lambda row: row["verdict"] in wanted
    if kind == 1:
        families = draws.sample(FAMILIES, 2)
        text = ",".join("none" if one is None else quoted(one) for one in families)
        return f"family:{text}", lambda row: row["group.family"] in families
    if kind == 2:
        least, most = sorted(draws.sample([-1, 0, 2, 9, 10], 2))
        text, least, most = draws.choice(
            [(f"{least}..{most}", least, most), (f"{least}..", least, 99), (f"..{most}", -9, most)]
        )
        return (
            f"turns:{text}",
            lambda row: row["turns"] is not None and (least <= row["turns"] <= most),
        )
    if kind == 3:
        return (
            "duration:0:10..1:00:00",
            lambda row: row["duration"] is not None and (10 <= row["duration"] <= 3600),
        )
    if kind == 4:
        seen = draws.random() < 0.5
        return (
            f"evidence:{'seen' if seen else 'unseen'}",
            lambda row: row["evidence_recall"] is not None and (row["evidence_recall"] > 0) == seen,
        )
    word = draws.choice(WORDS)
    return f"prediction:{quoted(word)}", lambda row: word.lower() in low(row, "prediction")


def asked(seed: int) -> Asked:
    draws = random.Random(seed)
    made = Asked()
    entry = draws.choice([None, "*", "policy-0"])
    shown = entry or "policy-1"
    made.tests.append(lambda row: shown == "*" or row["entry"] == shown)
    terms = dict([term(draws) for _ in range(draws.randint(0, 2))])
    by_column = {text.partition(":")[0]: (text, test) for text, test in terms.items()}
    made.tests += [test for _, test in by_column.values()]
    texts = [f"entry:{entry}"] if entry else []
    made.state["filter"] = " ".join([*texts, *(text for text, _ in by_column.values())])
    if draws.random() < 0.6:
        words = draws.sample([word for word in WORDS if '"' not in word], draws.randint(1, 2))
        made.state["find"] = " ".join(words)
        fields = ("question", "id", "gold", "prediction")
        made.tests.append(
            lambda row: all(any(w.lower() in low(row, key) for key in fields) for w in words)
        )
    if draws.random() < 0.8:
        key = draws.choice([column.key for column in COLUMNS])
        made.sort = (key, draws.random() < 0.5)
        made.state["sort"] = ("-" if made.sort[1] else "") + key
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "page.html"
    write_view(run_of(ROWS, COLUMNS, entries=2), path)
    with opened(path) as found:
        settled(found)
        yield found
        found.require_quiet()


@pytest.mark.parametrize("seed", range(14))
def test_filters_search_and_order_are_what_python_makes_of_the_rows(page, seed):
    wanted = asked(seed)
    go(page, **wanted.state)
    assert saved_keys(page) == wanted.rows(), wanted.state


@pytest.mark.parametrize("seen", [True, False])
def test_evidence_that_is_not_known_was_neither_seen_nor_unseen(page, seen):
    go(page, filter=f"entry:* evidence:{'seen' if seen else 'unseen'}")
    known = [row for row in ROWS if row["evidence_recall"] is not None]
    wanted = {(row["id"], row["entry"]) for row in known if (row["evidence_recall"] > 0) == seen}
    assert set(saved_keys(page)) == wanted and 0 < len(wanted) < len(known)


@pytest.mark.parametrize(
    ("name", "verdict", "word", "kind"),
    [
        ("right", True, "✓ right", "right"),
        ("wrong", False, "✗ wrong", "wrong"),
        ("none", None, "? not judged", "none"),
    ],
)
def test_a_row_shows_its_verdict_its_length_and_leads_to_its_own_entry(
    page, name, verdict, word, kind
):
    go(page, filter=f"entry:policy-0 verdict:{name} duration:9..", sort="duration")
    rows = [row for row in ROWS if row["entry"] == "policy-0" and row["verdict"] is verdict]
    first = min(row["duration"] for row in rows if (row["duration"] or 0) >= 9)
    cells = page.page.locator(".body .row[aria-rowindex='2'] > *")
    heads = page.page.locator(".head .sort").all_text_contents()
    told = dict(zip(heads, cells.all_text_contents(), strict=True))
    assert told["Verdict"] == word and told["Length ▲"] == clock(first)
    shown = cells.nth(heads.index("Verdict")).get_attribute("class")
    assert shown == f"cell {kind}"
    href = page.page.locator(".body .row[aria-rowindex='2'] a").get_attribute("href")
    assert "e=policy-0" in href[1:].split("&")


def test_some_of_these_addresses_find_something_and_some_do_not_find_all():
    sizes = [len(asked(seed).rows()) for seed in range(14)]
    assert sum(0 < size < len(ROWS) for size in sizes) > 8


def test_the_count_is_said_and_is_that_of_the_rows(page):
    go(page, filter="entry:* verdict:right")
    right = sum(row["verdict"] is True for row in ROWS)
    assert page.page.text_content(".count") == f"{right} of {len(ROWS)} answers"
    assert page.page.get_attribute(".count", "aria-live") == "polite"
    assert page.page.get_attribute(".grid-box", "aria-rowcount") == str(right + 1)


def test_counts_of_a_dialog_are_those_of_rows_that_pass_all_other_filters(page):
    go(page, filter="verdict:right turns:0..10")
    page.page.click(".filter.on >> nth=0")
    shown = page.page.locator("dialog .choice").all_text_contents()
    passed = [
        row
        for row in ROWS
        if row["entry"] == "policy-1" and row["turns"] is not None and row["turns"] >= 0
    ]
    counts = [sum(row["verdict"] is one for row in passed) for one in (True, False, None)]
    words = ["✓ right", "✗ wrong", "? not judged"]
    assert [text.split() for text in shown] == [
        [*word.split(), str(count)] for word, count in zip(words, counts, strict=True)
    ]
    page.page.get_by_role("button", name="Done").click()


def test_outcome_by_evidence_are_four_parts_of_what_is_known(page):
    go(page, filter="")
    page.page.wait_for_selector(".cells button")
    counts = page.page.locator(".cells button b").all_text_contents()
    known = [row for row in ROWS if row["entry"] == "policy-1" and row["verdict"] is not None]
    seen = [(row["verdict"], (row["evidence_recall"] or 0) > 0) for row in known
            if row["evidence_recall"] is not None]  # fmt: skip
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    assert [int(count) for count in counts] == [seen.count(pair) for pair in pairs]
    page.page.get_by_role("button", name="misread").click()
    settled(page)
    assert len(saved_keys(page)) == seen.count((False, True))
