"""Laws of `benchmarks.ppo.parity` and `parity_case`: a planted difference shows in its column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from benchmarks.ppo import parity  # noqa: E402
from benchmarks.ppo.parity import Settings, compared, main  # noqa: E402
from benchmarks.ppo.parity_case import Comparison, Pair, ParityCase, gradients  # noqa: E402


def test_values_and_gradients_are_those_of_the_functions_at_the_point() -> None:
    at = torch.tensor([1.0, 2.0], dtype=torch.float64)
    values, slopes = gradients(lambda x: (x**2).sum(), lambda x: x.prod(), at)
    assert [v.item() for v in values] == [5.0, 2.0]
    assert [s.tolist() for s in slopes] == [[2.0, 4.0], [2.0, 1.0]]


def test_a_planted_difference_shows_in_its_own_column() -> None:
    def off(value: float, gradient: float) -> Comparison:
        def pairs(case: ParityCase) -> Iterator[Pair]:
            yield case.new, case.new + value
            yield case.new, case.new - gradient

        return Comparison("L", "q", pairs, "")

    assert compared(off(0.0, 0.0), 2)[2:] == ("0.0e+00", "0.0e+00", "")
    assert compared(off(0.25, 0.5), 2) == ("L", "q", "2.5e-01", "5.0e-01", "")
    noted = off(0.25, 0.5)._replace(note="no gradient")
    assert compared(noted, 2) == ("L", "q", "5.0e-01", "-", "no gradient")


def test_the_largest_difference_of_all_seeds_is_shown() -> None:
    gaps = {seed: abs(ParityCase.draw(seed).scores[0].item()) for seed in range(4)}
    assert len(set(gaps.values())) == 4 and max(gaps, key=gaps.__getitem__) != 3

    def pairs(case: ParityCase) -> Iterator[Pair]:
        yield case.new, case.new + case.scores[0]
        yield case.new, case.new - 2 * case.scores[0]

    line = compared(Comparison("L", "q", pairs, ""), 4)
    assert line[2:4] == (f"{max(gaps.values()):.1e}", f"{2 * max(gaps.values()):.1e}")


def test_batches_are_those_of_their_seed_and_rewards_lie_inside_the_mask() -> None:
    case, again, other = (ParityCase.draw(seed) for seed in (3, 3, 4))
    assert torch.equal(case.new, again.new) and not torch.equal(case.new, other.new)
    assert case.mask[:, 0].all() and not case.mask.all()
    assert not case.rewards[~case.mask].any() and (case.old <= 0).all()
    assert case.advantages.sum(0).abs().max() < 1e-9


def test_a_library_that_is_absent_is_named_and_the_other_one_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent() -> Iterator[Comparison]:
        raise ImportError("No module named 'trl'")
        yield

    def same(case: ParityCase) -> Iterator[tuple[Tensor, Tensor]]:
        yield case.new, case.new

    def present() -> Iterator[Comparison]:
        yield Comparison("verl", "same numbers", same, "no gradient")

    monkeypatch.setattr(parity.parity_trl, "trl_rows", absent)
    monkeypatch.setattr(parity.parity_verl, "verl_rows", present)
    monkeypatch.setattr(parity, "versions", lambda *names: list(names))
    main(Settings(seeds=1, out=tmp_path))
    assert "trl or a package that it needs is not installed" in capsys.readouterr().out
    text = (tmp_path / "ppo_numbers.md").read_text(encoding="utf-8")
    assert "same numbers  0.0e+00" in text and "torch, verl" in text
