"""Laws of `policies.served.function_calls`, `openai_replies`, `gemini_replies`: one odd reply costs
one turn, if it is the model's, or one episode, if it is the server's, and nothing beside it.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.errors import EpisodesFailed, ReplyBlocked, ReplyUnusable, ServiceError
from policies.served import GeminiPolicy, OpenAIPolicy, RetrySettings
from policies.served.function_calls import arguments_text, calls_of
from policies.served.openai_replies import has_message
from policies.served.server_errors import json_of
from policies.served.wire import HttpReply
from sage_env import Invalid, Skip, UseTool
from sage_env.actions.action import Action
from tests.helpers.loopback import Provider, Says, shown

pytest.importorskip("openai")
pytest.importorskip("google.genai")
TWICE = RetrySettings(timeout=5, attempts=2, first_wait=0)
DEEP = 200_000
SKIP = Skip(1)


def chat(message, reason="stop", **more):
    message = {"role": "assistant", "content": None} | message
    return Says({"choices": [{"index": 0, "finish_reason": reason, "message": message}], **more})


def call(name="skip", arguments='{"to": 1}', **more):
    function = {"name": name, "arguments": arguments}
    return chat({"tool_calls": [{"id": "c", "type": "function", "function": function, **more}]})


def raw(arguments, content="null"):
    """Return a chat completion with arguments, or content, as they are written."""
    text = (
        '{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant",'
        ' "content": ' + content + ', "tool_calls": [{"id": "c", "type": "function", "function":'
        ' {"name": "skip", "arguments": ' + arguments + "}}]}}]}"
    )
    return Says(text.encode())


def candidate(parts, reason="STOP", **more):
    return Says({"candidates": [{"content": {"role": "model", "parts": parts},
                                 "finishReason": reason, **more}]})  # fmt: skip


def gemini_call(name="skip", **args):
    return candidate([{"functionCall": {"name": name, "args": args}}])


TOO_LONG = '{"action": "skip", "to": 1} or rather'
OPENAI = [
    # arguments of any form
    (call(arguments={"to": 1}), SKIP),
    (call(arguments=""), Invalid),
    (call(arguments=None), Invalid),
    (call(arguments=[1]), Invalid),
    (call(arguments=5), Invalid),
    (call(arguments='{"to": 1'), Invalid),
    (call(arguments='{"to": NaN}'), Invalid),
    (call(arguments={"to": float("inf")}), Invalid),
    (call(arguments='{"to": ' + "9" * 5000 + "}"), Invalid),
    (raw('{"to": ' + "9" * 5000 + "}"), Invalid),
    (call(arguments='{"to": 1, "thought": "\\ud800"}'), SKIP),
    (raw('"{\\"to\\": 1}\\ud800"'), Invalid),
    (call(arguments='{"to": ' + "[" * DEEP + "]" * DEEP + "}"), Invalid),
    (raw("[" * DEEP + "]" * DEEP), ReplyUnusable),
    # names
    (call("functions.skip"), SKIP),
    (call("default_api.skip"), SKIP),
    (call("namespace:skip"), SKIP),
    (call("functions.skip:0"), SKIP),
    (call("functions.fly"), UseTool),
    (call(""), Invalid),
    (call(None), Invalid),
    (call(7), Invalid),
    (call("sk\ud800ip"), UseTool),
    # messages
    (call(id=None), SKIP),
    (call(id=7), SKIP),
    (call(type=None), SKIP),
    (chat({"tool_calls": []}), ReplyUnusable),
    (chat({"tool_calls": [None, 3, "x"]}), ReplyUnusable),
    (chat({"tool_calls": {"function": {"name": "skip"}}}), ReplyUnusable),
    (chat({"content": ""}), ReplyUnusable),
    (chat({"content": " \n"}), ReplyUnusable),
    (chat({"content": {"text": "x"}}), ReplyUnusable),
    (chat({"content": [{"type": "text", "text": '{"action": "skip",'},
                       {"type": "thinking", "thinking": "{}"},
                       {"type": "text", "text": ' "to": 1}'}]}), SKIP),
    (chat({"content": [{"type": "image_url"}, None, {"type": "text", "text": 3}]}), ReplyUnusable),
    (chat({"content": [{"type": "refusal", "refusal": "no"}]}), ReplyBlocked),
    (chat({"content": "x", "refusal": {"why": "no"}}), ReplyBlocked),
    (chat({"refusal": "\x1b[2Jno\nway \x9b1m \ud800"}), ReplyBlocked),
    (chat({"content": ""}, "\x1b[2J"), ReplyUnusable),
    (chat({"content": '{"action": "skip", "to": 1} \ud800'}), SKIP),
    (chat({"content": TOO_LONG}, "length"), Invalid),
    (chat({"content": TOO_LONG}, None), SKIP),
    (chat({"content": TOO_LONG}, "content_filter"), ReplyBlocked),
    (chat({"content": TOO_LONG}, "error"), ReplyUnusable),
    (chat({"content": TOO_LONG}, "abort"), ReplyUnusable),
    (chat({"content": TOO_LONG}, usage={"prompt_tokens": "many"}), SKIP),
    (chat({"content": TOO_LONG}, usage=[3]), SKIP),
    # bodies
    (Says({"choices": []}), ReplyUnusable),
    (Says({"choices": [None]}), ReplyUnusable),
    (Says({"choices": {"0": 1}}), ReplyUnusable),
    (Says({"choices": [{"message": "hello"}]}), ReplyUnusable),
    (Says(b'{"choices": [{"mess'), ReplyUnusable),
    (Says(b"data: {}\n\ndata: [DONE]\n\n"), ReplyUnusable),
    (Says(b""), ReplyUnusable),
    (Says(b"null"), ReplyUnusable),
    (Says(b"", 204), ReplyUnusable),
    (Says({"error": {"message": "overloaded", "code": 502}}), ServiceError),
    (Says({"error": "overloaded"}), ServiceError),
    (Says(b"\x1b[2Jbad gateway", 502), ServiceError),
    (Says({"error": {"message": {"deep": [1]}}}, 500), ServiceError),
    (Says(["no"], 400), ServiceError),
    (Says(b"[" * DEEP, 500), ServiceError),
]  # fmt: skip
GEMINI = [
    (gemini_call(), Invalid),
    (candidate([{"functionCall": {"name": "skip"}}]), Invalid),
    (candidate([{"functionCall": {"name": "skip", "args": '{"to": 1}'}}]), SKIP),
    (candidate([{"functionCall": {"name": "skip", "args": None}}]), Invalid),
    (candidate([{"functionCall": {"name": "skip", "args": [1]}}]), Invalid),
    (candidate([{"functionCall": {"args": {"to": 1}}}]), Invalid),
    (candidate([{"functionCall": "skip"}]), ReplyUnusable),
    (gemini_call("default_api.skip", to=1), SKIP),
    (gemini_call("functions.skip", to=1), SKIP),
    (gemini_call(to=1, thought="\ud800"), SKIP),
    (gemini_call(to=float("nan")), Invalid),
    (Says(b'{"candidates": [{"content": {"parts": [{"functionCall": {"name": "skip", "args": {"to":'
          b' ' + b"9" * 5000 + b"}}}]}}]}"), Invalid),
    (candidate([None, 3, {"text": 5}, {"text": '{"action": "skip", "to": 1}'}]), SKIP),
    (candidate([{"text": "so"}, {"functionCall": {"name": "skip", "args": {"to": 1}}}]), SKIP),
    (candidate([{"text": TOO_LONG}], "MAX_TOKENS"), Invalid),
    (candidate([], "STOP"), ReplyUnusable),
    (candidate([{"text": ""}], "STOP"), ReplyUnusable),
    (candidate(None), ReplyUnusable),
    (candidate({"text": "x"}), ReplyUnusable),
    (candidate([{"text": "x"}], "SAFETY"), ReplyBlocked),
    (candidate([], "\x1b[2J"), ReplyUnusable),
    (Says({"promptFeedback": {"blockReason": "\x1b[2J"}}), ReplyBlocked),
    (candidate([{"text": TOO_LONG}], ["STOP"]), SKIP),
    (Says({"candidates": [{"content": "x"}]}), ReplyUnusable),
    (Says({"candidates": ["x"]}), ReplyUnusable),
    (Says({"candidates": 5}), ReplyUnusable),
    (Says(b"[" * DEEP), ReplyUnusable),
    (Says([{"error": {"code": 500, "message": "x", "details": 7}}], 500), ServiceError),
    (Says({"error": {"details": [7, {"violations": [3]}, {"violations": 3}]}}, 503), ServiceError),
]  # fmt: skip
APIS = {"openai": (OpenAIPolicy, "/v1", call()), "gemini": (GeminiPolicy, "", gemini_call(to=1))}
CASES = [("openai", k) for k in range(len(OPENAI))] + [("gemini", k) for k in range(len(GEMINI))]


@pytest.fixture
def provider(request):
    name = request.getfixturevalue("api")
    make, path, _ = APIS[name]
    return Provider(make, "m", Says({}), path, TWICE)


def strictly(text):
    raise AssertionError(f"a request holds {text}, which JSON does not have")


@pytest.mark.parametrize(("api", "number"), CASES)
def test_an_odd_reply_costs_no_more_than_its_own_episode(api, number, serve) -> None:
    odd, becomes = (OPENAI if api == "openai" else GEMINI)[number]
    fine = APIS[api][2]

    def script(body):
        text = json.dumps(body)
        json.loads(text, parse_constant=strictly)
        return odd if "the odd one" in text and "and then" not in text else fine

    server, policy = serve(script)
    questions = [shown(0), shown(1, question="the odd one"), shown(2)]
    error, found = None, None
    try:
        _, found, _ = policy.act_batch(questions, "abc")
    except EpisodesFailed as failed:
        assert list(failed.decisions) == ["a", "c"] and list(failed.errors) == ["b"]
        assert all(decision.action == SKIP for decision in failed.decisions.values())
        error = failed.errors["b"]
        str(error).encode("utf-8")
        assert str(error).isprintable()
    if isinstance(becomes, type) and issubclass(becomes, ServiceError):
        assert type(error) is becomes
        return
    assert error is None
    if isinstance(becomes, type):
        assert isinstance(found.action, becomes)
    else:
        assert found.action == becomes
    found.text.encode("utf-8")
    later = [shown(k, question="", message="and then") for k in range(3)]
    assert [d.action for d in policy.act_batch(later, "abc")] == [SKIP] * 3


@pytest.mark.parametrize("api", APIS)
def test_an_empty_reply_is_asked_for_again_and_one_that_was_cut_is_not(api, serve) -> None:
    fine = APIS[api][2]
    empty = chat({"content": ""}) if api == "openai" else candidate([])
    cut = chat({"content": ""}, "length") if api == "openai" else candidate([], "MAX_TOKENS")
    server, policy = serve(empty, fine, cut, fine)
    assert policy.act(shown()).action == SKIP
    assert len(server.asked) == 2 and server.bodies[0] == server.bodies[1]
    with pytest.raises(ReplyUnusable, match="raise max_"):
        policy.act(shown(1))
    assert len(server.asked) == 3
    assert policy.usage.replies == 3 and policy.usage.failed_attempts == 2


@pytest.mark.parametrize("api", ["openai"])
def test_each_call_is_answered_by_an_id_of_its_own(api, serve) -> None:
    one = {"type": "function", "function": {"name": "skip", "arguments": '{"to": 1}'}}
    calls = [{"id": "c"} | one, {"id": "c"} | one, one]
    server, policy = serve(chat({"tool_calls": calls, "content": "so"}), call())
    policy.act(shown())
    policy.act(shown(1))
    _, _, said, *results, _ = server.bodies[1]["messages"]
    numbers = [made["id"] for made in said["tool_calls"]]
    assert len(set(numbers)) == 3 and numbers[0] == "c" and said["content"] == "so"
    assert [result["tool_call_id"] for result in results] == numbers


@pytest.mark.parametrize("api", ["openai"])
def test_what_a_provider_adds_goes_back_as_it_came(api, serve) -> None:
    signed = {"google": {"thought_signature": "c2lnbmVk"}}
    added = {
        "reasoning_content": "look closer",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "…", "index": 0}],
        "extra_content": signed,
    }
    nothing = {"refusal": None, "audio": None, "function_call": None, "annotations": []}
    function = {"name": "skip", "arguments": '{"to":1}', "strict": True}
    made = {"id": "c", "type": "function", "extra_content": signed, "function": function}
    text = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "I look"}]
    server, policy = serve(
        chat(added | nothing | {"tool_calls": [made]}),
        chat(added | {"content": text, "audio": {"id": "a1", "data": "AAAA"}}),
        call(arguments='{"to": '),
        call(),
    )
    for k in range(4):
        policy.act(shown(k))
    said = [m for m in server.bodies[3]["messages"] if m["role"] == "assistant"]
    assert said[0] == added | {
        "role": "assistant", "content": None, "tool_calls": [made], "annotations": []}  # fmt: skip
    assert said[1] == added | {"role": "assistant", "content": text, "audio": {"id": "a1"}}
    assert said[2] == {"role": "assistant", "content": said[2]["content"]}


@pytest.mark.parametrize("api", ["openai"])
@pytest.mark.parametrize(
    ("arguments", "goes_back"),
    [
        ("", "{}"),
        (None, "{}"),
        ({"to": 1}, '{"to": 1}'),
        ('{"to": 1}', '{"to": 1}'),
        ('{"to": NaN}', None),
        ({"to": float("inf")}, None),
        ('{"to": ' + "9" * 5000 + "}", None),
        ('{"to": 1', None),
        ("[1]", None),
    ],
)
def test_arguments_go_back_as_json_text_of_an_object_or_not_as_a_call(
    api, arguments, goes_back, serve
) -> None:
    server, policy = serve(call(arguments=arguments), call())
    policy.act(shown())
    policy.act(shown(1))
    said = server.bodies[1]["messages"][2]
    if goes_back is None:
        assert set(said) == {"role", "content"} and '"skip"' in said["content"]
    else:
        assert said["tool_calls"][0]["function"] == {"name": "skip", "arguments": goes_back}


@pytest.mark.parametrize("api", ["gemini"])
def test_parts_of_gemini_go_back_as_they_came(api, serve) -> None:
    parts = [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {
            "functionCall": {"name": "skip", "args": {"to": 1}, "id": "a"},
            "thoughtSignature": "bmVk",
        },
        {"newKind": {"of": ["part"]}},
    ]
    said = [{"text": "no action", "thoughtSignature": "dG9v", "partMetadata": {"k": 1}}]
    server, policy = serve(candidate(parts), candidate(said), gemini_call(to=1))
    for k in range(3):
        policy.act(shown(k))
    contents = server.bodies[2]["contents"]
    assert [c for c in contents if c["role"] == "model"] == [
        {"role": "model", "parts": parts},
        {"role": "model", "parts": said},
    ]


SAFE = [HealthCheck.function_scoped_fixture]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["text", "stop", "length", "STOP", "MAX_TOKENS", "skip", "error"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def places(value, path=()):
    """Return the path of every node of a JSON value."""
    steps = value.items() if isinstance(value, dict) else ()
    steps = enumerate(value) if isinstance(value, list) else steps
    return [path, *(place for step, x in steps for place in places(x, (*path, step)))]


def changed(value, path, new):
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = changed(value[path[0]], path[1:], new)
    return copied


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_reply_with_any_two_places_changed_is_a_turn_or_a_typed_error(
    api, status, data
) -> None:
    make, path, fine = APIS[api]
    service = make("m", base_url="http://127.0.0.1:9" + path, check=False)._service
    details = [{"reason": "x", "violations": [{"quotaId": "PerDay"}], "retryDelay": "3s"}]
    error = {"error": {"code": "c", "message": "m", "param": "p", "details": details}}
    body = fine.body | {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    body = body if status == 200 else error
    for _ in range(2):
        place = data.draw(st.sampled_from(places(body)))
        body = changed(body, place, data.draw(ANYTHING))
    raw = HttpReply(
        status, {"retry-after": data.draw(st.text(max_size=9))}, json.dumps(body).encode()
    )
    try:
        response = json_of(raw, "m", service._key)
        service.counts(response)
        if api == "openai" and not has_message(response):
            return
        reply = service.read(response | {"sent": {}}, None, shown(), None)
        json.dumps(reply.message, allow_nan=False)
        assert isinstance(reply.decision.action, Action | Invalid)
        assert all(isinstance(name, str) for name, _ in reply.calls)
    except Exception as raised:
        for served in (False, True):
            failure = service.failure(raised, served)
            assert failure is not None and str(failure.error).isprintable()


def test_arguments_by_hand() -> None:
    assert [arguments_text(x) for x in (None, "", " ", "{", {"a": 1})] == [
        "{}", "{}", "{}", "{", '{"a": 1}']  # fmt: skip
    assert calls_of([None, {"id": "x"}, {"function": 3}], {"skip"}, 0) == []
