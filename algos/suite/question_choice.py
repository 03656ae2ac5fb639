"""Which questions of a dataset are played: some of each length, those of a list, or a shard.

Nothing here draws: what is chosen depends on ids and names of videos, through BLAKE2b, so that it
is the same on every machine. Chosen questions keep the order of the dataset.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.runs.json_files import RunFolderError
from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError

_LENGTHS = ("duration", "bucket")  # report keys that stand for a length where none is known


class ChoiceError(SageEnvError):
    """Questions cannot be chosen as asked; the message names the option."""


def stratified(items: Sequence[QAItem], limit: int | None) -> list[QAItem]:
    """Return `limit` questions, of every duration bucket as large a share as it has.

    In a bucket, videos take turns, each with one question, before any has a second one. A larger
    limit chooses all that a smaller one does, and some more.

    Args:
        items: of the dataset.
        limit: how many; `None`, or more than there are: all.

    Raises:
        ChoiceError: if it is below 1.
    """
    if limit is not None and limit < 1:
        raise ChoiceError(f"--limit must be at least 1, got {limit}")
    if limit is None or limit >= len(items):
        return list(items)
    strata: dict[str, list[tuple[QAItem, str]]] = {}
    for item, video in zip(items, video_names(items), strict=True):
        strata.setdefault(_length(item), []).append((item, video))
    # The k-th of n questions of a stratum stands at (k + 1/2) / n: any first part of them all has
    # of each stratum its share, to within one question.
    ranked = [
        ((k + 0.5) / len(found), name, item.id)
        for name, found in strata.items()
        for k, item in enumerate(_spread(found))
    ]
    chosen = {item_id for _, _, item_id in sorted(ranked)[:limit]}
    return [item for item in items if item.id in chosen]


def _length(item: QAItem) -> str:
    if item.duration is not None:
        return bucket_of(item.duration)
    return next((str(item.group[key]) for key in _LENGTHS if key in item.group), "unknown")


def video_names(items: Sequence[QAItem]) -> list[str]:
    """Return a name for each item's video that does not say where the dataset lies.

    It is the path below the folder that all videos share.
    """
    paths = [str(item.video) for item in items]
    try:
        shared = os.path.commonpath({os.path.dirname(path) for path in paths})
        return [Path(os.path.relpath(path, shared or ".")).as_posix() for path in paths]
    except ValueError:  # none at all, or some absolute and some not
        return [item.video.name for item in items]


def _spread(asked: Sequence[tuple[QAItem, str]]) -> list[QAItem]:
    """Return questions so that videos take turns; both in the order of their hashes."""
    turns: dict[str, int] = {}
    ranked = []
    for item, video in sorted(asked, key=lambda one: _hash(one[0].id)):
        turns[video] = turns.get(video, 0) + 1
        ranked.append((turns[video], _hash(video), _hash(item.id), item))
    return [item for *_, item in sorted(ranked, key=lambda one: one[:3])]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def listed(items: Sequence[QAItem], path: Path) -> list[QAItem]:
    """Return the questions whose ids a file lists, in the order of the dataset.

    Args:
        items: of the dataset.
        path: one id per line, or one JSON object with an `id` per line as in `samples.jsonl`, or
            a JSON list of ids.

    Raises:
        ChoiceError: if it cannot be read, lists none, or one that the dataset lacks.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ChoiceError(f"--ids {path} cannot be read: {error}") from error
    known = {item.id for item in items}
    wanted = dict.fromkeys(_ids(text, known))
    if not wanted:
        raise ChoiceError(f"--ids {path} lists no id: write one per line")
    if unknown := [one for one in wanted if one not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        meant = f": did you mean {near[0]!r}?" if near else ""
        raise ChoiceError(
            f"--ids {path} has {len(unknown)} of {len(wanted)} ids that the dataset lacks, the "
            f"first {unknown[0]!r}{meant}"
        )
    return [item for item in items if item.id in wanted]


def _ids(text: str, known: Collection[str]) -> list[str]:
    whole = _json(text)
    if isinstance(whole, list):
        return [str(one) for one in whole]
    # Not splitlines: an id may hold other line separators, and blanks at its ends, as they are.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [_id(line, known) for line in lines if line.strip()]


def _id(line: str, known: Collection[str]) -> str:
    if line in known:
        return line
    row = _json(line)
    return str(row["id"]) if isinstance(row, dict) and "id" in row else line.strip()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Shard:
    """One of several parts of an evaluation, which other processes or machines play.

    Attributes:
        index: from 1.
        count: how many shards there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        """Return e.g. `2/8`."""
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `i/n`.

        Raises:
            ChoiceError: if it is none.
        """
        index, slash, count = text.partition("/")
        if slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
            return cls(int(index), int(count))
        raise ChoiceError(f"--shard takes i/n with 1 <= i <= n, e.g. 2/8, got {text!r}")

    def positions(self, items: Sequence[QAItem]) -> list[int]:
        """Return the places of its questions among all: those of every n-th video, by hash.

        Every question of a video is in one shard, so that no file is read on two machines.

        Raises:
            ChoiceError: if there are fewer videos than shards.
        """
        names = video_names(items)
        videos = sorted(set(names), key=lambda name: (_hash(name), name))
        if self.count > len(videos):
            raise ChoiceError(
                f"--shard {self} makes {self.count} shards of {len(videos)} videos: a shard needs "
                "one at least"
            )
        own = set(videos[self.index - 1 :: self.count])
        return [k for k, name in enumerate(names) if name in own]


def merged_order(positions: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return where each question of the whole stands: which shard, and its place there.

    Args:
        positions: of each shard, see `Shard.positions`.

    Raises:
        RunFolderError: if the shards do not have each question once.
    """
    placed = sorted(
        (whole, shard, place)
        for shard, own in enumerate(positions)
        for place, whole in enumerate(own)
    )
    if [whole for whole, _, _ in placed] != list(range(len(placed))):
        raise RunFolderError("the shards do not have each question once: they are of two plays")
    return [(shard, place) for _, shard, place in placed]
