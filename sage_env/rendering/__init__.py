"""Pictures of an episode: what `VideoQAEnv.render` returns, or shows in a window.

May not: change an episode, decode video, or draw the gold answer unless asked to.

Read in this order: `renderer` (keeps up with the episode), `contact_sheet` (one picture of it, from
top to bottom), `panel` (the newest turn), `axis` (what was seen when), `thumbnails` (frames made
small), `lettering` (text), `colours`, `window` (pictures on the screen).
"""

from sage_env.rendering.contact_sheet import HEIGHT, WIDTH
from sage_env.rendering.renderer import RENDER_MODES, Renderer

__all__ = ["HEIGHT", "RENDER_MODES", "WIDTH", "Renderer"]
