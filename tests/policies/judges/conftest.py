"""Fixtures of the judges: servers on this machine, keys, and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from policies.judges import ServedJudge
from policies.served import RetrySettings
from tests.helpers.foreign.judge_wires import GeminiWire, OpenAIWire
from tests.helpers.loopback import KEY, PROXIES, Loopback

pytest.importorskip("openai")
pytest.importorskip("google.genai")

ELSEWHERE = ["GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"]
QUICK = RetrySettings(timeout=5, attempts=3, first_wait=0.01)


@pytest.fixture(params=[OpenAIWire, GeminiWire], ids=["openai", "gemini"])
def wire(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every provider has a key, nothing leads elsewhere, and verdicts are kept for the test."""
    for name in [*PROXIES, *ELSEWHERE]:
        monkeypatch.delenv(name, raising=False)
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Loopback, ServedJudge]]]:
    """Return a function that makes a server of a wire, and a judge that asks it."""
    with ExitStack() as servers:

        def make(wire: Any, *script: Any, **settings: Any) -> tuple[Loopback, ServedJudge]:
            answers = script[0] if script and callable(script[0]) else list(script)
            server = servers.enter_context(Loopback(answers, wire.about))
            settings = {"retries": QUICK, "check": False} | settings
            return server, wire.make("j-1", base_url=server.url + wire.path, **settings)

        yield make
