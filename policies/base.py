"""The contract between an environment, the policy that plays it and the algorithm that trains it.

Letters: B batch, L sequence length, P and C prompt and completion tokens of one turn.

One alignment, everywhere: position t is token t; `logprobs[t]` is of token t given the tokens
before it; `values[t]` is the value of the state *before* token t (read at position t-1);
`sampled[t]` says whether the policy chose token t, stop token included. The shift by one between
logits and tokens happens inside the policy's scoring function and nowhere else. Log-probs and
entropies are in nats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from policies.errors import EpisodesFailed
from policies.turn_usage import TurnUsage
from sage_env.actions.action import Action, Invalid
from sage_env.shadowing import require_ours

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from sage_env.datasets.item import QAItem

require_ours("policies")  # nearly every module of ours imports this one

Observation = Mapping[str, Any]
_State = TypeVar("_State")
PER_SAMPLED = "sampled/"
"""With what names in `TokenBatch.cache` begin whose tensors have an entry per sampled token."""


@dataclass(frozen=True, eq=False)
class TurnTokens:
    """The tokens that one turn adds to those of its episode. Nothing is ever tokenised again.

    Attributes:
        prompt: int64 `(P,)`, new context (observation, chat markers); never trained on.
        completion: int64 `(C,)`, the sampled ids as sampled, stop token included when it came.
        logprobs: float32 `(C,)`, of each sampled token at the sampling temperature (at T = 1 for
            greedy decoding), given everything before it.
        frames: one content key per frame that this turn's prompt introduced, in order. The policy
            that made the turn can look up the frame's visual features by it; pixels never travel
            with a trajectory.
        context: `context_digest` of all tokens of the episode up to the end of `prompt`, as the
            sampler held them when it began to sample; empty where it was not recorded.
        dropped: how many turns after the first one the policy had forgotten, oldest first, when it
            sampled this one; 0 in an append-only context. Above 0, one pass over the episode does
            not re-score the turn.
        entropies: float32 `(C,)`, of the distribution that each sampled token was drawn from, in
            nats; `None` where it was not recorded.
        fresh: whether this turn was prefilled in a context of its own, without the episode's
            earlier tokens. The context of an episode is append-only where no turn but the first is
            fresh; other episodes are no one sequence, and cannot be trained on.

    Raises:
        ValueError: if the log-probs do not match the tokens.
    """

    prompt: NDArray[np.int64]
    completion: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    frames: tuple[bytes, ...] = ()
    context: bytes = b""
    dropped: int = 0
    fresh: bool = False
    entropies: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse turns whose log-probs do not match their tokens."""
        shapes = [self.completion.shape, self.logprobs.shape]
        shapes += [] if self.entropies is None else [self.entropies.shape]
        if self.completion.ndim != 1 or len(set(shapes)) > 1:
            told = " and ".join(map(str, shapes))
            raise ValueError(f"completion, logprobs and entropies must be (C,) each, got {told}")


def context_digest(ids: NDArray[np.int64]) -> bytes:
    """Return eight bytes that stand for a token sequence int64 `(L,)`: BLAKE2b of its ids."""
    return hashlib.blake2b(np.ascontiguousarray(ids, "<i8").data, digest_size=8).digest()


@dataclass(frozen=True, eq=False)
class Decision:
    """An action, its text, the tokens that spelled it (if a model did), and what it took."""

    action: Action | Invalid
    text: str = ""
    tokens: TurnTokens | None = None
    usage: TurnUsage | None = None


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
    """A policy with privileged information, which no agent may have: for upper bounds only.

    Whoever plays it calls `inform` after every `reset` of the environment, before the episode's
    first turn; `algos.rollout.collect` does.
    """

    def inform(self, episode: Hashable, item: QAItem) -> None:
        """Take the item of the episode that begins, its gold answer and evidence included.

        Raises:
            DatasetError: if the item lacks what the policy needs, such as evidence.
        """


