"""SAGE-MM: a Qwen3-VL-family model with LoRA that plays the environment token by token.

Rooms, in the order of imports: `tokens/` (no torch), `vision/`, `model/`, `generation/`. Root, in
the order to read it: `policy` (the policy itself), `context` (one episode's tokens, append-only),
`scoring` (log-probs and values of what was sampled), `introspection` (the policy read from
outside), `stage_timer` (where its time goes).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage_env.errors import MissingExtra

if TYPE_CHECKING:
    from policies.sage_mm.model.adapters import LoraSettings
    from policies.sage_mm.policy import SageMM

__all__ = ["LoraSettings", "SageMM"]

_HOME = {"SageMM": "policies.sage_mm.policy", "LoraSettings": "policies.sage_mm.model.adapters"}


def __getattr__(name: str) -> Any:
    """Import torch, transformers and peft only when the policy itself is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("policies", "sage_env"):
            raise
        raise MissingExtra(
            f"{name} needs the package {error.name!r}: pip install 'sage-video-qa[sage]'"
        ) from error
