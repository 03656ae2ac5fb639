"""The table of a run's page, driven in a browser, and what Python makes of the same rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from algos.viewer.view_data import Column, RunView
from tests.helpers.viewer.browser import Opened
from tests.helpers.viewer.made_up import made_up_run

Row = Mapping[str, Any]


def run_of(rows: Sequence[Row], columns: Sequence[Column], entries: int = 1) -> RunView:
    """Return a run with exactly these rows; its questions have no details."""
    made = made_up_run(1, entries)
    ids = list(dict.fromkeys(row["id"] for row in rows))
    return replace(
        made, rows=lambda: iter(rows), columns=columns, count=len(rows), order=ids, question=_none
    )


def _none(name: str) -> Any:
    return replace(made_up_run(1).question("q0"), id=name, episodes=())


def settled(found: Opened) -> None:
    """Wait until the table shows what the address asks for."""
    found.page.wait_for_selector('.grid-box[aria-busy="false"]', state="attached")


def until(found: Opened, expression: str, seconds: float = 5.0) -> None:
    """Wait until an expression holds; Playwright's own way is not allowed by the page's policy."""
    end = monotonic() + seconds
    while not found.page.evaluate(expression):
        assert monotonic() < end, f"never came: {expression}"
        found.page.wait_for_timeout(20)


def go(found: Opened, **state: str) -> None:
    """Give the page another address, as a link would."""
    found.page.evaluate("s => { location.hash = String(new URLSearchParams(s)); }", state)
    drawn(found)
    settled(found)


def drawn(found: Opened) -> None:
    """Wait for the next picture of the page, but not for ever: it may never come."""
    picture = "(done) => { requestAnimationFrame(done); setTimeout(done, 2000); }"
    found.page.evaluate(f"() => new Promise({picture})")


_CAUGHT = """async (kind) => {
  const [make, click] = [URL.createObjectURL, HTMLAnchorElement.prototype.click];
  const blob = new Promise((found) => (URL.createObjectURL = (one) => (found(one), "blob:caught")));
  const clicked = new Promise((found) => (HTMLAnchorElement.prototype.click = found));
  [...document.querySelectorAll("button")].find((one) => one.textContent === kind).click();
  const late = new Promise((_, no) => setTimeout(no, 20000, "nothing was saved"));
  const text = await (await Promise.race([blob, late])).text();
  await Promise.race([clicked, new Promise((_, no) => setTimeout(no, 20000, "not saved"))]);
  [URL.createObjectURL, HTMLAnchorElement.prototype.click] = [make, click];
  return text;
}"""


def saved(found: Opened, kind: str = "JSON") -> str:
    """Return what the file of all rows holds that the table has now, without saving it.

    A browser lets a page save only so many files in a row.
    """
    return str(found.page.evaluate(_CAUGHT, f"Save {kind}"))


def saved_keys(found: Opened) -> list[tuple[str, str]]:
    """Return question and entry of each row of the table, in order."""
    return [(row["id"], row["entry"]) for row in json.loads(saved(found))]


def natural(text: str) -> list[tuple[int, int]]:
    """Return a key that sorts texts as people count."""
    parts = re.findall(r"[0-9]+|[^0-9]", text.lower())
    return [(48, int(part)) if part.isdigit() else (ord(part), -1) for part in parts]


def ordered(rows: Sequence[Row], key: str, down: bool, of: Callable[[Any], Any]) -> list[Row]:
    """Return rows by a column, the missing last both ways, equal ones by id and entry.

    Args:
        rows: to be sorted.
        key: of the column.
        down: whether the largest comes first.
        of: what a value is sorted by.
    """
    by_name = sorted(rows, key=lambda row: (natural(row["id"]), row["entry"]))
    there = [row for row in by_name if row.get(key) is not None]
    missing = [row for row in by_name if row.get(key) is None]
    # Python keeps equal ones in their order, also when it sorts backwards.
    there.sort(key=lambda row: of(row[key]), reverse=down)
    return there + missing
