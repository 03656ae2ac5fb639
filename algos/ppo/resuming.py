"""Whether a run may go on: its settings are those that it was started with, or may differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from algos.ppo.config import PPOConfig
from algos.ppo.schedules import read_the_length
from algos.runs import checkpoint

_MAY_DIFFER = {"updates", "micro_batch", "micro_batch_tokens", "workers", "checkpoint_every"}
_MAY_DIFFER |= {"keep_last", "patience", "rescore_tolerance", "record_tokens", "record_validation"}
"""Settings that may change between the parts of one run, because they change no number of an update
beyond rounding."""


def settings_of_run(config: PPOConfig, items: Sequence[str]) -> dict[str, Any]:
    """Return what a run is started with, as it comes back from JSON: lists for tuples.

    Args:
        config: the settings.
        items: ids of all questions, in order.
    """
    digest = hashlib.sha256(json.dumps(list(items)).encode()).hexdigest()
    settings: dict[str, Any] = json.loads(json.dumps({**asdict(config), "items": digest}))
    return settings


def require_same_run(saved: Mapping[str, Any], now: Mapping[str, Any], config: PPOConfig) -> None:
    """Refuse to go on with other settings than a checkpoint's.

    A setting that an older version did not have was at its default.

    Args:
        saved: of the checkpoint.
        now: what `settings_of_run` returned.
        config: the same settings; where one is a schedule over all updates, none may be added.

    Raises:
        ConfigChanged: names each setting that differs.
    """
    may_differ = _MAY_DIFFER - {"updates"} if read_the_length(config) else _MAY_DIFFER
    defaults = json.loads(json.dumps(asdict(PPOConfig())))
    checkpoint.require_same(_with_defaults(saved, defaults), now, may_differ=may_differ)


def _with_defaults(saved: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was saved, with the defaults of what was not; settings in settings alike."""
    found = {**defaults, **saved}
    for name, value in defaults.items():
        if isinstance(value, Mapping) and isinstance(saved.get(name), Mapping):
            found[name] = _with_defaults(saved[name], value)
    return found
