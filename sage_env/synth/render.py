"""The frames of a planned video, drawn one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sage_env.synth.plan import Event, Scene, VideoPlan
from sage_env.synth.symbols import COLOURS, CORNERS, TEXTURES, draw_symbol, draw_texture

SIZE = 128
"""Side of a picture in pixels, unless another is asked for; all lengths are given for it."""
Image = NDArray[np.uint8]
"""A picture, uint8 `(side, side, 3)`, RGB."""


class ScenePainter:
    """Draws any frame of one scene; what does not change is drawn once.

    Args:
        scene: what is shown.
        side: of the pictures, in pixels.
    """

    def __init__(self, scene: Scene, side: int = SIZE) -> None:
        """Draw the backdrop and the sprites."""
        self.scene, self._side = scene, side
        rng = np.random.Generator(np.random.Philox(scene.seed))
        self._backdrop = _backdrop(scene.colour, rng, side)
        self._velocity = rng.uniform(-0.6, 0.6, size=2) * (side / SIZE)
        self._grain = rng.integers(-3, 4, size=(4, side, side, 1), dtype=np.int16)
        self._flicker = float(rng.uniform(0.0, 0.05))
        self._sprites = [_Sprite(event, rng, side) for event in scene.events]

    def paint(self, index: int, second: float) -> Image:
        """Return frame number `index`, shown at `second`: uint8 `(side, side, 3)`."""
        side = self._side
        dx, dy = (int(v) for v in (self._velocity * index) % side)
        wide = self._backdrop[dy : dy + side, dx : dx + side]
        gain = 1.0 + self._flicker * np.sin(0.9 * index)
        frame = (wide * np.float32(gain)).astype(np.int16)
        frame += self._grain[index % len(self._grain)]
        np.clip(frame, 0, 255, out=frame)
        image = frame.astype(np.uint8)
        for sprite in self._sprites:
            if sprite.event.start <= second < sprite.event.end:
                sprite.draw(image, index)
        return image


class _Sprite:
    """A symbol that trembles around its place."""

    def __init__(self, event: Event, rng: np.random.Generator, side: int) -> None:
        self.event, self._side = event, side
        small, scale = event.corner is not None, side / SIZE
        drawn = int(rng.integers(12, 15)) if small else int(rng.integers(64, 91))
        size = round(drawn * scale)
        fill, edge = _ink(rng)
        self._rgba = draw_symbol(event.symbol, size, float(rng.uniform(-0.25, 0.25)), fill, edge)
        room = side - size
        if small:
            corner = np.array(CORNERS[event.corner or "top left"])
            margin = rng.integers(3, 13, size=2) * scale
            self._place = np.where(corner == 0, margin, room - margin).astype(np.float64)
        else:
            self._place = np.clip(room / 2 + rng.uniform(-14, 14, size=2) * scale, 0, room)
        self._swing = scale * (1.0 if small else float(rng.uniform(1.0, 5.0)))
        self._pace = rng.uniform(0.2, 1.1, size=2)

    def draw(self, image: Image, index: int) -> None:
        size = len(self._rgba)
        offset = self._place + self._swing * np.sin(self._pace * index)
        x, y = (int(v) for v in np.clip(np.rint(offset), 0, self._side - size))
        patch = image[y : y + size, x : x + size]
        alpha = self._rgba[..., 3:]
        patch[:] = (self._rgba[..., :3] + (1 - alpha) * patch).astype(np.uint8)


def _ink(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Choose a dark fill and a light edge: every backdrop lies between the two."""
    dark, light = rng.integers(0, 56, size=3), rng.integers(200, 256, size=3)
    return (int(dark[0]), int(dark[1]), int(dark[2])), (int(light[0]), int(light[1]), int(light[2]))


def _backdrop(colour: str | None, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Return a periodic backdrop twice the picture's size: float32 `(2 side, 2 side, 3)`."""
    if colour is None:
        base = np.full(3, rng.uniform(70, 190)) + rng.uniform(-5, 5, size=3)
    else:
        base = np.array(COLOURS[colour]) * rng.uniform(0.85, 1.1) + rng.uniform(-9, 9, size=3)
    texture = draw_texture(str(rng.choice(TEXTURES)), side, rng)
    tile = base.astype(np.float32) * texture[..., None]
    return np.tile(tile, (2, 2, 1)).astype(np.float32)


def render_frames(plan: VideoPlan, side: int = SIZE) -> Iterator[Image]:
    """Draw every frame of a video in order: uint8 `(side, side, 3)` each."""
    painter: ScenePainter | None = None
    for index, second in enumerate(plan.times.tolist()):
        scene = plan.scene_at(second)
        if painter is None or painter.scene is not scene:
            painter = ScenePainter(scene, side)
        yield painter.paint(index, second)
