"""Laws of `algos.viewer.reading` for files that a hand or a disk has changed: a run whose files
hold values of another type is refused in a sentence, or shown.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from algos.suite.evaluating import evaluate_entries
from algos.viewer.reading import read_run
from algos.viewer.reading.question_views import judge_text
from algos.viewer.reading.run_folders import write_page
from algos.viewer.writing import WriteSettings, write_view
from sage_env import Answer, Sample
from sage_env.errors import SageEnvError
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from tests.helpers.viewer.pages import read_page

ODD: tuple[Any, ...] = (
    None, -1, 0, 2.5, 1e308, float("nan"), float("inf"), 10**400, "", "x", "\ud800", True, [], {},
    [[1, 2]], ["a"], {"a": 1},
)  # fmt: skip
PLACES = 8  # of each file, drawn
NO_PICTURES = WriteSettings(picture_bytes=0)


class Looks:
    """Looks once, and answers."""

    def reset(self, *, seed: int | None = None) -> None:
        self.looked = False

    def act(self, observation: Any) -> Any:
        if self.looked:
            return Answer("star")
        self.looked = True
        return Sample(0.0, 5.0, 2)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an evaluation."""
    out = tmp_path_factory.mktemp("runs") / "played"
    small: dict[str, Any] = {"overview_frames": 2, "frame_size": (32, 32)}
    evaluate_entries(ITEMS[:2], {"looks": Looks()}, out, opener=open_memory, **small)
    return out


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*place, key))


def changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    found = copy.deepcopy(value)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return found


def shown_or_refused(folder: Path, page: Path) -> bool:
    """Return whether a run is shown; anything but an error of ours is a bug."""
    try:
        write_view(read_run(folder), page, NO_PICTURES)
    except SageEnvError as error:
        assert "\n" not in str(error)
        return False
    read_page(page)
    return True


@pytest.mark.parametrize("unfinished", [False, True])
def test_a_damaged_run_is_refused_or_shown(played: Path, tmp_path: Path, unfinished: bool) -> None:
    own = Path(shutil.copytree(played, tmp_path / "own"))
    if unfinished:
        for path in (*own.glob("re*"), *(own / "evaluations").glob("*.json")):
            path.unlink()
    draws, shown, refused = random.Random(7), 0, 0
    for path in sorted({*own.rglob("*.json"), *own.rglob("*.jsonl")}):
        before = path.read_text()
        lines = before.splitlines() if path.suffix == ".jsonl" else [before]
        value = json.loads(lines[0])
        known = list(places(value))
        for place in draws.sample(known, min(PLACES, len(known))):
            line = json.dumps(changed(value, place, draws.choice(ODD)))
            path.write_text("\n".join([line, *lines[1:]]) + "\n")
            if shown_or_refused(own, tmp_path / "page.html"):
                shown += 1
            else:
                refused += 1
        path.write_text(before)
    assert shown and refused
    assert shown_or_refused(own, tmp_path / "page.html")


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("samples.jsonl", ("reward_terms",), float("inf")),
        ("samples.jsonl", ("question",), {"a": 1}),
        ("manifest.json", ("settings", "environment", "frame_size"), [float("nan"), [1]]),
        ("manifest.json", ("settings", "pixels"), {"height": None, "width": float("inf")}),
        ("evaluations/*.json", ("name",), {"a": 1}),
        ("evaluations/*.json", ("items", 0, "group"), {"family": [[1, 2]]}),
        ("evaluations/*.jsonl", ("start_info", "span"), [0.0, -1.0]),
        ("evaluations/*.jsonl", ("start_info", "spent"), True),
        ("evaluations/*.jsonl", ("conditions", "max_frames"), [[1, 2]]),
        ("evaluations/*.jsonl", ("start_info", "frame_seconds"), [1e308]),
        ("evaluations/*.jsonl", ("turns", 0, "invalid"), {"text": {"a": 1}, "reason": "x"}),
        ("evaluations/*.jsonl", ("turns", 0, "tokens"), {"prompt": True, "completion": [1],
                                                        "logprobs": [0.0], "frames": []}),
        ("manifest.json", ("settings", "environment"), "x"),
        ("samples.jsonl", ("frames",), 10**14),
    ],
)  # fmt: skip
def test_found_damage(
    played: Path, tmp_path: Path, name: str, place: tuple[Any, ...], value: Any
) -> None:
    own = Path(shutil.copytree(played, tmp_path / "own"))
    (path,) = own.glob(name)
    first, *rest = path.read_text().splitlines() if name.endswith("l") else [path.read_text()]
    path.write_text("\n".join([json.dumps(changed(json.loads(first), place, value)), *rest]) + "\n")
    if shown_or_refused(own, tmp_path / "page.html"):
        assert write_page(own).exists()


def test_what_pins_a_judge_is_a_text() -> None:
    assert judge_text({"judge": "gemini:a", "prompt": "1f"}) == "judge: gemini:a, prompt: 1f"
    assert judge_text("a") == "a" and judge_text(None) is None and judge_text({}) is None
