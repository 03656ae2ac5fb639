"""Pictures of an episode: what `VideoQAEnv.render` returns, or shows in a window.

May not: change an episode, or open a video: it draws what was shown.

Read in this order: `colours`, `lettering` (text), `axis` (the video's time axis), `thumbnails`,
`panel` (the newest turn), `contact_sheet` (all of it), `renderer` (kept up to date by the
environment), `window` (on a screen), `film` (in a file).
"""

from sage_env.rendering.contact_sheet import HEIGHT, WIDTH
from sage_env.rendering.renderer import RENDER_MODES, Renderer

__all__ = ["HEIGHT", "RENDER_MODES", "WIDTH", "Renderer"]
