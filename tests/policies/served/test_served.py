"""Laws of `policies.served.policy`, `retries`, `server_errors`, `usage`: any service."""

from __future__ import annotations

import base64
import io
import json
import logging
import pickle
import sys
import threading
import time
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from algos.rollout.playing import EpisodeSpec, collect
from policies.errors import (
    EpisodesFailed,
    MissingKey,
    ReplyBlocked,
    ReplyUnusable,
    ServiceError,
    ServiceRefused,
)
from policies.registry import load_policy
from policies.served import GeminiPolicy, OpenAIPolicy, Prices, RetrySettings, server_errors
from policies.served.api_key import Key
from policies.served.prompt import user_parts
from policies.served.retries import RateLimit, retry_after
from policies.served.usage import UsageCounter
from policies.turn_usage import TokenCounts
from sage_env import Answer, QAItem, VideoQAEnv
from sage_env.errors import MissingExtra
from tests.helpers.clips import write_clip
from tests.helpers.loopback import KEY, Loopback, Provider, Says, shown

HASTY = RetrySettings(timeout=5, attempts=3, first_wait=0.01, longest_wait=1)
CALL = {"name": "answer", "arguments": '{"text": "red"}'}


def test_a_frame_is_sent_without_its_bars_but_for_whole_visual_tokens():
    """Of 48 by 64 pixels 9 rows are picture, sent as 32 rows; the other frame is all picture."""
    ramp = np.broadcast_to(5 * np.arange(48, dtype=np.uint8)[:, None, None], (3, 48, 64, 3))
    look = shown(picture=np.array([[20, 29, 0, 64], [0, 48, 0, 64], [0] * 4]), frames=ramp)
    sent = [part for part in user_parts(look, first=True) if isinstance(part, bytes)]
    for file, expected in zip(sent, (ramp[0, 9:41], ramp[1]), strict=True):
        picture = np.asarray(Image.open(io.BytesIO(file)), int)
        assert picture.shape == expected.shape and abs(picture - expected).max() <= 4


class Gemini:
    make = GeminiPolicy
    variables = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    path = ""
    about = Says({"name": "models/m"})
    answer = Says(
        {
            "candidates": [
                {"content": {"parts": [{"functionCall": {"name": "answer",
                                                         "args": {"text": "red"}}}]}}
            ],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2},
        }
    )  # fmt: skip
    blocked = Says({"promptFeedback": {"blockReason": "SAFETY"}})

    @staticmethod
    def question(body):
        return body["contents"][0]["parts"][-1]["text"]


