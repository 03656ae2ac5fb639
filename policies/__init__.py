"""Who acts: random, uniform, scripted and model policies; importing this loads no heavy package."""

from sage_env.release import __version__

__all__ = ["__version__"]
