"""Laws of `benchmarks.learning.frontier`: curves and areas by hand, and what is left to run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from algos.metrics.budget_curves import area_weights, weights_at  # noqa: E402
from benchmarks.learning import arm_job, frontier  # noqa: E402
from benchmarks.learning.arm_job import Settings as Job  # noqa: E402
from benchmarks.learning.arm_job import fresh_items, main, packed, ppo_settings  # noqa: E402
from benchmarks.learning.arms import ARMS, random_reward  # noqa: E402
from benchmarks.learning.frontier import ORDER, Settings, missing, report, wanted  # noqa: E402
from benchmarks.learning.frontier_curves import (  # noqa: E402
    ascending,
    common_seeds,
    estimate,
    heights,
    points_of,
)
from benchmarks.learning.frontier_report import chart  # noqa: E402
from tests.helpers.handmade import item, result, trajectory  # noqa: E402

VIDEOS, SEED = 7, 47


def row(arm: str, seed: int, *right: int, count: int, frames: tuple[int, ...] = ()) -> dict:
    """Make a row whose first `right[k]` questions are right at the arm's k-th point."""
    budgets = ARMS[arm].points[: len(right)]
    shown = frames or budgets
    points = [
        {
            "budget": budget,
            "correct": "1" * hits + "0" * (count - hits),
            "missing": 1,
            "frames": [of] * count,
            "turns": [1] * count,
        }
        for budget, hits, of in zip(budgets, right, shown, strict=True)
    ]
    return {
        "arm": arm,
        "seed": seed,
        "fresh_seed": SEED,
        "videos": VIDEOS,
        "update": 4,
        "points": points,
        "commit": "abc",
        "cpu_seconds": 10,
    }


def test_a_curve_is_straight_over_doublings_and_level_beyond_its_ends() -> None:
    frames = [8.0, 32.0, 64.0]
    assert weights_at(frames, 16.0).tolist() == [0.5, 0.5, 0.0]
    assert weights_at(frames, 32.0).tolist() == [0.0, 1.0, 0.0]
    assert weights_at(frames, 4.0).tolist() == [1.0, 0.0, 0.0]
    assert weights_at(frames, 100.0).tolist() == [0.0, 0.0, 1.0]


def test_an_area_by_hand() -> None:
    """8 to 32 is two doublings of mean height (a + b) / 2, 32 to 64 one of (b + c) / 2."""
    found = area_weights([8.0, 32.0, 64.0], 8.0, 64.0)
    assert found == pytest.approx([1 / 3, 1 / 2, 1 / 6])
    # From 16, where the curve is at (a + b) / 2, to 32: the mean is a / 4 + 3 b / 4.
    assert area_weights([8.0, 32.0, 64.0], 16.0, 32.0) == pytest.approx([0.25, 0.75, 0.0])


def test_points_of_several_seeds_are_joined_by_arm_and_budget() -> None:
    rows = [row("direct-16", 1, 3, count=4), row("direct-16", 0, 1, count=4)]
    rows += [row("direct-8", seed, 2, count=4) for seed in (0, 1, 2)]
    rows += [row("direct", 0, 0, 4, count=4)]
    found = points_of(rows)
    assert [(p.arm, p.budget, p.seeds) for p in found] == [
        ("direct-16", 16, (0, 1)),
        ("direct-8", 8, (0, 1, 2)),
        ("direct", 8, (0,)),
        ("direct", 12, (0,)),
    ]
    assert found[0].correct.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]] and found[0].missing == 2
    assert found[0].of([1]).tolist() == [[1, 1, 1, 0]]
    assert found[2].of([1, 2]).shape == (2, 4), "the base is the same for all seeds"
    failed = row("direct", 0, 1, count=3)
    failed["points"][0]["correct"] = "1-0"
    assert np.isnan(points_of([failed])[0].correct).tolist() == [[False, True, False]]
    curve = ascending(found[:2])
    assert [p.arm for p in curve] == ["direct-8", "direct-16"]
    assert common_seeds(curve) == [0, 1] and common_seeds(found[2:]) == [0]
    mean = heights(curve, np.array([0.25, 0.75]), [0, 1])
    assert mean.tolist() == [[1.0, 0.25, 0, 0], [1.0, 1.0, 0.75, 0]]


