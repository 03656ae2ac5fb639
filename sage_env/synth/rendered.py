"""A SageSynth video without a file: each frame is drawn when it is requested.

For training on far more videos than one wants to encode. Pixels differ from those of the file by
the traces of compression only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from sage_env.frames import Box, FrameBatch
from sage_env.synth.bench import BENCH, BENCH_SIDE
from sage_env.synth.plan import Scene, VideoPlan, plan_video
from sage_env.synth.render import SIZE, ScenePainter
from sage_env.video.decoding.frame_converter import FrameConverter
from sage_env.video.index.picture_form import PictureForm


class RenderedVideo:
    """A planned video behind the `Video` protocol of `sage_env.video`."""

    def __init__(self, plan: VideoPlan, side: int = SIZE) -> None:
        """Draw nothing yet; `side` is that of native pictures, in pixels."""
        self.plan, self._side = plan, side
        self.duration = plan.duration
        self.fps = len(plan.times) / plan.duration
        self._maker = FrameConverter((side, side))

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times; see `sage_env.video.Video`.

        Args:
            seconds: in any order.
            size: `(H, W)` of the pictures, in pixels; `None` for native ones.
            box: the region to show; `None` for the whole picture.

        Returns:
            One frame per time, sorted by time; pixels are uint8 `(N, H, W, 3)`.
        """
        order = np.sort(np.asarray(seconds, dtype=np.float64))
        # A time may fall short of its frame by the rounding of a float: a microsecond is allowed.
        found = np.searchsorted(self.plan.times, order + 1e-6, side="right") - 1
        index = np.clip(found, 0, len(self.plan.times) - 1)
        shown = self.plan.times[index]
        pictures = []
        for i, second in zip(index.tolist(), shown.tolist(), strict=True):
            image = _painter(self.plan.scene_at(second), self._side).paint(i, second)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            pictures.append(self._maker.convert(frame, PictureForm(), size, box))
        return FrameBatch(np.stack(pictures), shown)

    def close(self) -> None:
        """Do nothing: there is no file."""


@lru_cache(maxsize=128)
def _painter(scene: Scene, side: int) -> ScenePainter:
    return ScenePainter(scene, side)


_plan = lru_cache(maxsize=1024)(plan_video)


def open_rendered(path: Path | str) -> RenderedVideo:
    """Open the video that `sage_synth` or `sage_synth_bench` would write at `path`, without it."""
    path = Path(path)
    seed = int(path.parents[1].name.rpartition("seed")[2])
    plan = _plan(path.parent.name, int(path.stem), seed)
    return RenderedVideo(plan, BENCH_SIDE if path.parent.name == BENCH else SIZE)
