"""Building the SageSynth files: in parallel, resumable, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from sage_env.synth.dataset import DEFAULT_COUNTS, sage_synth
from sage_env.synth.encode import encode_video
from sage_env.synth.plan import plan_video


def build(
    root: Path | None = None,
    splits: Sequence[str] = tuple(DEFAULT_COUNTS),
    workers: int | None = None,
    progress: bool = True,
    seed: int = 0,
) -> int:
    """Write every video of the given splits that is not there yet.

    Args:
        root: cache folder; the default is `sage_env.storage.cache_folder.cache_folder()`.
        splits: any of `train`, `validation`, `test`.
        workers: processes; all cores by default.
        progress: whether to show a progress bar.
        seed: of the whole set.

    Returns:
        The number of files that were written. Files are complete or absent, so an interrupted
        build goes on where it was.
    """
    todo: list[tuple[str, int, Path]] = []
    total = 0
    for split in splits:
        dataset = sage_synth(root, split, seed=seed)
        total += len(dataset.videos)
        todo += [(split, i, p) for i, p in enumerate(dataset.videos) if not p.is_file()]
    if not todo:
        return 0
    # Long videos first, so that no core waits for a last long one.
    todo.sort(key=lambda job: job[1] % 7, reverse=True)
    bar = tqdm(total=total, initial=total - len(todo), desc="videos", disable=not progress)
    with (
        bar,
        ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        jobs = [pool.submit(_build_one, split, index, path, seed) for split, index, path in todo]
        try:
            for job in as_completed(jobs):
                job.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return len(todo)


def _build_one(split: str, index: int, path: Path, seed: int) -> None:
    encode_video(plan_video(split, index, seed), path)
