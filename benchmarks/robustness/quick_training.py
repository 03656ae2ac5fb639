"""Trainings that end in a second or ten: a table of answers, and SAGE-MM at its smallest.

They run in processes that are forked from one which has imported all that is needed, so that a
campaign can start and kill many.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch._dynamo  # the first optimiser imports it: here once for all processes
from torch import Tensor, nn

from algos.evaluation.measures import evaluate
from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.rollout.playing import EpisodeSpec, collect
from algos.seeds import subseed
from policies.base import Decision, Evaluation, Observation, TokenBatch, TurnTokens
from policies.sage_mm import LoraSettings, SageMM
from policies.sage_mm.generation.sampling import inverse_cdf
from sage_env.actions.action import Action, Answer, Invalid
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.history import History
from sage_env.testing import open_memory

ANSWERS, QUESTIONS = 4, 6
UPDATES = {"table": 8, "sage-mm": 2}
"""Updates of the whole run, by the kind of policy."""


class GuessEnv(gym.Env[dict[str, Any], Any]):
    """Question `q<i>` has the answer `i % 4`, and one turn."""

    observation_space = gym.spaces.Dict({"question": gym.spaces.Discrete(QUESTIONS)})
    action_space = gym.spaces.Discrete(1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask the question of `options["item_id"]`."""
        super().reset(seed=seed)
        item = (options or {})["item_id"]
        self._number = int(item[1:])
        return {"question": self._number}, {"item_id": item}

    def step(self, action: Answer) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Pay 1 for the right answer."""
        right = action.text == str(self._number % ANSWERS)
        return {"question": self._number}, float(right), True, False, {"correct": right}


class TablePolicy:
    """Logits of the answers and a value for each question: a `TrainablePolicy` of 30 numbers."""

    def __init__(self) -> None:
        """Start uniform."""
        self.temperature = 1.0
        self.logits = nn.Parameter(torch.zeros(QUESTIONS, ANSWERS))
        self.worth = nn.Parameter(torch.zeros(QUESTIONS))
        self._seed = 0

    def reset(self, *, seed: int | None = None) -> None:
        """Seed what is sampled from here on."""
        self._seed = seed or 0

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Nothing is held for an episode."""

    @torch.no_grad()
    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Answer every question."""
        asked = torch.tensor([int(o["question"]) for o in observations])
        scores = (self.logits[asked] / (self.temperature or 1e-6)).log_softmax(-1)
        seeds = [subseed(self._seed, str(episode)) for episode in episodes]
        uniforms = torch.tensor([np.random.default_rng(seed).random() for seed in seeds]).double()
        found = inverse_cdf(scores, uniforms)
        return [
            Decision(
                Answer(str(int(answer))),
                str(int(answer)),
                TurnTokens(
                    np.array([int(question)]),
                    np.array([int(answer)]),
                    np.array([float(row[answer])], np.float32),
                    (),
                ),
            )
            for question, answer, row in zip(asked, found, scores, strict=True)
        ]

    def evaluate(self, batch: TokenBatch) -> Evaluation:
        """Score the answers, differentiably."""
        scores = (self.logits[batch.ids[:, 0]] / batch.temperature).log_softmax(-1)
        chosen = scores.gather(1, batch.ids[:, 1:2])
        entropy = -(scores.exp() * scores).sum(-1, keepdim=True)
        return Evaluation(_at_answer(chosen), _at_answer(entropy))

    def reference_logprobs(self, batch: TokenBatch) -> Tensor:
        """Score the answers as at the start, uniform: float32 `(B, L)`."""
        return _at_answer(torch.full((len(batch), 1), -float(np.log(ANSWERS))))

    def values(self, batch: TokenBatch) -> Tensor:
        """Return the values before the answers, differentiably: float32 `(B, L)`."""
        return _at_answer(self.worth[batch.ids[:, :1]])

    def actor_parameters(self) -> list[nn.Parameter]:
        """Return the logits."""
        return [self.logits]

    def critic_parameters(self) -> list[nn.Parameter]:
        """Return the values."""
        return [self.worth]

    def state(self) -> dict[str, Tensor]:
        """Return copies of both, float32 `(questions, answers)` and `(questions,)`."""
        return {"logits": self.logits.detach().clone(), "worth": self.worth.detach().clone()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned, `(questions, answers)` and `(questions,)`."""
        self.logits.copy_(state["logits"])
        self.worth.copy_(state["worth"])


def _at_answer(found: Tensor) -> Tensor:
    """Put a number `(B, 1)` for each answer behind a zero for the question: `(B, 2)`."""
    return torch.cat([torch.zeros_like(found), found], 1)


def run(kind: str, folder: Path) -> None:
    """Train, or go on training: the same command every time.

    Args:
        kind: `table` or `sage-mm`.
        folder: of the run.
    """
    torch.set_num_threads(1)
    if kind == "table":
        _train_table(folder)
    else:
        _train_sage_mm(folder)


def process(kind: str, folder: Path) -> None:
    """Be a process that trains; what it says goes to `said.txt` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    run(kind, folder)


def _train_table(folder: Path) -> None:
    config = PPOConfig(
        updates=UPDATES["table"],
        questions_per_update=4,
        episodes_per_question=4,
        minibatches=2,
        actor_lr=0.05,
        critic_lr=0.05,
        eval_every=2,
        keep_last=2,
    )
    items = [f"q{number}" for number in range(QUESTIONS)]

    def validate(policy: Any) -> float:
        policy.temperature = 0.0
        played = collect([GuessEnv()], policy, [EpisodeSpec(item, 0) for item in items], seed=0)
        return sum(t.ret for t in played) / len(played)

    envs = [GuessEnv() for _ in range(4)]
    train(config, TablePolicy(), envs, items, folder, validate=validate, progress=False)


def _by_spelling(item: QAItem, action: Action | Invalid, history: History) -> dict[str, float]:
    """Pay for how an action is spelled: few updates earn a right answer, and weights must move."""
    return {"spelling": len(repr(action)) % 5 / 5}


def _train_sage_mm(folder: Path) -> None:
    items = [
        QAItem(f"q{s}", Path(f"{s}.memory"), "what is seen?", ("yes", "no"), "no", "mcq")
        for s in (7, 90, 300)
    ]
    policy = SageMM.load(lora=LoraSettings(r=2), max_new_tokens=24, workers=2)
    options = {**policy.env_options, "overview_frames": 5, "max_turns": 2, "reward": _by_spelling}
    envs = [VideoQAEnv(dataset=items, opener=open_memory, **options) for _ in range(3)]
    config = PPOConfig(
        updates=UPDATES["sage-mm"],
        questions_per_update=2,
        episodes_per_question=2,
        minibatches=1,
        actor_lr=1e-3,
        critic_warmup=1,
        critic_epochs=1,
        epochs=1,
        eval_every=2,
    )

    def validate(policy: Any) -> float:
        policy.temperature = 0.0
        played = evaluate(envs, policy, items).trajectories
        return sum(t.ret for t in played) / len(played)

    ids = [item.id for item in items]
    train(config, policy, envs, ids, folder, validate=validate, progress=False)
