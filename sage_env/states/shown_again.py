"""A renderer that sees an episode which was played elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sage_env.episode import Episode

if TYPE_CHECKING:
    from sage_env.rendering.renderer import Renderer


def show_again(renderer: Renderer | None, episode: Episode | None, shape: tuple[int, ...]) -> None:
    """Have a renderer take in every turn of an episode, as if it had been played here.

    Args:
        renderer: forgets what it has; `None` for none.
        episode: whose frames are decoded anew; `None` for none.
        shape: of the frames of an observation.

    Raises:
        VideoError: if a frame cannot be decoded.
    """
    if renderer is None:
        return
    renderer.clear()
    if episode is None:
        return
    whole = episode.history
    for turn, look in enumerate(whole.looks):
        shown = episode.observe(episode.shown_again(look), shape)
        then = replace(whole, actions=whole.actions[:turn], looks=whole.looks[: turn + 1])
        renderer.show(shown, whole if look is whole.looks[-1] else then, episode.native_size)
