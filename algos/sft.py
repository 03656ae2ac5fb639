"""Supervised fine-tuning on episodes: the tokens that a policy would have written, and their loss.

The loss is the cross-entropy of the next token, on the tokens of the loss mask only: what the
assistant writes, never what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from algos.batching.gradients import add_gradients
from algos.rollout.trajectory import Trajectory
from policies.base import BatchPolicy, Decision, Observation, TurnTokens
from policies.prompt import render_user
from policies.sage_mm.model.language_model import language_states
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.tokens.mrope import mrope_positions
from policies.sage_mm.vision.frame_encoder import FrameEncoder


@dataclass(frozen=True, eq=False)
class Example:
    """One conversation to learn from.

    Attributes:
        ids: int64 `(L,)`, all tokens of the conversation.
        loss_mask: bool `(L,)`, True on the tokens that the assistant writes, stop token included.
        frames: content keys of its frames, in order.
    """

    ids: NDArray[np.int64]
    loss_mask: NDArray[np.bool_]
    frames: tuple[bytes, ...]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Example:
        """Take a whole episode whose policy wrote down its tokens, see `TeacherTokens`.

        Raises:
            ValueError: if its turns were not read in one growing context.
        """
        if not trajectory.append_only:
            raise ValueError(
                f"item {trajectory.item_id!r}: expected one growing context, got turns with "
                "contexts of their own: make an example of each turn instead"
            )
        return cls(trajectory.token_ids, trajectory.sampled, trajectory.frames)


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


def add_supervised_gradients(
    base: Any,
    encoder: FrameEncoder,
    frame_pad: int,
    examples: Sequence[Example],
    parameters: Sequence[nn.Parameter],
    *,
    micro_batch: int = 8,
    workers: int = 1,
    auxiliary_loss: Callable[[Sequence[Example]], Tensor] | None = None,
) -> float:
    """Add the gradient of a batch's mean cross-entropy over the loss mask.

    Every piece is divided by the masked tokens of the whole batch, so that the gradient does not
    depend on how the batch is cut.

    Args:
        base: the Qwen3-VL model.
        encoder: has the features of the examples' frames.
        frame_pad: id of the visual token.
        examples: the batch.
        parameters: what to differentiate by; gradients are added to their `.grad`.
        micro_batch: examples per forward pass.
        workers: forward passes that run side by side, each on one core.
        auxiliary_loss: a further loss, float `()`, of examples whose forward pass has just run in
            the same thread. Its mean over the examples is differentiated too, and not returned.

    Returns:
        The cross-entropy, in nats per token.
    """
    ordered = sorted(examples, key=lambda example: len(example.ids))
    pieces = [ordered[at : at + micro_batch] for at in range(0, len(ordered), micro_batch)]
    count = sum(int(example.loss_mask.sum()) for example in examples)

    def loss(piece: Sequence[Example]) -> tuple[Tensor, float]:
        total = _cross_entropy(base, encoder, frame_pad, piece) / count
        shown = float(total.detach())
        if auxiliary_loss is not None:
            total = total + auxiliary_loss(piece) * (len(piece) / len(examples))
        return total, shown

    return sum(add_gradients(pieces, loss, parameters, workers=workers))


def _cross_entropy(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> Tensor:
    """Return the cross-entropy of the masked tokens, summed: float `()`, in nats."""
    ids, loss_mask, hidden = _hidden(base, encoder, frame_pad, examples)
    # The state before a token predicts it. Only masked places go through the head: logits of all
    # places would be the largest tensor of the pass.
    scores = base.lm_head(hidden[:, :-1][loss_mask[:, 1:]])
    return F.cross_entropy(scores, ids[:, 1:][loss_mask[:, 1:]], reduction="sum")


@torch.no_grad()
def next_tokens(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> NDArray[np.int64]:
    """Return the likeliest token after every token of the examples.

    Args:
        base: the Qwen3-VL model.
        encoder: has the features of the examples' frames.
        frame_pad: id of the visual token.
        examples: N conversations, the longest of L tokens.

    Returns:
        Token ids, int64 `(N, L)`; meaningless behind the end of a shorter conversation.
    """
    _, _, hidden = _hidden(base, encoder, frame_pad, examples)
    likeliest: NDArray[np.int64] = base.lm_head(hidden).argmax(-1).cpu().numpy()
    return likeliest


def _hidden(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids and loss mask `(N, L)`, padded on the right, and the last hidden states."""
    shape = (len(examples), max(len(example.ids) for example in examples))
    ids, loss_mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    positions = torch.zeros((3, *shape), dtype=torch.long)
    for i, example in enumerate(examples):
        size = len(example.ids)
        ids[i, :size] = torch.from_numpy(example.ids)
        loss_mask[i, :size] = torch.from_numpy(example.loss_mask)
        row, _ = mrope_positions(example.ids, frame_pad, encoder.grids(example.frames))
        positions[:, i, :size] = torch.from_numpy(row)
    keys = [key for example in examples for key in example.frames]
    features = encoder.features(keys) if keys else None
    return ids, loss_mask, language_states(base, ids, positions, ids == frame_pad, features)


def batches(
    examples: Sequence[Example], size: int, rng: np.random.Generator
) -> Iterator[list[Example]]:
    """Yield batches for ever, in random order, of examples of similar length (length bucketing).

    Each pass shuffles the examples, sorts pools of 16 batches by length, cuts them into batches,
    and yields those in random order. Larger pools pad less and mix less.
    """
    while True:
        order = rng.permutation(len(examples))
        for at in range(0, len(order), 16 * size):
            pool = sorted(order[at : at + 16 * size], key=lambda i: len(examples[i].ids))
            chunks = [pool[i : i + size] for i in range(0, len(pool), size)]
            for number in rng.permutation(len(chunks)):
                yield [examples[i] for i in chunks[number]]


class Schedule:
    """AdamW with a warm-up-stable-decay schedule of the learning rate.

    It rises linearly over 100 steps, is level, and falls linearly to a tenth of its peak in the
    last 40 % of the steps. Gains (vectors, such as the weights of norms) move five times as fast
    and do not decay: how sharply an attention head can single out a token is limited by the gains
    of its normalised queries and keys, and they start far below what is needed.

    Args:
        parameters: to train.
        lr: at its peak.
        steps: in total.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, steps: int) -> None:
        """Make the optimiser."""
        self.parameters = list(parameters)
        matrices = [p for p in self.parameters if p.ndim > 1]
        gains = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "peak": lr, "weight_decay": 0.01},
                {"params": gains, "peak": 5 * lr, "weight_decay": 0.0},
            ],
            lr,
            betas=(0.9, 0.98),
        )
        self._steps, self._step = steps, 0

    def step(self) -> None:
        """Take one step down the gradient, and forget it."""
        self._step += 1
        scale = min(self._step / 100, 1.0, max(0.1, 2.5 * (1 - self._step / self._steps)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
