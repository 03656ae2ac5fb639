"""An episode's state as JSON data, for `VideoQAEnv.get_state` and `set_state`.

No pixel is in it. What was shown is recorded by its times, and the next look decodes what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sage_env.actions.action_record import action_record, read_action_record
from sage_env.datasets.item import QAItem, item_digest
from sage_env.datasets.loading import find_item, prepare_item
from sage_env.deadlines.timed_call import TimedPlugIn
from sage_env.episode import Budget, Episode
from sage_env.errors import DatasetError, StateError
from sage_env.frames import Tolerance
from sage_env.history import History, Look, Spent
from sage_env.object_reference import spelled
from sage_env.tools.tool import Tool
from sage_env.viewer import Viewer

if TYPE_CHECKING:
    from sage_env.rendering.renderer import Renderer

STATE_VERSION = 1
"""Raise it when a state comes to mean something else."""
_ENDING = ("stop_reason", "verdict", "rule")


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
        with readable():
            item, record = state["item"], state["episode"]
            running, seed = bool(state["running"]), state["seed"]
            random = read_random(state["random"])
            if item is None:
                return SavedState(None, None, {}, False, random, seed)
            asked = self._items[find_item(self._index, item)]
            history = read_history(record, asked, self._budget)
            _require(record)
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


def state_settings(
    budget: Budget,
    overview: tuple[int, Tolerance],
    plug_ins: Mapping[str, Any],
    viewer: Viewer,
) -> dict[str, Any]:
    """Return what decides how an environment goes on, beside its dataset, as JSON data.

    Args:
        budget: the environment's.
        overview: its frames, and by how many seconds each may be off.
        plug_ins: the user's functions and tools, which are told by their names.
        viewer: says what frames look like, and which times are looked at.
    """
    functions = {
        name: plug_in.function if isinstance(plug_in, TimedPlugIn) else plug_in
        for name, plug_in in plug_ins.items()
    }
    return {
        "max_turns": budget.turns,
        "max_frames": budget.frames,
        "frames_per_turn": budget.frames_per_turn,
        "overview_frames": overview[0],
        "overview_tolerance": overview[1],
        "frame_size": list(viewer.size),
        "frame_pixels": viewer.pixels,
        "snap": viewer.snap,
        "plug_ins": {name: spelled(function) for name, function in functions.items()},
    }


def require_header(state: Any, header: Mapping[str, Any]) -> None:
    """Refuse a state of another environment.

    Raises:
        StateError: naming everything that differs, then and now.
    """
    if not isinstance(state, Mapping) or not set(header) <= set(state):
        raise StateError(f"expected what get_state returned, got {str(state)[:80]!r}")
    differ = list(_differences("", state, header))
    if differ:
        raise StateError(
            f"the state is of another environment ({'; '.join(differ)}): make the environment as "
            "the one that gave it was made"
        )


def _differences(place: str, state: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys((*now, *(state if place else ()))):
        then, value = state.get(name), now.get(name)
        if isinstance(value, Mapping) and isinstance(then, Mapping):
            yield from _differences(f"{name} ", then, value)
        elif then != value:
            yield f"{place}{name} {then!r}, here {value!r}"


def episode_record(episode: Episode) -> dict[str, Any]:
    """Return a running or ended episode as JSON data, without its question."""
    history = episode.history
    return {
        "duration": float(episode.duration),
        "budget": asdict(episode.budget),
        "cursor": float(episode.cursor),
        "frames_left": episode.frames_left,
        "message": episode.message,
        "actions": [action_record(action) for action in history.actions],
        "looks": [_look_record(look) for look in history.looks],
        "spent": asdict(history.spent),
        **{name: getattr(history, name) for name in _ENDING},
    }


def read_history(record: Mapping[str, Any], item: QAItem, whole: Budget) -> History:
    """Return the history of an episode as `episode_record` wrote it.

    Args:
        record: the JSON data.
        item: the question.
        whole: the environment's budget.

    Raises:
        StateError: if the record is damaged.
    """
    with readable():
        budget = Budget(**record["budget"])
        return History(
            item,
            tuple(read_action_record(row) for row in record["actions"]),
            tuple(_read_look(row) for row in record["looks"]),
            Spent(**record["spent"]),
            budget.turns,
            budget.frames,
            **{name: record[name] for name in _ENDING},
            env_turns=whole.turns,
            env_frames=whole.frames,
        )


def show_again(renderer: Renderer | None, episode: Episode | None, shape: tuple[int, ...]) -> None:
    """Have a renderer take in every turn of an episode, as if it had been played here.

    Args:
        renderer: forgets what it has; `None` for none.
        episode: whose frames are decoded anew; `None` for none.
        shape: of the frames of an observation.

    Raises:
        VideoError: if a frame cannot be decoded.
    """
    if renderer is None:
        return
    renderer.clear()
    if episode is None:
        return
    whole = episode.history
    for turn, look in enumerate(whole.looks):
        shown = episode.observe(episode.shown_again(look), shape)
        then = replace(whole, actions=whole.actions[:turn], looks=whole.looks[: turn + 1])
        renderer.show(shown, whole if look is whole.looks[-1] else then, episode.native_size)


@contextmanager
def readable() -> Iterator[None]:
    """Turn what a damaged record raises in the block into a `StateError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, DatasetError) as error:
        raise StateError(
            f"the state is damaged ({type(error).__name__}: {error}): give set_state what "
            "get_state returned, unchanged"
        ) from error


def random_record(generator: np.random.Generator | None) -> dict[str, Any] | None:
    """Return the state of a random generator as JSON data; `None` for none.

    Its numbers have up to 128 bits, which few readers of JSON keep: they are text.
    """
    return None if generator is None else _to_text(generator.bit_generator.state)


def read_random(record: Mapping[str, Any] | None) -> np.random.Generator | None:
    """Return a generator that goes on where the recorded one was; `None` for none.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if the record is damaged.
    """
    if record is None:
        return None
    if record["bit_generator"] not in ("PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"):
        raise ValueError(f"no generator of NumPy is a {record['bit_generator']}")
    bits = getattr(np.random, record["bit_generator"])()
    bits.state = _from_text(record)
    return np.random.Generator(bits)


def _require(record: Mapping[str, Any]) -> None:
    """Look for what `SavedStates.resume` takes, before anything is done."""
    kinds = {"duration": float, "cursor": float, "frames_left": int, "message": str}
    if wrong := [name for name, kind in kinds.items() if not isinstance(record[name], kind)]:
        raise TypeError(f"{wrong[0]} is {record[wrong[0]]!r}")


def _look_record(look: Look) -> dict[str, Any]:
    kept = {
        name: None if value is None else [float(number) for number in value]
        for name, value in (("span", look.span), ("box", look.box), ("seconds", look.seconds))
    }
    return {**kept, "text": look.text, "refused": look.refused}


def _read_look(row: Mapping[str, Any]) -> Look:
    span, box = row["span"], row["box"]
    return Look(
        span=None if span is None else (float(span[0]), float(span[1])),
        box=None if box is None else (box[0], box[1], box[2], box[3]),
        seconds=tuple(float(second) for second in row["seconds"]),
        text=str(row["text"]),
        refused=bool(row["refused"]),
    )


def _to_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_text(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return [str(one) for one in value.tolist()]
    return value if isinstance(value, str) else str(int(value))


def _from_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _from_text(one) for name, one in value.items()}
    if isinstance(value, list):
        return np.array([int(one) for one in value], np.uint64)
    return int(value) if value.isdecimal() else value
