"""Options of the environment that commands share, and what they are on top of a policy's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.baselines.uniform import UniformPolicy
from sage_env.errors import SageEnvError

FRAMES = 16
"""Frames of the overview, and of a turn, that the environment shows unless it is told otherwise."""
BUDGET = ("max_turns", "max_frames", "frames_per_turn", "overview_frames")
SIZES = ("frame_size", "frame_pixels")
_GIVEN = (*BUDGET, *SIZES, "call_timeout")


class OptionError(SageEnvError):
    """An option has a value that nothing can be made with; the message names it."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentOptions:
    """What the environment is made with. What is left out is as the policy asks for."""

    max_turns: int | None = None
    """Most turns, the answer included; always 1 of uniform:N. By default, here and below, what the
    policy asks for."""
    max_frames: int | None = None
    """Most frames per question, the overview included."""
    frames_per_turn: int | None = None
    """Most frames that one action is shown."""
    overview_frames: int | None = None
    """Evenly spaced frames shown at the start; 0 starts blind."""
    frame_size: tuple[int, int] | None = None
    """Height and width of the frames, multiples of 32."""
    frame_pixels: int | None = None
    """Most pixels of a picture: each video's frames have its own shape then, without black bars."""
    call_timeout: float | None = None
    """Seconds for one call of a tool or judge; by default 120, which reading a file always has."""
    judge: str = "rule"
    """Who decides on answers that no rule can decide: rule (nobody: they are wrong), gemini[:MODEL]
    or openai:MODEL (options follow a ?, as base_url=URL does), or package.module:function."""
    tools: tuple[str, ...] = ()
    """Tools that the agent may use: transcribe, ground, search, read_page, analyze, each with
    settings after a ? (ground?KEY=VALUE&KEY=VALUE), or package.module:name. Each has a process."""

    def env_options(self, policy: object) -> dict[str, Any]:
        """Return the arguments of the environment: the policy's, and over them what was given.

        Raises:
            OptionError: if an option cannot be used.
        """
        if self.frame_size is not None and any(n < 32 or n % 32 for n in self.frame_size):
            raise OptionError(f"--frame-size must be two multiples of 32, got {self.frame_size}")
        wanted = getattr(policy, "env_options", {})
        if not isinstance(wanted, Mapping):
            name = getattr(self, "policy", repr(policy))  # commands have one by that name
            raise OptionError(
                f"env_options of the policy {name} must be a mapping of the environment's "
                f"arguments, got {wanted!r}"
            )
        options: dict[str, Any] = dict(wanted)
        given = {name: getattr(self, name) for name in _GIVEN}
        if any(given[name] is not None for name in SIZES):
            options = {name: value for name, value in options.items() if name not in SIZES}
        options |= {name: value for name, value in given.items() if value is not None}
        if isinstance(policy, UniformPolicy):
            options["max_turns"] = 1  # DIRECT beside agents, which --max-turns is for
        if self.max_frames is not None and self.max_frames > 0 and self.overview_frames is None:
            # A small budget is meant as one, and not to be refused for an overview nobody named.
            overview = options.get("overview_frames", FRAMES)
            options["overview_frames"] = min(overview, self.max_frames)
        if self.judge != "rule":
            options["judge"] = self.judge
        if self.tools:
            options["tools"] = self.tools
        return options
