"""The report of `python -m benchmarks.gpu`: written anew after every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.provenance import header, versions


def report(device: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the report as Markdown.

    Args:
        device: name of the device.
        results: of each step that has ended, by its name; `error` tells why one failed.
    """
    lines = [
        *header("On a GPU", "benchmarks.gpu", libraries=versions("torch", "transformers", "peft")),
        f"- device: {device}",
        "- full sizes have random weights: speed and memory, no learning; 16 episodes of three",
        "  turns, replies of 48 tokens, an overview of 32 frames of 448x448, LoRA of rank 16,",
        "  activation checkpointing; MFU of model operations, see `policies.sage_mm.model`",
        "",
    ]
    for name, found in results.items():
        lines += [f"## {name}", ""]
        lines += [f"- {key}: {_told(value)}" for key, value in found.items()] + [""]
    return "\n".join(lines)


def _told(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_told(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(one)}" for key, one in value.items())
    return str(value)
