"""Laws of `policies.served.request_fields`, `openai_compatible`: what a server refuses is left out.

The bodies of vLLM are those of version 0.32, letter for letter.
"""

from __future__ import annotations

import itertools
import warnings

import pytest

from policies.errors import ServiceError
from policies.served import OpenAIPolicy
from policies.served.request_fields import RequestFields
from sage_env import Answer
from tests.helpers.loopback import Provider, Says, shown

pytest.importorskip("openai")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
OURS = ["max_completion_tokens", "seed", "parallel_tool_calls", "temperature"]


def answered(body):
    """Answer by a call where the request has functions, by JSON where not."""
    message = {"role": "assistant", "content": '{"action": "answer", "text": "red"}'}
    if body.get("tools"):
        function = {"name": "answer", "arguments": '{"text": "red"}'}
        calls = [{"id": "c", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    return Says({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})


def vllm(message, param=None, status=400, kind="BadRequestError"):
    error = {"message": message, "type": kind, "param": param, "code": status}
    return Says({"error": error}, status)


class Strict:
    """A server that takes no field of `refused`, and says so in the way of a provider."""

    def __init__(self, refused, says):
        self.refused, self.says = set(refused), says

    def __call__(self, body):
        for field in body:
            if field in self.refused:
                return self.says(field, body)
        return answered(body)


def in_words(field, body):
    return Says({"error": {"message": f"extra inputs are not permitted: ['{field}']"}}, 422)


def as_param(field, body):
    told = f"Unsupported parameter: '{field}' is not supported with this model."
    return Says({"error": {"message": told, "param": field, "code": "unsupported_parameter"}}, 400)


def as_loc(field, body):
    where = {
        "type": "extra_forbidden",
        "loc": ["body", field],
        "msg": "Extra inputs",
        "input": body,
    }
    return Says({"object": "error", "message": {"detail": [where]}}, 422)


def as_fastapi(field, body):
    return Says({"detail": [{"type": "extra_forbidden", "loc": ["body", field]}]}, 422)


def as_vllm_value(field, body):
    told = f"1 validation error:\n  {{'type': 'int_parsing', 'loc': 'body.{field}', 'input': 'x'}}"
    return vllm(told, f"body.{field}", kind="Bad Request")


@pytest.fixture
def provider():
    about = Says({"object": "list", "data": [{"id": "m", "max_model_len": 2048}]})
    return Provider(OpenAIPolicy, "m", about, path="/v1")


def sent(server):
    return [set(body) - {"model", "messages"} for body in server.bodies]


WAYS = [in_words, as_param, as_loc, as_fastapi, as_vllm_value]


@pytest.mark.parametrize("says", WAYS)
def test_any_fields_may_be_refused_in_any_way_and_it_is_remembered(says, serve) -> None:
    for count in range(len(OURS) + 1):
        for refused in itertools.combinations(OURS, count):
            server, policy = serve(Strict(refused, says), temperature=0.5)
            policy.reset(seed=1)
            assert policy.act(shown()).action == Answer("red")
            tries = len(server.asked)
            assert tries == 1 + count  # one more request for each, and no more
            kept = (set(OURS) - set(refused)) | {"tools", "tool_choice"}
            if "max_completion_tokens" in refused:
                kept.add("max_tokens")
                assert server.bodies[-1]["max_tokens"] == 4096
            assert sent(server)[-1] == kept
            policy.reset(seed=2)
            policy.act_batch([shown(1), shown(2)], "ab")
            assert len(server.asked) == tries + 2


def test_neither_name_of_the_limit_may_be_taken(serve) -> None:
    server, policy = serve(Strict(["max_completion_tokens", "max_tokens"], in_words))
    assert policy.act(shown()).action == Answer("red")
    assert len(server.asked) == 3 and not sent(server)[-1] & {"max_completion_tokens", "max_tokens"}


def refusing_calls(says):
    def script(body):
        return says if "tools" in body else answered(body)

    return script


@pytest.mark.parametrize(
    "says",
    [
        Says({"error": {"message": "m does not support tools", "type": "api_error"}}, 400),
        Says({"error": {"message": "No endpoints found that support tool use.", "code": 404}}, 404),
        Says({"error": {"code": 500, "message": "tools param requires --jinja flag"}}, 500),
        Says({"error": {"message": "Function calling is not enabled for this model"}}, 400),
        Says({"detail": [{"loc": ["body", "tools", 0, "function"], "type": "extra"}]}, 422),
    ],
)
def test_a_model_without_function_calls_replies_with_json(says, serve) -> None:
    server, policy = serve(refusing_calls(says))
    assert policy.act(shown()).action == Answer("red")
    policy.act(shown(1))
    body = server.bodies[-1]
    assert not set(body) & {"tools", "tool_choice", "parallel_tool_calls"}
    assert '"action": "zoom"' in body["messages"][0]["content"]
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]


def vllm_as_usual(body):
    """What vLLM says that was started without flags, with a context of 2048 tokens."""
    for name in ("max_completion_tokens", "max_tokens"):
        if body.get(name, 0) > 2048:
            return vllm(
                f"{name}={body[name]} cannot be greater than max_model_len=2048. Please request "
                f"fewer output tokens. (parameter={name}, value={body[name]})",
                name,
            )
    if body.get("tool_choice") == "required":
        return vllm('tool_choice="required" requires --tool-call-parser to be set')
    if body.get("tools"):
        return vllm(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        )
    if "too long" in str(body["messages"]):
        return vllm(
            "This model's maximum context length is 2048 tokens. However, your prompt contains at "
            "least 2049 input tokens, which exceeds this limit even without any output tokens. "
            "Please reduce the length of the input prompt. (parameter=input_tokens, value=2049)",
            "input_tokens",
        )
    if "many pictures" in str(body["messages"]):
        return vllm("At most 1 image(s) may be provided in one prompt. (parameter=image)", "image")
    return answered(body)


@pytest.mark.parametrize("check", [True, False])
def test_a_vllm_started_as_usual_is_played_without_any_option(check, serve) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        server, policy = serve(vllm_as_usual, check=check)
        assert policy.act(shown()).action == Answer("red")
    assert sent(server)[-1] == set()
    first = sent(server)[0]
    assert ("max_completion_tokens" in first) is not check  # the list of models says its context
    assert len(server.asked) == (3 if check else 4)
    words = "\n".join(str(one.message) for one in told)
    assert "--enable-auto-tool-choice --tool-call-parser" in words
    assert "asked for as JSON text" in words and "m: the server said" in words


def test_what_no_field_can_help_is_one_episodes_and_names_the_flag(serve) -> None:
    server, policy = serve(vllm_as_usual, replies="json", max_tokens=99)
    for question, flag in {
        "too long": "its context is 2048 tokens; show fewer frames, or start it with a larger "
        "--max-model-len",
        "many pictures": "--limit-mm-per-prompt",
    }.items():
        policy.reset()
        before = len(server.asked)
        with pytest.raises(ServiceError, match=flag):
            policy.act(shown(question=question))
        assert len(server.asked) == before + 1
    policy.reset()
    assert policy.act(shown()).action == Answer("red")


def test_a_field_of_a_message_may_be_refused(serve) -> None:
    def script(body):
        if any("reasoning_content" in message for message in body["messages"]):
            where = ["body", "messages", 2, "assistant", "reasoning_content"]
            return Says({"detail": [{"type": "extra_forbidden", "loc": where}]}, 422)
        says = answered(body)
        says.body["choices"][0]["message"]["reasoning_content"] = "hm"
        return says

    server, policy = serve(script)
    policy.act(shown())
    assert policy.act(shown(1)).action == Answer("red")
    assert len(server.asked) == 3 and "seed" not in server.bodies[0]
    assert policy.act(shown(2)).action == Answer("red") and len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "Invalid 'messages[2]': seed", "param": "messages[2].content"}),
        (400, {"message": "the picture is damaged"}),
        (400, {"message": "An assistant message with 'tool_calls' must be followed by messages"}),
        (413, {"message": "seed"}),
        (400, {"detail": [{"loc": ["body", "messages", 0], "input": {"param": "seed"}}]}),
        (400, {"message": "a function call lacks its signature"}),
    ],
)
def test_a_refusal_of_something_else_is_not_answered_with_another_request(
    status, error, serve
) -> None:
    server, policy = serve(lambda _: Says({"error": error}, status))
    policy.reset(seed=1)
    with pytest.raises(ServiceError):
        policy.act(shown())
    assert len(server.asked) == 1


