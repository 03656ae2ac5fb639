"""The record of one episode: what was decided, what came back, and the tokens that spelled it.

Tokens are kept as they were sampled and joined on demand; nothing derived is stored twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algos.rollout.conditions import Conditions
from algos.rollout.stored_types import require_types
from policies.base import Decision, TurnTokens
from policies.introspection import Belief
from sage_env.actions.action import Answer, UseTool
from sage_env.actions.action_record import action_record, read_action_record
from sage_env.errors import JudgeError, JudgeTimeout
from sage_env.shadowing import require_ours
from sage_env.storage.atomic_file import atomic_path
from sage_env.tools.calling import FAILED, LATE

require_ours("algos")  # most modules of ours import this one

Info = dict[str, Any]
_BY_JUDGE = tuple(f"{error.__name__}:" for error in (JudgeError, JudgeTimeout))


@dataclass(frozen=True, eq=False)
class Turn:
    """One decision, the reward that it earned, and the `info` of its step.

    Attributes:
        decision: what the policy chose.
        reward: what is learned from: the environment's own, and what a recipe added.
        info: of the step; `reward_terms` in it are the terms of `reward`.
        env_reward: the environment's own; by default `reward`. `dataclasses.replace` keeps it.
        beliefs: how likely each choice would have been as the answer in this turn; `None` where
            that was not recorded (`algos.rollout.anytime`).
    """

    decision: Decision
    reward: float
    info: Info
    env_reward: float = math.nan
    beliefs: Belief | None = None

    def __post_init__(self) -> None:
        """Nothing is added yet where the environment's own reward is not given."""
        if math.isnan(self.env_reward):
            object.__setattr__(self, "env_reward", self.reward)


@dataclass(eq=False)
class Trajectory:
    """One episode. Letters: L tokens of the whole episode, prompts included.

    One alignment holds for all arrays: position t is token t, and `logprobs[t]` is that of token t
    given the tokens before it. Worked example, two turns with prompts `p p` and `p` and sampled
    tokens `a s` and `b` (`s` is the stop token), rewards 0.5 and 1:

        token_ids  p    p    a    s    p    b
        turn       0    0    0    0    1    1
        sampled    0    0    1    1    0    1
        rewards    0    0    0    .5   0    1

    Attributes:
        item_id: the question that was played.
        seed: the environment's seed.
        turns: the turns whose step succeeded, in order.
        start_info: the `info` of the reset.
        terminated: the episode ended by itself.
        truncated: an outer wrapper cut it.
        error: "Type: text" when the *environment* failed; such an episode is counted, and kept out
            of the loss, every baseline and every mean.
        failed: the decision whose step failed, so that an unjudged answer is not lost.
        conditions: what it was played under: budgets, sampling, weights, seed.
        seconds: wall-clock seconds from the reset to the end; `None` for what was read from a file:
            it is not stored, so that equal episodes are equal files.
        stage_seconds: those of them that it waited for the policy, by stage, for tools and for the
            judge; not stored either. `spent` of an `info` has the time in the video.
    """

    item_id: str | None = None
    seed: int | None = None
    turns: list[Turn] = field(default_factory=list)
    start_info: Info = field(default_factory=dict)
    terminated: bool = False
    truncated: bool = False
    error: str | None = None
    failed: Decision | None = None
    conditions: Conditions = field(default_factory=Conditions)
    seconds: float | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rule(self) -> str | None:
        """Return the name of the rule that decided the answer's verdict; None if none is known."""
        rule = self.turns[-1].info.get("rule") if self.turns else None
        return rule if isinstance(rule, str) else None

    @property
    def not_judged(self) -> bool:
        """Return whether all that failed is the judge of the answer: it can be scored later."""
        answered = self.failed is not None and isinstance(self.failed.action, Answer)
        return answered and (self.error or "").startswith(_BY_JUDGE)

    @property
    def tool_calls(self) -> dict[str, int]:
        """Return how many calls of tools had which outcome: those of `info`, and `failed`."""
        calls = dict((self.turns[-1].info if self.turns else {}).get("tool_calls") or {})
        if self.failed is not None and isinstance(self.failed.action, UseTool):
            calls[FAILED] = 1
        return calls

    @property
    def hindered(self) -> bool:
        """Return whether our side failed the episode, or was late with a tool's reply in it.

        Such an episode is in no loss and no baseline: what came of it is not the agent's doing.
        """
        return self.error is not None or LATE in self.tool_calls

    @property
    def ret(self) -> float:
        """Return the sum of the rewards; nan when the episode failed, so no mean can take it."""
        return float("nan") if self.error else float(sum(turn.reward for turn in self.turns))

    @property
    def num_turns(self) -> int:
        """Return the number of turns played."""
        return len(self.turns)

    @property
    def append_only(self) -> bool:
        """Return whether all turns were read in one growing context, see `TurnTokens.fresh`."""
        return not any(tokens.fresh for _, tokens in self._spoken()[1:])

    @property
    def token_ids(self) -> NDArray[np.int64]:
        """Return all tokens in order: int64 `(L,)`."""
        return _join([x for _, t in self._spoken() for x in (t.prompt, t.completion)], np.int64)

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Return which tokens the policy chose: bool `(L,)`."""
        return self._over_completions(bool, [np.ones(len(t.completion)) for _, t in self._spoken()])

    @property
    def turn(self) -> NDArray[np.int64]:
        """Return the turn that each token belongs to: int64 `(L,)`."""
        sizes = [(k, len(t.prompt) + len(t.completion)) for k, t in self._spoken()]
        return _join([np.full(size, k) for k, size in sizes], np.int64)

    @property
    def logprobs(self) -> NDArray[np.float32]:
        """Return the log-probs of the sampled tokens, 0 elsewhere: float32 `(L,)`."""
        return self._over_completions(np.float32, [t.logprobs for _, t in self._spoken()])

    @property
    def rewards(self) -> NDArray[np.float32]:
        """Return each turn's reward on its last sampled token, 0 elsewhere: float32 `(L,)`."""
        parts = [np.zeros(len(t.completion)) for _, t in self._spoken()]
        for (k, _), part in zip(self._spoken(), parts, strict=True):
            part[-1:] = self.turns[k].reward
        return self._over_completions(np.float32, parts)

    @property
    def frames(self) -> tuple[bytes, ...]:
        """Return the content keys of the frames in the prompts, in order."""
        return tuple(key for _, tokens in self._spoken() for key in tokens.frames)

    def _spoken(self) -> list[tuple[int, TurnTokens]]:
        """Return the turns that have tokens, with their numbers."""
        turns = [(k, turn.decision.tokens) for k, turn in enumerate(self.turns)]
        return [(k, tokens) for k, tokens in turns if tokens is not None]

    def _over_completions(self, dtype: Any, parts: list[Any]) -> NDArray[Any]:
        """Join one array per completion, with zeros over the prompts."""
        spoken = zip(self._spoken(), parts, strict=True)
        return _join([x for (_, t), part in spoken for x in (np.zeros(len(t.prompt)), part)], dtype)

    def to_json(self) -> Info:
        """Return plain JSON data; `from_json` takes it back."""
        turns = [_turn_json(turn) for turn in self.turns]
        return {
            "item_id": self.item_id,
            "seed": self.seed,
            "start_info": _plain(self.start_info),
            "turns": turns,
            "terminated": self.terminated,
            "truncated": self.truncated,
            "error": self.error,
            "failed": None if self.failed is None else _decision_json(self.failed),
            "conditions": asdict(self.conditions),
        }

    @classmethod
    def from_json(cls, data: Info) -> Trajectory:
        """Read what `to_json` returned; `info` comes back as plain lists, numbers and text.

        A record of a version that kept no conditions has none, and its rewards count as the
        environment's own.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: for what no play has written.
        """
        try:
            turns = [_turn(row) for row in data["turns"]]
        except OverflowError as error:
            raise ValueError(f"a number of a turn is beyond any float: {error}") from error
        failed = None if data["failed"] is None else _decision(data["failed"])
        conditions = Conditions(**data.get("conditions", {}))
        read = cls(**{**data, "turns": turns, "failed": failed, "conditions": conditions})
        require_types(read)
        return read


