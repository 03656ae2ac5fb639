"""Laws of `policies.served.named_options`: settings by name reach the policy and the request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.cli import main
from policies.errors import ServiceError
from policies.registry import POLICIES, UnknownPolicy, load_policy
from policies.served import GeminiPolicy, OpenAIPolicy, RetrySettings
from policies.served.named_options import named_options, read_options
from tests.helpers.clips import write_clip
from tests.helpers.loopback import KEY, Provider, Says, shown

WITH_OPTIONS = ("hf", "gemini", "gemini-video", "openai")
pytest.importorskip("openai")
pytest.importorskip("google.genai")
ANSWER = Says(
    {
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": '{"action": "answer", "text": "red"}'},
            }
        ]
    }
)


@pytest.fixture
def provider():
    about = Says({"object": "list", "data": [{"id": "m"}]})
    return Provider(OpenAIPolicy, "m", about, path="/v1")


def test_values_are_json_where_they_can_be() -> None:
    written = ["seed=null", "max_tokens=99", "a=x=y", "b=", 'c={"d": [1]}', "e=true", "f=1e3"]
    assert read_options(written) == {
        "seed": None, "max_tokens": 99, "a": "x=y", "b": "", "c": {"d": [1]}, "e": True,
        "f": 1000.0}  # fmt: skip
    for wrong in ("seed", "=3", ""):
        with pytest.raises(ValueError, match="NAME=VALUE"):
            read_options([wrong])
    with pytest.raises(ValueError, match="twice"):
        read_options(["a=1", "a=2"])


def test_a_name_is_the_policys_the_retries_or_the_requests() -> None:
    options = {"replies": "json", "timeout": 7, "attempts": 2, "seed": None, "body.max_tokens": 9}
    assert named_options(OpenAIPolicy, options) == {
        "replies": "json",
        "retries": RetrySettings(timeout=7, attempts=2),
        "options": {"seed": None, "max_tokens": 9},
    }
    assert named_options(GeminiPolicy, {"thinking_budget": 0, "labels": {"a": "b"}}) == {
        "thinking_budget": 0,
        "options": {"labels": {"a": "b"}},
    }
    for name in ("model", "tools", "check", "temperature", "options"):
        with pytest.raises(ValueError, match="not set in this way"):
            named_options(OpenAIPolicy, {name: 1})
    for value in (float("nan"), [float("inf")], object()):
        with pytest.raises(ValueError, match="a value that JSON has"):
            named_options(OpenAIPolicy, {"seed": value})
    for option in (
        {"api_key": "x"}, {"body.api_key": "x"}, {"authorization": "x"}, {"user": f"a {KEY}"},
        {"metadata": {"a": [KEY]}}, {"base_url": "http://a/v1?key=abc"},
        {"base_url": "http://a/v1?x=1&api-key=abc"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="read from the environment") as refused:
            named_options(OpenAIPolicy, option)
        assert KEY not in str(refused.value)


def test_gemini_joins_options_with_its_request(monkeypatch, serve) -> None:
    said = Says({"candidates": [{"content": {"parts": [{"text": "x"}]}}]})
    server, _ = serve(lambda _: said, about=Says({"name": "models/m"}))
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    joined = {"generationConfig": {"seed": None, "topP": 0.5}, "toolConfig": None}
    policy = load_policy("gemini:m", temperature=0.5, options=joined)
    policy.reset(seed=1)
    policy.act(shown())
    body = server.bodies[0]
    assert body["generationConfig"] == {"maxOutputTokens": 4096, "temperature": 0.5, "topP": 0.5}
    assert "toolConfig" not in body and "tools" in body


def test_the_temperature_is_there_when_the_options_are_checked(serve) -> None:
    options = {"base_url": "http://127.0.0.1:9/v1", "replies": "json", "token_ids": True}
    options |= {"timeout": 1, "attempts": 1}
    with pytest.raises(ServiceError, match="cannot be reached"):
        load_policy("openai:m", temperature=1.0, options=options)


@pytest.mark.parametrize("kind", [kind for kind in POLICIES if kind not in WITH_OPTIONS])
def test_options_that_would_do_nothing_are_refused(kind) -> None:
    name = kind if not POLICIES[kind].argument.startswith(":") else f"{kind}:x"
    around = {"uniform": "uniform:4:random", "transcript": "transcript:random"}
    with pytest.raises(UnknownPolicy, match="only the .* policies take options"):
        load_policy(around.get(kind, name), options={"seed": None})


def test_options_that_do_not_suit_are_told(serve) -> None:
    for options in ({"replies": "xml"}, {"token_ids": True}, {"timeout": -1}, {"base_url": "a"},
                    {"workers": "x"}, {"api_key": KEY}):  # fmt: skip
        with pytest.raises(UnknownPolicy, match="these options do not suit OpenAIPolicy") as told:
            load_policy("openai:m", options=options)
        assert KEY not in str(told.value)


def test_the_command_line_sets_and_removes_fields(serve, tmp_path: Path, capsys) -> None:
    server, _ = serve(lambda _: ANSWER)
    clip = write_clip(tmp_path / "a.mp4", [25 * i for i in range(8)])
    command = ["ask", str(clip), "which?", "--choices", "red", "blue", "--policy", "openai:m"]
    command += ["--out", str(tmp_path / "run")]
    given = [f"base_url={server.url}/v1", "replies=json", "max_tokens=77", "seed=null",
             "reasoning_effort=low", "timeout=30"]  # fmt: skip
    for one in given:
        command += ["--policy-option", one]
    assert main(command) == 0
    (body,) = server.bodies
    assert set(body) == {"model", "messages", "max_completion_tokens", "temperature",
                         "reasoning_effort"}  # fmt: skip
    assert body["max_completion_tokens"] == 77 and body["reasoning_effort"] == "low"
    kept = "".join(path.read_text("utf-8") for path in (tmp_path / "run").rglob("*.json*"))
    assert "seed=null" in kept and KEY not in kept
    for wrong in (["seed"], ["replies=xml"], [f"api_key={KEY}"]):
        assert main([*command[:8], "--policy-option", *wrong]) == 2
        assert KEY not in "".join(capsys.readouterr())
    assert json.dumps(body).count("which?") == 1


def test_an_evaluation_goes_on_only_with_the_options_that_it_was_played_with(
    serve, tmp_path: Path, monkeypatch, capsys
) -> None:
    server, _ = serve(lambda _: ANSWER)
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(8)])
    row = {"id": "q", "video": "a.mp4", "question": "q?", "choices": ["red", "blue"]}
    (tmp_path / "d.jsonl").write_text(json.dumps(row | {"answer": "red"}) + "\n")
    monkeypatch.chdir(tmp_path)

    def played(*options: str) -> int:
        command = ["eval", "--dataset", "d.jsonl", "--policy", "openai:m", "--out", "run"]
        for one in (f"base_url={server.url}/v1", "replies=json", *options):
            command += ["--policy-option", one]
        return main(command)

    assert played("max_tokens=77", "timeout=30") == 0
    assert played("max_tokens=77", "timeout=31", "workers=2") == 0  # the pace changes no answer
    for options in ((), ("max_tokens=78",), ("max_tokens=77", "reasoning_effort=low")):
        assert played(*options) == 2
        assert "policy options {'replies': 'json', 'max_tokens': 77}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["openai:http://user:secret@host/v1", "uniform:4:openai:m?api_key=secret", "hf:a?token=s"],
)
def test_a_name_of_a_policy_holds_no_key(name) -> None:
    with pytest.raises(UnknownPolicy, match="holds no key or password") as refused:
        load_policy(name)
    assert "secret" not in str(refused.value)
