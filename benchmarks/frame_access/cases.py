"""Cases of the frame-access benchmark: times asked of a clip, who is asked, and what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.frame_access.clips import Clip
from benchmarks.frame_access.ours import (
    AUTO,
    CACHED,
    COPY,
    EXACT,
    HALF_STEP,
    PROXY,
    REPEATED,
    TOLERANT,
    TWO_THREADS,
)
from benchmarks.frame_access.peers import FLOOR, KEYS_FLOOR, PEERS, Size
from benchmarks.frame_access.worker import Measured, ReadJob
from sage_env.video.decoding.decode_plan import AUTO_TOLERANCE

SHORT_SIDE = 224
ZOOM_SECONDS, WINDOW_SECONDS = 30.0, 10.0
_SEED = 20


@dataclass(frozen=True, eq=False)
class ClipCase:
    """Calls to a reader about one clip, and how their results are checked.

    Attributes:
        name: in tables, the same for all clips.
        clip: the file that is read.
        calls: times of each call in seconds, increasing, each halfway through a frame.
        size: `(H, W)` of the pictures, `None` for native ones.
        cold: opening the file is measured too.
        contestants: names of those who take part.
    """

    name: str
    clip: Clip
    calls: tuple[tuple[float, ...], ...]
    size: Size
    cold: bool
    contestants: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return the clip and the name."""
        return f"{self.clip.recipe.name} - {self.name}"

    @property
    def num_frames(self) -> int:
        """Return the number of frames asked for."""
        return sum(map(len, self.calls))

    def job(self, contestant: str) -> ReadJob:
        """Return the calls as a job for a contestant's process."""
        again = contestant in REPEATED
        return ReadJob(self.clip.path, self.calls, self.size, self.cold and not again, again)

    def wrong(self, contestant: str, measured: Measured) -> int:
        """Return how many frames are not those that were asked for.

        A frame is right if the number drawn in it, and the time that the reader gives for it, are
        those of the frame on screen at the time asked for. A tolerant contestant may return another
        frame within its tolerance; number and time have to be those of that frame. Where the number
        of frames differs from that of the times, all are wrong.

        Args:
            contestant: who read.
            measured: one number per time, and seconds where the reader gives them.
        """
        times = np.array([t for call in self.calls for t in call])
        asked = self.clip.on_screen(times)
        if len(measured.numbers) != len(asked):
            return len(asked)
        if contestant in (*TOLERANT, KEYS_FLOOR) and measured.seconds is not None:
            shown = np.array(measured.seconds)
            limit = np.concatenate([self._limits(contestant, call) for call in self.calls])
            near = np.abs(shown - times) <= limit + 1.0 / 15
            asked = np.where(near, self.clip.on_screen(shown), asked)
        right = np.array(measured.numbers, dtype=object) == self.clip.numbers[asked]
        if measured.seconds is not None:
            right &= np.abs(np.array(measured.seconds) - self.clip.seconds[asked]) < 1e-3
        return int((~right.astype(bool)).sum())

    def _limits(self, contestant: str, call: Sequence[float]) -> NDArray[np.float64]:
        """Return the tolerance for each time of a call, in seconds."""
        step = np.diff(call).min() / 2 if len(call) > 1 else 0.0
        return np.full(len(call), min(step, AUTO_TOLERANCE) if contestant == AUTO else step)


def long_cases(clip: Clip, uniform: Sequence[int], num_windows: int) -> list[ClipCase]:
    """Return the timed cases: overviews, a zoom, and windows on an open reader.

    Args:
        clip: longer than 30 s.
        uniform: number of frames of each overview.
        num_windows: number of windows.
    """
    rng = np.random.default_rng(_SEED)
    height, width = clip.recipe.height, clip.recipe.width
    small = SHORT_SIDE, round(SHORT_SIDE * width / height)
    peers = tuple(name for name in PEERS if name != KEYS_FLOOR)
    cases = [
        ClipCase(
            name=f"{n} uniform, {SHORT_SIDE}",
            clip=clip,
            calls=(_even(clip, 0.0, clip.duration, n),),
            size=small,
            cold=True,
            contestants=(EXACT, AUTO, HALF_STEP, *PEERS),
        )
        for n in uniform
    ]
    start = float(rng.uniform(0, clip.duration - ZOOM_SECONDS))
    zoom = _even(clip, start, start + ZOOM_SECONDS, 16)
    cases.append(ClipCase("zoom: 16 in 30 s, native", clip, (zoom,), None, True, (EXACT, *peers)))
    starts = rng.uniform(0, clip.duration - WINDOW_SECONDS, num_windows).tolist()
    windows = tuple(_even(clip, s, s + WINDOW_SECONDS, 8) for s in starts)
    ours = (EXACT, TWO_THREADS, CACHED, COPY, PROXY)
    name = f"windows: 8 in 10 s, open, {SHORT_SIDE}"
    cases.append(ClipCase(name, clip, windows, small, False, (*ours, *peers)))
    return cases


def exactness_case(clip: Clip, num_frames: int = 16) -> ClipCase:
    """Return the case that is only checked: `num_frames` native frames at random times."""
    rng = np.random.default_rng(_SEED)
    frames = np.sort(rng.choice(len(clip.seconds), num_frames, replace=False))
    calls = (tuple(clip.middles(frames).tolist()),)
    peers = tuple(name for name in PEERS if name not in (FLOOR, KEYS_FLOOR))
    return ClipCase("exactness", clip, calls, None, True, (EXACT, TWO_THREADS, *peers))


def _even(clip: Clip, start: float, end: float, count: int) -> tuple[float, ...]:
    """Return `count` evenly spaced times in seconds, each moved to the middle of its frame."""
    parts = start + (np.arange(count) + 0.5) * (end - start) / count
    return tuple(clip.middles(clip.on_screen(parts)).tolist())
