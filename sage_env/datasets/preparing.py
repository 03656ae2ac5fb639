"""Making the video files of datasets that make theirs: in parallel, resumable, with a bar."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError, boundary

Prepare: TypeAlias = Callable[[QAItem], object]


def prepare_videos(
    datasets: Iterable[Sequence[QAItem]], *, workers: int | None = None, progress: bool = True
) -> int:
    """Have datasets with `prepare(item)` make every video file that is not there yet.

    Args:
        datasets: those without `prepare` are left as they are.
        workers: processes; all cores by default. A dataset that cannot be sent to a process, such
            as one made in a function, is asked in this one.
        progress: whether to show a progress bar.

    Returns:
        The number of files that were missing.

    Raises:
        DatasetError: if a dataset fails; what was made until then stays.
    """
    videos = dict(_videos(datasets))
    todo = [(prepare, item) for video, (prepare, item) in videos.items() if not video.is_file()]
    if not todo:
        return 0
    # Long videos first, so that no core waits for a last long one.
    todo.sort(key=lambda job: job[1].duration or 0.0, reverse=True)
    made = len(videos) - len(todo)
    with (
        tqdm(total=len(videos), initial=made, desc="videos", disable=not progress) as bar,
        _pool(todo, workers) as pool,
    ):
        jobs = [pool.submit(_prepare, *job) for job in todo]
        try:
            for job in as_completed(jobs):
                job.result()
                bar.update()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return len(todo)


def _videos(
    datasets: Iterable[Sequence[QAItem]],
) -> Iterator[tuple[Path, tuple[Prepare, QAItem]]]:
    """Yield the videos that a dataset makes, each with how, and a question about it."""
    for items in datasets:
        prepare = getattr(items, "prepare", None)
        if prepare is not None:
            yield from ((item.video, (prepare, item)) for item in items)


def _pool(todo: Sequence[tuple[Prepare, QAItem]], workers: int | None) -> Executor:
    try:
        for prepare in {id(prepare): prepare for prepare, _ in todo}.values():
            pickle.dumps(prepare)
    except Exception:  # whatever an object of the user's raises when it is to be sent
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers or os.cpu_count(), mp_context=get_context("spawn"))


def _prepare(prepare: Prepare, item: QAItem) -> None:
    with boundary(DatasetError, f"the dataset cannot prepare item {item.id!r}"):
        prepare(item)
