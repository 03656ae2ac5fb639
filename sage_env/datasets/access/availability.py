"""Every video of a dataset found, missing or undecodable: what a score rests on, as a manifest."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sage_env.datasets.access.coverage import coverage_line, coverage_of
from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.video.health import VideoHealth, check_health

FORMAT = "sage-vqa availability 1"
"""What the manifest says that it is."""
STATUSES = ("found", "missing", "undecodable")


@dataclass(frozen=True)
class VideoStatus:
    """What was found of one video.

    Attributes:
        path: where it is, or where it is expected.
        status: `found`, `missing` or `undecodable`.
        reason: why it is not `found`, else "".
        questions: how many ask about it.
        seconds: its duration; 0 where it is not known.
    """

    path: Path
    status: str
    reason: str
    questions: int
    seconds: float = 0.0


def check_videos(
    items: Sequence[QAItem],
    *,
    check: Callable[[Path], VideoHealth] = check_health,
    following: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> Iterator[VideoStatus]:
    """Look for every video of some questions and decode it, and yield what was found, in order.

    Args:
        items: the questions.
        check: says what is wrong with a file that is there.
        following: passes the videos on one by one, such as a progress bar.
    """
    asked = Counter(item.video for item in items)
    made = getattr(items, "prepare", None) is not None
    for path in following(list(asked)):
        if not path.is_file():
            reason = "it is made when it is asked for" if made else _why_missing(path)
            yield VideoStatus(path, "missing", reason, asked[path])
            continue
        health = check(path)
        fault = "" if health.sound else _fault(health)
        status = "undecodable" if fault else "found"
        yield VideoStatus(path, status, fault, asked[path], health.duration)


def _why_missing(path: Path) -> str:
    if path.is_symlink():
        return "it is a link to a file that is not there"
    if path.exists():
        return "it is a folder, pipe or device"
    return "no video with this stem lies below the root"


def _fault(health: VideoHealth) -> str:
    """Return in words why a file is not sound."""
    told = str(health).partition(f"{health.path}: ")[2]
    return health.error.removeprefix(f"{health.path}: ") or told


def manifest_of(
    name: str, split: str, items: Sequence[QAItem], videos: Sequence[VideoStatus]
) -> dict[str, Any]:
    """Return the manifest as plain JSON data.

    | key | value |
    |---|---|
    | `format`, `dataset`, `split` | what it is, and of what |
    | `annotations` | the files by name: `sha256` and `bytes` |
    | `counts` | of questions and videos: official (or `None`), annotated, and which can be asked |
    | `coverage` | these in a line |
    | `unusable` | rows that are no questions: the reason, by where they stand |
    | `videos` | of each: `path` below the folder that holds all, `status`, `reason`, ... |

    Args:
        name: of the dataset.
        split: of it.
        items: its questions.
        videos: what `check_videos` found.
    """
    benchmark = getattr(items, "benchmark", None)
    sound = {video.path for video in videos if video.status == "found"}
    kept = [item for item in items if item.video in sound]
    count = Counter(video.status for video in videos)
    # Where a machine keeps them is nobody else's business, and the manifest is to be published.
    folder = os.path.commonpath([video.path.parent for video in videos]) if videos else ""
    return {
        "format": FORMAT,
        "dataset": name,
        "split": split,
        "annotations": {path.name: _digest(path) for path in getattr(items, "annotations", ())},
        "counts": {
            "official_questions": benchmark and benchmark.questions.get(split),
            "official_videos": benchmark and benchmark.videos.get(split),
            "questions": len(items),
            "questions_present": len(kept),
            "videos": len(videos),
            **{status: count[status] for status in STATUSES},
        },
        "coverage": coverage_line(coverage_of(items, kept)),
        "unusable": _unusable(items),
        "videos": [
            {
                "path": video.path.relative_to(folder).as_posix(),
                "status": video.status,
                "reason": video.reason or None,
                "questions": video.questions,
                "seconds": round(video.seconds, 3) or None,
            }
            for video in videos
        ],
    }


def _unusable(items: Sequence[QAItem]) -> dict[str, str]:
    """Return the rows that are no questions: the reasons, by `FILE, line 3`."""
    found = dict(getattr(items, "unusable", {}))
    for path in getattr(items, "annotations", ()):
        found = {place.replace(str(path), path.name): reason for place, reason in found.items()}
    return found


def _digest(path: Path) -> dict[str, Any]:
    """Return the SHA-256 and the size of a file."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return {"sha256": digest.hexdigest(), "bytes": size}
