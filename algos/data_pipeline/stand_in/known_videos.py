"""The videos that the stand-in knows: by the content of the file, not by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from algos.data_pipeline.questions.source_videos import content_digest
from sage_env.datasets.item import QAItem
from sage_env.video.index.video_index import read_index


@dataclass(frozen=True)
class KnownVideo:
    """What can be said of a video.

    Attributes:
        digest: SHA-256 of the file, hexadecimal.
        content: what names the content elsewhere, see `content_digest`.
        duration: seconds.
        items: questions with true answers and true evidence.
    """

    digest: str
    content: str
    duration: float
    items: tuple[QAItem, ...]


def known_videos(items: Iterable[QAItem]) -> dict[str, KnownVideo]:
    """Return the videos of a dataset by their digests; those whose file is missing are left out.

    Args:
        items: of any dataset with answers and evidence, such as sage-synth.
    """
    by_path: dict[Path, list[QAItem]] = {}
    for item in items:
        by_path.setdefault(item.video, []).append(item)
    found = {}
    for path, asked in by_path.items():
        if path.is_file():
            digest = file_digest(path)
            found[digest] = KnownVideo(
                digest, content_digest(path), read_index(path).duration, tuple(asked)
            )
    return found


def answers_by_family(videos: Mapping[str, KnownVideo]) -> dict[str, tuple[str, ...]]:
    """Return every answer of each family of questions, sorted: what a wrong one is drawn from."""
    found: dict[str, set[str]] = {}
    for video in videos.values():
        for item in video.items:
            found.setdefault(item.group.get("family", ""), set()).add(item.answer)
    return {family: tuple(sorted(answers)) for family, answers in found.items()}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
