"""Pictures of an episode: what `VideoQAEnv.render` returns, or shows in a window."""

from sage_env.rendering.contact_sheet import HEIGHT, WIDTH
from sage_env.rendering.renderer import RENDER_MODES, Renderer

__all__ = ["HEIGHT", "RENDER_MODES", "WIDTH", "Renderer"]
