"""Fixtures: the test clips by name, written once per run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.clips import CLIPS, four_colours, write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the file of a clip by its name in CLIPS; each is written once."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        file, ticks, time_base, codec, options = CLIPS[name]
        path = folder / file
        if not path.exists():
            write_clip(path, ticks, time_base=time_base, codec=codec, options=options)
        return path

    return get


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that shows four colours, one per quarter."""
    path = tmp_path_factory.mktemp("colours") / "colours.mp4"
    return write_clip(path, range(2), size=(64, 128), draw=four_colours, options={"crf": "1"})
