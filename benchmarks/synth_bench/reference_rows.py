"""The rows that the benchmark is published with: floors, chance, budgets, ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from policies.baselines.uniform import direct_env_options

DIRECT = (8, 16, 32, 64, 128)
"""Frames of the rows that answer at once from evenly spaced ones."""
BUDGETS = (16, 32, 64, 128)
"""Most frames of an agent's rows."""
BLIND: Mapping[str, Any] = MappingProxyType(direct_env_options(0))
"""Arguments of the environment for who looks at nothing."""


@dataclass(frozen=True)
class BenchRow:
    """One row.

    Attributes:
        name: of the row, unique.
        policy: as `sage-vqa eval --policy` names it.
        about: what it tells, in a few words.
        environment: arguments of the environment, over what the policy asks for.
        sees: whether its numbers depend on pixels; one that does not is played on drawn pictures.
        cheap: whether it is measured without `--all`.
    """

    name: str
    policy: str
    about: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    sees: bool = True
    cheap: bool = False


def _direct(frames: int) -> BenchRow:
    return BenchRow(
        f"uniform-{frames}", f"uniform:{frames}", f"DIRECT: {frames} even frames, one answer"
    )


def _agent(frames: int) -> BenchRow:
    about = f"the small model as it is shipped, cloned and before PPO, at most {frames} frames"
    overview = min(12, frames)
    options = {"max_frames": frames, "overview_frames": overview}
    return BenchRow(f"sage-mm-tiny-{frames}", "sage-mm-tiny", about, options)


REFERENCE: Mapping[str, BenchRow] = {
    row.name: row
    for row in (
        BenchRow("constant", "constant:1", "floor: always the first choice", BLIND, False, True),
        BenchRow("longest", "longest", "floor: always the longest choice", BLIND, False, True),
        BenchRow("random", "random", "chance: random actions", {}, False, True),
        *(_direct(frames) for frames in DIRECT),
        BenchRow("scripted", "scripted", "coarse to fine by fixed rules", {}, True, True),
        *(_agent(frames) for frames in BUDGETS),
        BenchRow(
            "oracle-small",
            "oracle:sage-mm-tiny",
            "the small model, shown the gold evidence: what finding it is worth",
        ),
        BenchRow(
            "oracle", "oracle", "ceiling: the gold evidence, the gold answer", {}, False, True
        ),
    )
}
"""The rows, in the order of the table."""
