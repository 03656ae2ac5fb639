"""What the product writes, and what must be true after a disk failed in the middle of it.

A scenario has four parts, each given a folder: `before` makes an earlier version of what is there,
`act` is what the disk fails under, `works` looks that what is read is right, whatever happened.
`caches` says whether `act` must go on as if nothing were (a warning, and right frames) or must
raise an error that says what the system said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.robustness.clips.small_clips import compare_looks, frames_of
from sage_env.rendering.film import Film
from sage_env.storage.atomic_file import atomic_files, atomic_folder, atomic_write
from sage_env.storage.folder_ledger import ledger_of
from sage_env.synth.encode import encode_video
from sage_env.synth.plan import plan_video
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.index import video_index


@dataclass(frozen=True)
class Scenario:
    """One way in which the product writes.

    Attributes:
        before: makes what an earlier run left, on a disk that works.
        act: writes; the disk fails under it.
        works: raises `AssertionError` unless what is there is whole: old or new.
        caches: whether `act` must not raise.
    """

    before: Callable[[Path], object]
    act: Callable[[Path], object]
    works: Callable[[Path], object]
    caches: bool = False


@cache
def clip() -> tuple[Path, list[NDArray[np.uint8]]]:
    """Return a short video, outside of any failing folder, and its frames."""
    path = Path(os.environ["SAGE_ROBUSTNESS_CLIP"])
    return path, frames_of(path, (32, 48))


def _look(folder: Path, *, store: bool = False, proxy: bool = False) -> None:
    """Read frames as a new process does, through the caches in the folder, and compare them."""
    path, expected = clip()
    ledger_of.cache_clear()
    video_index._remembered.cache_clear()
    os.environ["SAGE_ENV_CACHE"] = str(folder / "cache")
    video_index._WORTH_KEEPING = -1.0  # keep every index
    pictures = FrameStore(folder / "store", 60_000) if store else None
    proxies = folder / "proxies" if proxy else None
    for _ in range(2):
        compare_looks(path, expected, [0.0, 0.4, 1.1], store=pictures, proxies=proxies)


def _looking(**through: bool) -> Scenario:
    def look(folder: Path) -> None:
        _look(folder, **through)

    return Scenario(lambda folder: None, look, look, caches=True)


def _features(seed: int) -> tuple[bytes, Any]:
    import torch

    made = torch.Generator().manual_seed(seed)
    return bytes([seed] * 16), ((2, 2), torch.randn(2, 4, 8, generator=made))


def _feature_folder(folder: Path) -> None:
    import torch

    from policies.sage_mm.vision.feature_cache import FeatureFolder

    ledger_of.cache_clear()
    files = FeatureFolder(folder / "features", 4000)
    for seed in range(6):
        key, (grid, features) = _features(seed)
        files.put(key, (grid, features))
        found = files.get(key)
        assert found is None or (found[0] == grid and torch.equal(found[1], features))


def _named(folder: Path, name: str, contents: tuple[str, ...]) -> None:
    """Check a file that must be there, whole, and hold one of some texts."""
    path = folder / name
    assert path.read_text(encoding="utf-8") in contents, f"{name} is neither old nor new"


OLD, NEW = "old\n" * 50, "new\n" * 3000


def _atomic(durable: bool) -> Scenario:
    return Scenario(
        lambda folder: atomic_write(folder / "file", OLD),
        lambda folder: atomic_write(folder / "file", NEW, durable=durable),
        lambda folder: _named(folder, "file", (OLD, NEW)),
    )


def _make_folder(folder: Path) -> None:
    with atomic_folder(folder / "made", durable=True) as partial:
        for name in ("one", "two"):
            (partial / name).write_text(NEW)


def _whole_or_absent(folder: Path) -> None:
    if (folder / "made").exists():
        for name in ("one", "two"):
            _named(folder / "made", name, (NEW,))


def _fill(folder: Path, text: str) -> None:
    with atomic_files(folder / "model") as partial:
        for name in ("weights", "settings"):
            (partial / name).write_text(text)


def _model_whole(folder: Path) -> None:
    for name in ("weights", "settings"):
        _named(folder / "model", name, (OLD, NEW))


def _film(folder: Path) -> None:
    film = Film(folder / "film.mp4", (32, 48), 5.0)
    try:
        for number in range(6):
            film.write(np.full((32, 48, 3), 40 * number, np.uint8))
    finally:
        film.close()


def _plays(path: Path, count: int) -> None:
    if path.exists():
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == count, f"{path.name} was cut"


def _plan() -> Any:
    return plan_video("train", 0, 0)


def _encoded(folder: Path) -> None:
    _plays(folder / "video.mp4", len(_plan().times))


def _run(folder: Path) -> Any:
    from algos.runs.run_folder import RunFolder

    return RunFolder(folder / "run")


def _result(name: str) -> Any:
    from algos.evaluation.measures import EvalResult
    from algos.rollout.trajectory import Trajectory
    from sage_env.datasets.item import QAItem

    item = QAItem("q", Path("video.mp4"), "?", ("a", "b"), "a", "mcq")
    played = Trajectory("q", 0, start_info={"told": name}, error="Failed: on purpose")
    return EvalResult("a policy", [item], [played], "greedy")


def _save_results(folder: Path, name: str) -> None:
    run = _run(folder)
    run.save_result("greedy", _result(name))
    run.save_config(_result(name).items[0])


def _results_whole(folder: Path) -> None:
    run = _run(folder)
    result = run.load_result("greedy")
    assert result.trajectories[0].start_info["told"] in ("old", "new")
    json.loads(run.config.read_text(encoding="utf-8"))


def _write_metrics(folder: Path) -> None:
    from algos.runs.metrics import Metrics

    metrics = Metrics(folder / "metrics.jsonl", keep_through=3)
    for update in range(4, 7):
        metrics.write(update, {"charts/x": 0.5, "losses/y": None})


def _metrics_whole(folder: Path) -> None:
    from algos.runs.metrics import Metrics, read_metrics

    rows = read_metrics(folder / "metrics.jsonl")
    assert [row["update"] for row in rows[:3]] == [1, 2, 3], "rows of before were lost"
    Metrics(folder / "metrics.jsonl", keep_through=99).write(99, {})
    assert read_metrics(folder / "metrics.jsonl")[-1] == {"update": 99}


def _three_rows(folder: Path) -> None:
    from algos.runs.metrics import Metrics

    metrics = Metrics(folder / "metrics.jsonl")
    for update in range(1, 4):
        metrics.write(update, {"charts/x": 0.25})


def _state(update: int) -> Any:
    import torch

    from algos.runs.checkpoint import Checkpoint

    tensors = {"policy/weight": torch.full((40, 10), float(update))}
    return Checkpoint(update, tensors, {"seed": 1})


def _save_state(folder: Path, update: int) -> None:
    from algos.runs import checkpoint

    checkpoint.save(folder / "checkpoints", _state(update), keep_last=2)


def _state_whole(folder: Path) -> None:
    from algos.runs import checkpoint

    found = checkpoint.load_latest(folder / "checkpoints")
    assert found is not None and found.update in (2, 3), "the checkpoint of before was lost"
    assert bool((found.policy["weight"] == found.update).all())


def _both_states(folder: Path) -> None:
    _save_state(folder, 1)
    _save_state(folder, 2)


SCENARIOS: dict[str, Scenario] = {
    "frame store": _looking(store=True),
    "small pictures": _looking(proxy=True),
    "indexes": _looking(),
    "features": Scenario(lambda folder: None, _feature_folder, _feature_folder, caches=True),
    "atomic file": _atomic(False),
    "durable file": _atomic(True),
    "atomic folder": Scenario(lambda folder: None, _make_folder, _whole_or_absent),
    "model folder": Scenario(
        lambda folder: _fill(folder, OLD), lambda folder: _fill(folder, NEW), _model_whole
    ),
    "film": Scenario(lambda folder: None, _film, lambda folder: _plays(folder / "film.mp4", 6)),
    "synthetic video": Scenario(
        lambda folder: None,
        lambda folder: encode_video(_plan(), folder / "video.mp4"),
        _encoded,
    ),
    "results": Scenario(
        lambda folder: _save_results(folder, "old"),
        lambda folder: _save_results(folder, "new"),
        _results_whole,
    ),
    "metrics": Scenario(_three_rows, _write_metrics, _metrics_whole),
    "checkpoint": Scenario(_both_states, lambda folder: _save_state(folder, 3), _state_whole),
}
"""By name: everything that is tried."""
