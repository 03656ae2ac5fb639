"""One episode as a conversation: what was shown and said, or whole turns of it forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from policies.base import Observation
from policies.prompt import Segment, render_user
from sage_env.actions.grammar_text import ELLIPSIS
from sage_env.actions.thoughts import after_thoughts
from sage_env.framing.picture_region import pictures


@dataclass(frozen=True, eq=False)
class ChatTurn:
    """One turn: what the model was shown, and what it said.

    Attributes:
        segments: texts, and indices of `frames`, in the order in which they are shown.
        frames: each uint8 `(H, W, 3)`, copies.
        reply: without its thoughts; `None` until it comes.
    """

    segments: tuple[Segment, ...]
    frames: tuple[NDArray[np.uint8], ...]
    reply: str | None = None

    @property
    def pictures(self) -> list[NDArray[np.uint8]]:
        """Return the frames, each uint8 `(H, W, 3)`, in the order in which they are shown."""
        return [self.frames[one] for one in self.segments if isinstance(one, int)]


def shown_turn(observation: Observation, *, first: bool) -> ChatTurn:
    """Return the turn that shows an observation, every frame after its own true time, without bars.

    Args:
        observation: of the environment.
        first: whether it opens the episode: then the question is told.
    """
    frames = tuple(picture.copy() for picture in pictures(observation))
    return ChatTurn(tuple(render_user(observation, first=first)), frames)


@dataclass(eq=False)
class Conversation:
    """One running episode.

    Attributes:
        random: its numbers decide what the episode samples.
        turns: that the model still sees, each with its reply.
        dropped: turns that were forgotten, oldest first; the one with the question never is.
    """

    random: np.random.Generator
    turns: list[ChatTurn] = field(default_factory=list)
    dropped: int = 0

    def with_turn(self, turn: ChatTurn) -> Sequence[ChatTurn]:
        """Return what the model reads when a turn is shown."""
        return [*self.turns, turn]

    def said(self, turn: ChatTurn, text: str, *, thinks_first: bool) -> None:
        """Add a turn with its reply. Thoughts are not shown again: only what follows them is.

        Args:
            turn: that was shown.
            text: the reply, thoughts included.
            thinks_first: whether the prompt had opened the thoughts already.
        """
        told = after_thoughts(f"<think>{text}" if thinks_first else text)
        # a turn without any text is written by some templates as none at all
        self.turns.append(replace(turn, reply=(told or "").strip() or ELLIPSIS))

    def drop_turn(self) -> bool:
        """Forget the oldest turn after the first, with its frames; return whether there was one."""
        if len(self.turns) < 2:
            return False
        del self.turns[1]
        self.dropped += 1
        return True
