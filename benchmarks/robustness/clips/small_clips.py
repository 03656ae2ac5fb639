"""Small videos whose frames are told apart at a glance, whatever JPEG and scaling did to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.video_file import open_video

HEIGHT, WIDTH, BLOCK = 64, 96, 16
FAR = 40.0
"""Mean difference of pixel values from which on two pictures are of different frames. JPEG and
scaling make 5 to 15, another frame about 127."""


def write_blocks(path: Path, *, seed: int, frames: int = 40, codec: str = "libx264") -> Path:
    """Write a video at 25 frames a second, each frame of black and white blocks of its own.

    The file is the same in every run, and its time: files of caches are named after both, so that
    a case can be made again.

    Args:
        path: of the file; its ending says the container.
        seed: of the blocks.
        frames: how many.
        codec: FFmpeg's name of the encoder.
    """
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = cast(
            VideoStream, container.add_stream(codec, rate=25, options={"g": "10", "threads": "1"})
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(frames):
            blocks = 255 * rng.integers(0, 2, (HEIGHT // BLOCK, WIDTH // BLOCK, 1), np.uint8)
            picture = np.kron(blocks, np.ones((BLOCK, BLOCK, 3), np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    os.utime(path, (1, 1))
    return path


def frames_of(path: Path, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return all frames of a video, uint8 `(H, W, 3)` each, read without any cache."""
    with open_video(path, cache=FrameCache(0)) as video:
        count = round(video.duration * video.fps)
        return list(video.frames_at([n / video.fps for n in range(count)], size=size).pixels)


def compare_looks(
    path: Path,
    expected: Sequence[NDArray[np.uint8]],
    seconds: Sequence[float],
    *,
    store: FrameStore | None = None,
    proxies: Path | None = None,
) -> None:
    """Look at a video through caches, and compare what comes with what it holds.

    Args:
        path: the video.
        expected: its frames in one size, uint8 `(H, W, 3)` each.
        seconds: when to look.
        store: the store of pictures.
        proxies: the folder of small pictures.

    Raises:
        AssertionError: if a frame is not the one that it says, or not equal where it is exact.
    """
    size = expected[0].shape[0], expected[0].shape[1]
    with open_video(path, cache=FrameCache(0, store), proxy_folder=proxies) as video:
        batch = video.frames_at(seconds, size=size)
        for number, picture in zip(batch.index.tolist(), batch.pixels, strict=True):
            assert np.array_equal(picture, expected[number]), f"frame {number} is another picture"
        assert np.array_equal(batch.index, np.floor(np.asarray(seconds) * 25 + 1e-6))
        if proxies is None:
            return
        near = video.frames_at(seconds, size=size, tolerance=0.3)
        for number, picture in zip(near.index.tolist(), near.pixels, strict=True):
            off = np.abs(picture.astype(int) - expected[number]).mean()
            assert off < FAR, f"a small picture is not of frame {number}: {off:.0f} off"
