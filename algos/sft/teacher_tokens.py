"""The tokens that SAGE-MM would have had to write to play as its teacher does."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from policies.base import BatchPolicy, Decision, Observation, TurnTokens
from policies.prompt import render_user
from policies.sage_mm.tokens.chat_tokens import ChatTokens

if TYPE_CHECKING:
    from policies.sage_mm.vision.frame_encoder import FrameEncoder


class TeacherTokens:
    """A policy that plays like its teacher and adds the tokens that SAGE-MM would have to write.

    Args:
        teacher: its decisions must carry their text.
        tokens: the chat layout of the student.
        encoder: the student's vision tower.
    """

    def __init__(self, teacher: BatchPolicy, tokens: ChatTokens, encoder: FrameEncoder) -> None:
        """Start with no episode."""
        self._teacher, self._tokens, self._encoder = teacher, tokens, encoder
        self._started: set[Hashable] = set()

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes."""
        self._started.clear()
        self._teacher.reset(seed=seed)

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        over = list(episodes)
        self._started.difference_update(over)
        self._teacher.end(over)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Let the teacher choose; add the tokens of each decision."""
        decisions = self._teacher.act_batch(observations, episodes)
        keys = self._encoder.encode([self._encoder.pictures(o) for o in observations])
        written = []
        rows = zip(observations, episodes, decisions, keys, strict=True)
        for observation, name, decision, frames in rows:
            turn = self._turn(observation, name not in self._started, decision.text, frames)
            self._started.add(name)
            written.append(Decision(decision.action, decision.text, turn))
        return written

    def _turn(
        self, observation: Observation, first: bool, text: str, frames: tuple[bytes, ...]
    ) -> TurnTokens:
        segments = render_user(observation, first=first, style=self._tokens.style)
        visual = self._encoder.tokens_per_picture(observation)
        prompt = self._tokens.prompt(segments, visual, first=first)
        completion = self._tokens.completion(text)
        return TurnTokens(prompt, completion, np.zeros(len(completion), np.float32), frames)
