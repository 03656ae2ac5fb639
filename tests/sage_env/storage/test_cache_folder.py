"""Laws of `sage_env.storage.cache_folder`: there is always a folder to name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from sage_env.storage.cache_folder import cache_folder


def test_the_named_folder_comes_before_the_one_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.setenv("SAGE_ENV_CACHE", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/sage_env")


def test_a_user_without_a_home_has_a_folder_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SAGE_ENV_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder().parent == Path(tempfile.gettempdir())