class EpisodeStates(Generic[_State]):
    """Mixin of a `BatchPolicy` that holds one state per running episode: `act` and `end`.

    `reset` is left to the policy, which sets `_episodes` there and seeds what is random.
    """

    ONLY: ClassVar[Hashable] = "the only episode"
    """The name under which `act` plays; it counts for seeds made of names."""

    _episodes: dict[Hashable, _State]

    def act(self, observation: Observation) -> Decision:
        """Play the one episode that runs since `reset`.

        Raises:
            SageEnvError: what `act_batch` says of the episode, if it failed.
        """
        try:
            return self.act_batch([observation], [self.ONLY])[0]
        except EpisodesFailed as failed:
            error = failed.errors[self.ONLY]
        raise error  # out of the handler: the error of all episodes is not its context

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation; see `BatchPolicy`."""
        raise NotImplementedError

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Free what is held for these episodes; names that are not running are ignored."""
        for name in episodes:
            self._episodes.pop(name, None)


def require_distinct(observations: Sequence[Observation], episodes: Sequence[Hashable]) -> None:
    """Refuse arguments of `act_batch` that do not pair up.

    Raises:
        ValueError: if there is not one observation per episode, or an episode is named twice.
    """
    if len(observations) != len(episodes) or len(set(episodes)) != len(episodes):
        raise ValueError(
            "expected one observation per episode and no episode twice, got "
            f"{len(observations)} observations for the episodes {list(episodes)}"
        )


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
            batch lives; `select` slices them along. Those whose name begins with `PER_SAMPLED` have
            one entry per sampled token instead, `(N, ...)`, row by row in order of position (for
            instance features of the frozen base).
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
        """Return the given rows, cut to the longest of them; tensors are copies."""
        index = list(rows)
        length = int(self.attention[index].sum(1).max()) if index else 0

        def cut(x: Tensor, name: str = "") -> Tensor:
            if name.startswith(PER_SAMPLED):
                return x[self.sampled_in(index).to(x.device)]
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
            {name: cut(x, name) for name, x in self.cache.items()},
        )

    def sampled_in(self, rows: Iterable[int]) -> Tensor:
        """Return which of the N sampled tokens are those of the n in the given rows: int64 `(n,)`.

        Row by row in the given order; their numbers are those in the batch's own order.
        """
        number = self.sampled.flatten().cumsum(0).view(self.sampled.shape) - 1
        index = list(rows)
        return number[index][self.sampled[index]]

    def group_by_prefix(self, rows: Iterable[int]) -> list[list[int]]:
        """Group rows by shared prefix: the tokens before the first sampled one, the first frame.

        A group is, as a rule, the episodes of one question. Groups and their rows keep the order in
        which they come.
        """
        groups: dict[tuple[bytes, ...], list[int]] = {}
        for row in rows:
            first = int(self.sampled[row].int().argmax())
            ids = self.ids[row, :first].cpu().numpy()
            groups.setdefault((context_digest(ids), *self.frames[row][:1]), []).append(row)
        return list(groups.values())

    def order_by_prefix(self, rows: Iterable[int]) -> list[int]:
        """Return the rows so that those with a shared prefix are neighbours, else by length.

        A chunk of the order then shares as much as chunks can, and pads little.
        """
        lengths: list[int] = self.attention.sum(1).tolist()
        groups = [
            sorted(group, key=lambda row: (lengths[row], row))
            for group in self.group_by_prefix(rows)
        ]
        groups.sort(key=lambda group: (lengths[group[-1]], group))
        return [row for group in groups for row in group]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a batch under the actor: each float32 `(B, L)`, 0 where nothing was sampled.

    Attributes:
        logprobs: of each sampled token at the batch's temperature, in nats.
        entropy: of the distribution that it was sampled from, in nats.
    """

    logprobs: Tensor
    entropy: Tensor


@runtime_checkable
class TrainablePolicy(BatchPolicy, Protocol):
    """A policy whose tokens can be re-scored and whose weights can be learned."""

    temperature: float

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        """Score the sampled tokens with the actor, differentiably."""

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Score them with the reference policy: float32 `(B, L)` in nats, without gradient."""

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
class FreezesReference(Protocol):
    """A policy whose reference is what its actor was at some moment."""

    def freeze_reference(self) -> None:
        """Make the actor as it is now the reference, which `state` holds from now on."""


@runtime_checkable
class AblatesFrames(Protocol):
    """A policy that can ablate frames: it makes the prompt of a turn again without them."""

    def without_frames(self, turn: TurnTokens) -> TurnTokens:
        """Return the turn with a prompt that lacks its frames and their times, and nothing else.

        What was sampled stays as it is. A turn without frames comes back unchanged.
        """
