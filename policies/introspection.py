"""Introspection: what a policy of tokens says of its own inputs, so that a run can check them.

Every protocol is optional. A policy without these methods trains, and what cannot be checked is
reported as not measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from policies.base import Observation, TurnTokens

if TYPE_CHECKING:
    from torch import Tensor, dtype


Belief: TypeAlias = tuple[float, ...]
"""A probability for each choice of a question, in the order of the choices; they sum to 1."""


@dataclass(frozen=True)
class PromptFrame:
    """One frame of a prompt: the time written before it, and its number of tokens.

    Attributes:
        seconds: the time that is written right before it, from the start of the video; `None` if
            there is none.
        tokens: number of its visual tokens.
    """

    seconds: float | None
    tokens: int


@runtime_checkable
class DetokenizingPolicy(Protocol):
    """A policy whose token ids can be detokenised, and whose prompts can be made again."""

    def prompt(
        self, observation: Observation, said: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], tuple[bytes, ...]]:
        """Return what an observation adds to an episode of the tokens `said` int64 `(L,)`.

        Returns:
            ids int64 `(P,)`, and one content key per frame, by which features are found from now
            on.
        """

    def read_text(self, ids: NDArray[np.int64]) -> str:
        """Return what token ids int64 `(L,)` spell, without a stop token at the end."""

    def read_frames(self, ids: NDArray[np.int64]) -> list[PromptFrame]:
        """Return what token ids int64 `(L,)` say of each frame in them, in order."""

    def visual_tokens(self, keys: Sequence[bytes]) -> list[int]:
        """Return how many visual tokens the features of each frame fill."""


@runtime_checkable
class BelievingPolicy(Protocol):
    """A policy that can say how likely each choice would have been as its answer in any turn."""

    def beliefs(
        self, episodes: Sequence[Sequence[TurnTokens]], choices: Sequence[Sequence[str]]
    ) -> list[list[Belief | None]]:
        """Return the belief after each turn of each episode; `None` where there is none.

        It is read from the tokens of what was played, and changes nothing that will be.
        """


@runtime_checkable
class FingerprintedPolicy(Protocol):
    """A policy that can say which weights it acts with."""

    def fingerprint(self) -> str:
        """Return `fingerprint` of the weights that the acting side holds.

        They are those of `actor_parameters`, in that order. A policy that samples in another
        process asks that process.
        """


@runtime_checkable
class ComputesIn(Protocol):
    """A policy that can say which dtype its log-probs are rounded to on their way."""

    @property
    def compute_dtype(self) -> dtype:
        """The coarsest dtype of hidden states, keys and values, in sampling and in scoring."""


@runtime_checkable
class CountsVisionPasses(Protocol):
    """A policy that counts the frames that its vision tower encodes."""

    @property
    def encodes(self) -> int:
        """Number of frames that the vision tower has encoded so far."""


@runtime_checkable
class TimesStages(Protocol):
    """A policy that times the stages of its calls."""

    def stage_seconds(self) -> Mapping[str, float]:
        """Return the seconds so far by stage, such as `prefill` and `generate`.

        Those of threads that work side by side may add up to more than passed.
        """


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """Return 16 hexadecimal digits for tensors: BLAKE2b of their order, shapes, types and bits."""
    import torch

    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        digest.update(repr((tuple(plain.shape), str(plain.dtype))).encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
