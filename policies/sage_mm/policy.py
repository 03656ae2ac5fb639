"""SAGE-MM as a policy: it plays from observations, and it can be trained."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from policies.base import (
    Decision,
    EpisodeStates,
    Evaluation,
    Observation,
    TokenBatch,
    TurnTokens,
    context_digest,
    require_distinct,
)
from policies.sage_mm import scoring
from policies.sage_mm.context import Context, require_room
from policies.sage_mm.episode_sampler import EpisodeSampler, TurnSettings
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.generation.ngram_drafter import NGramDrafter, written_actions
from policies.sage_mm.generation.reply_grammars import ReplyGrammars
from policies.sage_mm.generation.sampling import Sampling, episode_random, policy_seed
from policies.sage_mm.generation.sequence import Completion
from policies.sage_mm.introspection import IntrospectionMixin
from policies.sage_mm.model.full_parameters import (
    load_full,
    take_settings,
    trains_all,
)
from policies.sage_mm.model.sage_model import SageModel, load
from policies.sage_mm.stage_timer import ENCODE, GENERATE, PREFILL, STEPS
from policies.sage_mm.trained_weights import TrainedWeightsMixin
from sage_env.actions.action_text import parse_action
from sage_env.tools.tool import Tool

if TYPE_CHECKING:
    pass

_log = logging.getLogger(__name__)
WhenFull = Literal["error", "drop"]


class SageMM(EpisodeStates[Context], IntrospectionMixin, TrainedWeightsMixin):
    """A Qwen3-VL-family model that plays the environment, token by token.

    Each episode is one growing sequence of tokens. What was sampled stays as sampled, and only new
    observations are rendered and tokenised. Every frame is encoded once and every token is
    prefilled or decoded once; the prompt that rollouts of a question share is prefilled once for
    all of them. Sampling draws one uniform per token from a generator that belongs to the episode,
    so that its choices do not depend on what else is in the batch.

    Args:
        model: the network, see `load`.
        temperature: of sampling; 0 for greedy decoding.
        top_k: sample among so many tokens; 0 for all. See `Sampling` for what this does to the
            log-probs: leave it and `top_p` off to train.
        top_p: sample among tokens that hold this share of the probability; 1 for all.
        max_new_tokens: at most this many tokens per turn, stop token included.
        max_batch: at most this many episodes are sampled together.
        draft_tokens: most tokens of one pass of decoding, drafts included, see
            `generation.ngram_drafter`; 0 drafts nothing. A GPU has room for thousands.
        workers: how many such batches run side by side, each on one core (for small models on a
            CPU; a GPU runs one at a time, whatever is given).
        when_full: what to do when an episode outgrows the model's context: `error` refuses, before
            the first turn where all frames of the budget cannot fit; `drop` takes out the oldest
            turns after the first, whole, with their frames. Such episodes cannot be trained on.
        prefix_cache_bytes: keys and values of first prompts to keep for rollouts that begin later,
            until `reset`.
        kv_bytes: of keys and values of running episodes and of their batches together, beside
            `prefix_cache_bytes`; by default a share of what is free on the device, see
            `policies.sage_mm.kv_budget`. Where they need more, batches are smaller and episodes are
            prefilled again, which takes time and changes nothing but rounding.
        prefix_in_place: whether a batch reads the prompt that its episodes share where it lies,
            instead of copying it for each: less memory, other rounding; by default on a GPU.
        constrained: let the model write valid actions only. The log-probs, sampled and re-scored,
            are then of the distribution over what the schema allows.
        tools: of the environment; the model is told of them, and constrained decoding allows them.

    Attributes:
        model: the network.
        temperature: may be changed between turns, as may the next five.
        top_k: see above.
        top_p: see above.
        max_new_tokens: see above.
        max_batch: see above.
        workers: see above.
        answers_only: whether replies are constrained to answers, as on the only turn of DIRECT. May
            be changed between turns; batches are scored as they were sampled with it.
    """

    def __init__(
        self,
        model: SageModel,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        max_new_tokens: int = 256,
        max_batch: int = 64,
        draft_tokens: int = 192,
        workers: int = 1,
        when_full: WhenFull = "error",
        prefix_cache_bytes: int = 1 << 30,
        kv_bytes: int | None = None,
        prefix_in_place: bool | None = None,
        constrained: bool = False,
        tools: Iterable[Tool] = (),
    ) -> None:
        """Start with no episode running."""
        Sampling(temperature, top_k, top_p)  # refuses what is no distribution
        if max_new_tokens < 1 or max_batch < 1 or workers < 1:
            raise ValueError(
                "expected max_new_tokens, max_batch and workers >= 1, got "
                f"{max_new_tokens}, {max_batch} and {workers}"
            )
        if kv_bytes is not None and kv_bytes < 1:
            raise ValueError(f"expected kv_bytes >= 1, got {kv_bytes}")
        if workers > 1 and model.device.type != "cpu":
            _log.warning("workers=%d is for a CPU: %s runs one batch", workers, model.device)
        if when_full not in ("error", "drop"):
            raise ValueError(f"when_full must be 'error' or 'drop', got {when_full!r}")
        self.model = model
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.max_new_tokens = max_new_tokens
        self.max_batch = max_batch
        self.workers = workers
        self.when_full = when_full
        vocabulary = int(model.base.lm_head.out_features)
        self.tools = tuple(tools)
        self.answers_only = False
        self._grammars = ReplyGrammars(
            model.tokens, vocabulary, self.tools, constrained=constrained
        )
        self._drafter = NGramDrafter(draft_tokens, written_actions(model.tokens))
        self._sampler = EpisodeSampler(
            model, self._drafter, prefix_cache_bytes, kv_bytes, prefix_in_place
        )
        self._trained = model.actor_parameters()
        self._weights = self._versions()
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        *,
        adapter: str | Path | None = None,
        dtype: str | torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        **settings: Any,
    ) -> SageMM:
        """Load a checkpoint folder or hub id; `None` loads the tiny model shipped with us.

        Args:
            checkpoint: see `policies.sage_mm.model.sage_model.load`, as for the next three.
            adapter: folder or hub id of a LoRA adapter to start from.
            dtype: of the frozen base.
            device: of the model.
            settings: `four_bit`, `lora`, `critic`, `cache`, `checkpointing` and `cut_bars` of
                `policies.sage_mm.model.sage_model.load`, and the arguments of `SageMM`. With
                `train="full"` all weights of the language model are trained instead of an adapter,
                see `policies.sage_mm.model.full_parameters`, which takes `seed` and no `lora`.

        Raises:
            ModelError: if the checkpoint cannot be read, or not be trained as asked for.
            ValueError: if a setting does not suit `train`.
        """
        if trains_all(settings.pop("train", "lora")):
            settings |= {"dtype": dtype, "device": device, "adapter": adapter}
            of_full = take_settings(settings)
            return cls(load_full(checkpoint, **of_full), **settings)
        of_model = {"adapter": adapter, "dtype": dtype, "device": device}
        for name in ("four_bit", "lora", "critic", "cache", "checkpointing", "cut_bars"):
            if name in settings:
                of_model[name] = settings.pop(name)
        return cls(load(checkpoint, **of_model), **settings)  # type: ignore[arg-type]

    @property
    def env_options(self) -> Mapping[str, Any]:
        """What the checkpoint wants the environment to be made with; may be empty."""
        return self.model.env_options

    @property
    def stop_token(self) -> int:
        """The id that ends a completion."""
        return self.model.tokens.stop

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides what is sampled from here on.

        Prefilled prompts and counted replies go too: in which batch a prompt was prefilled decides
        its last bits, so that what was played before would be seen in what is played from here on,
        and a resumed run would not be the uninterrupted one.
        """
        self._seed = policy_seed(seed)
        self._episodes = {}
        self._sampler.forget()
        self._drafter.forget()
        self.model.timer.reset()

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        Raises:
            ValueError: if an episode is named twice.
            ModelError: if frames have a size that the model cannot cut into tokens, or if a running
                episode's question changes.
            ContextFull: if an episode needs a longer context than the model's.
        """
        require_distinct(observations, episodes)
        self._notice_training()
        contexts = [self._context(name) for name in episodes]
        encoder = self.model.encoder
        with self.model.timer.timing(ENCODE):
            keys = encoder.encode([encoder.pictures(o) for o in observations])
        for context, observation, new in zip(contexts, observations, keys, strict=True):
            self._append(context, observation, new)
        held = [context_digest(context.ids) for context in contexts]
        completions = self._complete(contexts)
        return [
            self._decision(replace(context.turn(completion), context=digest))
            for context, completion, digest in zip(contexts, completions, held, strict=True)
        ]

    def recall(self, observation: Observation, episode: Hashable, decision: Decision) -> None:
        """Take a turn as it was played: its tokens, or where they are not known, its text.

        Raises:
            ModelError, ContextFull: as `act_batch`.
        """
        context = self._context(episode)
        encoder = self.model.encoder
        (keys,) = encoder.encode([encoder.pictures(observation)])
        self._append(context, observation, keys)
        context.draw_uniforms(self.max_new_tokens)
        said = decision.tokens
        context.recall(
            self.model.tokens.completion(decision.text) if said is None else said.completion
        )

    def measures(self) -> dict[str, float]:
        """Return what was counted since `reset`, for a run's log.

        `encodes_per_frame` is of all frames that the model has ever seen: 1 means that none was
        encoded twice. `tokens_per_step` is above 1 where drafts were accepted. Seconds of parallel
        workers add up. `kv_states_dropped` counts episodes that have to be prefilled again because
        `kv_bytes` was too small.
        """
        timer, encoder = self.model.timer, self.model.encoder
        return {
            "policy/encodes_per_frame": encoder.encodes / max(1, encoder.distinct),
            "policy/prefill_tokens": timer.count(PREFILL),
            "policy/sampled_tokens": timer.count(GENERATE),
            "policy/tokens_per_step": timer.count(GENERATE) / max(1, timer.count(STEPS)),
            **{f"policy/{n}_seconds": timer.seconds(n) for n in (ENCODE, PREFILL, GENERATE)},
            **self._sampler.measures(),
        }

    def _context(self, name: Hashable) -> Context:
        if name not in self._episodes:
            self._episodes[name] = Context(episode_random(self._seed, name))
        return self._episodes[name]

    def _append(self, context: Context, observation: Observation, keys: tuple[bytes, ...]) -> None:
        """Add what the observation says to the episode's tokens."""
        context.same_question(str(observation["question"]))
        tokens, drop = self.model.tokens, self.when_full == "drop"
        limit = int(self.model.config.max_position_embeddings)
        prompt = self._render(observation, context.ids)
        if context.last is None and not drop:
            frame = self.model.encoder.least_tokens(observation)
            require_room(tokens, observation, len(prompt), frame, self.max_new_tokens, limit)
        prompt = context.fit(prompt, self.max_new_tokens, limit, tokens.stop, drop=drop)
        context.show(prompt, keys)

    def _complete(self, contexts: Sequence[Context]) -> list[Completion]:
        """Sample a reply for each episode, at most `max_batch` at a time."""
        settings = TurnSettings(
            Sampling(self.temperature, self.top_k, self.top_p),
            self.max_new_tokens,
            self.max_batch,
            self.workers,
            self._grammar,
        )
        return self._sampler.complete(contexts, list(self._episodes.values()), settings)

    @property
    def _grammar(self) -> ActionGrammar | None:
        """Return what constrains replies now; `None` for nothing."""
        return self._grammars.in_use(answers_only=self.answers_only)

    def _versions(self) -> list[tuple[int, int]]:
        """Return what changes when a weight of the actor is replaced or written to."""
        return [(p.data_ptr(), p._version) for p in self._trained]

    def _notice_training(self) -> None:
        """Forget KV states of other weights; optimisers change weights in place and tell nobody."""
        if (versions := self._versions()) != self._weights:
            self._weights = versions
            self._sampler.prefixes.forget()
            for context in self._episodes.values():
                context.drop_kv_state()

    def _decision(self, turn: TurnTokens) -> Decision:
        tokens = self.model.tokens
        text = tokens.text(turn.completion)
        usage = tokens.usage(turn.prompt, turn.completion)
        return Decision(parse_action(text, thinking=tokens.thinks_first), text, turn, usage)

    def stage_seconds(self) -> dict[str, float]:
        """Return the seconds since `reset` of each kind of work; see `TimesStages`."""
        return {name: self.model.timer.seconds(name) for name in (ENCODE, PREFILL, GENERATE)}

    def evaluate(self, batch: TokenBatch, *, entropy_gradient: bool = True) -> Evaluation:
        """Score the sampled tokens with the actor, differentiably; the entropy if asked for."""
        gradient = entropy_gradient
        return scoring.evaluate(self.model, batch, self._grammar, entropy_gradient=gradient)

    def pass_tokens(self, batch: TokenBatch, rows: Sequence[int]) -> int:
        """Return the tokens of one pass over these rows, where shared prefixes count once."""
        return scoring.pass_tokens(self.model, batch, rows)

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Score them with the reference (`freeze_reference`): float32 `(B, L)`, no gradient."""
        return scoring.reference_logprobs(self.model, batch, self._grammar)

    def values(self, batch: TokenBatch) -> Tensor:
        """Return the critic's `values[t]` at sampled tokens, differentiably: float32 `(B, L)`."""
        return scoring.values(self.model, batch)
