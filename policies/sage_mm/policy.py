"""SAGE-MM as a policy: it reads observations, samples actions and can be trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import Decision, Evaluation, Observation, TokenBatch, TurnTokens
from policies.sage_mm import learner
from policies.sage_mm.generate import Completion, Row, generate
from policies.sage_mm.model import SageModel, load
from policies.sage_mm.prompt import render_user
from sage_env.action_text import parse_action

if TYPE_CHECKING:
    from torch.nn import Parameter


@dataclass(eq=False)
class _Context:
    """One running episode: its tokens and frames only grow; `memory` is what was read of them."""

    random: np.random.Generator
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    frames: tuple[bytes, ...] = ()
    memory: Tensor | None = None
    frames_read: int = 0
    position: int = 0

    def row(self, tokens: int) -> Row:
        read = 0 if self.memory is None else self.memory.shape[3]
        return Row(
            self.ids[read:],
            self.frames[self.frames_read :],
            self.random.random(tokens),
            self.memory,
            self.position,
        )

    def extend(self, completion: Completion) -> None:
        self.ids = np.concatenate([self.ids, completion.ids])
        self.memory, self.position = completion.memory, completion.position
        self.frames_read = len(self.frames)
        assert completion.memory.shape[3] == len(self.ids) - 1, "all but the last token are read"

    def forget(self) -> None:
        self.memory, self.frames_read, self.position = None, 0, 0


class SageMM:
    """A Qwen3-VL-family model that plays the environment, token by token.

    Each episode is one growing sequence of tokens. What was sampled stays as sampled; only new
    observations are rendered and tokenised; every frame is encoded once and every token is read
    once. Sampling draws one uniform per token from a generator that belongs to the episode, so
    that its choices do not depend on what else is in the batch.

    Args:
        model: the network, see `load`.
        temperature: of sampling; 0 for greedy decoding.
        max_new_tokens: at most this many tokens per turn, stop token included.
        max_batch: at most this many episodes are sampled together.
        workers: how many such batches run side by side, each on one core (for small models on a
            CPU).

    Attributes:
        temperature: may be changed between turns.
        max_new_tokens: likewise.
        max_batch: likewise.
        workers: likewise.
    """

    def __init__(
        self,
        model: SageModel,
        *,
        temperature: float = 1.0,
        max_new_tokens: int = 256,
        max_batch: int = 64,
        workers: int = 1,
    ) -> None:
        """Start with no episode running."""
        if temperature < 0 or max_new_tokens < 1 or max_batch < 1 or workers < 1:
            raise ValueError(
                "expected temperature >= 0 and max_new_tokens, max_batch and workers >= 1, got "
                f"{temperature}, {max_new_tokens}, {max_batch} and {workers}"
            )
        self.model = model
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self.max_batch = max_batch
        self.workers = workers
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        *,
        temperature: float = 1.0,
        max_new_tokens: int = 256,
        max_batch: int = 64,
        workers: int = 1,
        **settings: Any,
    ) -> SageMM:
        """Load a checkpoint folder or hub id; `None` loads the tiny model shipped with us.

        `settings` are those of `policies.sage_mm.model.load`: adapter, dtype, device, lora,
        critic, cache_bytes.
        """
        return cls(
            load(checkpoint, **settings),
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            max_batch=max_batch,
            workers=workers,
        )

    @property
    def env_options(self) -> Mapping[str, Any]:
        """What the checkpoint wants the environment to be made with; may be empty."""
        return self.model.env_options

    @property
    def stop_token(self) -> int:
        """The id that ends a completion."""
        return self.model.tokens.stop

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides what is sampled from here on."""
        sequence = np.random.SeedSequence(seed)
        self._seed = int(sequence.generate_state(1, np.uint64)[0])
        self._contexts: dict[Hashable, _Context] = {}

    def act(self, observation: Observation) -> Decision:
        """Play the one episode that runs since `reset`."""
        return self.act_batch([observation], ["the only episode"])[0]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Free what is held for these episodes."""
        for name in episodes:
            self._contexts.pop(name, None)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        Raises:
            ValueError: if an episode is named twice, if frames have a size that the model cannot
                cut into tokens, or if a context grows longer than the model's.
        """
        if len(observations) != len(episodes) or len(set(episodes)) != len(episodes):
            raise ValueError(
                "expected one observation per episode and no episode twice, got "
                f"{len(observations)} observations for the episodes {list(episodes)}"
            )
        contexts = [self._context(name) for name in episodes]
        frames = [o["frames"][: int(o["num_frames"])] for o in observations]
        keys = self.model.encoder.encode(frames)
        prompts = [
            self._append(context, observation, new)
            for context, observation, new in zip(contexts, observations, keys, strict=True)
        ]
        completions = self._complete(contexts)
        return [
            self._decision(TurnTokens(prompt, completion.ids, completion.logprobs, new))
            for prompt, completion, new in zip(prompts, completions, keys, strict=True)
        ]

    def _context(self, name: Hashable) -> _Context:
        if name not in self._contexts:
            digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
            sequence = np.random.SeedSequence([self._seed, int.from_bytes(digest, "little")])
            random = np.random.Generator(np.random.Philox(sequence))
            self._contexts[name] = _Context(random)
        return self._contexts[name]

    def _append(
        self, context: _Context, observation: Observation, keys: tuple[bytes, ...]
    ) -> NDArray[np.int64]:
        """Add what the observation says to the episode's tokens; return what was added."""
        tokens, first = self.model.tokens, not len(context.ids)
        rows, columns = self.model.encoder.grid_of(observation["frames"])
        prompt = tokens.prompt(
            render_user(observation, first=first, style=tokens.style),
            rows * columns,
            first=first,
            stopped=first or int(context.ids[-1]) == tokens.stop,
        )
        length = len(context.ids) + len(prompt) + self.max_new_tokens
        if length > (limit := self.model.config.max_position_embeddings):
            raise ValueError(
                f"an episode would need {length} tokens, but the model's context has {limit}: "
                "make the environment with fewer turns, fewer or smaller frames"
            )
        context.ids = np.concatenate([context.ids, prompt])
        context.frames += keys
        return prompt

    def _complete(self, contexts: Sequence[_Context]) -> list[Completion]:
        """Sample for at most `max_batch` episodes at a time, those of similar length together."""
        order = sorted(range(len(contexts)), key=lambda i: len(contexts[i].ids))
        chunks = [order[at : at + self.max_batch] for at in range(0, len(order), self.max_batch)]

        def complete(chunk: list[int]) -> list[Completion]:
            return generate(
                self.model,
                [contexts[i].row(self.max_new_tokens) for i in chunk],
                temperature=self.temperature,
                stop=self.model.tokens.stop,
            )

        found: dict[int, Completion] = {}
        for chunk, completions in zip(chunks, self._each(complete, chunks), strict=True):
            for i, completion in zip(chunk, completions, strict=True):
                contexts[i].extend(completion)
                found[i] = completion
        return [found[i] for i in range(len(contexts))]

    def _each(
        self, complete: Callable[[list[int]], list[Completion]], chunks: list[list[int]]
    ) -> list[list[Completion]]:
        if self.workers == 1 or len(chunks) == 1:
            return [complete(chunk) for chunk in chunks]
        with ThreadPoolExecutor(
            self.workers, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return list(pool.map(complete, chunks))

    def _decision(self, turn: TurnTokens) -> Decision:
        text = self.model.tokens.text(turn.completion)
        return Decision(parse_action(text), text, turn)

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        """Score the sampled tokens with the actor, differentiably."""
        return learner.evaluate(self.model, batch)

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Score them with the adapters off: float32 `(B, L)`, without gradient."""
        return learner.reference_logprobs(self.model, batch)

    def values(self, batch: TokenBatch) -> Tensor:
        """Return the critic's `values[t]` at sampled tokens, differentiably: float32 `(B, L)`."""
        return learner.values(self.model, batch)

    def actor_parameters(self) -> list[Parameter]:
        """Return the actor's LoRA weights."""
        return self.model.actor_parameters()

    def critic_parameters(self) -> list[Parameter]:
        """Return the value head's weights and, if the critic has one, its adapter's."""
        return self.model.critic_parameters()

    def state(self) -> dict[str, Tensor]:
        """Return every trained tensor by name: detached copies on the CPU."""
        named = self.model.named_parameters()
        return {name: p.detach().cpu().clone() for name, p in named.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned. Running episodes are read anew at their next turn.

        Raises:
            ValueError: if the names or shapes are not those of this model.
        """
        named = self.model.named_parameters()
        shapes = {name: tuple(p.shape) for name, p in named.items()}
        given = {name: tuple(tensor.shape) for name, tensor in state.items()}
        if given != shapes:
            odd = sorted(name for name, _ in shapes.items() ^ given.items())
            raise ValueError(
                f"the state is of another model: {odd[0]} and {len(odd) - 1} more tensors differ "
                "in name or shape; load it into a policy with the same checkpoint, lora and critic"
            )
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(state[name])
        for context in self._contexts.values():
            context.forget()

    def save_adapter(self, folder: str | Path) -> None:
        """Write the actor's adapter as a folder that plain peft loads."""
        self.model.save_adapter(folder)
