"""Observations as a conversation, for models behind a chat template or a chat API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from sage_env.actions.action import Action, Invalid
from sage_env.actions.action_text import format_action
from sage_env.actions.grammar_text import JSON_INSTRUCTIONS
from sage_env.datasets.choice_labels import lettered
from sage_env.framing.picture_region import pictures
from sage_env.tools.quoting import told_notes
from sage_env.tools.tool import Tool
from sage_env.tools.tool_prompt import describe_tools
from sage_env.wrappers.chat_space import (
    Block,
    ChatSpace,
    Dialect,
    Encoding,
    Message,
    checked_dialect,
    picture_block,
    plain_message,
    text_block,
)
from sage_env.wrappers.raw_space import raw_space

SYSTEM = JSON_INSTRUCTIONS
"""The system message, unless another text is given."""


class ChatObservations(
    gym.Wrapper[Any, Any, Any, Any],
    gym.utils.RecordConstructorArgs,
):
    """Shows the whole conversation of the episode, the agent's own replies included.

    It only ever grows: each observation is the one before, the reply, and one more user message.
    The first user message shows the overview, the question and the budget, every other one what
    the reply brought. Each frame is preceded by its own true time, `<12.3 seconds>`, and has no
    black bars but what fills whole visual tokens, as `sage_env.pictures` cuts it. See `ChatSpace`
    for the shape of messages in either format. The system message ends with the tools of the
    environment, if it has any, as `describe_tools` writes them; without one, the first user message
    begins with them. What a tool replies is shown as a quotation, see `sage_env.tools.quoting`.

    A reply stands as the agent wrote it where this wraps `TextActions`, or where it is an
    `Invalid`, and else as `format_action` writes the action:

        env = ChatObservations(TextActions(gym.make("SageVideoQA-v0")))
        messages, info = env.reset(seed=0)
        text = processor.apply_chat_template(messages, add_generation_prompt=True)

    Lists and dictionaries are new in every observation; the pictures in them are the same objects,
    so do not draw into them.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        format: Dialect = "transformers",
        system: str | None = SYSTEM,
        newest_only: bool = False,
        encoding: Encoding = "png",
        tell_tools: bool = True,
    ) -> None:
        """Wrap an environment with the observations of `VideoQAEnv`.

        Args:
            env: the environment.
            format: `"transformers"`, with PIL images, or `"openai"`, with data URLs.
            system: the system message; `None` for none.
            newest_only: show only the newest user message (the first one after the system
                message), for agents that keep the conversation themselves.
            encoding: of the pictures in data URLs, `"png"` (exact) or `"jpeg"` (smaller).
            tell_tools: whether the tools are described: at the end of the system message, or where
                there is none, at the beginning of the first user message.

        Raises:
            ValueError: if an option is not known, or the observations are others.
        """
        gym.utils.RecordConstructorArgs.__init__(
            self,
            format=format,
            system=system,
            newest_only=newest_only,
            encoding=encoding,
            tell_tools=tell_tools,
        )
        gym.Wrapper.__init__(self, env)
        if encoding not in ("png", "jpeg"):
            raise ValueError(f"encoding must be 'png' or 'jpeg', got {encoding!r}")
        space = raw_space(env.observation_space, "ChatObservations")
        height, width = (space["frames"].shape or ())[1:3]
        self.observation_space = ChatSpace((height, width), checked_dialect(format))
        self._format, self._encoding = format, encoding
        self._system, self._newest_only = system, newest_only
        tools: Mapping[str, Tool] = getattr(env.unwrapped, "tools", {}) if tell_tools else {}
        self._tools = describe_tools(tools.values()) if system is None else ""
        if system is not None:
            self._system = system_text(tools, system)
        self._messages: list[Message] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[list[Message], dict[str, Any]]:
        """Begin a new conversation."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._messages = []
        if self._system is not None:
            self._messages.append(plain_message("system", self._system, self._format))
        self._messages.append(self._user(observation, first=True))
        return [_copied(message) for message in self._messages], info

    def step(self, action: Any) -> tuple[list[Message], float, bool, bool, dict[str, Any]]:
        """Take an action, and append it and what it brought to the conversation."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        reply = plain_message("assistant", _written(action), self._format)
        self._messages += [reply, self._user(observation, first=False)]
        shown = self._messages[-1:] if self._newest_only else self._messages
        messages = [_copied(message) for message in shown]
        return messages, float(reward), terminated, truncated, info

    def _user(self, observation: Mapping[str, Any], *, first: bool) -> Message:
        blocks: list[Block] = []
        for k, shown in enumerate(pictures(observation)):
            blocks.append(text_block(shown_at(float(observation["seconds"][k]))))
            blocks.append(picture_block(shown, self._format, self._encoding))
        blocks.append(text_block(user_text(observation, first=first)))
        if first and self._tools:
            blocks.insert(0, text_block(f"The tools:\n{self._tools}"))
        return {"role": "user", "content": blocks}


def system_text(tools: Mapping[str, Tool], system: str = SYSTEM) -> str:
    """Return the system message of a conversation: what an agent may do, and with which tools."""
    return f"{system}\n{describe_tools(tools.values())}" if tools else system


def user_text(observation: Mapping[str, Any], *, first: bool) -> str:
    """Return what a user message says after its pictures.

    Args:
        observation: of `VideoQAEnv`; its frames are not looked at, and may be missing.
        first: whether it is the first of the episode, which asks the question.
    """
    notes = told_notes(observation["message"], observation["text"])
    return "\n".join(notes + (_question(observation) if first else []) + [_budget(observation)])


def shown_at(second: float) -> str:
    """Return what stands before a picture: when it is on screen."""
    return f"<{second:.1f} seconds>"


def _question(observation: Mapping[str, Any]) -> list[str]:
    lines = [f"Video: {float(observation['duration']):.1f} seconds."]
    lines.append(f"Question: {observation['question']}")
    if observation["choices"]:
        lines += lettered(str(observation["choices"]).split("\n"))
    return lines


def _budget(observation: Mapping[str, Any]) -> str:
    cursor = float(observation["cursor"])
    turns, frames = int(observation["turns_left"]), int(observation["frames_left"])
    return f"Cursor: {cursor:.1f} seconds. Turns left: {turns}. Frames left: {frames}."


def _written(action: str | Action | Invalid) -> str:
    if isinstance(action, Invalid):
        action = action.text
    text = action if isinstance(action, str) else format_action(action)
    return text.encode(errors="replace").decode()  # no lone surrogates in a conversation


def _copied(message: Message) -> Message:
    content = message["content"]
    if isinstance(content, list):
        content = [_copied_block(block) for block in content]
    return {"role": message["role"], "content": content}


def _copied_block(block: Block) -> Block:
    return {key: dict(x) if isinstance(x, dict) else x for key, x in block.items()}
