"""The two spaces that Gymnasium does not have: actions that are dataclasses, and Unicode text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_differing_spaces
from gymnasium.wrappers.utils import create_zero_array

from sage_env.actions.action import Action, Answer, Sample, Skip, UseTool, Zoom
from sage_env.argument_checks import is_finite, is_whole
from sage_env.datasets.item import QAItem
from sage_env.tools.json_schema import Schema, check_parameters, sample_arguments
from sage_env.tools.tool import Tool
from sage_env.unicode_text import UnicodeText as UnicodeText

_LETTERS = "ABCD"


class ActionSpace(gym.spaces.Space[Action]):
    """The actions of a video question, whose elements are the dataclasses themselves.

    Any legal action belongs to it, whatever its times: the environment clamps them to the video.
    So does `UseTool` with the name of one of its tools, whatever the arguments. Samples have times
    in `[0, duration]`, at most `max_frames` frames, answer with a letter, and call tools with
    arguments that fit; to sample for one episode, make a space with that episode's duration.

    Attributes:
        duration: seconds.
        max_frames: most frames that a sample asks for.
        tools: the schema of each tool's arguments, by the tool's name.
    """

    def __init__(
        self,
        duration: float = 600.0,
        max_frames: int = 16,
        *,
        tools: Mapping[str, Schema] | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        """Make the space.

        Args:
            duration: seconds, the latest time that is sampled.
            max_frames: most frames that a sample asks for.
            tools: the schema of each tool's arguments, by the tool's name.
            seed: of the samples.

        Raises:
            ValueError: if `duration` is not finite and positive, `max_frames` is less than 1, or a
                schema is not one.
        """
        good = is_finite(duration) and duration > 0 and is_whole(max_frames) and max_frames >= 1
        if not good:
            raise ValueError(
                "an action space needs a finite duration > 0 and max_frames >= 1, got "
                f"{duration} and {max_frames}"
            )
        self.duration = float(duration)
        self.max_frames = int(max_frames)
        self.tools = dict(tools or {})
        for schema in self.tools.values():
            check_parameters(schema)
        super().__init__(None, None, seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Return False: actions do not flatten into one array."""
        return False

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Action:
        """Draw a kind of action, then its values; takes neither mask nor probability."""
        _refuse(mask, probability)
        random = self.np_random
        kind = random.integers(5 if self.tools else 4)
        if kind == 0:
            return Skip(random.uniform(0, self.duration))
        if kind == 1:
            return Answer(_LETTERS[random.integers(len(_LETTERS))])
        if kind == 4:
            name = list(self.tools)[random.integers(len(self.tools))]
            return UseTool(name, sample_arguments(self.tools[name], random, self.duration))
        start = random.uniform(0, self.duration)
        end = max(random.uniform(start, self.duration), float(np.nextafter(start, np.inf)))
        num_frames = int(random.integers(1, self.max_frames + 1))
        if kind == 2:
            return Sample(start, end, num_frames)
        x, y = random.uniform(0, 0.5, size=2).tolist()
        box = (x, y, x + 0.5, y + 0.5) if random.integers(2) else None
        return Zoom(start, end, num_frames, box)

    def contains(self, x: Any) -> bool:
        """Return whether `x` is one of the actions; they were checked when they were made."""
        if isinstance(x, UseTool):
            return x.name in self.tools
        return isinstance(x, Skip | Sample | Zoom | Answer)

    def __eq__(self, other: object) -> bool:
        """Return whether both spaces sample alike."""
        return isinstance(other, ActionSpace) and (self.duration, self.max_frames, self.tools) == (
            other.duration,
            other.max_frames,
            other.tools,
        )

    def __repr__(self) -> str:
        """Show the limits."""
        tools = f", tools={self.tools}" if self.tools else ""
        return f"ActionSpace(duration={self.duration}, max_frames={self.max_frames}{tools})"


def _refuse(mask: object, probability: object) -> None:
    if mask is not None or probability is not None:
        raise ValueError("this space samples without a mask or probability: pass neither")


@batch_differing_spaces.register(ActionSpace)
def _batch_differing(spaces: Sequence[ActionSpace]) -> gym.spaces.Tuple[Any]:  # type: ignore[misc]
    """Return the space of a tuple of actions, one for each environment (`observation_mode`)."""
    return gym.spaces.Tuple(
        [deepcopy(space) for space in spaces], seed=deepcopy(spaces[0].np_random)
    )


@create_zero_array.register(ActionSpace)
def _zero(space: ActionSpace) -> Action:  # type: ignore[misc]
    """Return the action that does least."""
    return Skip(0.0)


def action_space(
    items: Sequence[QAItem], max_frames: int, tools: Mapping[str, Tool]
) -> ActionSpace:
    """Return the space for these questions, whose samples reach the end of the longest video.

    Args:
        items: the questions; 600 s where none says how long its video is.
        max_frames: most frames that a sample asks for.
        tools: that the agent may use, by name.
    """
    longest = max((item.duration for item in items if item.duration), default=600.0)
    return ActionSpace(longest, max_frames, tools={n: tool.parameters for n, tool in tools.items()})