def test_a_server_that_refuses_everything_is_given_up(serve) -> None:
    told = f"not permitted: {' '.join([*OURS, 'max_tokens', 'tools', 'tool_choice'])}"
    server, policy = serve(lambda _: Says({"error": {"message": told}}, 400))
    policy.reset(seed=1)
    with pytest.raises(ServiceError):
        policy.act(shown())
    assert len(server.asked) <= 12


def test_options_are_over_all_others_and_none_leaves_a_field_out(serve) -> None:
    options = {"seed": None, "max_completion_tokens": None, "max_tokens": 99, "tool_choice": "auto"}
    server, policy = serve(lambda body: answered(body), options=options | {"n": 1}, temperature=0.5)
    policy.reset(seed=3)
    policy.act(shown())
    body = server.bodies[0]
    ours = {"tools", "tool_choice", "parallel_tool_calls", "temperature"}
    assert sent(server)[0] == ours | {"max_tokens", "n"}
    assert body["max_tokens"] == 99 and body["tool_choice"] == "auto"


def test_log_probs_of_a_changed_distribution_are_no_record(serve) -> None:
    says = answered({})
    says.body["choices"][0] |= {"token_ids": [7], "logprobs": {"content": [{"logprob": -1.0}]}}
    says.body["prompt_token_ids"] = [1, 2]
    full = {"replies": "json", "token_ids": True, "temperature": 1.0}
    _, policy = serve(lambda _: says, **full)
    assert policy.act(shown()).tokens is not None
    for options in ({"top_p": 0.9}, {"top_k": None}, {"temperature": 0.5}):
        _, policy = serve(lambda _: says, **full, options=options)
        assert policy.act(shown()).tokens is None
    server, policy = serve(
        lambda body: in_words("min_p", body) if "min_p" in body else says, **full
    )
    assert policy.act(shown()).tokens is None and len(server.asked) == 2


def test_what_one_thread_learned_another_does_not_learn_twice() -> None:
    fields = RequestFields({"tools": []}, {}, 9, "calls")
    learned = fields.learned
    request = {"messages": [], **fields.body(learned, {"seed": 1})}
    said = "unknown field seed"
    assert fields.learn(learned, request, 400, None, said) == "seed is left out from here on"
    assert fields.learn(learned, request, 400, None, said) == ""
    assert fields.learn(learned, request, 400, None, "no") is None
    assert "seed" not in fields.body(fields.learned, {"seed": 1})
