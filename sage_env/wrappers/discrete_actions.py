"""Actions as numbers, for algorithms that choose one of n."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym

from sage_env.actions.action import Action, Invalid
from sage_env.errors import ResetNeeded
from sage_env.wrappers.action_grid import ActionGrid
from sage_env.wrappers.raw_space import raw_space

_KEYS = ("cursor", "duration", "choices")


class DiscreteActions(
    gym.Wrapper[dict[str, Any], Any, dict[str, Any], Any],
    gym.utils.RecordConstructorArgs,
):
    """Serves the actions of an `ActionGrid` as `Discrete(n)`, 22 of them by default.

    | index | does |
    |---|---|
    | 0-3 | answer A, B, C, D |
    | 4 | skip to the start |
    | 5-8 | skip ahead by 1/2, 1/4, 1/8, 1/16 of the video |
    | 9-13 | sample the next 1, 1/2, 1/4, 1/8, 1/16 of the video, from the cursor on |
    | 14-17 | zoom into 1/4, 1/8, 1/16, 1/32 of the video around the cursor |
    | 18-21 | zoom into the top left, top right, bottom left, bottom right quarter of the picture, \
in 1/32 of the video around the cursor |

    Every index is legal in every state. A letter that the question does not have is `Invalid`: it
    costs a turn, and the next observation's `message` says why; so does any letter of an
    open-ended question, which cannot be answered here.

    Attributes:
        grid: which actions there are.
        action_meanings: a line of words for each.
    """

    def __init__(
        self,
        env: gym.Env[dict[str, Any], Action | Invalid],
        *,
        max_choices: int = 4,
        num_frames: int = 8,
        skips: Sequence[float] = ActionGrid.skips,
        samples: Sequence[float] = ActionGrid.samples,
        zooms: Sequence[float] = ActionGrid.zooms,
    ) -> None:
        """Wrap an environment with the observations of `VideoQAEnv`.

        Args:
            env: the environment.
            max_choices: letters that can be answered; this and the rest as in `ActionGrid`.
            num_frames: frames that one look asks for.
            skips: fractions of the video.
            samples: fractions of the video.
            zooms: fractions of the video.

        Raises:
            ValueError: if the observations are not those, or a value is out of range.
        """
        gym.utils.RecordConstructorArgs.__init__(
            self,
            max_choices=max_choices,
            num_frames=num_frames,
            skips=list(skips),
            samples=list(samples),
            zooms=list(zooms),
        )
        gym.Wrapper.__init__(self, env)
        raw_space(env.observation_space, "DiscreteActions")
        self.grid = ActionGrid(max_choices, num_frames, tuple(skips), tuple(samples), tuple(zooms))
        self.action_space = gym.spaces.Discrete(len(self.grid))
        self._seen: dict[str, Any] | None = None

    @property
    def action_meanings(self) -> list[str]:
        """Return what each action does, in words."""
        return self.grid.meanings

    def to_action(self, index: int, observation: Mapping[str, Any]) -> Action | Invalid:
        """Return what action `index` is after an observation of the wrapped environment."""
        return self.grid.action(index, observation)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Reset, and remember where the cursor is."""
        self._seen = None
        observation, info = self.env.reset(seed=seed, options=options)
        self._seen = {key: observation[key] for key in _KEYS}
        return observation, info

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Take action number `action`.

        Raises:
            ResetNeeded: before `reset`.
            TypeError, IndexError: if it is not a whole number from 0 to n - 1; nothing has
                happened then.
        """
        index = operator.index(action)
        if self._seen is None:
            raise ResetNeeded("no episode has begun: call reset() before step()")
        observation, reward, terminated, truncated, info = self.env.step(
            self.to_action(index, self._seen)
        )
        self._seen = {key: observation[key] for key in _KEYS}
        return observation, float(reward), terminated, truncated, info
