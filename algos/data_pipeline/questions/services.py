"""Facts of the services that write questions, from `services.toml` beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Tier = Literal["standard", "flex", "batch"]
"""How soon a service has to answer, and for how much."""
_FILE = Path(__file__).with_name("services.toml")


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model that sees whole videos.

    Attributes:
        frame: tokens of a frame by resolution; `default` where none is asked for.
        sound: tokens of a second of sound.
        context: most tokens of a request.
        bytes: most bytes of a file.
    """

    frame: Mapping[str, int]
    sound: int
    context: int
    bytes: int


def tier_share(tier: Tier) -> float:
    """Return what a request of a tier costs, as a share of the standard price."""
    return float(_facts()["tiers"][tier])


def default_model(service: str) -> str | None:
    """Return the model of a service that is asked where none is named; `None` if one has to be."""
    found = _facts()["default"].get(service)
    return None if found is None else str(found)


def facts_of(model: str) -> ModelFacts | None:
    """Return what is known of a model; `None` if it is not in the list.

    Args:
        model: `SERVER/NAME`.
    """
    for family in _facts()["family"]:
        if model in [f"{family['server']}/{name}" for name in family["models"]]:
            return ModelFacts(**{k: family[k] for k in ("frame", "sound", "context", "bytes")})
    return None


def margin() -> float:
    """Return what an estimate of tokens is multiplied by before dollars are set aside for it."""
    return float(_facts()["estimate"]["margin"])


def characters_per_token() -> int:
    """Return how many characters of a prompt are about a token."""
    return int(_facts()["estimate"]["characters_per_token"])


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
