"""The states of one environment: written, read, and gone on from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sage_env.datasets.item import QAItem, item_digest
from sage_env.datasets.loading import find_item, prepare_item
from sage_env.episode import Budget, Episode
from sage_env.errors import DatasetError, StateError
from sage_env.history import History
from sage_env.states.episode_record import episode_record, read_history, require_whole
from sage_env.states.random_record import random_record, read_random
from sage_env.states.state_header import STATE_VERSION, require_header
from sage_env.tools.tool import Tool
from sage_env.viewer import Viewer


@dataclass(frozen=True, eq=False)
class SavedState:
    """A state as it was read, before anything is done with it.

    Attributes:
        item: the question; `None` where no episode had begun, as for the next two.
        history: of the episode.
        record: of the episode, JSON data.
        running: whether the episode went on.
        random: chooses the next questions; `None` where no seed had been given.
        seed: that it began with.
    """

    item: QAItem | None
    history: History | None
    record: Mapping[str, Any]
    running: bool
    random: np.random.Generator | None
    seed: int | None


class SavedStates:
    """What the states of one environment have in common, and their way to JSON and back.

    Args:
        items: the questions.
        index: of each by its id.
        budget: the environment's.
        settings: from `state_settings`.
    """

    def __init__(
        self,
        items: Sequence[QAItem],
        index: Mapping[str, int],
        budget: Budget,
        settings: Mapping[str, Any],
    ) -> None:
        """Compute no digest yet: most environments are never asked for a state."""
        self._items, self._index, self._budget = items, index, budget
        self._settings = settings

    @cached_property
    def _header(self) -> dict[str, Any]:
        """What a state must agree in with the environment that takes it."""
        return {
            "environment": "SageVideoQA-v0",
            "state version": STATE_VERSION,
            "settings": dict(self._settings),
            "dataset": {"questions": len(self._items), "digest": item_digest(self._items)},
        }

    def save(
        self,
        episode: Episode | None,
        running: bool,
        random: np.random.Generator | None,
        seed: int | None,
    ) -> dict[str, Any]:
        """Return a state as JSON data.

        Args:
            episode: the running or the last one; `None` where none had begun.
            running: whether it goes on.
            random: chooses the next questions; `None` where no seed was given.
            seed: that it began with.
        """
        return deepcopy(self._header) | {
            "item": None if episode is None else episode.history.item.id,
            "episode": None if episode is None else episode_record(episode),
            "running": running,
            "random": random_record(random),
            "seed": seed,
        }

    def read(self, state: Any) -> SavedState:
        """Read what `save` returned.

        Raises:
            StateError: if it is damaged, or of another environment, naming what differs.
        """
        require_header(state, self._header)
        with _readable():
            item, record = state["item"], state["episode"]
            running, seed = bool(state["running"]), state["seed"]
            random = read_random(state["random"])
            if item is None:
                return SavedState(None, None, {}, False, random, seed)
            asked = self._items[find_item(self._index, item)]
            history = read_history(record, asked, self._budget)
            require_whole(record)
            return SavedState(asked, history, record, running, random, seed)

    def resume(
        self, saved: SavedState, viewer: Viewer, tools: Mapping[str, Tool]
    ) -> Episode | None:
        """Return the episode that goes on, its video open; `None` where none had begun.

        Raises:
            StateError: if the video has another duration by now.
            DatasetError, VideoError: if the video cannot be had.
        """
        if saved.item is None or saved.history is None:
            return None
        record = saved.record
        prepare_item(self._items, saved.item)
        budget = Budget(**record["budget"])
        episode = Episode(saved.item, viewer, budget, tools, whole=self._budget)
        if episode.duration != record["duration"]:
            raise StateError(
                f"the state is of a video of {record['duration']} s, and {saved.item.video} has "
                f"{episode.duration} s: it is another file"
            )
        rest = record["cursor"], record["frames_left"], record["message"]
        episode.go_on(saved.history, *rest)
        return episode


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what a damaged record raises in the block into a `StateError`."""
    try:
        yield
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        DatasetError,
    ) as error:
        raise StateError(
            f"the state is damaged ({type(error).__name__}: {error}): give set_state what "
            "get_state returned, unchanged"
        ) from error
