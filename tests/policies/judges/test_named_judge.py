"""Laws of `policies.judges.named_judge` and the served names of `sage_env.datasets.judges`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from policies.judges.grading_prompt import PROMPT_HASH
from policies.judges.named_judge import JUDGES, judge_settings, judge_title, named_judge
from sage_env.datasets.judges import SERVED, find_judge
from tests.helpers.foreign.judge_wires import GeminiWire, OpenAIWire, graded
from tests.helpers.loopback import Loopback, Says


def test_the_names_of_the_environment_are_those_that_can_be_made() -> None:
    assert set(SERVED) == set(JUDGES)


def test_a_name_with_options_is_a_judge(tmp_path) -> None:
    with Loopback([OpenAIWire.says(graded("CORRECT"))], OpenAIWire.about) as server:
        name = (
            f"openai:j-1?base_url={server.url}/v1&seed=5&attempts=1&top_k=3&cache={tmp_path}/c%26d"
        )
        judge = find_judge(name)
        from sage_env import QAItem

        assert judge.name == "openai:j-1"
        assert judge(QAItem("q", "v", "?", answer="a"), "not quite b") is True
        (body,) = server.bodies
        assert (body["seed"], body["top_k"], body["model"]) == (5, 3, "j-1")
        assert len(list((tmp_path / "c&d").rglob("*.json"))) == 1
        assert len(server.looked_up) == 1


def test_gemini_has_a_model_of_its_own(monkeypatch) -> None:
    with Loopback([], Says({"name": "models/x"})) as server:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
        assert find_judge("gemini").name.startswith("gemini:gemini-")
        assert find_judge("gemini:j-1").name == "gemini:j-1"
        assert find_judge("gemini?seed=3").name.startswith("gemini:gemini-")
        assert server.looked_up[1].path.endswith("/models/j-1") and GeminiWire.path == ""


def test_a_run_depends_on_what_is_asked_and_not_on_where(monkeypatch) -> None:
    here = judge_settings("openai:m?base_url=http://a:1/v1&seed=2&timeout=5&cache=x&top_k=3")
    assert here == {"name": "openai:m", "prompt": PROMPT_HASH, "seed": 2, "top_k": 3}
    assert (
        judge_title("openai:m?base_url=http://a:1/v1&seed=2&top_k=3") == "openai:m?seed=2&top_k=3"
    )
    assert [judge_title(one) for one in ("gemini", "rule", "a.b:c")] == ["gemini", "rule", "a.b:c"]
    assert judge_settings("gemini?seed=1")["name"] == "gemini"
    assert [judge_settings(one) for one in ("rule", "a.b:c", print)] == ["rule", "a.b:c", print]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("openai", r"named gemini\[:MODEL\] or openai:MODEL, got 'openai'"),
        ("openai:?seed=1", "named gemini"),
        ("openai:m?seed", "NAME=VALUE"),
        ("openai:m?api_key=sk-1", "read from the environment"),
        ("openai:m?attempts=0", "attempts >= 1"),
        ("gemini:m?temperature=0", "temperature is not set in this way"),
    ],
)
def test_a_name_that_cannot_be_made_says_why(name, says) -> None:
    with pytest.raises(ValueError, match=says):
        find_judge(name)
    with pytest.raises(ValueError, match=says):
        named_judge(name)


def test_nothing_of_the_services_is_loaded_before_a_judge_is_made() -> None:
    code = (
        "import sys, policies.judges, sage_env.datasets.judges; "
        "print(*[m for m in ('openai', 'google.genai', 'httpx2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
    code = "import sys, sage_env; print(*[m for m in sys.modules if m.startswith('policies')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
