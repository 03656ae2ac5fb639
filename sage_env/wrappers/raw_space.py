"""The check of wrappers that what they wrap has the observations of `VideoQAEnv`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from sage_env.spaces import UnicodeText

_KINDS: dict[str, type] = {
    "frames": gym.spaces.Box,
    "seconds": gym.spaces.Box,
    "num_frames": gym.spaces.Discrete,
    "cursor": gym.spaces.Box,
    "duration": gym.spaces.Box,
    "turns_left": gym.spaces.Discrete,
    "frames_left": gym.spaces.Discrete,
    "question": UnicodeText,
    "choices": UnicodeText,
    "message": UnicodeText,
    "text": UnicodeText,
}


def raw_space(space: gym.Space[Any], wrapper: str) -> gym.spaces.Dict:
    """Return `space` if it is that of `VideoQAEnv`'s observations.

    Raises:
        ValueError: if it is another one, saying what `wrapper` has to wrap.
    """
    spaces = space.spaces if isinstance(space, gym.spaces.Dict) else {}
    wrong = [key for key, kind in _KINDS.items() if not isinstance(spaces.get(key), kind)]
    if wrong or not isinstance(space, gym.spaces.Dict):
        raise ValueError(
            f"{wrapper} needs the observations of VideoQAEnv, and {', '.join(wrong)} are not: put "
            "it around the environment before any wrapper that changes observations"
        )
    return space
