"""`sage-vqa data check DATASET`: which videos of a dataset are here, counted and written down."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from algos.cli.options import CommandError
from algos.cli.terminal import say
from policies.terminal_text import visible
from sage_env.datasets.access.availability import VideoStatus, check_videos, manifest_of
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import DATASETS, load_dataset
from sage_env.datasets.native.benchmark import Benchmark, benchmark_named
from sage_env.errors import DatasetError
from sage_env.object_reference import is_reference, load_object
from sage_env.storage.atomic_file import atomic_write
from sage_env.video.health import VideoHealth

FOLDER = Path("runs/availability")
"""Where manifests are written by default."""


def is_dataset(name: str) -> bool:
    """Return whether something names a dataset, and neither a file nor a folder."""
    return name in DATASETS or (is_reference(name) and not Path(name).exists())


def find_benchmark(name: str) -> Benchmark:
    """Return what is known of a benchmark.

    Raises:
        CommandError: if none has this name.
    """
    found = benchmark_named(name)
    if found is None:
        names = ", ".join(key for key in DATASETS if benchmark_named(key) is not None)
        raise CommandError(f"{name!r} is no benchmark: name one of {names}")
    return found


def check_dataset(
    name: str,
    *,
    root: Path | None,
    annotations: Path | None,
    split: str | None,
    out: Path | None,
    check: Callable[[Path], VideoHealth],
) -> None:
    """Check every video of a dataset, print what is wrong and a summary, and write the manifest.

    Args:
        name: of the dataset.
        root: the folder that it lies in.
        annotations: its annotation file, where it does not lie below the root.
        split: the split; by default `test`, or the only one.
        out: file for the manifest.
        check: says what is wrong with a file.

    Raises:
        CommandError: if no video is there, or one is undecodable; the manifest is written.
        DatasetError: if the questions cannot be read.
    """
    part = split or _default_split(name)
    items = load_dataset(name, root=root, split=part, annotations=annotations)
    part = getattr(items, "split", part)
    videos = []
    for video in check_videos(
        items, check=check, following=lambda paths: tqdm(paths, desc="checking", unit="video")
    ):
        videos.append(video)
        if video.status != "found":
            line = f"{video.status.upper():<11} {video.path}: {video.reason}"
            tqdm.write(visible(line), file=sys.stdout)
    manifest = manifest_of(name, part, items, videos)
    target = out or FOLDER / f"{name.replace(':', '-')}-{part}.json"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CommandError(f"the manifest {target} cannot be written: {error}") from error
    _tell(name, part, items, videos, manifest["coverage"])
    say(f"manifest: {target}")
    _refuse(videos)


def _default_split(name: str) -> str:
    """Return `test`, or the split of a benchmark that has no test split."""
    known = load_object(DATASETS[name], "the dataset", DatasetError) if name in DATASETS else None
    if isinstance(known, Benchmark) and "test" not in known.files:
        return next(iter(known.files))
    return "test"


def _tell(
    name: str, split: str, items: Sequence[QAItem], videos: Sequence[VideoStatus], coverage: str
) -> None:
    count = Counter(video.status for video in videos)
    hours = sum(video.seconds for video in videos) / 3600
    found, missing, broken = (count[key] for key in ("found", "missing", "undecodable"))
    say(
        f"{name}, {split}: {len(items)} questions about {len(videos)} videos: {found} found "
        f"({hours:.2f} hours), {missing} missing, {broken} undecodable"
    )
    unusable = getattr(items, "unusable", {})
    if unusable:
        place, why = next(iter(unusable.items()))
        say(f"{len(unusable)} rows cannot be asked; the first: {visible(f'{place}: {why}')}")
    say(f"to be asked: {coverage}")


def _refuse(videos: Sequence[VideoStatus]) -> None:
    """Raise an error where a score would rest on nothing, or on a broken file."""
    if not any(video.status == "found" for video in videos):
        raise CommandError("no video is there that can be played: see above")
    broken = sum(video.status == "undecodable" for video in videos)
    if broken:
        raise CommandError(f"{broken} of {len(videos)} videos are undecodable: see above")