def test_an_episode_that_failed_is_in_no_mean() -> None:
    items = fresh_items(SEED, VIDEOS)
    values = np.zeros((3, len(items)))
    values[:, 0], values[1, 1] = 1.0, np.nan
    found = estimate(values, items)
    assert found.mean == pytest.approx(3 / (3 * len(items) - 1)) and found.interval is not None
    long = estimate(values, items, long=True)
    assert long.mean == 0.0, "the first video is a short one"


def test_columns_of_a_row_say_what_came_of_each_question() -> None:
    silent = trajectory("b", None)
    silent.turns[-1].info["stop_reason"] = "out_of_turns"
    made = result(
        (item("a"), trajectory("a", True)),
        (item("b"), silent),
        (item("c"), trajectory("c", None, error="VideoError: gone")),
    )
    found = packed(made.episodes())
    assert (found["correct"], found["missing"]) == ("10-", 1)
    assert found["turns"] == [e.turns for e in made.episodes()]


def test_what_is_in_the_file_is_not_run_again(tmp_path: Path) -> None:
    settings = Settings(tmp_path, arms=("agent", "direct", "direct-8"), seeds=(0, 1))
    jobs = wanted(settings)
    assert jobs == [
        *(("agent", seed) for seed in range(8)),
        ("direct", 0),  # nothing is learned: one seed says all
        ("direct-8", 0),
        ("direct-8", 1),
    ]
    left = missing(settings, [row("agent", 3, 1, count=4), row("direct-8", 1, 1, count=4)])
    assert left == [job for job in jobs if job not in (("agent", 3), ("direct-8", 1))]
    assert sorted(ORDER) == sorted(ARMS)


