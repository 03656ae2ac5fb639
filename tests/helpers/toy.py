"""A two-turn task and a trainable policy of a few thousand weights, for tests of the algorithms.

One of four answers is hidden. Who answers at once guesses; who looks first sees it. So the best
policy takes two turns, and the tokens of the first are only paid for at the end of the second.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from algos.batching.token_batches import collate
from algos.ppo import training
from algos.ppo.config import PPOConfig
from algos.rollout.playing import EpisodeSpec, collect
from algos.runs import checkpoint
from algos.seeds import subseed
from policies.base import Decision, Evaluation, Observation, TokenBatch, TurnTokens
from sage_env import Answer, Invalid, Sample
from sage_env.errors import JudgeError, VideoError

WORDS = ["<pad>", "<stop>", "look", "a", "b", "c", "d", "<turn>", "<blind>", "A", "B", "C", "D"]
STOP, LOOK, FIRST_ANSWER, TURN, BLIND, FIRST_SEEN = 1, 2, 3, 7, 8, 9
SPEAKABLE = [1, 2, 3, 4, 5, 6]
MAX_NEW_TOKENS = 2
ITEMS = [f"q{i}" for i in range(8)]
TOY_PPO = PPOConfig(minibatches=2, actor_lr=5e-3, critic_lr=1e-2)
"""Settings at which the toy policy learns within seconds; tests replace the sizes of a run."""


class ToyEnv(gym.Env[dict[str, int], Any]):
    """Item `q<i>` hides answer `i % 4`. Items with other names fail as their name says."""

    observation_space = gym.spaces.Dict({"seen": gym.spaces.Discrete(5)})
    action_space = gym.spaces.Discrete(1)

    def __init__(self, jitter: float = 0.0) -> None:
        self.jitter = jitter

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, int], dict[str, Any]]:
        super().reset(seed=seed)
        self.item = options["item_id"] if options else f"q{self.np_random.integers(8)}"
        if self.item == "unreadable":
            raise VideoError("no such file")
        if self.item == "bug at reset":
            raise ZeroDivisionError("a bug is not an episode")
        self.answer = int(self.item[1:]) % 4 if self.item[1:].isdigit() else 0
        self.turns = 0
        return {"seen": 0}, {"item_id": self.item, "frame_seconds": [0.5]}

    def step(self, action: Any) -> tuple[dict[str, int], float, bool, bool, dict[str, Any]]:
        time.sleep(self.jitter * np.random.random())
        if self.item == "bug":
            raise ZeroDivisionError("a bug is not an episode")
        self.turns += 1
        looked = isinstance(action, Sample)
        answered = isinstance(action, Answer)
        if looked and self.item == "breaks":
            raise VideoError("packet 7 is damaged")
        if answered and self.item == "unjudged":
            raise JudgeError("no reply")
        correct = answered and action.text == WORDS[FIRST_ANSWER + self.answer]
        over = answered or self.turns == 2
        info = {
            "item_id": self.item,
            "correct": correct if over else None,
            "frame_seconds": [1.0, 2.0] if looked else [],
        }
        seen = 1 + self.answer if looked else 0
        return {"seen": seen}, float(correct), over, False, info


def envs(count: int = 16) -> list[ToyEnv]:
    return [ToyEnv() for _ in range(count)]


def decide(tokens: TurnTokens) -> Decision:
    words = [WORDS[i] for i in tokens.completion if i != STOP]
    text = " ".join(words)
    if words == ["look"]:
        return Decision(Sample(0.0, 1.0, 1), text, tokens)
    if len(words) == 1:
        return Decision(Answer(text), text, tokens)
    return Decision(Invalid(text, "say one word"), text, tokens)


class ToyPolicy:
    """Two small GRUs, one that speaks and one that judges; a `TrainablePolicy`."""

    def __init__(self, seed: int = 0, hidden: int = 24) -> None:
        torch.manual_seed(seed)
        self.temperature = 1.0
        self.actor = nn.ModuleDict(_network(hidden, len(WORDS)))
        self.critic = nn.ModuleDict(_network(hidden, 1))
        nn.init.zeros_(self.critic["head"].weight)
        nn.init.zeros_(self.critic["head"].bias)
        self.base = {name: p.detach().clone() for name, p in self.actor.named_parameters()}
        self.reset()

    def reset(self, *, seed: int | None = None) -> None:
        self.seed = seed or 0
        self.ids: dict[Hashable, list[int]] = {}
        self.rngs: dict[Hashable, np.random.Generator] = {}

    def end(self, episodes: Iterable[Hashable]) -> None:
        for episode in episodes:
            del self.ids[episode], self.rngs[episode]

    @torch.no_grad()
    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        prompts, said, scores = [], [[] for _ in episodes], [[] for _ in episodes]
        for observation, episode in zip(observations, episodes, strict=True):
            if episode not in self.ids:
                self.ids[episode] = []
                self.rngs[episode] = np.random.default_rng(subseed(self.seed, str(episode)))
            seen = observation["seen"]
            prompts.append([TURN, FIRST_SEEN + seen - 1 if seen else BLIND])
            self.ids[episode] += prompts[-1]
        speaking = list(range(len(episodes)))
        for _ in range(MAX_NEW_TOKENS):
            rows = [self.ids[episodes[i]] for i in speaking]
            lengths = torch.tensor([len(row) for row in rows])
            ids = nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)
            logits = self._logits(self.actor, ids)[torch.arange(len(rows)), lengths - 1]
            logp = (logits / (self.temperature or 1.0)).log_softmax(-1).numpy()
            for row, i in enumerate(speaking):
                token = self._choose(logp[row], self.rngs[episodes[i]])
                said[i].append(token)
                scores[i].append(logp[row, token])
                self.ids[episodes[i]].append(token)
            speaking = [i for i in speaking if said[i][-1] != STOP]
            if not speaking:
                break
        turns = zip(prompts, said, scores, strict=True)
        return [
            decide(TurnTokens(np.array(p), np.array(s), np.array(x, np.float32), (bytes(p),)))
            for p, s, x in turns
        ]

    def _choose(self, logp: np.ndarray[Any, Any], rng: np.random.Generator) -> int:
        if self.temperature == 0:
            return int(logp.argmax())
        edges = np.exp(logp.astype(np.float64)).cumsum()
        return min(int(np.searchsorted(edges, rng.random() * edges[-1], "right")), SPEAKABLE[-1])

    def _logits(self, net: Mapping[str, nn.Module], ids: Tensor) -> Tensor:
        logits = net["head"](net["gru"](net["embed"](ids))[0])
        return logits if logits.shape[-1] == 1 else self._speakable(logits)

    def _speakable(self, logits: Tensor) -> Tensor:
        silent = [i for i in range(len(WORDS)) if i not in SPEAKABLE]
        return logits.index_fill(-1, torch.tensor(silent), -torch.inf)

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        logp = (self._logits(self.actor, batch.ids) / batch.temperature).log_softmax(-1)
        finite = logp.masked_fill(logp.isinf(), 0.0)
        entropy = -(finite.exp() * finite)[..., SPEAKABLE].sum(-1)
        chosen = finite[:, :-1].gather(-1, batch.ids[:, 1:, None])[..., 0]
        return Evaluation(
            nn.functional.pad(chosen, (1, 0)) * batch.sampled,
            nn.functional.pad(entropy[:, :-1], (1, 0)) * batch.sampled,
        )

    def without_frames(self, turn: TurnTokens) -> TurnTokens:
        prompt = np.array([TURN, BLIND]) if turn.frames else turn.prompt
        return TurnTokens(prompt, turn.completion, turn.logprobs)

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        reference = ToyPolicy.__new__(ToyPolicy)
        reference.actor = nn.ModuleDict(_network(self.actor["gru"].hidden_size, len(WORDS)))
        reference.actor.load_state_dict(self.base)
        with torch.no_grad():
            return reference.evaluate(batch).logprobs

    def values(self, batch: TokenBatch) -> Tensor:
        if "lengths" not in batch.cache:
            batch.cache["lengths"] = batch.attention.sum(1)
        value = self._logits(self.critic, batch.ids)[..., 0]
        return nn.functional.pad(value[:, :-1], (1, 0)) * batch.sampled

    def actor_parameters(self) -> list[nn.Parameter]:
        return list(self.actor.parameters())

    def critic_parameters(self) -> list[nn.Parameter]:
        return list(self.critic.parameters())

    def state(self) -> dict[str, Tensor]:
        nets = {"actor": self.actor, "critic": self.critic}
        return {
            f"{name}.{key}": p.detach().clone()
            for name, net in nets.items()
            for key, p in net.named_parameters()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for name, net in {"actor": self.actor, "critic": self.critic}.items():
            net.load_state_dict({k: state[f"{name}.{k}"] for k, _ in net.named_parameters()})


class Demonstrator:
    """Looks half of the time, then names any answer: format without skill, like a cloned base."""

    def reset(self, *, seed: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Decision:
        seen = observation["seen"]
        word = LOOK if not seen and self.rng.random() < 0.5 else FIRST_ANSWER + self.rng.integers(4)
        prompt = np.array([TURN, FIRST_SEEN + seen - 1 if seen else BLIND])
        return decide(TurnTokens(prompt, np.array([word, STOP]), np.zeros(2, np.float32)))


def cloned_policy(seed: int) -> ToyPolicy:
    """A policy that speaks like the demonstrator: the start of every learning test."""
    policy = ToyPolicy(seed)
    policy.load_state(_cloned(seed))
    policy.base = {name: p.detach().clone() for name, p in policy.actor.named_parameters()}
    return policy


@cache
def _cloned(seed: int) -> dict[str, Tensor]:
    policy = ToyPolicy(seed)
    episodes = collect(
        [ToyEnv()], Demonstrator(), [EpisodeSpec(item) for item in ITEMS] * 16, seed=seed
    )
    batch = collate(episodes, temperature=1.0)
    optimizer = torch.optim.Adam(policy.actor_parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = -policy.evaluate(batch).logprobs.sum() / batch.sampled.sum()
        loss.backward()
        optimizer.step()
    return policy.state()


def _network(hidden: int, outputs: int) -> dict[str, nn.Module]:
    return {
        "embed": nn.Embedding(len(WORDS), hidden),
        "gru": nn.GRU(hidden, hidden, batch_first=True),
        "head": nn.Linear(hidden, outputs),
    }


def toy_batch(seed: int = 0) -> tuple[ToyPolicy, TokenBatch, list[str]]:
    policy = cloned_policy(seed)
    specs = [EpisodeSpec(item) for item in ITEMS for _ in range(4)]
    played = collect(envs(), policy, specs, seed=seed)
    return policy, collate(played, 1.0), [str(t.item_id) for t in played]


@contextmanager
def interrupted_at(moment: str, call: int) -> Iterator[None]:
    """Interrupt the training that the block runs, at a call of one of the functions it uses.

    Args:
        moment: name of the function in `algos.ppo.training`, or `save` of its checkpoints.
        call: which of its calls is interrupted, before it does anything; the first is 1.
    """
    owner: Any = checkpoint if moment == "save" else training
    original, calls = getattr(owner, moment), 0

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, moment, interrupted)
        yield
