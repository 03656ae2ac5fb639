"""What the numbers of one entry depend on, as its `manifest.json` has it.

Two numbers of one policy that differ are explained by what differs here: questions, annotation
file, budgets, pixels, sampler, prompt, weights, seeds, judge. Versions, commit, machine and decoder
stand beside it, one set for each process that played.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from policies.introspection import FingerprintedPolicy
from policies.judges.named_judge import judge_settings
from policies.prompt import ONLY_TURN, SYSTEM, Segment, render_user
from policies.registry import AnyPolicy
from sage_env.actions.grammar_text import CALL_INSTRUCTIONS, JSON_INSTRUCTIONS
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.framing.frame_area import frame_limits

_WHAT = {"dataset", "root", "split", "allow_outside", "opener", "judge", "tools", "reward"}
_HOW = {"call_timeout", "frame_store", "render_mode", "render_gold"}
_PLAYED = {"frame_size", "frame_pixels"}


def entry_settings(
    policy: AnyPolicy, options: Mapping[str, Any], items: Sequence[QAItem]
) -> dict[str, Any]:
    """Return what the episodes of an entry depend on, beside questions, seed and its name.

    Args:
        policy: that plays it.
        options: arguments of the environment.
        items: the dataset, whose `frame_size` counts.
    """
    sizes = options.get("frame_size"), options.get("frame_pixels")
    (height, width), area = frame_limits(*sizes, getattr(items, "frame_size", None))
    return {
        # A play that ended at a call's deadline may go on with a later one.
        "environment": {k: v for k, v in options.items() if k not in {*_HOW, "judge"}},
        "sampler": sampler_settings(options),
        "pixels": {"height": height, "width": width, "area": area},
        "judge": judge_settings(options.get("judge", "rule")),
        "weights": weights_of(policy),
        "prompt": prompt_digest(policy),
    }


def sampler_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return which frames are shown when: the environment's budgets and rules, defaults included.

    Args:
        options: arguments of the environment that were given.
    """
    parameters = inspect.signature(VideoQAEnv.__init__).parameters
    left_out = {"self", *_WHAT, *_HOW, *_PLAYED}
    return {
        name: options.get(name, parameter.default)
        for name, parameter in parameters.items()
        if name not in left_out
    }


def weights_of(policy: AnyPolicy) -> str | None:
    """Return the fingerprint of the trained weights; `None` for a policy that has none to tell."""
    acting = getattr(policy, "answerer", policy)  # `uniform` lets another policy answer
    return acting.fingerprint() if isinstance(acting, FingerprintedPolicy) else None


def prompt_digest(policy: AnyPolicy) -> str:
    """Return 16 hexadecimal digits for what a policy is told: wording, order, chat template.

    A policy of the user's that words its prompts itself may say so in a text `prompt_version`.
    """
    acting = getattr(policy, "answerer", policy)
    writers = [getattr(acting, name, None) for name in ("processor", "tokenizer")]
    templates = [getattr(writer, "chat_template", None) for writer in writers]
    told: list[Any] = [*SYSTEM.items(), ONLY_TURN, CALL_INSTRUCTIONS, JSON_INSTRUCTIONS]
    told += [one for one in templates if isinstance(one, str)]
    told += [getattr(acting, "prompt_version", None)]
    told += [_example(style, first) for style in SYSTEM for first in (True, False)]
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _example(style: Any, first: bool) -> list[Segment]:
    """Return how a made-up observation is worded."""
    observation = {
        **dict(num_frames=2, seconds=np.array([1.9, 5.6]), cursor=0.0, duration=7.5),
        **dict(turns_left=3, frames_left=8, message="cut", text="said"),
        **dict(question="What is it?", choices="one\ntwo"),
    }
    return render_user(observation, first=first, style=style)


def file_digest(path: Path) -> str:
    """Return 16 hexadecimal digits for the bytes of a file: BLAKE2b.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
