"""Stored episodes as tokens of another model: their actions, played again in the environment.

Nothing of the tokens of whoever played is used. The environment decodes the frames anew; the
student renders, encodes and tokenises what it shows, as in a rollout of its own.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.sft.action_words import words_of
from algos.sft.environments import open_envs
from algos.sft.examples import Example
from algos.sft.settings import FineTuningError
from algos.sft.stored_episodes import StoredEpisode
from algos.sft.stored_replies import retold, with_silent_tools
from policies.base import Decision, Observation, TurnTokens
from policies.errors import EpisodesFailed
from sage_env.actions.action import Invalid
from sage_env.datasets.item import QAItem

if TYPE_CHECKING:
    from policies.sage_mm.policy import SageMM

BUDGET = ("max_turns", "max_frames", "frames_per_turn", "overview_frames")
_CHECKED = ("item_id", "action", "frame_seconds", "span", "box", "stop_reason", "budget")
"""What of the `info` of a reset or a step has to come out again."""
_OF_THE_STUDENT = ("frame_size", *BUDGET)
_NOT_TAKEN = ("frame_size", "reward", "judge", "call_timeout", "opener")
"""Options of the stored environment that change nothing in what is learned, or are the student's.

The frames may have another size: the student looks with its own."""
_NONE = np.zeros(0, np.int64)


class Replayed:
    """A policy that plays stored episodes again, in the tokens of a student.

    Args:
        student: renders and encodes what is shown.
        episodes: by the names under which they are played.
    """

    def __init__(self, student: SageMM, episodes: Mapping[Hashable, Trajectory]) -> None:
        """Start with no episode."""
        self._student, self._episodes = student, episodes
        self._played: dict[Hashable, tuple[int, NDArray[np.int64]]] = {}

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; nothing is random."""
        self._played = {}

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        for name in episodes:
            self._played.pop(name, None)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Return what was decided, and the tokens that the student would write for it.

        Raises:
            EpisodesFailed: if an episode goes on after its last stored turn.
        """
        decisions: dict[Hashable, Decision] = {}
        errors: dict[Hashable, FineTuningError] = {}
        for observation, name in zip(observations, episodes, strict=True):
            number, said = self._played.get(name, (0, _NONE))
            turns = self._episodes[name].turns
            if number == len(turns):
                errors[name] = FineTuningError("it goes on after its last turn")
                continue
            stored = turns[number].decision
            shown = retold(observation, self._episodes[name], number)
            tokens = self._tokens(shown, said, stored)
            decisions[name] = Decision(stored.action, stored.text, tokens)
            self._played[name] = (
                number + 1,
                np.concatenate([said, tokens.prompt, tokens.completion]),
            )
        if errors:
            raise EpisodesFailed(dict(errors), decisions)
        return [decisions[name] for name in episodes]

    def _tokens(
        self, observation: Observation, said: NDArray[np.int64], stored: Decision
    ) -> TurnTokens:
        layout = self._student.model.tokens
        prompt, frames = self._student.prompt(observation, said)
        completion = layout.completion(words_of(stored, thinking=layout.thinks_first))
        return TurnTokens(prompt, completion, np.zeros(len(completion), np.float32), frames)


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """How stored episodes are played again."""

    envs: int = 8
    """Episodes that are played at the same time; changes the speed, not the result."""
    skip_broken: bool = False
    """Leave out episodes that cannot be played, such as those of missing videos, and say so."""
    skip_too_long: bool = False
    """Leave out episodes that are longer than the model's context, and say so."""


