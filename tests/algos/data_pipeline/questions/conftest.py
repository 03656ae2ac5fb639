"""Every test has a key, three small videos, and nothing of the user's own leads elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.loopback import KEY, PROXIES
from tests.helpers.pipeline.stand_in_videos import clips

ELSEWHERE = ["GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*PROXIES, *ELSEWHERE]:
        monkeypatch.delenv(name, raising=False)
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return clips(tmp_path_factory.mktemp("clips"), 3)


@pytest.fixture
def videos(three: list[Path], tmp_path: Path) -> list[Path]:
    """Three videos in a folder of their own."""
    folder = tmp_path / "videos"
    folder.mkdir()
    return [Path(shutil.copy(video, folder / video.name)) for video in three]
