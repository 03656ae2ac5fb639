"""A campaign: mutated files of the caches, while the videos that they are about stay sound.

Two videos are looked at through every cache there is: kept indexes, stored pictures, small
pictures, ledgers. Then some of these files are mutated in one of many ways, and both videos are
looked at again as a new process would, twice. No look may raise or hang, no frame may be another
than it says, and what a link leads to must stay as it is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.robustness.clips.small_clips import compare_looks, frames_of, write_blocks
from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome
from sage_env.storage.folder_ledger import ledger_of
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.index import video_index

_VIDEOS = {"a.mkv": 1, "b.mkv": 2, "c.ts": 3}
_SIZE = (32, 48)
_SECONDS = [0.0, 0.36, 0.72, 1.2, 1.52]
_SECRET = b"not of any cache\n" * 40
_CLAIMS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


class Case(NamedTuple):
    """One mutation.

    Attributes:
        number: of the case; with the seed it says everything that is drawn.
        seed: of the campaign.
    """

    number: int
    seed: int


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Mutate files `tries` times.

    Args:
        tries: how many cases.
        seed: of what is mutated, and how.
        folder: for the files of this campaign.

    Returns:
        How the cases ended.
    """
    for name, blocks in _VIDEOS.items():
        write_blocks(folder / name, seed=blocks)
    sound = folder / "sound"
    look(folder, sound)
    look(folder, sound)
    cases = [Case(number, seed) for number in range(tries)]
    return run_isolated(partial(attempt, folder=folder), cases, seconds=20)


def look(folder: Path, caches: Path) -> None:
    """Look at all videos through the caches in a folder, as a new process would.

    Raises:
        AssertionError: if a frame is not the right one.
    """
    os.environ["SAGE_ENV_CACHE"] = str(caches)
    video_index._WORTH_KEEPING = -1.0  # keep every index
    video_index._remembered.cache_clear()
    ledger_of.cache_clear()
    for name in _VIDEOS:
        compare_looks(
            folder / name,
            _frames(folder / name),
            _SECONDS,
            store=FrameStore(caches / "store", 2**20),
            proxies=caches / "proxies",
        )


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Try one case; return how it ended, and what was wrong.

    Args:
        case: what is mutated.
        folder: of the campaign.
    """
    for name in _VIDEOS:
        _frames(folder / name)  # before the caches are there
    where = Path(tempfile.mkdtemp(dir=folder))
    caches, outside = where / "caches", where / "outside"
    shutil.copytree(folder / "sound", caches)
    outside.write_bytes(_SECRET)
    rng = np.random.default_rng((case.seed, case.number))
    files = sorted(path for path in caches.rglob("*") if path.is_file())
    # Of the kinds of files first, since there are many more pictures than others.
    kinds = sorted({path.suffix for path in files})
    kind = kinds[case.number % len(kinds)]
    chosen = [path for path in files if path.suffix == kind]
    how = list(_MUTATIONS)[case.number // len(kinds) % len(_MUTATIONS)]
    many = 1 if rng.random() < 0.5 else len(chosen)
    try:
        for place in rng.permutation(len(chosen))[:many].tolist():
            other = files[int(rng.integers(len(files)))]
            alike = chosen[int(rng.integers(len(chosen)))]
            _MUTATIONS[how](chosen[place], alike if rng.random() < 0.7 else other, outside, rng)
        for path in (caches / "store").glob("[0-7]*.rgb"):  # so that something has to be written
            if path.is_file() or path.is_symlink():
                path.unlink()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for _ in range(2):
                look(folder, caches)
        what = "" if outside.read_bytes() == _SECRET else "what a link led to was changed"
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(where, ignore_errors=True)
    if what:
        return f"{kind or 'ledger'}: wrong", f"{how} of {kind or 'ledger'}: {what}"
    return f"{kind or 'ledger'}: right frames", ""


@cache
def _frames(path: Path) -> list[NDArray[np.uint8]]:
    return frames_of(path, _SIZE)


Mutation = Callable[[Path, Path, Path, np.random.Generator], object]
"""Changes the first file; the others are another file of the caches, and one outside of them."""


def _bytes(path: Path) -> bytearray:
    return bytearray(path.read_bytes()) if path.is_file() else bytearray()


def _flip(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    data = _bytes(path)
    early = rng.random() < 0.5  # in the header
    for _ in range(int(rng.integers(1, 4))):
        if data:
            place = int(rng.integers(min(len(data), 48) if early else len(data)))
            data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def _cut(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    data = _bytes(path)
    path.write_bytes(data[: int(rng.integers(len(data) + 1))])


def _zeroed(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    """What a disk that lost power leaves: the length, and zeros."""
    data = _bytes(path)
    keep = int(rng.integers(len(data) + 1))
    path.write_bytes(data[:keep] + bytes(len(data) - keep))


def _extend(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    more = rng.bytes(int(rng.integers(1, 90))) if rng.random() < 0.5 else bytes(_bytes(path))
    path.write_bytes(_bytes(path) + more)


def _splice(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    data = _bytes(path)
    at = int(rng.integers(len(data) + 1))
    path.write_bytes(data[:at] + _bytes(other)[at:])


def _swap(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    mine, theirs = _bytes(path), _bytes(other)
    path.write_bytes(theirs)
    other.write_bytes(mine)


def _random(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    data = _bytes(path)
    path.write_bytes(rng.bytes(len(data) if rng.random() < 0.7 else int(rng.integers(200))))


def _claim(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    """Put an extreme number into the header."""
    data = _bytes(path)
    width = int(rng.choice([4, 8]))
    if len(data) >= width:
        at = int(rng.integers(min(len(data) - width, 60) + 1))
        number = _CLAIMS[int(rng.integers(len(_CLAIMS)))] % 2 ** (8 * width)
        data[at : at + width] = number.to_bytes(width, "little")
    path.write_bytes(data)


def _replaced(path: Path, make: Callable[[], object]) -> None:
    path.unlink()
    make()


def _link(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    to = [outside, other, path, outside.with_name("nowhere")][int(rng.integers(4))]
    _replaced(path, lambda: path.symlink_to(to))


def _hard_link(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    _replaced(path, lambda: os.link(outside, path))


def _pipe(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    _replaced(path, lambda: os.mkfifo(path))


def _folder(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    _replaced(path, path.mkdir)


def _gone(path: Path, other: Path, outside: Path, rng: np.random.Generator) -> None:
    path.unlink()


_MUTATIONS: dict[str, Mutation] = {
    "flipped bits": _flip,
    "a cut": _cut,
    "zeros": _zeroed,
    "more bytes": _extend,
    "a splice": _splice,
    "a swap": _swap,
    "random bytes": _random,
    "a claim": _claim,
    "a link": _link,
    "a hard link": _hard_link,
    "a pipe": _pipe,
    "a folder": _folder,
    "absence": _gone,
}