class OpenAI:
    make = OpenAIPolicy
    variables = ("OPENAI_API_KEY",)
    path = "/v1"
    about = Says({"object": "list", "data": [{"id": "m", "object": "model"}]})
    answer = Says(
        {
            "choices": [
                {"index": 0, "finish_reason": "tool_calls",
                 "message": {"role": "assistant", "content": None,
                             "tool_calls": [{"id": "c", "type": "function", "function": CALL}]}}
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        }
    )  # fmt: skip
    blocked = Says({"choices": [{"index": 0, "finish_reason": "content_filter",
                                 "message": {"role": "assistant", "content": ""}}]})  # fmt: skip

    @staticmethod
    def question(body):
        return body["messages"][1]["content"][-1]["text"]


@pytest.fixture(params=[Gemini, OpenAI])
def api(request):
    pytest.importorskip({Gemini: "google.genai", OpenAI: "openai"}[request.param])
    return request.param


@pytest.fixture
def provider(api):
    return Provider(api.make, "m", api.about, api.path, HASTY)


@pytest.fixture
def slept(monkeypatch):
    """Return the list of the seconds that are slept; nobody really sleeps."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def error(status, message="no", **headers):
    return Says({"error": {"code": status, "message": message}}, status, headers)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(api, serve, slept, status) -> None:
    server, policy = serve(error(status), error(status), api.answer)
    assert policy.act(shown()).action == Answer("red")
    assert server.bodies[0] == server.bodies[2]
    assert policy.usage.failed_attempts == 2 and policy.usage.replies == 1
    assert 0.005 <= slept[0] <= 0.01 <= slept[1] <= 0.02


def test_retry_after_is_waited_for_and_too_long_ones_are_told(api, serve, slept) -> None:
    _, policy = serve(error(429, **{"retry-after": "0.3"}), api.answer)
    policy.act(shown())
    assert slept == [0.3]
    server, policy = serve(error(429, **{"retry-after": "3600"}), api.answer)
    with pytest.raises(ServiceError, match="it asks to wait 3600 s, and longest_wait is 1 s"):
        policy.act(shown())
    assert len(server.asked) == 1


def test_geminis_retry_info_is_waited_for(api, serve, slept) -> None:
    if api is not Gemini:
        pytest.skip("only Gemini writes it")
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.3s"}]
    busy = Says({"error": {"code": 429, "message": "quota", "details": details}}, 429)
    _, policy = serve(busy, api.answer)
    policy.act(shown())
    assert slept == [0.3]


def test_patience_ends_with_the_reason(api, serve) -> None:
    server, policy = serve(*[error(500, "on fire")] * 3 + [api.answer])
    with pytest.raises(ServiceError, match=r"500.*on fire.*sent 3 times"):
        policy.act(shown())
    assert len(server.asked) == 3 and policy.usage.replies == 0


@pytest.mark.parametrize("status", [400, 413])
def test_a_bad_request_is_not_sent_again(api, serve, status) -> None:
    server, policy = serve(error(status, "context too long"), api.answer)
    with pytest.raises(ServiceError, match="context too long") as raised:
        policy.act(shown())
    assert len(server.asked) == 1 and not isinstance(raised.value, ServiceRefused)


def test_a_slow_server_times_out_and_a_dead_one_cannot_be_reached(api, serve) -> None:
    late = Says(api.answer.body, wait=30)
    probe = RetrySettings(timeout=0.2, attempts=2, first_wait=0)
    server, policy = serve(late, late, retries=probe)
    with pytest.raises(ServiceError, match="did not reply in time.*sent 2 times"):
        policy.act(shown())
    assert len(server.asked) == 2
    with Loopback([], api.about) as gone:
        pass
    with pytest.raises(ServiceError, match="cannot be reached.*is it up"):
        api.make("m", base_url=gone.url + api.path, retries=HASTY)


@pytest.mark.parametrize("body", [b"{bad", b"<html>", b"[1]", b"{}", b'{"choices": 3}'])
def test_what_is_no_reply_of_such_a_service_is_an_error(api, serve, body) -> None:
    _, policy = serve(*[Says(body)] * 3)
    with pytest.raises(ReplyUnusable, match="m: the server sent"):
        policy.act(shown())


def test_without_a_key_nothing_starts(api, monkeypatch) -> None:
    monkeypatch.delenv(api.variables[0])
    kind = "gemini" if api is Gemini else "openai"
    with pytest.raises(MissingKey, match=api.variables[0]):
        load_policy(f"{kind}:m")
    monkeypatch.setenv(api.variables[-1], "sk\n\N{SNOWMAN}")
    with pytest.raises(MissingKey, match="characters that no API key has") as raised:
        load_policy(f"{kind}:m")
    assert "\N{SNOWMAN}" not in str(raised.value)


def test_the_key_is_told_nowhere(api, serve, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"Incorrect API key provided: {KEY}."
    _, policy = serve(*[error(401, echo), error(400, echo), error(500, echo)] + [api.answer])
    for kind in (ServiceRefused, ServiceError):
        with pytest.raises(kind) as raised:
            policy.act(shown())
        told = raised.value
        assert "Incorrect API key" in str(told) and KEY not in str(told) + repr(told)
        assert told.__context__ is None and told.__cause__ is None
        assert KEY.encode() not in pickle.dumps(told)
    policy.act(shown())
    assert KEY not in repr(policy) + repr(vars(policy)) + str(vars(policy._service))
    assert KEY not in caplog.text
    kept = pickle.dumps(policy)
    assert KEY.encode() not in kept


def test_a_copy_plays_with_the_same_settings(api, serve) -> None:
    server, policy = serve(lambda _: api.answer, temperature=0.25, max_frames=7)
    copy = pickle.loads(pickle.dumps(policy))
    assert copy.act(shown()).action == policy.act(shown()).action
    assert server.bodies[0] == server.bodies[1]
    assert copy.usage.replies == 1


def test_a_batch_asks_side_by_side_and_each_chat_is_its_own(api, serve) -> None:
    together = threading.Barrier(3, timeout=10)
    server, policy = serve(workers=3)
    asked = server._answer

    def answer(request, posted):
        together.wait()  # passes only when three requests are under way
        return asked(request, posted)

    server._answer, server.script = answer, lambda _: api.answer
    for _ in range(2):
        policy.act_batch([shown(k) for k in range(3)], ["a", "b", "c"])
    questions = [api.question(body) for body in server.bodies[3:]]
    assert sorted(q.split("what is it, ")[1][0] for q in questions) == ["0", "1", "2"]
    policy.end(["a", "b", "c"])
    server._answer = asked
    policy.act_batch([shown(9)], ["a"])
    assert "what is it, 9?" in api.question(server.bodies[-1])


def test_a_withheld_reply_ends_its_own_episode_only(api, serve, tmp_path) -> None:
    def script(body):
        return api.blocked if "which 1?" in api.question(body) else api.answer

    _, policy = serve(script)
    with pytest.raises(EpisodesFailed) as raised:
        questions = [shown(k, question=f"which {k}?") for k in range(3)]
        policy.act_batch(questions, ["a", "b", "c"])
    assert list(raised.value.errors) == ["b"] and list(raised.value.decisions) == ["a", "c"]
    assert isinstance(raised.value.errors["b"], ReplyBlocked)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)

    clip = write_clip(tmp_path / "a.mp4", [25 * i for i in range(8)])
    items = [QAItem(f"q{k}", clip, f"which {k}?", ("red", "b"), "red", "mcq") for k in range(3)]
    envs = [VideoQAEnv(dataset=items, frame_size=(64, 96), overview_frames=1) for _ in range(2)]
    specs = [EpisodeSpec(f"q{k}", k) for k in range(3)]
    first, second, third = collect(envs, policy, specs, seed=0)
    assert second.error.startswith("ReplyBlocked") and not second.turns
    assert first.error is None and third.error is None and third.turns[0].reward == 1


def test_a_refused_key_stops_the_batch(api, serve) -> None:
    _, policy = serve(lambda _: error(403, "no rights"))
    with pytest.raises(ServiceRefused, match="no rights"):
        policy.act_batch([shown(0), shown(1)], ["a", "b"])


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_has_served_us_refuses_one_episode_at_most(api, serve, slept, status) -> None:
    server, policy = serve(api.answer, error(status), api.answer, *[error(status)] * 3, api.answer)
    assert policy.act(shown()).action == Answer("red")
    assert policy.act(shown(1)).action == Answer("red")  # sent again
    with pytest.raises(ServiceError, match=f"{status}.*sent 3 times") as raised:
        policy.act(shown(2))
    assert not isinstance(raised.value, ServiceRefused)
    assert policy.act(shown(3)).action == Answer("red") and len(server.asked) == 7


def test_a_refusal_beside_replies_of_the_first_batch_is_none(api, serve, slept) -> None:
    refusals = [error(404), error(403)]
    served = threading.Event()

    def script(body):
        if "what is it, 0?" in api.question(body):
            served.set()
            return api.answer
        return refusals.pop() if refusals else api.answer

    _, policy = serve(script, workers=1)
    decisions = policy.act_batch([shown(1), shown(0), shown(2)], "abc")
    assert [decision.action for decision in decisions] == [Answer("red")] * 3 and served.is_set()


def test_a_key_that_is_no_longer_taken_ends_the_run(api, serve, slept) -> None:
    _, policy = serve(api.answer, error(401), api.answer, *[error(401, "expired")] * 3)
    policy.act(shown())
    policy.act(shown(1))
    with pytest.raises(ServiceRefused, match=r"expired.*sent 3 times"):
        policy.act(shown(2))


def test_a_spent_quota_ends_the_run_at_once(api, serve) -> None:
    day = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    spent = {"code": 429, "message": "spent", "details": [day]}
    if api is OpenAI:
        spent = {"code": "insufficient_quota", "message": "spent"}
    ends = [
        Says({"error": spent}, 429),
        Says({"error": {"message": "spent"}}, 402),
        error(429, "spent", **{"retry-after": "86400"}),
    ]
    for end in ends:
        server, policy = serve(api.answer, end)
        policy.act(shown())
        with pytest.raises(ServiceRefused, match="spent"):
            policy.act_batch([shown(1)], "a")
        assert len(server.asked) == 2


def test_a_redirect_takes_the_key_nowhere(api, serve) -> None:
    with Loopback(lambda _: api.answer, api.about) as other:
        moved = Says({}, 307, {"location": other.url + "/v1/chat"})
        _, policy = serve(moved, api.answer, moved)
        with pytest.raises(ServiceRefused, match=f"redirects to {other.url}/v1/chat"):
            policy.act(shown())
        policy.act(shown(1))
        with pytest.raises(ServiceError, match="the key goes nowhere but") as raised:
            policy.act(shown(2))
        assert not isinstance(raised.value, ServiceRefused)
        with pytest.raises(ServiceRefused, match="redirects"):
            serve(about=moved, check=True)
        assert not other.asked and not other.looked_up


def test_what_a_server_says_is_shown_without_escape_codes(api, serve) -> None:
    said = "\x1b[2J\x1b]0;title\x07on\r\nfire\x9b31m \u202e\ud800 \x00now" + "x" * 5000
    _, policy = serve(*[error(500, said)] * 3, *[Says(said.encode("utf-8", "replace"), 500)] * 3)
    for _ in range(2):
        with pytest.raises(ServiceError, match="on fire") as raised:
            policy.act(shown())
        assert str(raised.value).isprintable() and len(str(raised.value)) < 400
        assert "[2J" not in str(raised.value) and "title" not in str(raised.value)
    assert_no_key(
        server_errors.shown(f"{KEY[:9]}\x1b[0m{KEY[9:]}", Key("OPENAI_API_KEY", user=None))
    )


def test_no_form_of_the_key_is_in_an_error_or_in_what_is_kept(api, serve) -> None:
    basic = base64.b64encode(f"user:{KEY}".encode()).decode()
    echo = f"{KEY} {quote(KEY)} ?key={KEY.upper()} Basic {basic} {KEY.encode().hex()}"
    split = f"{KEY[:9]}\x1b[0m{KEY[9:]}"  # whole again where the code is taken out
    for said in (echo, split):
        for says in (error(400, said), Says(said.encode(), 400), Says({said: {said: said}}, 400)):
            _, policy = serve(says)
            with pytest.raises(ServiceError) as raised:
                policy.act(shown())
            assert_no_key(str(raised.value))
    text = json.dumps(api.answer.body).replace("red", echo)
    server, policy = serve(Says(text.encode()), api.answer)
    assert_no_key(repr(policy.act(shown())))
    policy.act(shown(1))
    assert_no_key(json.dumps(server.bodies[1]))


def assert_no_key(text):
    middle = base64.b64encode(f"user:{KEY}".encode()).decode()[10:-6]
    for form in (KEY, KEY.upper(), middle, KEY.encode().hex()):
        assert form not in text


def test_a_missing_package_names_the_extra(api, serve, monkeypatch) -> None:
    package, extra = ("google.genai", "gemini") if api is Gemini else ("openai", "openai")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"{package}.*sage-video-qa\[{extra}\]"):
        serve()


def test_half_a_character_is_sent_as_the_sign_for_it(api, serve) -> None:
    server, policy = serve(api.answer, api.answer)
    for _ in range(2):
        policy.act(shown(question="a \ud800 b", message="x\udc80y", text="\udfff"))
    sent = json.dumps(server.bodies[1], ensure_ascii=False)
    assert "a \ufffd b" in sent and "x\ufffdy" in sent and sent.encode()


def test_requests_are_spaced_over_all_threads(api, serve) -> None:
    _, policy = serve(lambda _: api.answer, requests_per_minute=600, workers=4)
    begun = time.monotonic()
    policy.act_batch([shown(k) for k in range(4)], list("abcd"))
    assert time.monotonic() - begun >= 0.3
    with pytest.raises(ValueError, match="requests_per_minute"):
        RateLimit(0)


def test_waits_double_up_to_the_longest_with_jitter() -> None:
    retries = RetrySettings(first_wait=1, longest_wait=10)
    for attempt, longest in enumerate([1, 2, 4, 8, 10, 10], start=1):
        waits = [retries.wait(attempt) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert max(waits) - min(waits) > longest / 4
    with pytest.raises(ValueError, match="attempts >= 1"):
        RetrySettings(attempts=0)


def test_retry_after_reads_numbers_and_dates() -> None:
    assert retry_after(None) is None and retry_after("soon") is None
    assert retry_after("1.5") == 1.5 and retry_after("-3") == 0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1e9


@pytest.mark.parametrize("odd", [None, [1], "many", -1, 2.5, True, 10**400, {"n": 1}])
def test_counts_that_are_none_are_not_counted(api, serve, odd) -> None:
    for name in ("prompt", "completion"):
        body = json.loads(json.dumps(api.answer.body))
        if api is OpenAI:
            body["usage"][f"{name}_tokens"] = odd
        else:
            name = "candidates" if name == "completion" else name
            body["usageMetadata"][f"{name}TokenCount"] = odd
        _, policy = serve(Says(body), prices=Prices(1, 1))
        assert policy.act(shown()).action == Answer("red") and policy.usage.cost is None
        assert policy.usage.uncounted_replies == 1


def test_a_cost_is_never_guessed() -> None:
    unknown, known = UsageCounter(None), UsageCounter(Prices(1.0, 2.0))
    for meter in (unknown, known):
        meter.add(TokenCounts(1_000_000, 500_000, cached=200_000))
    assert unknown.usage.cost is None and known.usage.cost == 2.0
    known.add(None)
    assert known.usage.cost is None
    with pytest.raises(ValueError, match=">= 0"):
        Prices(-1, 0)
