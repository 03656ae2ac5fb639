"""The released SAGE-MM checkpoints: their two-stage JSON format, and a policy that speaks it.

What differs from the released code, on purpose: one rule decides between an answer and a tool call
at every stage; JSON is read or refused, never repaired; no time is reinterpreted; past results stay
in the order in which they came; and an episode without an answer has none, rather than a sentence
in its place.

Read in this order: `protocol` (one reply), `tools` (its calls as our actions), `prompts` (what the
checkpoint reads) — the format itself, without torch — then `policy`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage_env.errors import MissingExtra

if TYPE_CHECKING:
    from policies.sage_released.policy import SageReleased

__all__ = ["SageReleased"]


def __getattr__(name: str) -> Any:
    """Import torch, transformers and peft only when the policy itself is asked for."""
    if name != "SageReleased":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return import_module("policies.sage_released.policy").SageReleased
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("policies", "sage_env"):
            raise
        raise MissingExtra(
            f"{name} needs the package {error.name!r}: pip install 'sage-video-qa[sage]'"
        ) from error
