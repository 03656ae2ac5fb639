"""Laws of `policies.served.openai_compatible`, `prompt`, `token_record`: the wire, and replies."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from algos.rollout.playing import play
from policies.check.policy_check import check_policy
from policies.errors import MissingKey, ReplyBlocked, ReplyUnusable, ServiceError, ServiceRefused
from policies.prompt import ONLY_TURN
from policies.registry import UnknownPolicy, load_policy
from policies.served import OpenAIPolicy, Prices, openai_compatible
from sage_env import Answer, Invalid, Sample, Skip, UseTool, function_schemas
from tests.helpers.loopback import KEY, Provider, Says, shown
from tests.helpers.tools_to_try import Blueness

pytest.importorskip("openai")
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


def said(message, reason="stop", usage=USAGE, logprobs=None, token_ids=None, prompt_ids=None):
    message = {"role": "assistant", "content": None} | message
    choice = {"index": 0, "message": message, "finish_reason": reason}
    if logprobs is not None:
        content = [{"token": "t", "logprob": x, "top_logprobs": []} for x in logprobs]
        choice |= {"logprobs": {"content": content}, "token_ids": token_ids}
    body = {"id": "r", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return Says(body | {"choices": [choice], "prompt_token_ids": prompt_ids})


def called(name, number="c1", **args):
    function = {"name": name, "arguments": json.dumps(args)}
    return said({"tool_calls": [{"id": number, "type": "function", "function": function}]})


@pytest.fixture
def provider():
    about = Says({"object": "list", "data": [{"id": "m", "object": "model"}]})
    return Provider(OpenAIPolicy, "m", about, path="/v1")


def picture(block):
    head, data = block["image_url"]["url"].split(",")
    assert head == "data:image/jpeg;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def test_an_episode_is_one_chat_that_only_grows(serve, env) -> None:
    server, policy = serve(
        called("sample", "c1", thought="look", start=3, end=9, num_frames=2),
        called("skip", "c2", to=30),
        called("answer", "c3", text="b"),
    )
    trajectory = play(env, policy, seed=0)
    actions = [turn.decision.action for turn in trajectory.turns]
    assert actions == [Sample(3, 9, 2), Skip(30), Answer("b")]

    first, second, third = (body["messages"] for body in server.bodies)
    assert third[: len(second)] == second and second[: len(first)] == first
    roles = ["system", "user", "assistant", "tool", "user", "assistant", "tool", "user"]
    assert [message["role"] for message in third] == roles
    observation, info = env.reset(seed=0)
    blocks = first[1]["content"]
    assert [block["type"] for block in blocks] == ["text", "image_url"] * 3 + ["text"]
    for k, second_shown in enumerate(info["frame_seconds"]):
        assert blocks[2 * k]["text"].strip() == f"<{second_shown:.1f} seconds>"
        pixels = picture(blocks[2 * k + 1]).astype(int)
        assert np.abs(pixels - observation["frames"][k]).mean() < 8
    assert "which?" in blocks[6]["text"] and "a\nb" in blocks[6]["text"]
    assert "Turns left: 10" in blocks[6]["text"]
    call = third[2]["tool_calls"][0]
    assert call["id"] == "c1" and json.loads(call["function"]["arguments"])["start"] == 3
    assert third[3] == {"role": "tool", "tool_call_id": "c1", "content": "The frames follow."}
    assert third[6] == {"role": "tool", "tool_call_id": "c2", "content": "Done."}


def test_the_functions_and_settings_are_those_of_the_policy(serve) -> None:
    server, policy = serve(
        called("blueness", at=2),
        tools=[Blueness()],
        max_frames=9,
        temperature=0.5,
        options={"reasoning_effort": "low"},
    )
    policy.reset(seed=3)
    assert policy.act(shown()).action == UseTool("blueness", {"at": 2})
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    body = asked.body
    assert [tool["function"] for tool in body["tools"]] == function_schemas([Blueness()], 9)
    assert (body["model"], body["tool_choice"]) == ("m", "required")
    assert body["parallel_tool_calls"] is False and body["reasoning_effort"] == "low"
    assert body["temperature"] == 0.5 and body["max_completion_tokens"] == 4096
    assert 0 <= body["seed"] < 2**31


def test_direct_offers_the_answer_alone_and_says_so(serve) -> None:
    server, policy = serve(*[called("answer", text="b")] * 2, tools=[Blueness()])
    policy.answers_only = True
    assert policy.act(shown()).action == Answer("b")
    policy.answers_only = False
    policy.reset()
    policy.act(shown())
    only, free = server.bodies
    assert [tool["function"]["name"] for tool in only["tools"]] == ["answer"]
    assert [tool["function"] for tool in free["tools"]] == function_schemas([Blueness()])
    assert ONLY_TURN in json.dumps(only["messages"]) and only["tool_choice"] == "required"
    assert ONLY_TURN not in json.dumps(free["messages"])


def test_plain_json_needs_no_functions(serve) -> None:
    text = 'So:\n```json\n{"action": "skip", "to": "0:12"}\n```'
    server, policy = serve(
        said({"content": text}), said({"content": "no idea"}), replies="json", tools=[Blueness()]
    )
    decision = policy.act(shown())
    assert decision.action == Skip(12) and decision.text == text and decision.tokens is None
    assert isinstance(policy.act(shown(1, message="clamped")).action, Invalid)
    body = server.bodies[1]
    assert "tools" not in body and "tool_choice" not in body
    assert '"action": "zoom"' in body["messages"][0]["content"]
    assert '"name": "blueness"' in body["messages"][0]["content"]
    assert body["messages"][2] == {"role": "assistant", "content": text}
    assert body["messages"][3]["content"][0]["text"].startswith("clamped")


def test_a_call_that_cannot_be_read_is_the_agents_and_goes_back_as_text(serve) -> None:
    function = {"name": "zoom", "arguments": '{"start": '}
    bad = said({"tool_calls": [{"id": "c", "type": "function", "function": function}]})
    server, policy = serve(bad, called("answer", text="red"))
    assert isinstance(policy.act(shown()).action, Invalid)
    policy.act(shown(1, message="it was bad"))
    messages = server.bodies[1]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert "tool_calls" not in messages[2] and "zoom" in messages[2]["content"]
    assert messages[3]["content"][0]["text"].startswith("it was bad")


def test_a_reply_that_was_cut_does_nothing_that_it_only_thought_of(serve) -> None:
    draft, text = '{"action": "answer", "text": "A"}', '{"action": "skip", "to": 5}'
    replies = [f"Perhaps {draft}, or", f"{draft}</think>{text} {draft[:9]}", f"Perhaps {draft}"]
    reasons = ["length", "length", "stop"]
    _, policy = serve(*(said({"content": t}, r) for t, r in zip(replies, reasons, strict=True)))
    actions = [policy.act(shown()).action for _ in replies]
    assert isinstance(actions[0], Invalid) and "was cut" in actions[0].reason
    assert actions[1:] == [Skip(5), Answer("A")]


def test_what_the_provider_withholds_is_no_action(serve) -> None:
    filtered = Says({"error": {"message": "no", "code": "content_filter"}}, 400)
    _, policy = serve(
        said({"refusal": "I will not"}),
        said({"content": "x"}, "content_filter"),
        filtered,
        said({"content": ""}, "length"),
        called("answer", text="red"),
    )
    for told in ("I will not", "withheld", "was blocked"):
        with pytest.raises(ReplyBlocked, match=told):
            policy.act(shown())
    with pytest.raises(ReplyUnusable, match="raise max_tokens"):
        policy.act(shown())
    assert policy.act(shown()).action == Answer("red")


def test_usage_counts_cached_tokens_apart_and_says_when_it_does_not_know(serve) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 400}}
    details |= {"completion_tokens_details": {"reasoning_tokens": 30}}
    _, policy = serve(
        said({"content": "x"}, usage=USAGE | details),
        said({"content": "x"}, usage=None),
        prices=Prices(2.0, 10.0, cached=0.5),
    )
    policy.act(shown())
    used = policy.usage
    assert (used.prompt_tokens, used.cached_tokens, used.completion_tokens) == (1000, 400, 50)
    assert used.thinking_tokens == 30
    assert used.cost == pytest.approx((600 * 2 + 400 * 0.5 + 50 * 10) / 1e6)
    policy.act(shown())
    assert policy.usage.cost is None and policy.usage.uncounted_replies == 1


TEXT = '{"action": "skip", "to": 1}'


def test_tokens_are_recorded_while_every_prompt_goes_on_from_the_turn_before(serve) -> None:
    server, policy = serve(
        said({"content": TEXT}, logprobs=[-0.5, -1], token_ids=[7, 8], prompt_ids=[1, 2, 3]),
        said({"content": TEXT}, logprobs=[-2], token_ids=[9], prompt_ids=[1, 2, 3, 7, 8, 4]),
        said({"content": TEXT}, logprobs=[-2], token_ids=[9], prompt_ids=[1, 2, 3, 7, 0, 4, 9, 5]),
        said({"content": TEXT}, logprobs=[-2], token_ids=[9], prompt_ids=[1, 2, 3, 7, 8, 4, 9, 5]),
        replies="json",
        token_ids=True,
        temperature=1.0,
    )
    first, second, broken, after = (policy.act(shown(k)).tokens for k in range(4))
    assert first.prompt.tolist() == [1, 2, 3] and first.completion.tolist() == [7, 8]
    assert first.logprobs.tolist() == [-0.5, -1] and len(set(first.frames)) == 2
    assert second.prompt.tolist() == [4] and second.completion.tolist() == [9]
    assert broken is None and after is None  # rendered anew: not what was sampled
    body = server.bodies[0]
    assert body["return_token_ids"] is True and body["logprobs"] is True
    assert (body["top_p"], body["top_k"], body["min_p"]) == (1.0, 0, 0.0)


@pytest.mark.parametrize(
    ("change", "settings"),
    [
        ({"token_ids": [7]}, {}),
        ({"token_ids": None}, {}),
        ({"logprobs": None}, {}),
        ({"logprobs": [-1, float("-inf")]}, {}),
        ({"prompt_ids": None}, {}),
        ({}, {"temperature": 0.7}),
    ],
)
def test_incomplete_tokens_are_no_tokens(serve, change, settings) -> None:
    full = {"logprobs": [-0.5, -1.0], "token_ids": [7, 8], "prompt_ids": [1]}
    settings = {"replies": "json", "token_ids": True, "temperature": 1.0} | settings
    _, policy = serve(
        said({"content": TEXT}, **full | change), said({"content": TEXT}, **full), **settings
    )
    assert policy.act(shown()).tokens is None
    policy.reset()
    assert (policy.act(shown()).tokens is None) == ("temperature" in str(settings) and not change)


def test_log_probs_at_the_sampling_temperature_count_at_any(serve) -> None:
    full = {"logprobs": [-0.5, -1.0], "token_ids": [7, 8], "prompt_ids": [1]}
    settings = {"replies": "json", "token_ids": True, "processed_logprobs": True}
    _, policy = serve(said({"content": TEXT}, **full), temperature=0.7, **settings)
    assert policy.act(shown()).tokens.completion.tolist() == [7, 8]
    for wrong in ({"replies": "calls"}, {"temperature": None}):
        with pytest.raises(ValueError, match="token_ids needs"):
            OpenAIPolicy("m", **{"temperature": 1.0, **settings, **wrong})


def test_a_missing_model_is_told_before_any_episode(serve) -> None:
    other = Says({"object": "list", "data": [{"id": "qwen", "object": "model"}]})
    with pytest.raises(ServiceRefused, match="no model 'm', it has qwen"):
        serve(about=other, check=True)
    for status in (403, 404, 405):  # a server without such a list, or not for this key
        serve(about=Says({"error": "?"}, status), check=True)
    serve(about=Says({"data": [{"id": "models/m"}, {"id": 3}]}), check=True)
    for odd in ({"data": 3}, {"data": [3]}, {"data": None}, {}):
        try:
            serve(about=Says(odd), check=True)
        except ServiceError as error:
            assert "something else than a list of models" in str(error)
    with pytest.raises(ServiceError, match="is there such a service"):
        serve(about=Says(b"<html>"), check=True)


def test_only_openai_itself_must_have_a_key(serve, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    _, policy = serve(called("answer", text="red"))
    assert policy.act(shown()).action == Answer("red")
    with pytest.raises(MissingKey, match="set the environment variable OPENAI_API_KEY"):
        OpenAIPolicy("gpt-x")


def test_the_account_is_named_to_openai_alone(serve, monkeypatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "mine")
    server, policy = serve(called("answer", text="red"))
    policy.act(shown())
    monkeypatch.delenv("OPENAI_API_KEY")
    other, policy = serve(called("answer", text="red"), check=True)
    policy.act(shown())
    for asked in (*server.asked, *other.asked, *other.looked_up):
        assert "mine" not in str(asked.headers)
    assert "authorization" not in other.asked[0].headers | other.looked_up[0].headers
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(openai_compatible, "OPENAI", "http://127.0.0.1")
    server, policy = serve(called("answer", text="red"))
    policy.act(shown())
    found = server.asked[0].headers
    assert found["openai-organization"] == found["openai-project"] == "mine"
    assert found["authorization"] == f"Bearer {KEY}"


def test_fields_that_the_client_has_for_itself_go_to_the_server(serve) -> None:
    options = {"timeout": 1e-9, "extra_headers": {"a": "b"}, "stream": True, "top_k": 3, "n": 1}
    server, policy = serve(called("answer", text="red"), options=options)
    assert policy.act(shown()).action == Answer("red")
    assert {name: server.bodies[0][name] for name in options} == options
    assert "a" not in server.asked[0].headers


def test_it_keeps_the_contract_and_has_a_name(serve, env, monkeypatch) -> None:
    server, policy = serve(lambda _: called("answer", text="b"))
    check_policy(policy, env)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    named = load_policy("openai:m", temperature=0.0)
    assert isinstance(named, OpenAIPolicy) and named.temperature == 0.0
    with pytest.raises(UnknownPolicy):
        load_policy("openai")
