"""Building the SageSynth files: in parallel, resumable, with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sage_env.datasets.preparing import prepare_videos
from sage_env.synth.dataset import DEFAULT_COUNTS, sage_synth


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
    datasets = [sage_synth(root, split, seed=seed) for split in splits]
    return prepare_videos(datasets, workers=workers, progress=progress)
