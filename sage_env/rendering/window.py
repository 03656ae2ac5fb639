"""A window on the screen that shows pictures, one after the other. Needs pygame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import MissingExtra

if TYPE_CHECKING:
    import pygame


class Window:
    """Opens with the first picture. A process has one: environments that play by turns share it."""

    def __init__(self, title: str, fps: float) -> None:
        """Name the window, and show at most `fps` pictures per second; it is not opened yet.

        Raises:
            MissingExtra: if pygame is not installed.
        """
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame prints a greeting
        try:
            import pygame  # noqa: F401
        except ImportError as error:
            raise MissingExtra(
                'render_mode="human" opens a window with pygame, which is not installed: '
                "pip install 'sage-video-qa[render]'"
            ) from error
        self._title = title
        self._fps = fps
        self._clock: pygame.time.Clock | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs; the window on the screen is not the copy's."""
        return {**vars(self), "_clock": None}

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a picture, uint8 `(H, W, 3)`; wait first if the last one came too recently.

        Raises:
            RuntimeError: if there is no screen.
        """
        import pygame

        size = picture.shape[1], picture.shape[0]
        surface = pygame.display.get_surface()
        if surface is None or surface.get_size() != size:
            surface = self._open(size)
        surface.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        if self._clock is None:
            self._clock = pygame.time.Clock()
        self._clock.tick(self._fps)
        pygame.display.flip()

    def close(self) -> None:
        """Close the window, if this one was opened; `show` opens it again."""
        if self._clock is not None:
            import pygame

            pygame.display.quit()
            self._clock = None

    def _open(self, size: tuple[int, int]) -> pygame.Surface:
        import pygame

        try:
            pygame.display.init()
            surface = pygame.display.set_mode(size)
        except pygame.error as error:
            raise RuntimeError(
                f"no window can be opened ({error}): on a machine without a screen make the "
                'environment with render_mode="rgb_array"'
            ) from error
        pygame.display.set_caption(self._title)
        return surface