def save_trajectories(path: Path, trajectories: Iterable[Trajectory]) -> None:
    """Write one JSON line per trajectory."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        for trajectory in trajectories:
            file.write(json.dumps(trajectory.to_json()) + "\n")


def load_trajectories(path: Path) -> list[Trajectory]:
    """Read what `save_trajectories` wrote.

    Raises:
        ValueError: if a line is not a trajectory; names the file and the line.
    """
    trajectories = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                trajectories.append(Trajectory.from_json(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, line {number} is not a trajectory: {error!r}") from error
    return trajectories


def _join(parts: list[Any], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)


def _turn_json(turn: Turn) -> Info:
    row: Info = {
        **_decision_json(turn.decision),
        "reward": turn.reward,
        "env_reward": turn.env_reward,
        "info": _plain(turn.info),
    }
    return row if turn.beliefs is None else {**row, "beliefs": list(turn.beliefs)}


def _turn(row: Info) -> Turn:
    beliefs = None if row.get("beliefs") is None else tuple(map(float, row["beliefs"]))
    rewards = row["reward"], row.get("env_reward", math.nan)
    return Turn(_decision(row), rewards[0], row["info"], rewards[1], beliefs)


def _decision_json(decision: Decision) -> Info:
    action, tokens = decision.action, decision.tokens
    row: Info = {"text": decision.text} | action_record(action)
    if tokens is not None:
        row["tokens"] = {
            "prompt": tokens.prompt.tolist(),
            "completion": tokens.completion.tolist(),
            "logprobs": tokens.logprobs.tolist(),
            "frames": [key.hex() for key in tokens.frames],
            "context": tokens.context.hex(),
            "dropped": tokens.dropped,
        }
        if tokens.fresh:
            row["tokens"]["fresh"] = True
        if tokens.entropies is not None:
            row["tokens"]["entropies"] = tokens.entropies.tolist()
    return row


def _decision(row: Info) -> Decision:
    action = read_action_record(row)
    if "tokens" not in row:
        return Decision(action, row["text"])
    entropies = row["tokens"].get("entropies")
    tokens = TurnTokens(
        prompt=_ids(row["tokens"]["prompt"]),
        completion=_ids(row["tokens"]["completion"]),
        logprobs=np.asarray(row["tokens"]["logprobs"], np.float32),
        frames=tuple(bytes.fromhex(key) for key in row["tokens"]["frames"]),
        context=bytes.fromhex(row["tokens"].get("context", "")),
        dropped=row["tokens"].get("dropped", 0),
        fresh=row["tokens"].get("fresh", False),
        entropies=None if entropies is None else np.asarray(entropies, np.float32),
    )
    return Decision(action, row["text"], tokens)


def _ids(values: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(values, np.int64)
    if found.ndim != 1:
        raise ValueError(f"expected a list of token ids, got {values!r:.60}")
    return found


def _plain(value: Any) -> Any:
    """Turn what an `info` may hold into JSON data."""
    if isinstance(value, dict):
        return {str(key): _plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return value
