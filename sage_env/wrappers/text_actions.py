"""Actions as text: the agent writes, and the environment reads."""

from __future__ import annotations

import reprlib
from typing import Any, SupportsFloat

import gymnasium as gym

from sage_env.actions.action import Action, Invalid
from sage_env.actions.action_text import read_action
from sage_env.unicode_text import UnicodeText

MAX_REPLY = 1 << 20
"""Characters of the longest text in the action space; longer ones are read as well."""


class TextActions(
    gym.ActionWrapper[Any, str, Action | Invalid],
    gym.utils.RecordConstructorArgs,
):
    """Takes what a language model writes, and reads it with `sage_env.read_action`.

    A text that holds no valid action costs a turn, and the next observation's `message` says why.
    It also says what was ignored: keys that the action does not know, further objects.
    Samples of the action space are random texts, and therefore mostly such turns.

    To have replies kept as written in a conversation, put this inside `ChatObservations`:

        env = ChatObservations(TextActions(gym.make("SageVideoQA-v0")))
        messages, info = env.reset(seed=0)
        messages, reward, *_ = env.step('{"action": "answer", "text": "B"}')
    """

    def __init__(self, env: gym.Env[Any, Action | Invalid]) -> None:
        """Wrap an environment whose actions are the dataclasses of `sage_env.actions`."""
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        self.action_space = UnicodeText(MAX_REPLY)

    def action(self, action: str) -> Action | Invalid:
        """Read an action; a text that is none becomes `Invalid`.

        Raises:
            TypeError: if `action` is not a string; nothing has happened then.
        """
        if not isinstance(action, str):
            raise TypeError(
                f"TextActions takes a string, got {reprlib.repr(action)}: write an action with "
                "sage_env.format_action, or step the environment without this wrapper"
            )
        return read_action(action).action

    def step(self, action: str) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Read the text and take its action."""
        observation, reward, terminated, truncated, info = super().step(action)
        notes = read_action(action).notes
        if notes and isinstance(observation, dict) and "message" in observation:
            message = " ".join(filter(None, [observation["message"], *notes]))
            observation = {**observation, "message": message}
        return observation, reward, terminated, truncated, info
