"""Pictures of an episode: what `VideoQAEnv.render` returns, or shows in a window.

May not: change an episode, or open a video: it draws what was shown.

Read in this order: `colours`, `lettering` (text), `axis` (the video's time axis), `thumbnails`,
`panel` (the newest turn), `contact_sheet` (all of it), `renderer` (kept up to date by the
environment), `making` (the renderer of a mode), `window` (on a screen), `film` (in a file).

Pillow is loaded when something is drawn, not when this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from sage_env.rendering.contact_sheet import HEIGHT, WIDTH
    from sage_env.rendering.renderer import RENDER_MODES, Renderer

__all__ = ["HEIGHT", "RENDER_MODES", "WIDTH", "Renderer"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "HEIGHT": "sage_env.rendering.contact_sheet",
        "RENDER_MODES": "sage_env.rendering.renderer",
        "Renderer": "sage_env.rendering.renderer",
        "WIDTH": "sage_env.rendering.contact_sheet",
    },
)
