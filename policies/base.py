"""The contract between an environment, the policy that plays it and the algorithm that trains it.

Letters: B batch, L sequence length, P and C prompt and completion tokens of one turn.

One alignment, everywhere: position t is token t; `logprobs[t]` is of token t given the tokens
before it; `values[t]` is the value of the state *before* token t (read at position t-1);
`sampled[t]` says whether the policy chose token t, stop token included. The shift by one between
logits and tokens happens inside the policy's scoring function and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sage_env.actions.action import Action, Invalid
from sage_env.shadowing import require_ours

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from sage_env.datasets.item import QAItem

require_ours("policies")  # nearly every module of ours imports this one

Observation = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class TurnTokens:
    """What one turn adds to the token sequence of its episode. Nothing is ever re-tokenised.

    Attributes:
        prompt: int64 `(P,)`, new context (observation, chat markers); never trained on.
        completion: int64 `(C,)`, the sampled ids as sampled, stop token included when it came.
        logprobs: float32 `(C,)`, of each sampled token at the sampling temperature (at T = 1 for
            greedy decoding), given everything before it.
        frames: one content key per frame that this turn's prompt introduced, in order. The policy
            that made the turn can turn a key into the frame's visual features; pixels never
            travel with a trajectory.
        context: `context_digest` of all tokens of the episode up to the end of `prompt`, as the
            sampler held them when it began to sample; empty where it was not recorded.
        dropped: how many turns after the first one the policy had forgotten, oldest first, when it
            sampled this one; 0 in an append-only context. Where it is more, one pass over the
            episode does not re-score it.
        fresh: whether this turn was read in a context of its own, with none of the episode's
            earlier tokens before it. The context of an episode is append-only where no turn but
            the first is fresh; others cannot be joined into one sequence, so not trained on.
    """

    prompt: NDArray[np.int64]
    completion: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    frames: tuple[bytes, ...] = ()
    context: bytes = b""
    dropped: int = 0
    fresh: bool = False

    def __post_init__(self) -> None:
        """Refuse turns whose log-probs do not match their tokens."""
        if self.completion.shape != self.logprobs.shape or self.completion.ndim != 1:
            raise ValueError(
                "completion and logprobs must be (C,) each, got "
                f"{self.completion.shape} and {self.logprobs.shape}"
            )


def context_digest(ids: NDArray[np.int64]) -> bytes:
    """Return eight bytes that stand for a token sequence int64 `(L,)`."""
    return hashlib.blake2b(np.ascontiguousarray(ids, "<i8").data, digest_size=8).digest()


@dataclass(frozen=True, eq=False)
class Decision:
    """An action, the text it was read from, and the tokens that spelled it (if a model did)."""

    action: Action | Invalid
    text: str = ""
    tokens: TurnTokens | None = None


class Policy(Protocol):
    """Who acts. Any object with these two methods is a policy; there is no base class."""

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; seed whatever is random."""

    def act(self, observation: Observation) -> Action | Invalid | Decision:
        """Choose the next action of the one episode being played."""


@runtime_checkable
class BatchPolicy(Protocol):
    """A policy that serves many episodes at once."""

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; seed whatever is random."""

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        `episodes[i]` names the running episode that `observations[i]` belongs to. A name not seen
        since `reset` starts a new episode. What is chosen for an episode must not depend on which
        others are in the batch.

        Raises:
            EpisodesFailed: if some episodes cannot go on, for no fault of the agent.
        """

    def end(self, episodes: Iterable[Hashable]) -> None:
        """These episodes are over: free what is held for them."""


@runtime_checkable
class PrivilegedPolicy(BatchPolicy, Protocol):
    """A policy that is told what no agent may know: for upper bounds only.

    Whoever plays it calls `inform` after every `reset` of the environment, before the episode's
    first turn; `algos.rollout.collect` does.
    """

    def inform(self, episode: Hashable, item: QAItem) -> None:
        """Take the item of the episode that begins, its gold answer and evidence included.

        Raises:
            DatasetError: if the item lacks what the policy rests on.
        """


