"""Laws of `benchmarks.mutation.operators`, `sites`: which small changes are made, and how drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutation import sites
from benchmarks.mutation.operators import changed, changes
from benchmarks.mutation.sites import Mutant, all_mutants, sample

ROOT = Path(__file__).resolve().parents[3]


def mutants(source: str) -> set[str]:
    return {changed(source, change) for change in changes(source)}


@pytest.mark.parametrize(
    ("source", "some"),
    [
        ("x = a + b", {"x = (a - b)", "x = a"}),
        ("x = a < b", {"x = (a <= b)"}),
        ("x = a and b", {"x = (a or b)", "x = a", "x = b"}),
        ("x = not a", {"x = a"}),
        ("x = -a * b", {"x = a * b", "x = (-a / b)"}),
        ("x = a if b else c", {"x = a", "x = c"}),
        ("x = 3", {"x = 4", "x = 2"}),
        ("x = 0.5", {"x = 0.55"}),
        ("x = True", {"x = False"}),
        ("x = max(a, b)", {"x = min(a, b)"}),
        ("x = f(a, b)", {"x = f(b, a)"}),
        ("x = f(a, b=c, d=e)", {"x = f(a, d=e)", "x = f(a, b=c)"}),
        ("x = a.detach()", {"x = (a)"}),
        ("x = a[1:]", {"x = a[:]"}),
        ("x = a[:-1]", {"x = a[:]", "x = a[:-2]"}),
        ("x = [a for a in b if c]", {"x = [a for a in b if True]"}),
        ("f(a)", {"pass"}),
        ("a.b = c", {"pass"}),
        ("x += a", {"x -= a", "pass"}),
        ("if a:\n    x = 1", {"if True:\n    x = 1", "if False:\n    x = 1"}),
        (
            "def f(c):\n    return c.clip_low, c.clip_high, c.seed",
            {"def f(c):\n    return c.clip_high, c.clip_high, c.seed"},
        ),
        ("x = 'ä' + b * 2", {"x = 'ä' + (b / 2)"}),
    ],
)
def test_the_change_is_made_and_nothing_else(source: str, some: set[str]) -> None:
    found = mutants(source)
    assert some <= found
    for text in found:
        compile(text, "mutant", "exec")
        assert text != source


@pytest.mark.parametrize(
    "source",
    [
        '"""A text of 3 words."""',
        "raise ValueError(f'{a + 1}')",
        "assert a < b",
        "from a import b",
        "x: tuple[int, 3]",
        "@dataclass(frozen=True)\nclass A:\n    pass",
        "_log.warning('%s', a + b)",
        "__all__ = ['a']",
        "x = f'{a + 1}'",
        "bar = tqdm(total=3)",
    ],
)
def test_what_changes_no_number_is_left_alone(source: str) -> None:
    assert mutants(source) == set()


def test_a_sample_is_drawn_by_its_seed_from_all_modules_of_the_rooms(monkeypatch) -> None:
    assert {"algos/ppo", "algos/recipe", "policies/sage_mm"} < set(sites.ROOMS)
    monkeypatch.setattr(sites, "ROOMS", ("algos/objectives", "policies/sage_mm/tokens"))
    whole = all_mutants(ROOT)
    assert {mutant.path.rpartition("/")[0] for mutant in whole} == set(sites.ROOMS)
    assert not any(mutant.path.endswith("__init__.py") for mutant in whole)
    one, same, other = (sample(whole, 50, seed) for seed in (1, 1, 2))
    assert one == same != other and len(set(one)) == 50
    assert one[:20] == sample(whole, 20, 1) and set(sample(whole[:3], 50, 1)) == set(whole[:3])
    for mutant in one:
        compile(mutant.source(ROOT), mutant.path, "exec")


def test_a_mutant_is_named_by_its_line_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("y = 1\nx = (\n    a +\n    b\n)\n")
    source = (tmp_path / "a.py").read_text()
    change = next(change for change in changes(source) if change.kind == "operator")
    named = Mutant("a.py", change).name(tmp_path)
    assert named == "a.py: a + b => (a - b)" and Mutant("b/a.py", change).module == "b.a"