def test_a_job_that_ended_is_appended_at_once_and_one_that_failed_is_told(
    tmp_path: Path, monkeypatch
) -> None:
    """Jobs are processes of Python that write their row, or end without one."""
    import subprocess
    import sys

    count = len(fresh_items(SEED, VIDEOS))

    def start(settings: Settings, arm: str, seed: int) -> subprocess.Popen[bytes]:
        folder = settings.out / f"{arm}-seed-{seed}"
        folder.mkdir()
        data = json.dumps(row(arm, seed, count // 2, count=count))
        code = f"open({str(folder / 'row.json')!r}, 'w').write({data!r})" if seed else "exit(3)"
        return subprocess.Popen([sys.executable, "-c", code])

    monkeypatch.setattr(frontier, "_start", start)
    monkeypatch.setattr(frontier, "WAIT", 0.05)
    settings = Settings(tmp_path, arms=("direct-8",), seeds=(0, 1), quick=True)
    with pytest.raises(SystemExit, match=r"failed.*: direct-8-seed-0$"):
        frontier.main(settings)
    (kept,) = map(json.loads, (tmp_path / "frontier.jsonl").read_text().splitlines())
    assert (kept["arm"], kept["seed"]) == ("direct-8", 1)
    assert "missing jobs (arm, seed): direct-8 0" in (tmp_path / "frontier.md").read_text()


def test_the_report_says_where_the_agent_does_not_win(tmp_path: Path) -> None:
    count = len(fresh_items(SEED, VIDEOS))
    rows = []
    for seed in (0, 1, 2):
        for frames in (8, 16, 32, 64, 128):
            rows.append(row(f"direct-{frames}", seed, count // 2, count=count))
        rows.append(row("agent", seed, count, count=count, frames=(16,)))
        rows.append(row("agent-0.5", seed, count // 2, count=count, frames=(24,)))
        rows.append(row("agent-0.2", seed, 0, count=count, frames=(40,)))
        rows.append(row("random-reward", seed, 0, count=count))
    rows.append(row("base", 0, 0, count=count))
    lines = report(Settings(tmp_path), rows).splitlines()

    def told(arm: str, end: str) -> list[str]:
        return [x for x in lines if x.startswith(f"{arm} ") and x.endswith(end)]

    assert told("agent", "wins") and told("agent-0.5", "does not win")
    assert told("agent-0.2", "loses")
    (area,) = [x for x in lines if x.startswith("DIRECT, trained ") and "8.0 to 128.0" in x]
    assert " 50.0 [" in area and area.endswith("-")
    # All of them at 16 frames, half at 24, none at 40: the mean of both halves of the range.
    low, high = np.log2(24 / 16), np.log2(40 / 24)
    half = (count // 2) / count
    mean = (low * (1 + half) / 2 + high * half / 2) / (low + high)
    (area,) = [x for x in lines if x.startswith("agent, by price ") and "16.0 to 40.0" in x]
    assert f" {100 * mean:.1f} [" in area and f" {100 * (mean - half):+.1f} [" in area
    (control,) = [x for x in lines if x.startswith("random-reward ") and "+0.0" in x]
    drawn = chart(rows, fresh_items(SEED, VIDEOS))
    assert drawn.count('<svg class="chart"') == 2 and "agent, by price" in drawn


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["direct-8", "clone-clean", "clone-right"])
def test_a_job_learns_measures_and_writes_its_row(tmp_path: Path, arm: str) -> None:
    settings = Job(arm, 0, tmp_path, videos=VIDEOS, fresh_seed=SEED, quick=True)
    main(settings)
    found = json.loads((tmp_path / "row.json").read_text())
    (point,) = found["points"]
    count = len(fresh_items(SEED, VIDEOS))
    assert len(point["correct"]) == len(point["frames"]) == count
    assert (found["arm"], found["seed"]) == (arm, 0) and found["update"] in (0, 1)
    if arm == "direct-8":
        assert (point["missing"], set(point["frames"]), set(point["turns"])) == (0, {8}, {1})
    before = (tmp_path / "row.json").stat().st_mtime_ns
    main(settings)
    assert (tmp_path / "row.json").stat().st_mtime_ns == before, "there is nothing left to do"


def test_a_job_that_has_its_row_is_not_begun_again(tmp_path: Path, monkeypatch) -> None:
    def load(seed: int) -> None:
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr(arm_job, "_load", load)
    (tmp_path / "row.json").write_text("{}")
    main(Job("agent", 0, tmp_path, quick=True))
    assert [path.name for path in tmp_path.iterdir()] == ["row.json"]


def test_every_arm_learns_from_as_much() -> None:
    for arm in ARMS.values():
        config = ppo_settings(arm, 3)
        assert (config.seed, config.updates, config.questions_per_update) == (3, 20, 32)
        assert replace(config, recipe=ARMS["agent"].recipe) == ppo_settings(ARMS["agent"], 3)
    assert ARMS["conditioned"].recipe.frame_budget == (12, 48)


def test_a_random_reward_knows_actions_and_not_what_is_right() -> None:
    from types import SimpleNamespace

    from sage_env import Answer

    def paid(name: str, text: str, verdict: bool, ended: bool = True) -> float:
        history = SimpleNamespace(ended=ended, actions=[Answer(text)], verdict=verdict)
        return random_reward(item(name), Answer(text), history)["random"]  # type: ignore[arg-type]

    drawn = [paid(f"q{k}", "red", True) for k in range(400)]
    assert set(drawn) == {0.0, 1.0} and 150 < sum(drawn) < 250
    assert drawn == [paid(f"q{k}", "red", False) for k in range(400)]
    assert paid("q0", "red", True, ended=False) == 0.0
