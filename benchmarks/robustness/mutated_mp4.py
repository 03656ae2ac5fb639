"""Mutated MP4 files: what is served is what FFmpeg shows at that time, or a typed error says why.

The files are small clips of H.264 with B-frames: plain, with their tables in front, with sound,
with an edit list, in fragments. Some mutations change the pictures too; what FFmpeg decodes of the
same file, packet after packet, is the judge in either case.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path

import av
import numpy as np

from benchmarks.robustness.clips.graded_clips import B_FRAMES, FRAGMENTS, write_edited, write_graded
from benchmarks.robustness.clips.mp4_surgery import MUTATIONS
from benchmarks.robustness.clips.sequential_check import check_reading
from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome

_HIDDEN = 7
"""Frames that the edit list hides."""
_SECONDS = 30.0
"""Seconds that one file may take; sound ones take 0.03."""
_MEMORY = 2 << 30
"""Bytes of address space that a worker may take; what is really used is bounded in the check."""


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Mutate and read files; see `Campaign`.

    Args:
        tries: how many files.
        seed: of the mutations.
        folder: for the files.
    """
    os.environ["SAGE_ENV_CACHE"] = str(folder / "cache")
    sources = _write_sources(folder)
    attempt = partial(_attempt, folder, sources, seed)
    outcome = run_isolated(
        attempt, range(tries), seconds=_SECONDS, memory=_MEMORY, prepare=_be_quiet
    )
    outcome.ends = Counter({end.split("!")[0]: n for end, n in outcome.ends.items()})
    return outcome


def mutated(source: bytes, seed: int, case: int) -> tuple[str, bytes]:
    """Return the name of a mutation and the file that it makes, by seed and number of the case."""
    rng = np.random.default_rng([seed, case])
    mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
    return mutation.__name__, mutation(source, rng)


def _write_sources(folder: Path) -> tuple[Path, ...]:
    """Write the sound clips that are mutated."""
    plain, front, sound, edited, parts = (
        folder / f"{name}.mp4" for name in ("plain", "front", "sound", "edited", "parts")
    )
    write_graded(plain, options=B_FRAMES)
    write_graded(front, options=B_FRAMES, container={"movflags": "+faststart"})
    write_graded(sound, options=B_FRAMES, sound=True)
    write_edited(plain, edited, 12800 // 25 * _HIDDEN)
    write_graded(parts, options=B_FRAMES, container=FRAGMENTS)
    return plain, front, sound, edited, parts


def _attempt(folder: Path, sources: tuple[Path, ...], seed: int, case: int) -> tuple[str, str]:
    """Mutate one file and read it."""
    source = sources[case % len(sources)]
    name, content = mutated(source.read_bytes(), seed, case)
    path = folder / f"case-{case}.mp4"
    path.write_bytes(content)
    try:
        hidden = _HIDDEN if source.stem == "edited" else 0
        end, fault = check_reading(path, hidden=hidden, strange_times=True)
    finally:
        path.unlink()
    return end, f"{source.stem}, {name}: {fault}" if fault else ""


def _be_quiet() -> None:
    """Keep FFmpeg's own messages about broken files to itself."""
    av.logging.set_level(None)
