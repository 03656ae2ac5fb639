"""Facts of the services that write questions, from `services.toml` beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

Tier = Literal["standard", "flex", "batch"]
"""How soon a service has to answer, and for how much."""
_FILE = Path(__file__).with_name("services.toml")


def tier_share(tier: Tier) -> float:
    """Return what a request of a tier costs, as a share of the standard price."""
    return float(_facts()["tiers"][tier])


@cache
def _facts() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
