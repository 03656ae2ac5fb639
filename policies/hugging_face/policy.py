"""A model of Hugging Face as a policy: each turn it reads the whole conversation, and replies."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from policies.base import (
    Decision,
    EpisodeStates,
    Observation,
    TurnTokens,
    require_distinct,
)
from policies.errors import ContextFull, EpisodesFailed
from policies.hugging_face.chat_model import ChatModel, ChatReply
from policies.hugging_face.checkpoint import open_chat_model
from policies.hugging_face.conversation import ChatTurn, Conversation, shown_turn
from policies.sage_mm.generation.sampling import Sampling, episode_random, policy_seed
from policies.served.prompt import system_prompt
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env.actions.action_text import parse_action
from sage_env.argument_checks import is_whole
from sage_env.errors import SageEnvError
from sage_env.tools.tool import Tool

WhenFull = Literal["error", "drop"]


@dataclass(frozen=True, eq=False)
class _Asked:
    """One episode of a batch: its conversation, and the turn that wants a reply."""

    name: Hashable
    conversation: Conversation
    turn: ChatTurn

    @property
    def turns(self) -> Sequence[ChatTurn]:
        return self.conversation.with_turn(self.turn)

    @property
    def has_pictures(self) -> bool:
        return any(turn.pictures for turn in self.turns)


class HuggingFacePolicy(EpisodeStates[Conversation]):
    """Plays with any image-text-to-text model of transformers, as it comes, without training.

    Its own chat template writes the conversation, and its own processor reads the frames, each
    after its true time. Every turn is read whole, so that no family needs more than `generate`.
    Greedy replies depend on the batch by rounding alone; sampled ones are drawn with numbers that
    belong to the episode.

    Args:
        model: the network, see `load`.
        tools: the tools that the environment was made with; the model is told of them.
        temperature: of sampling; 0 for greedy decoding.
        top_k: sample among so many tokens; 0 for all.
        top_p: sample among tokens that hold this share of the probability; 1 for all.
        max_new_tokens: of one reply, thoughts included.
        max_batch: at most this many episodes are asked together.
        when_full: what to do when an episode outgrows the model's context: `error` ends it with
            one; `drop` forgets the oldest turns after the first, whole, with their frames.

    Attributes:
        model: the network.
        temperature: may be changed between turns, as may the next three.
        top_k: see above.
        top_p: see above.
        max_new_tokens: see above.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        tools: Sequence[Tool] = (),
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        max_new_tokens: int = 512,
        max_batch: int = 8,
        when_full: WhenFull = "error",
    ) -> None:
        """Start with no episode running."""
        Sampling(temperature, top_k, top_p)  # refuses what is no distribution
        wholes = is_whole(max_new_tokens) and is_whole(max_batch)
        if not wholes or min(max_new_tokens, max_batch) < 1 or when_full not in ("error", "drop"):
            raise ValueError(
                "expected max_new_tokens and max_batch >= 1, and when_full 'error' or 'drop', got "
                f"{max_new_tokens!r}, {max_batch!r} and {when_full!r}"
            )
        self.model = model
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.max_new_tokens, self.max_batch = max_new_tokens, max_batch
        self._drops = when_full == "drop"
        self._system = system_prompt("json", tools)
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        four_bit: bool = False,
        revision: str | None = None,
        images: Mapping[str, Any] | None = None,
        template: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> HuggingFacePolicy:
        """Load a checkpoint folder or hub id; none of the code in it is run.

        Args:
            checkpoint: see `policies.hugging_face.checkpoint.open_chat_model`, as for all others.
            device: `auto` is the GPU if there is one.
            dtype: `auto` is the checkpoint's own, and float32 on a CPU.
            four_bit: whether the language model is held in 4 bits.
            revision: branch, tag or commit of the hub.
            images: settings of the image processor, e.g. `{"max_pixels": 200704}`.
            template: variables of the chat template, e.g. `{"enable_thinking": False}`.
            settings: the arguments of `HuggingFacePolicy`.
        """
        cls(None, **settings)  # type: ignore[arg-type]  # refuses them before anything is loaded
        for name, value in (("images", images), ("template", template)):
            if value is not None and not isinstance(value, Mapping):
                raise ValueError(f"expected settings by name in {name}, got {value!r:.60}")
        model = open_chat_model(
            str(checkpoint),
            device=device,
            dtype=dtype,
            four_bit=four_bit,
            revision=revision,
            images=images or {},
            template=template or {},
        )
        return cls(model, **settings)

    def read_text(self, ids: NDArray[np.int64]) -> str:
        """Return what token ids int64 `(L,)` spell, without a stop token at the end."""
        return self.model.text(ids)

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides what is sampled from here on."""
        self._seed = policy_seed(seed)
        self._episodes = {}

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        Raises:
            ValueError: if an episode is named twice.
            ModelError: if the model cannot read the frames.
            EpisodesFailed: if some of the episodes need a longer context than the model's.
        """
        require_distinct(observations, episodes)
        asked = [self._ask(o, name) for o, name in zip(observations, episodes, strict=True)]
        found: dict[Hashable, Decision] = {}
        errors: dict[Hashable, SageEnvError] = {}
        # a processor takes a batch whose rows all have pictures, or none of them
        for kind in (True, False):
            rows = [one for one in asked if one.has_pictures is kind]
            for at in range(0, len(rows), self.max_batch):
                found |= self._replies(rows[at : at + self.max_batch], errors)
        if errors:
            raise EpisodesFailed(errors, found)
        return [found[name] for name in episodes]

    def recall(self, observation: Observation, episode: Hashable, decision: Decision) -> None:
        """Take a turn as it was played, by its text."""
        asked, thinks_first = self._ask(observation, episode), self.model.layout.thinks_first
        asked.conversation.random.random(self.max_new_tokens)
        asked.conversation.said(asked.turn, decision.text, thinks_first=thinks_first)

    def _ask(self, observation: Observation, name: Hashable) -> _Asked:
        if name not in self._episodes:
            self._episodes[name] = Conversation(episode_random(self._seed, name))
        conversation = self._episodes[name]
        turn = shown_turn(observation, first=not conversation.turns)
        return _Asked(name, conversation, turn)

    def _replies(
        self, rows: list[_Asked], errors: dict[Hashable, SageEnvError]
    ) -> dict[Hashable, Decision]:
        """Return the decisions of a batch; `errors` takes those that do not fit the context."""
        rows = list(rows)
        while rows:
            inputs = self.model.encode(self._system, [row.turns for row in rows])
            if not self._make_room(rows, inputs["attention_mask"].sum(1).tolist(), errors):
                break
        if not rows:
            return {}
        uniforms = np.stack([r.conversation.random.random(self.max_new_tokens) for r in rows])
        sampling = Sampling(self.temperature, self.top_k, self.top_p)
        replies = self.model.replies(inputs, sampling, uniforms)
        return {
            row.name: self._decide(row, reply) for row, reply in zip(rows, replies, strict=True)
        }

    def _make_room(
        self, rows: list[_Asked], lengths: Sequence[int], errors: dict[Hashable, SageEnvError]
    ) -> bool:
        """Shorten what is too long, and take out what cannot be; return whether anything was."""
        limit = self.model.limit
        if limit is None:
            return False
        changed = False
        for row, length in zip(list(rows), lengths, strict=True):
            if length + self.max_new_tokens <= limit:
                continue
            changed = True
            if self._drops and row.conversation.drop_turn():
                continue
            rows.remove(row)
            errors[row.name] = ContextFull(
                f"an episode needs {length} tokens and {self.max_new_tokens} for the reply, but "
                f"the model's context has {limit}: make the environment with fewer turns, fewer or "
                "smaller frames, or give when_full=drop, which forgets the oldest turns"
            )
        return changed

    def _decide(self, row: _Asked, reply: ChatReply) -> Decision:
        text, thinks_first = self.model.text(reply.completion), self.model.layout.thinks_first
        tokens = TurnTokens(
            reply.prompt,
            reply.completion,
            reply.logprobs,
            tuple(_key(frame) for turn in row.turns for frame in turn.pictures),
            dropped=row.conversation.dropped,
            fresh=True,
        )
        row.conversation.said(row.turn, text, thinks_first=thinks_first)
        visual = self.model.visual_tokens(reply.prompt)
        counts = TokenCounts(len(reply.prompt), len(reply.completion), visual=visual)
        usage = TurnUsage((counts,), resent=True)
        return Decision(parse_action(text, thinking=thinks_first), text, tokens, usage)


def _key(frame: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Return a content key of a frame, uint8 `(H, W, 3)`."""
    return hashlib.blake2b(frame.tobytes(), digest_size=16).digest()
