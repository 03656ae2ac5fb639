"""The symbols and backdrops of SageSynth, drawn with numpy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Inside = Callable[[Float, Float], Bool]
"""Says which points `(x, y)`, of any one shape, are inside a symbol that fills [-1, 1] twice."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (200, 45, 45),
    "orange": (232, 128, 28),
    "yellow": (226, 208, 48),
    "green": (48, 160, 68),
    "cyan": (56, 190, 196),
    "blue": (48, 76, 204),
    "purple": (126, 52, 168),
    "pink": (238, 132, 184),
}
TEXTURES = ("stripes", "checker", "blobs", "waves", "gradient")
CORNERS: dict[str, tuple[float, float]] = {
    "top left": (0.0, 0.0),
    "top right": (1.0, 0.0),
    "bottom left": (0.0, 1.0),
    "bottom right": (1.0, 1.0),
}


def _polygon(points: list[tuple[float, float]]) -> Inside:
    """Return the even-odd inside test of a polygon.

    A point is inside if a ray from it to the right crosses an odd number of edges.
    """

    def inside(x: Float, y: Float) -> Bool:
        result = np.zeros(x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            result ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return result

    return inside


def _star(points: int, inner: float) -> list[tuple[float, float]]:
    angles = np.pi * np.arange(2 * points) / points - np.pi / 2
    radii = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return [
        (float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radii, angles, strict=True)
    ]


def _heart(x: Float, y: Float) -> Bool:
    u, v = 1.25 * x, -1.25 * y + 0.15
    return np.asarray((u * u + v * v - 1) ** 3 - u * u * v**3 <= 0)


SYMBOLS: dict[str, Inside] = {
    "circle": lambda x, y: np.asarray(x * x + y * y < 0.81),
    "square": lambda x, y: np.asarray(np.maximum(abs(x), abs(y)) < 0.78),
    "triangle": _polygon([(0.0, -0.95), (0.95, 0.8), (-0.95, 0.8)]),
    "star": _polygon(_star(5, 0.42)),
    "cross": lambda x, y: np.asarray(
        (np.minimum(abs(x), abs(y)) < 0.27) & (np.maximum(abs(x), abs(y)) < 0.92)
    ),
    "ring": lambda x, y: np.asarray((x * x + y * y < 0.88) & (x * x + y * y > 0.30)),
    "heart": _heart,
    "arrow": _polygon(
        [
            (-0.95, -0.28),
            (0.1, -0.28),
            (0.1, -0.85),
            (0.98, 0),
            (0.1, 0.85),
            (0.1, 0.28),
            (-0.95, 0.28),
        ]
    ),
    "moon": lambda x, y: np.asarray((x * x + y * y < 0.88) & ((x - 0.5) ** 2 + y * y > 0.5)),
    "bolt": _polygon(
        [(0.25, -1.0), (-0.62, 0.15), (-0.05, 0.15), (-0.3, 1.0), (0.62, -0.25), (0.05, -0.25)]
    ),
    "diamond": lambda x, y: np.asarray(abs(x) / 0.62 + abs(y) / 0.98 < 1),
    "hourglass": lambda x, y: np.asarray((abs(x) < 0.12 + 0.8 * abs(y)) & (abs(y) < 0.9)),
}


def draw_symbol(
    name: str, size: int, angle: float, fill: tuple[int, int, int], edge: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Draw an antialiased symbol with a thin edge.

    Args:
        name: one of `SYMBOLS`.
        size: side of the square that it is drawn in, in pixels.
        angle: radians by which it is turned.
        fill: RGB of its body, 0 to 255.
        edge: RGB of the line around it.

    Returns:
        float32 `(size, size, 4)`: RGB premultiplied by the alpha, and the alpha in [0, 1].
    """
    fine = 4 if size <= 128 else 2  # sixteen points a pixel, or four where there are many
    axis = (np.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    x, y = np.meshgrid(axis * 1.12, axis * 1.12)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = cos * x + sin * y, cos * y - sin * x
    body = SYMBOLS[name](x * 1.16, y * 1.16)
    shape = SYMBOLS[name](x, y) | body
    rgba = np.zeros((*x.shape, 4), dtype=np.float32)
    rgba[shape] = (*edge, 1.0)
    rgba[body] = (*fill, 1.0)
    blocks = rgba.reshape(size, fine, size, fine, 4)
    drawn: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return drawn


def draw_texture(kind: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a brightness pattern, float32 `(size, size)` around 1, periodic in both axes.

    Args:
        kind: one of `TEXTURES`.
        size: side in pixels.
        rng: of frequency, phase and depth.
    """
    axis = 2 * np.pi * np.arange(size) / size
    x, y = np.meshgrid(axis, axis)
    fx, fy = (int(v) for v in rng.integers(2, 7, size=2))
    phase = float(rng.uniform(0, 2 * np.pi))
    if kind == "stripes":
        pattern = np.sign(np.sin(fx * x + (fy - 4) * y + phase))
    elif kind == "checker":
        pattern = np.sign(np.sin(fx * x + phase)) * np.sign(np.sin(fy * y))
    elif kind == "waves":
        pattern = np.sin(fx * x + 2.0 * np.sin(y + phase))
    elif kind == "gradient":
        pattern = 1.4 * np.sin(x + y + phase)
    else:
        waves = rng.uniform(0, 2 * np.pi, size=(4, 2))
        pattern = sum(
            (np.sin((k + 1) * x + a) * np.sin((k + 2) * y + b) for k, (a, b) in enumerate(waves)),
            np.zeros_like(x),
        )
    depth = float(rng.uniform(0.05, 0.16))
    return (1.0 + depth * pattern).astype(np.float32)
