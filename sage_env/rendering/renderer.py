"""The renderer of `VideoQAEnv`: kept up to date by `reset` and `step`, drawn by `render`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import ResetNeeded
from sage_env.framing.picture_region import pictures_of_one_size
from sage_env.history import History
from sage_env.observation import Observation
from sage_env.rendering.contact_sheet import SheetContents, draw_sheet, num_slots, panel_area
from sage_env.rendering.panel import frame_grid
from sage_env.rendering.thumbnails import Strip, Thumbnail, ThumbnailGrid, thumbnail
from sage_env.rendering.window import Window

RENDER_MODES = ("human", "rgb_array")


class Renderer:
    """Draws the running episode: as an array when asked, or in a window after every turn.

    Of the frames only thumbnails are kept: those of the newest turn, and one per slot of the axis.
    The gold answer and the evidence are drawn with `render_gold` only, because agents may look at
    pictures. Whether the agent's own answer was right is drawn once the episode has ended.
    """

    def __init__(self, render_mode: str, *, render_fps: float, render_gold: bool = False) -> None:
        """Draw nothing yet.

        Args:
            render_mode: `rgb_array`, or `human` for a window.
            render_fps: most pictures per second that the window shows.
            render_gold: also draw the evidence and, at the end, the gold answer.

        Raises:
            ValueError: if `render_mode` is another one.
            MissingExtra: if the window needs a package that is not installed.
        """
        if render_mode not in RENDER_MODES:
            modes = ", ".join(map(repr, RENDER_MODES))
            raise ValueError(f"render_mode must be {modes} or None, got {render_mode!r}")
        self._gold = render_gold
        self._window = Window("SageVideoQA-v0", render_fps) if render_mode == "human" else None
        self._contents: SheetContents | None = None
        self._strip: Strip | None = None

    def clear(self) -> None:
        """Forget the last episode; `render` needs `show` first then."""
        self._contents = self._strip = None

    def show(
        self,
        observation: Observation,
        history: History,
        native_size: tuple[int, int] | None = None,
    ) -> None:
        """Take in the newest turn; a window shows it at once.

        Args:
            observation: what the agent is shown, as `VideoQAEnv` describes it.
            history: the episode so far, this turn included.
            native_size: `(H, W)` of the video's own pictures, to place boxes; by default boxes
                are drawn on an empty picture.
        """
        duration = float(observation["duration"])
        frames = pictures_of_one_size(observation)
        look, frame_size = history.looks[-1], (frames.shape[1], frames.shape[2])
        strip = self._strip
        if strip is None:
            strip = self._strip = Strip(num_slots(frame_size), duration)
        strip.add(frames, look.seconds, look.box)
        grid, thumbnails = _thumbnails(history, frames)
        places_boxes = bool(look.seconds) and native_size is not None
        self._contents = SheetContents(
            history=history,
            duration=duration,
            cursor=float(observation["cursor"]),
            message=observation["message"],
            reply=observation["text"],
            grid=grid,
            thumbnails=thumbnails,
            strip=strip.slots,
            finder=strip.nearest(look.seconds[0]) if places_boxes else None,
            native_size=native_size or frame_size,
            gold=self._gold,
        )
        if self._window is not None:
            self._window.show(draw_sheet(self._contents))

    def render(self) -> NDArray[np.uint8] | None:
        """Return a new picture, uint8 `(720, 960, 3)`; `None` where a window shows it.

        Raises:
            ResetNeeded: if there has been no episode yet.
        """
        if self._contents is None:
            raise ResetNeeded("there is nothing to render yet: call reset() before render()")
        return None if self._window is not None else draw_sheet(self._contents)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()


def _thumbnails(
    history: History, frames: NDArray[np.uint8]
) -> tuple[ThumbnailGrid | None, tuple[Thumbnail, ...]]:
    """Return how the newest turn's frames `(N, H, W, 3)` are laid out, and their thumbnails."""
    look = history.looks[-1]
    if not look.seconds:
        return None, ()
    grid = frame_grid(look.seconds, frames.shape[1:3], panel_area(history), look.box)
    return grid, tuple(
        Thumbnail(look.seconds[index], look.box, thumbnail(frames[index], grid.size))
        for index in grid.chosen
    )