class Replayer:
    """Makes examples of stored episodes.

    Args:
        student: whose tokens they are; its encoder has the frames' features afterwards.
        items: the questions.
        env_options: of `gym.make`, above what the student wants and what the episodes were played
            with; budgets excepted, which are always those of the episode.
        settings: see there.

    Attributes:
        left_out: how many episodes were left out for what.
    """

    def __init__(
        self,
        student: SageMM,
        items: Sequence[QAItem],
        env_options: Mapping[str, Any] | None = None,
        settings: ReplaySettings | None = None,
    ) -> None:
        """Play nothing yet."""
        self._student, self._items = student, items
        self._known = {item.id: item for item in items}
        self._options = dict(env_options or {})
        self._settings = settings or ReplaySettings()
        self.left_out: dict[str, int] = {}

    def examples(
        self, episodes: Sequence[StoredEpisode], *, progress: bool = False
    ) -> list[tuple[StoredEpisode, Example]]:
        """Play episodes again, and return those that can be learned from with their tokens.

        Raises:
            FineTuningError: if one cannot be played again, shows something else than it did, or is
                too long for the student; names it.
        """
        for episode in episodes:
            self._require_question(episode)
        played: list[Trajectory] = [Trajectory()] * len(episodes)
        with tqdm(total=len(episodes), desc="played again", disable=not progress) as bar:
            for options, numbers in self._groups(episodes):
                for number, again in zip(
                    numbers, self._play(episodes, numbers, options, bar), strict=True
                ):
                    played[number] = again
        made = [(e, self._example(e, t)) for e, t in zip(episodes, played, strict=True)]
        return [(episode, example) for episode, example in made if example is not None]

    def holds(self, example: Example) -> bool:
        """Return whether the features of an example's frames can be had without a video."""
        try:
            self._student.model.encoder.grids(example.frames)
        except KeyError:
            return False
        return True

    def _require_question(self, episode: StoredEpisode) -> None:
        """Refuse an episode whose question is not among the items, or is another one there."""
        item = self._known.get(episode.item_id)
        if item is None:
            raise _refused(episode, "the dataset has no such question: name the one it is of")
        then = episode.item
        if then is not None:
            was = (then.question, then.choices, then.video.name)
            now = (item.question, item.choices, item.video.name)
            if was != now:
                raise _refused(episode, f"its question was {was}, and is {now} in the dataset")

    def _groups(self, episodes: Sequence[StoredEpisode]) -> list[tuple[dict[str, Any], list[int]]]:
        """Return the numbers of the episodes of each kind of environment."""
        groups: dict[str, tuple[dict[str, Any], list[int]]] = {}
        for number, episode in enumerate(episodes):
            options = self._env_options(episode)
            key = repr(sorted(options.items(), key=lambda pair: pair[0]))
            groups.setdefault(key, (options, []))[1].append(number)
        return list(groups.values())

    def _env_options(self, episode: StoredEpisode) -> dict[str, Any]:
        wanted, stored = self._student.env_options, episode.env_options
        conditions = episode.trajectory.conditions
        budget = {name: getattr(conditions, name) for name in BUDGET}
        return {
            **{name: wanted[name] for name in _OF_THE_STUDENT if name in wanted},
            **{name: _tuples(stored[name]) for name in stored if name not in _NOT_TAKEN},
            **self._options,
            **{name: value for name, value in budget.items() if value is not None},
        }

    def _play(
        self,
        episodes: Sequence[StoredEpisode],
        numbers: Sequence[int],
        options: Mapping[str, Any],
        bar: tqdm[Any],
    ) -> list[Trajectory]:
        """Play the episodes of one kind of environment again."""
        count = min(self._settings.envs, len(numbers))
        stored: dict[Hashable, Trajectory] = {n: episodes[n].trajectory for n in numbers}
        told = with_silent_tools(options, list(stored.values()))
        with open_envs(self._items, told, count) as envs:
            specs = [EpisodeSpec(t.item_id, t.seed, name=n) for n, t in stored.items()]
            again = Replayed(self._student, stored)
            return collect(envs, again, specs, progress=lambda _: bar.update())

    def _example(self, episode: StoredEpisode, played: Trajectory) -> Example | None:
        """Return the tokens of an episode that was played again; `None` to leave it out."""
        if played.hindered:
            if self._settings.skip_broken:
                self._leave_out("broken")
                return None
            why = played.error or "a tool was late"
            raise _refused(episode, f"{why}; leave such out with --skip-broken")
        if found := _difference(episode.trajectory, played):
            raise _refused(episode, found)
        made = Example.of(played)
        invalid = [k for k, t in enumerate(played.turns) if isinstance(t.decision.action, Invalid)]
        made = made.without_turns(played.turn, invalid)
        if not made.loss_mask.any():
            self._leave_out("without any valid action")
            return None
        limit = int(self._student.model.config.max_position_embeddings)
        if len(made.ids) > limit:
            if self._settings.skip_too_long:
                self._leave_out("too long")
                return None
            raise _refused(
                episode,
                f"it has {len(made.ids)} tokens, and the model's context {limit}; leave such out "
                "with --skip-too-long, or give a smaller --frame-size",
            )
        return made

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _refused(episode: StoredEpisode, why: str) -> FineTuningError:
    return FineTuningError(
        f"the episode of item {episode.item_id!r} ({episode.place}) cannot be learned from: {why}"
    )


def _difference(stored: Trajectory, played: Trajectory) -> str:
    """Return the first thing that came out otherwise, "" if there is none."""
    infos = [("overview", stored.start_info, played.start_info)]
    turns = zip(stored.turns, played.turns, strict=False)
    infos += [(f"turn {k}", a.info, b.info) for k, (a, b) in enumerate(turns, 1)]
    for where, then, now in infos:
        for key in _CHECKED:
            was, found = _plain(then.get(key)), _plain(now.get(key))
            if key in then and was != found:
                return f"{where}: {key} was {was!r}, and is {found!r} now"
    if len(played.turns) != len(stored.turns):
        return f"it ends after turn {len(played.turns)} now, and had {len(stored.turns)}"
    return ""


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
