"""Labelled frames, which the vision tower is trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from policies.baselines.reading_head import BACKDROPS, SIGHTS
from policies.baselines.scripted import corner_box
from sage_env.frames import Box
from sage_env.synth.plan import Event, Scene, VideoPlan, plan_video
from sage_env.synth.rendered import RenderedVideo

SIZE = (64, 64)
PICTURE_SEED = 1000  # videos that no dataset split uses


@dataclass(frozen=True, eq=False)
class Pictures:
    """N labelled frames.

    Attributes:
        pixels: uint8 `(N, 64, 64, 3)`.
        backdrops: int64 `(N,)`, index into `BACKDROPS`.
        sights: int64 `(N,)`, index into `SIGHTS`; a mark too small to read counts as empty.
    """

    pixels: NDArray[np.uint8]
    backdrops: NDArray[np.int64]
    sights: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.pixels)


def draw_pictures(videos: int, seed: int = PICTURE_SEED, progress: bool = True) -> Pictures:
    """Draw a few frames of every scene of many videos, in parallel: about 35 frames a video."""
    parts: list[Pictures] = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        jobs = pool.map(_draw_video, range(videos), [seed] * videos, chunksize=8)
        parts = list(tqdm(jobs, total=videos, desc="pictures", disable=not progress))
    return Pictures(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.backdrops for p in parts]),
        np.concatenate([p.sights for p in parts]),
    )


def _draw_video(index: int, seed: int) -> Pictures:
    plan = plan_video("train", index, seed)
    video = RenderedVideo(plan)
    rng = np.random.default_rng([seed, index])
    pixels, backdrops, sights = [], [], []
    for second, box in _views(plan, rng):
        scene, event = look(plan, second)
        readable = event is not None and (event.corner is None or box is not None)
        pixels.append(video.frames_at([second], size=SIZE, box=box).pixels[0])
        backdrops.append(BACKDROPS.index(scene.colour or "grey"))
        sights.append(SIGHTS.index(event.symbol if event is not None and readable else "empty"))
    return Pictures(np.stack(pixels), np.array(backdrops), np.array(sights))


def look(plan: VideoPlan, second: float) -> tuple[Scene, Event | None]:
    """Return the scene on screen at a frame time, and the event on screen if there is one."""
    scene = plan.scene_at(second)
    shown = (event for event in scene.events if event.start <= second < event.end)
    return scene, next(shown, None)


def _views(plan: VideoPlan, rng: np.random.Generator) -> Iterable[tuple[float, Box | None]]:
    """Choose times, some inside events; of scenes with a mark mostly the enlarged corner."""
    for scene in plan.scenes:
        spans = [(scene.start, scene.end)] * 2 + [(e.start, e.end) for e in scene.events] * 2
        for start, end in spans:
            first, last = np.searchsorted(plan.times, [start, end])
            second = float(plan.times[int(rng.integers(first, max(last, first + 1)))])
            box = None
            if scene.kind == "mark" and rng.random() < 0.6:
                box = corner_box(str(scene.events[0].corner))
            yield second, box
