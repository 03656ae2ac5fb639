"""Laws of `policies.served.gemini`, `prompt`: what goes over the wire, and what replies mean."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from algos.rollout.playing import play
from policies.check.policy_check import check_policy
from policies.errors import ReplyBlocked, ReplyUnusable, ServiceRefused
from policies.prompt import ONLY_TURN
from policies.registry import load_policy
from policies.served import GeminiPolicy, Prices
from sage_env import Answer, Invalid, Sample, Skip, UseTool, function_schemas
from sage_env.tools.quoting import FROM_OUTSIDE
from tests.helpers.loopback import KEY, Provider, Says, shown
from tests.helpers.tools_to_try import Blueness

pytest.importorskip("google.genai")


def called(name, number=None, signature=None, **args):
    call = {"name": name, "args": args} | ({} if number is None else {"id": number})
    part = {"functionCall": call} | ({} if signature is None else {"thoughtSignature": signature})
    return candidate([part])


def candidate(parts, reason="STOP", **more):
    content = {"role": "model", "parts": parts} if parts else {"role": "model"}
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 20}
    found = {"content": content, "finishReason": reason, **more}
    return Says({"candidates": [found], "usageMetadata": usage})


@pytest.fixture
def provider():
    return Provider(GeminiPolicy, "gemini-x", Says({"name": "models/gemini-x"}))


def picture(part):
    assert part["inlineData"].get("mimeType", part["inlineData"].get("mime_type")) == "image/jpeg"
    return np.array(Image.open(io.BytesIO(base64.urlsafe_b64decode(part["inlineData"]["data"]))))


def test_an_episode_is_one_chat_that_only_grows(serve, env) -> None:
    server, policy = serve(
        called("sample", "c1", "c2lnbmVk", thought="look", start=3, end=9, num_frames=2),
        called("skip", "c2", to=30),
        called("answer", text="b", evidence=[[3, 9]]),
    )
    trajectory = play(env, policy, seed=0)
    actions = [turn.decision.action for turn in trajectory.turns]
    assert actions == [Sample(3, 9, 2), Skip(30), Answer("b", ((3, 9),))]
    assert trajectory.turns[-1].info["correct"] is True

    first, second, third = (body["contents"] for body in server.bodies)
    assert [len(x) for x in (first, second, third)] == [1, 4, 7]
    assert third[:4] == second and second[:1] == first
    observation, info = env.reset(seed=0)
    texts = [part["text"] for part in first[0]["parts"] if "text" in part]
    times = [f"<{t:.1f} seconds>" for t in info["frame_seconds"]]
    assert times == [text.strip() for text in texts[:3]]
    assert ["inlineData" in part for part in first[0]["parts"]] == [False, True] * 3 + [False]
    for part, frame in zip(first[0]["parts"][1::2], observation["frames"], strict=False):
        assert np.abs(picture(part).astype(int) - frame).mean() < 8
    assert "which?" in texts[3] and "a\nb" in texts[3] and "Turns left: 10" in texts[3]

    assert second[1]["parts"][0]["thoughtSignature"] == "c2lnbmVk"
    assert second[1]["parts"][0]["functionCall"]["args"]["num_frames"] == 2
    (result,) = second[2]["parts"]
    assert result["functionResponse"]["id"] == "c1"
    assert result["functionResponse"]["response"] == {"output": "The frames follow."}
    seen = trajectory.turns[0].info["frame_seconds"]
    assert [p["text"] for p in second[3]["parts"][::2]][:2] == [f"<{t:.1f} seconds>" for t in seen]
    assert third[5]["parts"][0]["functionResponse"]["response"] == {"output": "Done."}


def test_the_functions_and_settings_are_those_of_the_policy(serve) -> None:
    server, policy = serve(
        called("blueness", at=2),
        tools=[Blueness()],
        max_frames=9,
        thinking_budget=0,
        temperature=0.5,
    )
    policy.reset(seed=3)
    assert policy.act(shown()).action == UseTool("blueness", {"at": 2})
    (asked,) = server.asked
    assert asked.path.endswith("/models/gemini-x:generateContent")
    assert asked.headers["x-goog-api-key"] == KEY and KEY not in asked.path
    functions = asked.body["tools"][0]["functionDeclarations"]
    for function, schema in zip(functions, function_schemas([Blueness()], 9), strict=True):
        assert function["name"] == schema["name"]
        assert function["description"] == schema["description"]
        assert function["parameters_json_schema"] == schema["parameters"]
    assert asked.body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
    generation = asked.body["generationConfig"]
    assert generation["temperature"] == 0.5 and generation["maxOutputTokens"] == 4096
    assert generation["thinkingConfig"] == {"thinking_budget": 0}
    assert 0 <= generation["seed"] < 2**31
    assert "function call" in asked.body["systemInstruction"]["parts"][0]["text"]


def test_direct_allows_the_answer_alone_and_says_so(serve) -> None:
    server, policy = serve(*[called("answer", text="b")] * 2, tools=[Blueness()])
    policy.answers_only = True
    assert policy.act(shown()).action == Answer("b")
    policy.answers_only = False
    policy.reset()
    policy.act(shown())
    only, free = (body["toolConfig"]["functionCallingConfig"] for body in server.bodies)
    assert only == {"mode": "ANY", "allowedFunctionNames": ["answer"]} and free == {"mode": "ANY"}
    told = [ONLY_TURN in str(body["contents"]) for body in server.bodies]
    assert told == [True, False]


def test_messages_and_tool_replies_come_back_as_results_of_the_call(serve) -> None:
    call = {"functionCall": {"name": "skip", "args": {"to": 2}, "id": "a"}}
    other = {"functionCall": {"name": "skip", "args": {"to": 5}, "id": "b"}}
    server, policy = serve(candidate([call, other]), called("answer", text="red"))
    assert policy.act(shown()).action == Skip(2)  # the first call counts
    policy.act(shown(1, message="clamped", text="12 at 3 s", num_frames=0))
    results = [p["functionResponse"] for p in server.bodies[1]["contents"][2]["parts"]]
    assert [(r["id"], r["response"]["output"]) for r in results] == [
        ("a", f"clamped\nThe tool's reply ({FROM_OUTSIDE}):\n> 12 at 3 s"),
        ("b", "Not done: only the first call of a reply is taken."),
    ]
    (part,) = server.bodies[1]["contents"][3]["parts"]
    assert "clamped" not in part["text"] and "Frames left: 30" in part["text"]


def test_what_the_provider_withholds_is_no_action(serve) -> None:
    blocked = Says({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    server, policy = serve(blocked, candidate([], "SAFETY"), called("answer", text="red"))
    with pytest.raises(ReplyBlocked, match="PROHIBITED_CONTENT"):
        policy.act(shown())
    with pytest.raises(ReplyBlocked, match="SAFETY"):
        policy.act(shown())
    assert policy.act(shown()).action == Answer("red")  # the chat is as it was
    assert server.bodies[0]["contents"] == server.bodies[2]["contents"]


def test_empty_replies_are_errors_and_bad_calls_are_the_agents(serve) -> None:
    thought = {"text": "hm", "thought": True}
    bad = candidate([], "MALFORMED_FUNCTION_CALL")
    server, policy = serve(
        Says({}), candidate([thought], "MAX_TOKENS"), bad, candidate([{"text": "I see a red one"}])
    )
    with pytest.raises(ReplyUnusable, match="without a candidate"):
        policy.act(shown())
    with pytest.raises(ReplyUnusable, match="raise max_output_tokens"):
        policy.act(shown())
    assert policy.act(shown()).action == Invalid(
        "(MALFORMED_FUNCTION_CALL)",
        "the function call could not be read: call one of the functions by its schema",
    )
    assert isinstance(policy.act(shown(1, message="it was bad")).action, Invalid)
    last = server.bodies[3]["contents"]
    assert last[1]["parts"] == [{"text": "(MALFORMED_FUNCTION_CALL)"}]
    assert len(last) == 3 and last[2]["parts"][0]["text"].startswith("it was bad")


def test_a_reply_that_was_cut_does_nothing_that_it_only_thought_of(serve) -> None:
    draft = {"text": 'Perhaps {"action": "answer", "text": "A"}, or'}
    _, policy = serve(candidate([draft], "MAX_TOKENS"), candidate([draft]))
    action = policy.act(shown()).action
    assert isinstance(action, Invalid) and "was cut" in action.reason
    assert policy.act(shown()).action == Answer("A")


def test_usage_counts_thoughts_as_output_and_cached_tokens_apart(serve) -> None:
    usage = {
        "promptTokenCount": 1000,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 300,
        "cachedContentTokenCount": 400,
    }
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    _, policy = serve(Says(blocked), called("skip", to=1), prices=Prices(2.0, 10.0, cached=0.5))
    with pytest.raises(ReplyBlocked):
        policy.act(shown())
    policy.act(shown())
    used = policy.usage
    assert (used.replies, used.prompt_tokens, used.completion_tokens) == (2, 2000, 340)
    assert (used.cached_tokens, used.thinking_tokens) == (400, 300)
    assert used.cost == pytest.approx((1600 * 2 + 400 * 0.5 + 340 * 10) / 1e6)


def test_a_wrong_key_or_model_is_told_before_any_episode(serve) -> None:
    invalid = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid"}}
    invalid["error"]["details"] = [{"reason": "API_KEY_INVALID"}]
    with pytest.raises(ServiceRefused, match="API key not valid"):
        serve(about=Says(invalid, 400), check=True)
    missing = {"error": {"code": 404, "status": "NOT_FOUND", "message": "no such model"}}
    with pytest.raises(ServiceRefused, match="no such model"):
        serve(about=Says(missing, 404), check=True)


def test_it_keeps_the_contract_and_has_a_name(serve, env, monkeypatch) -> None:
    server, policy = serve(lambda _: called("answer", text="b"))
    check_policy(policy, env)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    named = load_policy("gemini:gemini-y", temperature=0.0)
    assert isinstance(named, GeminiPolicy) and named.temperature == 0.0
    assert server.looked_up[0].path.endswith("/models/gemini-y")
    assert repr(load_policy("gemini")) == "GeminiPolicy('gemini-2.5-flash')"


def test_names_and_nulls_of_a_reply_go_back_letter_for_letter(serve) -> None:
    """The client's types would rename, refuse or drop each of these."""
    call = {"name": "skip", "args": {"to": 1, "a_b": {"aB": None}}, "will_continue": False}
    parts = [
        {
            "text": "so",
            "thought": True,
            "thought_signature": "c2ln+/==",
            "tomorrow": {"x_y": [None]},
        },
        {"functionCall": call, "thoughtSignature": "YQ", "partMetadata": {}},
    ]
    content = {"role": "model", "parts": parts, "new_field": 1.0}
    first = Says({"candidates": [{"content": content, "finishReason": "STOP"}]})
    server, policy = serve(first, called("answer", text="red"))
    assert policy.act(shown()).action == Skip(1)
    assert policy.act(shown(1)).action == Answer("red")
    assert server.bodies[1]["contents"][1] == content
    assert server.bodies[1]["contents"][:1] == server.bodies[0]["contents"]
