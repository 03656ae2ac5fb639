"""One evaluation for all tests of the room; they only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.exchange.played_entry import PlayedEntry, read_entry
from tests.helpers.played.planned_run import planned_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_run(tmp_path_factory.mktemp("planned"))


@pytest.fixture(scope="session")
def entry(run: Path) -> PlayedEntry:
    return read_entry(run)
