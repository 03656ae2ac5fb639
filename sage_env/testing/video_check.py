"""`check_video`: what the environment asks of a video."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from sage_env.frames import MAX_DURATION, Box, FrameBatch, Video
from sage_env.openers import Opener
from sage_env.testing.laws import lawful, require

_ROUNDING = 1e-6  # seconds
_SIZES = ((24, 32), (32, 24), (7, 50))
_LEFT_UPPER: Box = (0.0, 0.0, 0.5, 0.5)


def check_video(video_or_opener: Video | Opener, path: str | Path | None = None) -> None:
    """Read a video in many ways, and check that all agree.

    Args:
        video_or_opener: an open video, or, with a path, a function that opens it.
        path: given to the opener.

    Raises:
        AssertionError: with the law that was broken.
    """
    if path is None:
        require(
            hasattr(video_or_opener, "frames_at"),
            f"check_video takes a video, or an opener and a path, got {video_or_opener!r}",
        )
        _check(cast(Video, video_or_opener))
        return
    require(callable(video_or_opener), f"an opener must be callable, got {video_or_opener!r}")
    opener = cast(Callable[[Path], Video], video_or_opener)
    with lawful(f"an opener must open {path}"):
        video, other = opener(Path(path)), opener(Path(path))
    times = _times(video.duration)
    _same(
        _read(other, times, _SIZES[0]),
        _read(video, times, _SIZES[0]),
        "the same video, opened twice, must give the same frames",
    )
    _check_close(other)
    _check(video)


def _check(video: Video) -> None:
    duration, fps = float(video.duration), float(video.fps)
    law = f"a video must have a duration in seconds, above 0 and at most {MAX_DURATION:.0f}"
    require(0 < duration <= MAX_DURATION, f"{law}: got {duration}")
    require(0 < fps < math.inf, f"a video must have fps, its frames per second: got {fps}")
    times = _times(duration)
    batch = _read(video, times, _SIZES[0])
    _check_times(video, batch, times)
    _check_agreement(video, batch, times)
    _check_edges(video)
    _check_pictures(video)
    _check_close(video)


def _check_times(video: Video, batch: FrameBatch, times: Sequence[float]) -> None:
    """Check that the frames are those on screen, with their own times."""
    inside = (batch.seconds >= 0).all() and (batch.seconds < video.duration).all()
    require(
        bool(inside),
        f"frames must have times in [0, duration), which is {video.duration}: got {batch.seconds}",
    )
    first = _read(video, [0.0], _SIZES[0]).seconds[0]
    late = batch.seconds > np.maximum(np.sort(times), first) + _ROUNDING
    require(
        not late.any(),
        "the frame at a time must be the last one shown at or before it: got "
        f"{batch.seconds[late]} for {np.sort(times)[late]}",
    )
    _same(
        _read(video, batch.seconds.tolist(), _SIZES[0]),
        batch,
        "asked for its own time, a frame must come back",
    )


def _check_agreement(video: Video, batch: FrameBatch, times: Sequence[float]) -> None:
    """Check that a frame is the same whatever was asked for before, beside it, or done to it."""
    law = "the same request must give the same frames"
    again = _read(video, times, _SIZES[0])
    _same(again, batch, law)
    kept = again.pixels.copy()
    with lawful("the pixels must be the caller's own, to write to"):
        again.pixels[...] = 255 - again.pixels
    _same(_read(video, times, _SIZES[0]), FrameBatch(kept, again.seconds), f"{law}, also after the "
          "ones before were written to")  # fmt: skip
    backwards = list(reversed(sorted(times)))
    _same(_read(video, backwards, _SIZES[0]), batch, "the order of the times must not matter")
    middle = len(batch) // 2
    alone = _read(video, [sorted(times)[middle]], _SIZES[0])
    beside = FrameBatch(batch.pixels[middle : middle + 1], batch.seconds[middle : middle + 1])
    _same(alone, beside, "a frame must be the same alone and among others")
    twice = _read(video, [sorted(times)[middle]] * 2, _SIZES[0])
    require(len(twice) == 2, f"there must be one frame per time: got {len(twice)} for 2 equal ones")


def _check_edges(video: Video) -> None:
    """Check what is not a time of the video."""
    first, last = (_read(video, [t], _SIZES[0]) for t in (0.0, _before(video.duration)))
    early, late = (_read(video, [t], _SIZES[0]) for t in (-1.0, video.duration + 100.0))
    _same(early, first, "a time before the start must give the first frame")
    _same(late, last, "a time after the end must give the last frame")
    none = _read(video, [], _SIZES[0])
    require(len(none) == 0, f"no times must give no frames, got {len(none)}")
    for bad in (math.nan, math.inf):
        try:
            video.frames_at([bad], size=_SIZES[0])
        except ValueError:
            continue
        raise AssertionError(f"a time of {bad} must raise ValueError")


def _check_pictures(video: Video) -> None:
    """Check sizes and boxes."""
    middle = [min(video.duration / 2, 1.0)]  # early: some videos are decoded from their start
    for size in _SIZES:
        for box in (None, _LEFT_UPPER):
            _read(video, middle, size, box)
    native = _read(video, middle)
    whole = _read(video, middle, None, (0.0, 0.0, 1.0, 1.0))
    _same(whole, native, "the box (0, 0, 1, 1) must be the whole picture")
    quarter = _read(video, middle, None, _LEFT_UPPER)
    height, width = native.pixels.shape[1:3]
    rows, columns = quarter.pixels.shape[1:3]
    require(
        abs(2 * rows - height) <= 2 and abs(2 * columns - width) <= 2,
        "a box must crop, in native pixels where no size is given: the left upper quarter of "
        f"{height}x{width} had {rows}x{columns}",
    )
    require(
        np.array_equal(quarter.pixels, native.pixels[:, :rows, :columns]),
        "a box must show what is there in the whole picture: the left upper quarter differs",
    )


def _check_close(video: Video) -> None:
    with lawful("close must work, and do nothing when called again"):
        video.close()
        video.close()


def _read(
    video: Video,
    seconds: Sequence[float],
    size: tuple[int, int] | None = None,
    box: Box | None = None,
) -> FrameBatch:
    """Return the frames after checking that there are as many, and as large, as asked for."""
    request = f"frames_at({list(seconds)}, size={size}, box={box})"
    with lawful(f"{request} must return frames"):
        batch: object = video.frames_at(seconds, size=size, box=box)
    require(isinstance(batch, FrameBatch), f"{request} must return a FrameBatch, got {batch!r}")
    assert isinstance(batch, FrameBatch)
    got = batch.pixels.shape
    require(len(batch) == len(seconds), f"{request} must return one frame per time, got {got}")
    require(size is None or got[1:3] == size, f"{request} must be of the size (H, W), got {got}")
    return batch


def _same(batch: FrameBatch, expected: FrameBatch, law: str) -> None:
    require(
        np.array_equal(batch.seconds, expected.seconds),
        f"{law}: got times {batch.seconds}, expected {expected.seconds}",
    )
    require(np.array_equal(batch.pixels, expected.pixels), f"{law}: the pixels differ")


def _times(duration: float) -> list[float]:
    """Return times all over the video, not in order."""
    fractions = np.random.default_rng(0).random(9)
    return [float(f * duration) for f in fractions] + [0.0, _before(duration)]


def _before(duration: float) -> float:
    return float(np.nextafter(duration, 0.0))
