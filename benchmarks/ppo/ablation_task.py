"""A task that PPO learns in seconds: the real environment, and a policy of two small GRUs.

One of four answers is painted into a video: into every frame (`easy`), so that the overview shows
it, or into four seconds of a minute (`hard`), so that one has to zoom there first. The best policy
answers easy questions at once and hard ones after one look. The policy says single words, and the
reward for a look comes only with the answer, one turn later: credit has to cross turns.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import sage_env  # noqa: F401  # registers the environment
from algos.batching.token_batches import collate
from algos.rollout.playing import EpisodeSpec, collect
from algos.seeds import subseed
from policies.base import Decision, Evaluation, Observation, TokenBatch, TurnTokens
from sage_env import Answer, FrameBatch, Invalid, QAItem, Zoom
from sage_env.rewards import Reward

CHOICES = ("a", "b", "c", "d")
WORDS = ("<pad>", "<stop>", "look", *CHOICES, "<turn>", "<blind>", *(f"<{c}>" for c in CHOICES))
STOP, LOOK, FIRST_ANSWER, TURN, BLIND = 1, 2, 3, 7, 8
SPEAKABLE = LOOK + 1 + len(CHOICES)  # ids below it, without padding, may be sampled
MAX_NEW_TOKENS = 2
SECONDS, SHOWN = 60.0, (40.0, 44.0)  # length of a video; where a hard one shows its answer
SHADE = 50  # grey levels between two answers


class Painted:
    """A video whose grey level is the answer: in all of its frames, or within `SHOWN` alone."""

    duration, fps = SECONDS, 2.0

    def __init__(self, path: Path) -> None:
        """Take kind and answer from the file's name, such as `hard-2.painted`."""
        kind, number = path.stem.split("-")
        self._everywhere, self._shade = kind == "easy", SHADE * (1 + int(number) % len(CHOICES))

    def frames_at(
        self, seconds: Sequence[float], *, size: tuple[int, int] | None = None, box: Any = None
    ) -> FrameBatch:
        """Return frames of one grey level each; see `sage_env.video.Video`."""
        if not np.isfinite(seconds).all():
            raise ValueError(f"seconds must be finite times, got {seconds}")
        numbers = np.floor(np.sort(np.asarray(seconds, np.float64)) * self.fps + 1e-6)
        times = numbers.clip(0, SECONDS * self.fps - 1) / self.fps
        inside = (times >= SHOWN[0]) & (times < SHOWN[1]) | self._everywhere
        pixels = np.zeros((len(times), *(size or (8, 8)), 3), np.uint8)
        pixels[inside] = self._shade
        return FrameBatch(pixels, times)

    def close(self) -> None:
        """Nothing is open."""


def questions() -> list[QAItem]:
    """Return eight questions, half of them hard."""
    return [
        QAItem(name, Path(f"{name}.painted"), "Which one?", CHOICES, CHOICES[i % 4], "mcq")
        for kind in ("easy", "hard")
        for i, name in enumerate(f"{kind}-{number}" for number in range(4))
    ]


def make_envs(count: int, reward: str | Reward) -> list[gym.Env[Any, Any]]:
    """Return environments that ask these questions: at most three turns, one frame in each."""
    options: dict[str, Any] = {"max_turns": 3, "max_frames": 3, "frames_per_turn": 1}
    options |= {"overview_frames": 1, "frame_size": (8, 8)}
    return [
        gym.make(
            "SageVideoQA-v0",
            dataset=questions(),
            opener=Painted,
            reward=reward,
            disable_env_checker=True,
            **options,
        )
        for _ in range(count)
    ]


def prompt_of(observation: Observation) -> list[int]:
    """Return the two tokens that an observation adds: a new turn, and what its frame shows."""
    count = int(observation["num_frames"])
    shade = int(observation["frames"][:count].max()) if count else 0
    return [TURN, BLIND + round(shade / SHADE)]


def decide(tokens: TurnTokens) -> Decision:
    """Return the action that words spell: one word, or nothing valid."""
    words = [WORDS[i] for i in tokens.completion if i != STOP]
    text = " ".join(words)
    if words == ["look"]:
        return Decision(Zoom(*SHOWN, 1), text, tokens)
    if len(words) == 1:
        return Decision(Answer(text), text, tokens)
    return Decision(Invalid(text, "say one word"), text, tokens)


