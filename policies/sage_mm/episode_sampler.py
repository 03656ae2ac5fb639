"""Replies of many running episodes: prompts shared, in batches, within the memory that is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from policies.errors import ContextFull
from policies.sage_mm.context import Context
from policies.sage_mm.generation.batches import in_batches
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.generation.ngram_drafter import NGramDrafter
from policies.sage_mm.generation.prefix_cache import PrefixCache, prefix_key
from policies.sage_mm.generation.rollout_memory import token_bytes
from policies.sage_mm.generation.sampler import generate, prefill
from policies.sage_mm.generation.sampling import Sampling
from policies.sage_mm.generation.sequence import Completion
from policies.sage_mm.kv_budget import KeyValueBudget, default_kv_bytes
from policies.sage_mm.model.sage_model import SageModel

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TurnSettings:
    """How the replies of one call are sampled.

    Attributes:
        sampling: how a token is drawn.
        max_new_tokens: most tokens of a reply.
        max_batch: most episodes of a batch.
        workers: batches side by side on a CPU; a GPU runs one at a time.
        grammar: where given, only what it allows is sampled.
    """

    sampling: Sampling
    max_new_tokens: int
    max_batch: int
    workers: int
    grammar: ActionGrammar | None = None


class EpisodeSampler:
    """Samples replies of running episodes, and keeps their keys and values within a budget.

    Args:
        model: the network.
        drafter: drafts replies; observes those that were sampled.
        prefix_cache_bytes: of first prompts that no running episode holds.
        kv_bytes: of keys and values of running episodes and of their batches; `None` for a share
            of what the device has, see `policies.sage_mm.kv_budget`.
        in_place: whether batches read the prompts that episodes share where they lie; `None` does
            so on a GPU.

    Attributes:
        budget: what is held.
        prefixes: prompts for rollouts that begin later.
    """

    def __init__(
        self,
        model: SageModel,
        drafter: NGramDrafter,
        prefix_cache_bytes: int,
        kv_bytes: int | None,
        in_place: bool | None,
    ) -> None:
        """Hold nothing yet."""
        self._model, self._drafter = model, drafter
        self._in_place = model.device.type == "cuda" if in_place is None else in_place
        self._kv_bytes = default_kv_bytes(model.device) if kv_bytes is None else kv_bytes
        self._token_bytes = token_bytes(model.config, model.dtype)
        self.prefixes = PrefixCache(prefix_cache_bytes)
        self.budget = KeyValueBudget(self._kv_bytes, self._token_bytes, self._in_place)
        self._calls = 0

    def forget(self) -> None:
        """Forget prompts and counts; the budget is the given one again."""
        self.prefixes.forget()
        self.budget = KeyValueBudget(self._kv_bytes, self._token_bytes, self._in_place)
        self._calls = 0

    def complete(
        self, contexts: Sequence[Context], running: Sequence[Context], settings: TurnSettings
    ) -> list[Completion]:
        """Sample a reply for each episode, and add it to its context.

        Args:
            contexts: the episodes whose turn it is, with what was shown to them.
            running: all episodes, these among them.
            settings: of this call.

        Raises:
            ContextFull: if the keys and values of one episode do not fit into the memory.
        """
        self._calls += 1
        for context in contexts:
            context.draw_uniforms(settings.max_new_tokens)
        done: dict[int, Completion] = {}
        while waiting := [number for number in range(len(contexts)) if number not in done]:
            wave = self._next_wave(contexts, waiting, list(done), running, settings)
            members = [contexts[number] for number in wave]
            full = ""
            try:
                self._share_openings(members, running, settings)
                found = self._sample(members, settings)
            except torch.OutOfMemoryError as error:
                full = str(error)  # not the error itself: its frames hold what has to be freed
            if full:
                self._out_of_memory(members, running, full)
                continue
            for number, completion in zip(wave, found, strict=True):
                contexts[number].extend(completion)
                contexts[number].last_used = self._calls
                done[number] = completion
        completions = [done[number] for number in range(len(contexts))]
        for completion in completions:
            self._drafter.observe(completion.ids.tolist())
        return completions

    def _next_wave(
        self,
        contexts: Sequence[Context],
        waiting: Sequence[int],
        done: Sequence[int],
        running: Sequence[Context],
        settings: TurnSettings,
    ) -> list[int]:
        """Choose who is sampled next, and drop the states of others that are in the way.

        Args:
            contexts: the episodes of the call.
            waiting: the numbers of those that have no reply yet.
            done: of those that have one, the earliest first.
            running: all episodes.
            settings: of the call.
        """
        room = settings.max_new_tokens, self._workers(settings)
        chosen = self.budget.next_wave([contexts[number] for number in waiting], *room)
        wave = [waiting[i] for i in chosen]
        of_call = {id(context) for context in contexts}
        idle = [context for context in running if id(context) not in of_call]
        idle.sort(key=lambda context: context.last_used)
        later = [contexts[number] for number in reversed(waiting) if number not in set(wave)]
        before = [contexts[number] for number in done]
        members = [contexts[number] for number in wave]
        self.budget.make_room(members, [*idle, *before, *later], *room)
        return wave

    def _share_openings(
        self, contexts: Sequence[Context], running: Sequence[Context], settings: TurnSettings
    ) -> None:
        """Give each episode without a KV state that of its first prompt, read once for all."""
        new = [context for context in contexts if context.kv_state is None]
        if not new:
            return
        held = {}
        for context in running:
            if context.kv_state is not None:
                root, opening = context.kv_state.root, context.opening
                if len(root.ids) == len(opening.ids):
                    held[prefix_key(opening)] = root
        for context in new:
            context.kv_state = held.get(prefix_key(context.opening))
        new = [context for context in new if context.kv_state is None]
        read = partial(self._batches, settings=settings, reply=0)
        shared = self.prefixes.share(
            [context.opening for context in new], partial(read, partial(prefill, self._model))
        )
        for context, sequence in zip(new, shared, strict=True):
            context.kv_state = sequence.kv_state

    def _sample(self, contexts: Sequence[Context], settings: TurnSettings) -> list[Completion]:
        sample = partial(
            generate,
            self._model,
            sampling=settings.sampling,
            stop=self._model.tokens.stop,
            grammar=settings.grammar,
            drafter=self._drafter,
            in_place=self._in_place,
        )
        sequences = [context.sequence_input for context in contexts]
        completions: list[Completion] = self._batches(
            sample, sequences, settings=settings, reply=settings.max_new_tokens
        )
        return completions

    def _batches(
        self, function: Any, sequences: Sequence[Any], *, settings: TurnSettings, reply: int
    ) -> list[Any]:
        workers = self._workers(settings)
        return in_batches(
            function,
            sequences,
            max_batch=settings.max_batch,
            workers=workers,
            fits=partial(self.budget.block_fits, reply=reply, workers=workers),
        )

    def _workers(self, settings: TurnSettings) -> int:
        """Return the batches that run side by side: on a GPU one, which fills it."""
        return settings.workers if self._model.device.type == "cpu" else 1

    def _out_of_memory(
        self, members: Sequence[Context], running: Sequence[Context], error: str
    ) -> None:
        """Free what is held and go on with half of it: others may use the device too.

        Args:
            members: the episodes that were being sampled.
            running: all episodes.
            error: what torch said.

        Raises:
            ContextFull: if it was one episode alone.
        """
        for context in running:
            context.drop_kv_state()
        self.prefixes.forget()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        said = error.split(".")[0]
        if len(members) == 1:
            raise ContextFull(
                f"one episode of {members[0].length} tokens runs out of memory ({said}): make "
                "the environment with fewer turns, fewer or smaller frames, or take a device with "
                "more memory"
            )
        self.budget.halve(len(members))
        _log.warning(
            "out of memory (%s): states of running episodes are dropped, and kv_bytes is %d from "
            "here on",
            said,
            self.budget.max_bytes,
        )

    def measures(self) -> Mapping[str, float]:
        """Return what was dropped, and the most bytes that were held, since `forget`."""
        return {
            "policy/kv_states_dropped": float(self.budget.dropped),
            "policy/kv_peak_bytes": float(self.budget.peak),
        }
