"""Synthetic pictures of the benchmark's clips: scenes with cuts, pans, zooms, moving rectangles.

Half of the scenes have a still background, as filmed talk and surveillance do. All have camera
noise: without it the pictures between keyframes would have next to no bytes, and readers would be
compared by their keyframes alone. Every frame carries its number (`frame_code`). The same seed
gives the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.frame_access.frame_code import SHARE, draw_code

Plane = NDArray[np.uint8]

SHORTEST, LONGEST = 1.5, 40.0  # seconds of a scene
GRAIN = 4.0
"""Standard deviation of the noise, in grey levels.

Chosen so that pictures between keyframes have as many bytes as in filmed clips. Measured with the
encoder of `clips`: .046 (360p) and .033 (720p) bits a pixel between keyframes, keyframes 23 and 21
times as much; medians of seven filmed clips of 320x180 to 1280x720: .044, and 22 times. To be
measured anew with another encoder or other options.
"""
_SHIFT = 64  # pixels: one noise picture is shifted by up to that, anew in each frame
_MARGIN = 1.5  # height and width of a scene, in those of the picture: room for a pan


@dataclass(frozen=True)
class _Sprite:
    """A textured rectangle that moves on a line and bounces off the edges."""

    luma: Plane
    start: NDArray[np.float64]
    velocity: NDArray[np.float64]  # pixels a frame, (y, x)

    def draw(self, luma: Plane, step: int) -> None:
        room = np.array(luma.shape) - self.luma.shape
        way = np.mod(self.start + self.velocity * step, 2 * room)
        top, left = np.where(way > room, 2 * room - way, way).astype(int)
        height, width = self.luma.shape
        luma[top : top + height, left : left + width] = self.luma


def frames(height: int, width: int, count: int, fps: float, seed: int) -> Iterator[Plane]:
    """Yield `count` numbered frames as I420 planes, uint8 `(H * 3 / 2, W)`, from number 0.

    Args:
        height: of the picture, even.
        width: of the picture, even.
        count: how many.
        fps: frames per second, which scales how long scenes are and how fast things move.
        seed: of all pictures.
    """
    rng = np.random.default_rng(seed)
    grain = np.rint(GRAIN * rng.standard_normal((height + _SHIFT, width + _SHIFT))).astype(np.int16)
    number = 0
    while number < count:
        seconds = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
        length = min(max(1, round(seconds * fps)), count - number)
        for image in _scene(height, width, length, fps, rng):
            top, left = rng.integers(0, _SHIFT, 2)
            noise = grain[top : top + height, left : left + width]
            image[:height] = np.clip(image[:height] + noise, 0, 255)
            draw_code(image[:height], number)
            image[height:].reshape(2, height // 2, width // 2)[:, -(height // 2 // SHARE) :] = 128
            yield image
            number += 1


def _scene(
    height: int, width: int, length: int, fps: float, rng: np.random.Generator
) -> Iterator[Plane]:
    """Yield the frames of one scene, without noise and numbers."""
    tall, wide = (2 * round(side * _MARGIN / 2) for side in (height, width))
    luma = _texture(tall, wide, rng, low=40, high=215)
    chroma = [_texture(tall // 2, wide // 2, rng, low=96, high=160, octaves=2) for _ in range(2)]
    kind = rng.choice(["still", "still", "pan", "zoom"])
    sprites = [_sprite(height, width, fps, rng) for _ in range(int(rng.integers(1, 4)))]
    ways = rng.uniform(0, 1, (2, 2)) * [tall - height, wide - width]  # from, to
    for step in range(length):
        place = ways[0] + (ways[1] - ways[0]) * (step / length if kind == "pan" else 0.0)
        share = 1 - 0.3 * step / length if kind == "zoom" else 1.0
        image = np.empty((height * 3 // 2, width), dtype=np.uint8)
        image[:height] = _view(luma, place, height, width, share)
        planes = image[height:].reshape(2, height // 2, width // 2)
        for plane, source in zip(planes, chroma, strict=True):
            plane[:] = _view(source, place / 2, height // 2, width // 2, share)
        for sprite in sprites:
            sprite.draw(image[: height - height // SHARE], step)
        yield image


def _view(
    source: Plane, place: NDArray[np.float64], height: int, width: int, share: float
) -> Plane:
    """Return what is seen of a scene: uint8 `(height, width)`.

    Args:
        source: the whole plane of the scene.
        place: top left corner of the window, `(y, x)` in pixels.
        height: of the window.
        width: of the window.
        share: part of the window, in its middle, that is enlarged to all of it; 1 for no zoom.
    """
    top, left = (int(x) for x in place)
    if share == 1.0:
        return source[top : top + height, left : left + width]
    cut = (1 - share) / 2
    box = (left + cut * width, top + cut * height, left + (1 - cut) * width, 0.0)
    box = (*box[:3], top + (1 - cut) * height)
    image = Image.fromarray(source).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image)


def _texture(
    height: int, width: int, rng: np.random.Generator, *, low: int, high: int, octaves: int = 4
) -> Plane:
    """Return a plane of smooth noise in octaves, each three times finer: values `[low, high]`."""
    total = np.zeros((height, width), dtype=np.float32)
    for octave in range(octaves):
        cells = 4 * 3**octave
        noise = rng.random((cells, cells * width // height), dtype=np.float32)
        image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(image) * 0.7**octave
    total -= total.min()
    levels: Plane = (low + total * ((high - low) / total.max())).astype(np.uint8)
    return levels


def _sprite(height: int, width: int, fps: float, rng: np.random.Generator) -> _Sprite:
    """Return a moving rectangle, an eighth to a quarter of the picture's height tall."""
    side = int(height * rng.uniform(0.125, 0.25))
    luma = _texture(side, int(side * rng.uniform(0.6, 1.6)), rng, low=20, high=230, octaves=3)
    speed = rng.uniform(-0.3, 0.3, 2) * height / fps
    return _Sprite(luma, rng.uniform(0, 1, 2) * height, speed)
