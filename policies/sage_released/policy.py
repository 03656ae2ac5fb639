"""A released SAGE-MM checkpoint as a policy: one stage per turn, each a context of its own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.base import Decision, EpisodeStates, Observation, TurnTokens, require_distinct
from policies.errors import PolicyError
from policies.sage_mm.generation.sampler import generate
from policies.sage_mm.generation.sampling import Sampling, episode_random, policy_seed
from policies.sage_mm.generation.sequence import Completion, SequenceInput
from policies.sage_mm.model.sage_model import SageModel, load
from policies.sage_released.prompts import (
    MAX_RESULTS,
    SYSTEM,
    context_turn,
    reasoner_turn,
    system_prompt,
)
from policies.sage_released.protocol import Call, Stage, StageReply, read_reply
from policies.sage_released.tools import EXTRACTED_FRAMES, Toolbox
from sage_env.actions.action import Action, Answer, Invalid
from sage_env.tools.tool import Tool

CONTEXT_FRAMES = 128
"""Frames that the context stage sees."""
REASONER_TURNS = 10
"""Most turns after the context stage; both numbers are those of the released code
(github.com/allenai/SAGE, arXiv 2512.13874)."""
ENV_OPTIONS: Mapping[str, Any] = {
    "overview_frames": CONTEXT_FRAMES,
    "max_turns": 1 + REASONER_TURNS,
    "frames_per_turn": EXTRACTED_FRAMES,
    "max_frames": CONTEXT_FRAMES + REASONER_TURNS * EXTRACTED_FRAMES,
    "frame_size": (288, 512),  # 144 visual tokens a frame: the released code asks for 128 to 192
}
"""Arguments of `gym.make` under which the checkpoints were trained."""


@dataclass(eq=False)
class _RunningEpisode:
    """One running episode: what its next prompt is made of. All but the overview is text.

    Attributes:
        random: its numbers decide what the episode samples.
        overview: N frames uint8 `(h, w, 3)` without black bars, and their seconds; empty once the
            context stage has described them.
        stage: which prompt comes next.
        context: what the context stage said of the video.
        problem: why the reply before could not be used.
        call: the newest call; `None` before the first one.
        key: its name and number, `NAME_#N`.
        results: key and result of every call so far.
        counts: calls so far by name.
    """

    random: np.random.Generator
    overview: tuple[list[NDArray[np.uint8]], list[float]]
    stage: Stage = "context"
    context: str = ""
    problem: str = ""
    call: Call | None = None
    key: str = ""
    results: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def note(self, reply: StageReply, problem: str) -> None:
        """Remember what the reply asked for, or what was wrong with it."""
        self.problem = problem
        if self.stage == "context" and reply.problem:
            return  # nothing is known of the video yet: the stage is played again
        name = reply.call.name if reply.call and not problem else "None"
        self.counts[name] = self.counts.get(name, 0) + 1
        self.stage, self.context = "reasoner", reply.context or self.context
        self.call = reply.call or Call("None")
        self.key = f"{name}_#{self.counts[name]}"
        self.overview = [], []

    def observe(self, toolbox: Toolbox, observation: Observation) -> None:
        """Add the result of the newest call to `results`, under its key, if there was one.

        The result is an error if the reply could not be used, else what the observation shows.
        """
        if self.stage == "context" or self.call is None:
            return
        result = f"Error: {self.problem}." if self.problem else ""
        self.results.append((self.key, result or toolbox.result(self.call, observation)))


class SageReleased(EpisodeStates[_RunningEpisode]):
    """A checkpoint like `allenai/SAGE-MM-Qwen3-VL-8B-SFT_RL`, played as it was trained.

    The first turn shows the overview and asks for a description and an answer or a tool call. Every
    later turn is text: the description, the question, and what the tools returned. Each turn has a
    context of its own, so that its tokens are `fresh` and cannot be trained on. See
    `policies.sage_released.tools` for what its calls become.

    Two things differ from the released code. The checkpoint never sees the frames that it extracts,
    though they are paid for: it hands their names to `perform_reasoning`, for which the environment
    must have a tool, such as `analyze`. And frames are encoded one by one; the released code merges
    neighbours in pairs.

    Args:
        model: the network, see `load`.
        tools: of the environment, as in its `tools=`.
        system: the two system prompts, with `{tools}` where the tools are declared.
        temperature: of sampling; 0 for greedy decoding.
        max_new_tokens: at most this many tokens per turn, stop token included.
        max_batch: at most this many episodes are sampled together.

    Attributes:
        temperature: may be changed between turns.
        max_new_tokens: likewise.
    """

    def __init__(
        self,
        model: SageModel,
        *,
        tools: Sequence[Tool] = (),
        system: Mapping[Stage, str] = SYSTEM,
        temperature: float = 0.0,
        max_new_tokens: int = 2048,
        max_batch: int = 8,
    ) -> None:
        """Start with no episode running."""
        if temperature < 0 or max_new_tokens < 1 or max_batch < 1:
            raise ValueError(
                "expected temperature >= 0, max_new_tokens and max_batch >= 1, got "
                f"{temperature}, {max_new_tokens} and {max_batch}"
            )
        self.model, self.toolbox = model, Toolbox(tools)
        schemas = self.toolbox.schemas()
        self._system = {stage: system_prompt(text, schemas) for stage, text in system.items()}
        self.temperature, self.max_new_tokens = temperature, max_new_tokens
        self.max_batch = max_batch
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        *,
        adapter: str | Path | None = None,
        tools: Sequence[Tool] = (),
        **settings: Any,
    ) -> SageReleased:
        """Load a checkpoint folder or hub id; `None` loads the tiny model shipped with us.

        `settings` are those of `policies.sage_mm.model.sage_model.load`.
        """
        return cls(load(checkpoint, adapter=adapter, **settings), tools=tools)

    @property
    def env_options(self) -> Mapping[str, Any]:
        """Arguments of `gym.make` for the format; frames as large as the checkpoint's own."""
        size = {k: v for k, v in self.model.env_options.items() if k == "frame_size"}
        return {**ENV_OPTIONS, **size}

    @property
    def stop_token(self) -> int:
        """The id that ends a completion."""
        return self.model.tokens.stop

    def read_text(self, ids: NDArray[np.int64]) -> str:
        """Return what token ids int64 `(L,)` spell, without a stop token at the end."""
        return self.model.tokens.text(ids)

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
            PolicyError: if a prompt is longer than the model's context, or frames have a size that
                the model cannot cut into tokens.
        """
        require_distinct(observations, episodes)
        running = [self._observed(o, name) for o, name in zip(observations, episodes, strict=True)]
        keys = self.model.encoder.encode([episode.overview[0] for episode in running])
        prompts = [
            self._prompt(episode, observation)
            for episode, observation in zip(running, observations, strict=True)
        ]
        rows = [
            SequenceInput(prompt, frames, None, episode.random.random(self.max_new_tokens))
            for prompt, frames, episode in zip(prompts, keys, running, strict=True)
        ]
        completions: list[Completion] = []
        for at in range(0, len(rows), self.max_batch):
            completions += self._complete(rows[at : at + self.max_batch])
        return [
            self._decide(
                episode,
                TurnTokens(
                    row.ids,
                    c.ids,
                    c.logprobs,
                    tuple(row.frames),
                    fresh=True,
                    entropies=c.entropies,
                ),
            )
            for episode, row, c in zip(running, rows, completions, strict=True)
        ]

    def _observed(self, observation: Observation, name: Hashable) -> _RunningEpisode:
        """Return the episode, with what its newest call brought."""
        if name in self._episodes:
            self._episodes[name].observe(self.toolbox, observation)
            return self._episodes[name]
        try:
            frames = [each.copy() for each in self.model.encoder.pictures(observation)]
        except ValueError as error:
            raise PolicyError(str(error)) from error
        overview = frames, observation["seconds"][: len(frames)].tolist()
        episode = _RunningEpisode(episode_random(self._seed, name), overview)
        return self._episodes.setdefault(name, episode)

    def _prompt(self, episode: _RunningEpisode, observation: Observation) -> NDArray[np.int64]:
        """Return the prompt int64 `(P,)` of the episode's stage, as many results in it as fit.

        Raises:
            PolicyError: if it is too long without any result.
        """
        limit = self.model.config.max_position_embeddings - self.max_new_tokens
        results = episode.results[-MAX_RESULTS:]
        while True:
            if episode.call is None:
                seconds = episode.overview[1]
                segments = context_turn(observation, seconds, episode.problem)
            else:
                key, call = episode.key, episode.call
                segments = [reasoner_turn(observation, episode.context, key, call, results)]
            sizes = [self.model.encoder.grid_of(each[None]) for each in episode.overview[0]]
            visual = [rows * columns for rows, columns in sizes]
            system = self._system[episode.stage]
            ids = self.model.tokens.prompt(segments, visual, first=True, system=system)
            if len(ids) <= limit:
                return ids
            if not results:
                raise PolicyError(
                    f"the {episode.stage} prompt has {len(ids)} tokens, but the model's context "
                    f"holds {limit} beside its reply: make the environment with fewer "
                    "overview_frames or a smaller frame_size"
                )
            results = results[1:]

    def _complete(self, rows: Sequence[SequenceInput]) -> list[Completion]:
        sampling = Sampling(self.temperature)
        return generate(self.model, rows, sampling=sampling, stop=self.stop_token)

    def _decide(self, episode: _RunningEpisode, tokens: TurnTokens) -> Decision:
        """Parse a reply; one that cannot be used is `Invalid`, and the next prompt says why."""
        text = self.model.tokens.text(tokens.completion)
        thinking = self.model.tokens.thinks_first
        reply, problem = read_reply(text, episode.stage, thinking=thinking), ""
        action: Action | Invalid
        try:
            action = _action(reply, self.toolbox)
        except (ValueError, TypeError) as error:
            problem = str(error)
            action = Invalid(text, problem)
        episode.note(reply, problem)
        usage = self.model.tokens.usage(tokens.prompt, tokens.completion, resent=True)
        return Decision(action, text, tokens, usage)


def _action(reply: StageReply, toolbox: Toolbox) -> Action:
    """Return what a reply asks for.

    Raises:
        ValueError, TypeError: saying why it cannot be done.
    """
    if reply.call is not None:
        return toolbox.action(reply.call)
    if reply.answer is not None:
        return Answer(reply.answer)
    raise ValueError(reply.problem)
