"""Fixtures of the served policies: servers on this machine, and no settings of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from policies.served.policy import ServedPolicy
from sage_env import QAItem, VideoQAEnv
from tests.helpers.clips import write_clip
from tests.helpers.loopback import KEY, PROXIES, Loopback, Provider, Says

ELSEWHERE = ["GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every provider has a key, and nothing of the user's leads to another server."""
    for name in [*PROXIES, *ELSEWHERE]:
        monkeypatch.delenv(name, raising=False)
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)


@pytest.fixture
def serve(provider: Provider) -> Iterator[Callable[..., tuple[Loopback, ServedPolicy]]]:
    """Return a function that makes a server and a policy of the module's `provider` that asks it.

    The server answers with the arguments in order, or with what a single function returns.
    """
    with ExitStack() as servers:

        def make(*script: Any, about: Says | None = None, **settings: Any) -> Any:
            answers = script[0] if script and callable(script[0]) else list(script)
            server = servers.enter_context(Loopback(answers, about or provider.about))
            settings = {"retries": provider.retries, "check": False} | settings
            url = server.url + provider.path
            return server, provider.make(provider.model, base_url=url, **settings)

        yield make


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> VideoQAEnv:
    """One question on a video of 40 s."""
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(40)])
    items = [QAItem("q", clip, "which?", ("a", "b"), "b", "mcq", duration=40.0)]
    return VideoQAEnv(dataset=items, frame_size=(64, 96), overview_frames=3, frames_per_turn=4)
