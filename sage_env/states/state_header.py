"""What a state must have in common with the environment that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sage_env.deadlines.own_process import OwnProcess
from sage_env.deadlines.timed_call import TimedPlugIn
from sage_env.episode import Budget
from sage_env.errors import StateError
from sage_env.frames import Tolerance
from sage_env.object_reference import spelled
from sage_env.viewer import Viewer

STATE_VERSION = 1
"""Raise it when a state comes to mean something else."""


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
        "plug_ins": {name: _spelled(function) for name, function in functions.items()},
    }


def _spelled(plug_in: Any) -> str | None:
    """Return the name of a plug-in; of one by name in a process of its own, that with settings."""
    own = plug_in.written if isinstance(plug_in, OwnProcess) else None
    return own or spelled(plug_in)


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