class SmallPolicy:
    """Two small GRUs, an actor and a critic: a `TrainablePolicy`.

    Shapes below: B rows of T token ids, V words.
    """

    def __init__(self, seed: int, hidden: int = 24) -> None:
        """Make random networks with `hidden` units; the critic's values start at 0."""
        torch.manual_seed(seed)
        self.temperature = 1.0
        self.actor, self.critic = _Recurrent(hidden, len(WORDS)), _Recurrent(hidden, 1)
        nn.init.zeros_(self.critic.head.weight)
        nn.init.zeros_(self.critic.head.bias)
        self.reset()

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides what is sampled."""
        self._seed, self._ids = seed or 0, dict[Hashable, list[int]]()
        self._randoms: dict[Hashable, np.random.Generator] = {}

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        for name in episodes:
            del self._ids[name], self._randoms[name]

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Sample one turn of each episode."""
        turns: list[tuple[list[int], list[int], list[float]]] = []  # prompt, reply, log-probs
        for observation, name in zip(observations, episodes, strict=True):
            random = np.random.default_rng(subseed(self._seed, str(name)))
            self._randoms.setdefault(name, random)
            prompt = prompt_of(observation)
            self._ids.setdefault(name, []).extend(prompt)
            turns.append((prompt, [], []))
        speaking = list(range(len(episodes)))
        while speaking:
            logps = self._next([self._ids[episodes[i]] for i in speaking])
            for i, logp in zip(speaking, logps, strict=True):
                _, said, scores = turns[i]
                said.append(self._choose(logp, self._randoms[episodes[i]]))
                scores.append(float(logp[said[-1]]))
                self._ids[episodes[i]].append(said[-1])
            speaking = [
                i for i in speaking if turns[i][1][-1] != STOP and len(turns[i][1]) < MAX_NEW_TOKENS
            ]
        return [
            decide(TurnTokens(np.array(p), np.array(s), np.array(x, np.float32)))
            for p, s, x in turns
        ]

    @torch.no_grad()
    def _next(self, rows: list[list[int]]) -> NDArray[np.float32]:
        """Return the log-probs of the word after each row: float32 `(B, V)`."""
        last = torch.tensor([len(row) for row in rows]) - 1
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        logps: NDArray[np.float32] = self._logps(ids, self.temperature)[
            torch.arange(len(rows)), last
        ].numpy()
        return logps

    def _choose(self, logp: NDArray[np.float32], random: np.random.Generator) -> int:
        edges = np.exp(logp.astype(np.float64)).cumsum()
        return min(int(np.searchsorted(edges, random.random() * edges[-1], "right")), SPEAKABLE - 1)

    def _logps(self, ids: Tensor, temperature: float) -> Tensor:
        """Return the log-probs of the word after each token, `(B, T, V)`; of speakable words."""
        logits = self.actor(ids) / temperature
        silent = torch.ones(len(WORDS), dtype=torch.bool)
        silent[STOP:SPEAKABLE] = False
        logps: Tensor = logits.masked_fill(silent, -1e9).log_softmax(-1)
        return logps

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        """Return log-probs and entropies at sampled tokens, `(B, T)`, differentiably."""
        logps = self._logps(batch.ids, batch.temperature)[:, :-1]
        chosen = logps.gather(-1, batch.ids[:, 1:, None])[..., 0]
        entropy = -(logps.exp() * logps).sum(-1)
        return Evaluation(_shifted(chosen, batch), _shifted(entropy, batch))

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Refuse: the ablations use no KL."""
        raise NotImplementedError("the ablations use no KL, and this policy keeps no reference")

    def values(self, batch: TokenBatch) -> Tensor:
        """Return the critic's values at sampled tokens, `(B, T)`, differentiably."""
        return _shifted(self.critic(batch.ids)[:, :-1, 0], batch)

    def actor_parameters(self) -> list[nn.Parameter]:
        """Return the actor's weights."""
        return list(self.actor.parameters())

    def critic_parameters(self) -> list[nn.Parameter]:
        """Return the critic's weights."""
        return list(self.critic.parameters())

    def state(self) -> dict[str, Tensor]:
        """Return copies of all weights."""
        return {name: p.detach().clone() for name, p in self._both().named_parameters()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
        self._both().load_state_dict(dict(state))

    def _both(self) -> nn.ModuleDict:
        return nn.ModuleDict({"actor": self.actor, "critic": self.critic})


class Cloned:
    """The demonstrator: looks in half of the episodes, then answers at random."""

    def reset(self, *, seed: int | None = None) -> None:
        """Seed the choices."""
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Decision:
        """Choose without regard to the frames."""
        looks = observation["turns_left"] == 3 and self._random.random() < 0.5
        word = LOOK if looks else FIRST_ANSWER + int(self._random.integers(len(CHOICES)))
        prompt = np.array(prompt_of(observation))
        return decide(TurnTokens(prompt, np.array([word, STOP]), np.zeros(2, np.float32)))


def cloned_policy(seed: int) -> SmallPolicy:
    """Return a policy that was cloned from the demonstrator: it has the format and no skill."""
    policy = SmallPolicy(seed)
    specs = [EpisodeSpec(item.id) for item in questions()] * 16
    batch = collate(collect(make_envs(1, "answer"), Cloned(), specs, seed=seed), 1.0)
    optimizer = torch.optim.Adam(policy.actor_parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = -policy.evaluate(batch).logprobs.sum() / batch.sampled.sum()
        torch.autograd.backward(loss)
        optimizer.step()
    return policy


class _Recurrent(nn.Module):
    """Embedding, GRU and a linear head: ids `(B, T)` to outputs `(B, T, outputs)`."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        states: Tensor = self.head(self.gru(self.embed(ids))[0])
        return states


def _shifted(found: Tensor, batch: TokenBatch) -> Tensor:
    """Move outputs `(B, T - 1)` from the place before a token to the token, 0 if not sampled."""
    return nn.functional.pad(found, (1, 0)) * batch.sampled
