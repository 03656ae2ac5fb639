"""Fixtures of the foreign families: two tiny checkpoints, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sage_env import QAItem, VideoQAEnv
from tests.helpers.clips import write_clip
from tests.helpers.foreign.tiny_chat_models import write_gemma3, write_llava

FAMILIES: dict[str, Callable[[Path], Path]] = {"llava": write_llava, "gemma3": write_gemma3}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder per family."""
    root = tmp_path_factory.mktemp("families")
    return {name: write(root / name) for name, write in FAMILIES.items()}


@pytest.fixture(params=sorted(FAMILIES))
def checkpoint(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    """Each family in turn."""
    return checkpoints[request.param]


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> VideoQAEnv:
    """One question on a video of 40 s."""
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(40)])
    items = [QAItem("q", clip, "which?", ("a", "b"), "b", "mcq", duration=40.0)]
    return VideoQAEnv(
        dataset=items, frame_size=(64, 96), overview_frames=3, frames_per_turn=4, max_turns=2
    )
