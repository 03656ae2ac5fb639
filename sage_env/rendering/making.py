"""The renderer of a mode, made where one is asked for: it needs Pillow, and pygame for a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sage_env.rendering.renderer import Renderer


def make_renderer(render_mode: str | None, fps: float, gold: bool) -> Renderer | None:
    """Return what draws in a mode; `None` for no mode.

    Args:
        render_mode: as of `VideoQAEnv`.
        fps: most pictures per second that a window shows.
        gold: whether the gold answer is drawn.

    Raises:
        ValueError: if there is no such mode.
        MissingExtra: if a window needs a package that is not installed.
    """
    if render_mode is None:
        return None
    from sage_env.rendering.renderer import Renderer

    return Renderer(render_mode, render_fps=float(fps), render_gold=gold)