@dataclass(eq=False)
class TokenBatch:
    """B whole episodes as padded rows of L tokens, right-padded (see the module's alignment).

    Attributes:
        ids: int64 `(B, L)`; padding is 0 and masked out by `attention`.
        attention: bool `(B, L)`, True on real tokens.
        sampled: bool `(B, L)`, True on tokens that the policy chose.
        turn: int64 `(B, L)`, the turn that a token belongs to (prompt and completion), -1 on
            padding.
        old_logprobs: float32 `(B, L)`, when sampled; 0 elsewhere.
        rewards: float32 `(B, L)`, each turn's reward on its last sampled token; 0 elsewhere.
        frames: per row, the content keys of its frames in order.
        temperature: at which the tokens were sampled; log-probs are re-scored at the same one.
        cache: scratch for the policy: tensors with leading dimension B that stay true while the
            batch lives (for instance features of the frozen base); `select` slices them along.
    """

    ids: Tensor
    attention: Tensor
    sampled: Tensor
    turn: Tensor
    old_logprobs: Tensor
    rewards: Tensor
    frames: list[tuple[bytes, ...]]
    temperature: float = 1.0
    cache: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.frames)

    def select(self, rows: Sequence[int]) -> TokenBatch:
        """Return the given rows, cut to the longest of them."""
        index = list(rows)
        length = int(self.attention[index].sum(1).max()) if index else 0

        def cut(x: Tensor) -> Tensor:
            return x[index][:, :length] if x.ndim > 1 else x[index]

        return TokenBatch(
            cut(self.ids),
            cut(self.attention),
            cut(self.sampled),
            cut(self.turn),
            cut(self.old_logprobs),
            cut(self.rewards),
            [self.frames[i] for i in index],
            self.temperature,
            {name: cut(x) for name, x in self.cache.items()},
        )

    def group_by_prefix(self, rows: Iterable[int]) -> list[list[int]]:
        """Group rows that begin alike: the same tokens up to the first sampled one.

        Those are, as a rule, the episodes of one question. Groups and their rows keep the order in
        which they come.
        """
        groups: dict[tuple[bytes, ...], list[int]] = {}
        for row in rows:
            first = int(self.sampled[row].int().argmax())
            ids = self.ids[row, :first].cpu().numpy()
            groups.setdefault((context_digest(ids), *self.frames[row][:1]), []).append(row)
        return list(groups.values())

    def order_by_prefix(self, rows: Iterable[int]) -> list[int]:
        """Return the rows, those that begin alike side by side, else by length."""
        lengths: list[int] = self.attention.sum(1).tolist()
        groups = [
            sorted(group, key=lambda row: (lengths[row], row))
            for group in self.group_by_prefix(rows)
        ]
        groups.sort(key=lambda group: (lengths[group[-1]], group))
        return [row for group in groups for row in group]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a trainable policy says of a batch: each float32 `(B, L)`, 0 where not sampled."""

    logprobs: Tensor
    entropy: Tensor


@runtime_checkable
class TrainablePolicy(BatchPolicy, Protocol):
    """A policy whose tokens can be re-scored and whose weights can be learned."""

    temperature: float

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        """Score the sampled tokens with the actor, differentiably."""

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Score them with the reference (adapters off): float32 `(B, L)`, without gradient."""

    def values(self, batch: TokenBatch) -> Tensor:
        """Return the critic's `values[t]` at sampled tokens, differentiably: float32 `(B, L)`."""

    def actor_parameters(self) -> list[Parameter]:
        """Return what the policy loss trains, in a fixed order."""

    def critic_parameters(self) -> list[Parameter]:
        """Return what the value loss trains, in a fixed order; disjoint from the actor's."""

    def state(self) -> dict[str, Tensor]:
        """Return every trained tensor (actor and critic) by name, detached copies."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned; the rollout side sees it at once."""


@runtime_checkable
class AblatesFrames(Protocol):
    """A policy that can say what it would have read had a turn shown no frames."""

    def without_frames(self, turn: TurnTokens) -> TurnTokens:
        """Return the turn with a prompt that lacks its frames and their times, and nothing else.

        What was sampled stays as it is. A turn without frames comes back unchanged.
        """
