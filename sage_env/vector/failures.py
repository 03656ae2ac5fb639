"""A failure of ours as an episode that ends without a reward, so that others can go on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium as gym

from sage_env.actions.action import Action, Invalid
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import MissingExtra, ResetNeeded, SageEnvError
from sage_env.observation import Observation, observe

AnyAction: TypeAlias = Action | Invalid

_NO_QUESTION = QAItem("", Path(), "")


class FailureAsTruncation(gym.Wrapper[Observation, AnyAction, Observation, AnyAction]):
    """Turns a `SageEnvError` into the end of the episode: `truncated`, with the reward NaN.

    | fails | the call returns |
    |---|---|
    | `step` | the empty observation, NaN, False, True, `{"error": text, "item_id": …}` |
    | `reset` | the empty observation, `{"error": text}`; and the next `step` NaN, False, True |

    The reward is NaN because no number would do: with 0, a learner that does not look would take
    our failure for the agent's, and one that bootstraps would add the value of an observation that
    nobody made. NaN makes every sum, mean and loss that it gets into NaN, and a policy that a NaN
    has reached fails at once. `truncated` says that the episode ended for a reason outside it.

    `ResetNeeded` and `MissingExtra` are mistakes of the caller, and are raised.
    """

    def __init__(self, env: VideoQAEnv) -> None:
        """Wrap an environment."""
        super().__init__(env)
        assert isinstance(env.observation_space, gym.spaces.Dict)
        shape = env.observation_space["frames"].shape
        assert shape is not None
        self._shape = shape
        self._failed_reset: dict[str, Any] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask a question; see `VideoQAEnv.reset`."""
        self._failed_reset = None
        try:
            return self.env.reset(seed=seed, options=options)
        except (ResetNeeded, MissingExtra):
            raise
        except SageEnvError as error:
            self._failed_reset = {"error": _text(error)}
            return self._nothing(), dict(self._failed_reset)

    def step(self, action: AnyAction) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action, which does not matter if `reset` failed; see `VideoQAEnv.step`."""
        failure, self._failed_reset = self._failed_reset, None
        if failure is None:
            try:
                observation, reward, terminated, truncated, info = self.env.step(action)
                return observation, float(reward), terminated, truncated, info
            except (ResetNeeded, MissingExtra):
                raise
            except SageEnvError as error:
                item: QAItem = self.get_wrapper_attr("history").item
                failure = {"error": _text(error), "item_id": item.id}
        return self._nothing(), math.nan, False, True, failure

    def render(self) -> Any:
        """Return what the environment draws; `None` where a failed reset left nothing to draw."""
        try:
            return self.env.render()
        except ResetNeeded:
            return None

    def _nothing(self) -> Observation:
        """Return the observation that shows and says nothing, with no budget."""
        return observe(
            _NO_QUESTION,
            None,
            shape=self._shape,
            cursor=0.0,
            duration=0.0,
            turns_left=0,
            frames_left=0,
            message="",
        )


def _text(error: SageEnvError) -> str:
    return f"{type(error).__name__}: {error}"
