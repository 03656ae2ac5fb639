"""Clips like the benchmark's, small ones, written once per run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.frame_access.clips import Clip, ClipRecipe, make_clip
from sage_env.video.index import video_index


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the reader remembers of files out of the user's cache folder.

    Campaigns keep every index, for a process of their own; later tests are not to.
    """
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(video_index, "_WORTH_KEEPING", video_index._WORTH_KEEPING)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ClipRecipe], Clip]:
    """Return the clip of a recipe; each is written once."""
    folder: Path = tmp_path_factory.mktemp("access-clips")
    return lambda recipe: make_clip(recipe, folder)
