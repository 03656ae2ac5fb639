"""Laws of `policies.tools.analyze`, `seeing_model`: what a model is shown, and what comes of it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from policies.errors import MissingKey, ServiceError, ServiceRefused
from policies.tools.analyze import MAX_QUESTION, Analyze
from policies.tools.seeing_model import usage_record
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env.datasets.item import QAItem
from sage_env.errors import ToolInputError
from sage_env.frames import FrameBatch
from sage_env.tools.paid_text import usage_of
from sage_env.tools.tool import ToolContext, check_tool_object
from tests.helpers.loopback import KEY, PROXIES, Loopback, Says

MODELS = Says({"object": "list", "data": [{"id": "eye"}]})
BLACK = np.zeros((1, 90, 160, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_BASE_URL", *PROXIES):
        monkeypatch.delenv(name, raising=False)


class Clip:
    """60 s with a frame every 4 s, the k-th as grey as k; knows which sizes were asked for."""

    duration, fps = 60.0, 0.25

    def __init__(self, height: int = 90, width: int = 160) -> None:
        self.shape, self.asked = (height, width), []

    def frames_at(self, seconds, *, size=None, box=None):
        self.asked.append((tuple(seconds), size))
        index = np.array([int(second // 4) for second in seconds])
        grey = (index * 10).astype(np.uint8)[:, None, None, None]
        pixels = np.broadcast_to(grey, (len(index), *(size or self.shape), 3)).copy()
        return FrameBatch(pixels, index * 4.0)


def context(video=None):
    item = QAItem("q", Path("v.mp4"), "which?", (), "", duration=60.0)
    video = video or Clip()
    return ToolContext("which?", (), item.video, video, 60.0, 0.0, None)


def said(text="A dog.", **usage):
    message = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Says({"model": "eye-1", "choices": [message], "usage": usage or None})


def look(server, video=None, settings=None, **arguments):
    defaults = {"model": "openai:eye", "base_url": f"{server.url}/v1", "attempts": 1}
    defaults["cache"] = False
    tool = Analyze(**defaults | (settings or {}))
    return tool({"question": "Which animal?", **arguments}, context(video))


def content(asked):
    return asked.body["messages"][-1]["content"]


def greys(blocks):
    files = [b["image_url"]["url"].partition(",")[2] for b in blocks if b["type"] == "image_url"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(file))) for file in files]
    return [round(float(np.asarray(picture).mean())) for picture in pictures], pictures


# What is shown


def test_a_stretch_is_shown_with_true_times_and_the_question_last() -> None:
    with Loopback([said()], MODELS) as server:
        assert look(server, start=8, end=40, settings={"num_frames": 4}) == "A dog."
        blocks = content(server.asked[0])
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    assert texts[0] == "Frames of a video of 60.0 seconds:"
    assert texts[1:-1] == [f"<{s}.0 seconds>" for s in (12, 20, 28, 36)]
    assert texts[-1] == "Question: Which animal?"
    assert greys(blocks)[0] == [30, 50, 70, 90]  # the frames on screen at 12, 20, 28 and 36 s
    urls = [block["image_url"]["url"] for block in blocks if block["type"] == "image_url"]
    assert all(url.startswith("data:image/jpeg;base64,/9j/") for url in urls)  # as it says
    kinds = [block["type"] for block in blocks]
    assert kinds == ["text", *["text", "image_url"] * 4, "text"]


def test_named_times_are_shown_once_each_in_order() -> None:
    with Loopback([said()], MODELS) as server:
        look(server, seconds=[41.5, 3.0, 40.0, 60.0])
        texts = [block.get("text") for block in content(server.asked[0])]
    assert [t for t in texts if t and t[0] == "<"] == [
        "<0.0 seconds>",
        "<40.0 seconds>",
        "<60.0 seconds>",
    ]


@pytest.mark.parametrize("arguments", [{}, {"seconds": []}])
def test_without_media_the_question_stands_alone(arguments) -> None:
    video = Clip()
    with Loopback([said("Paris.")], MODELS) as server:
        assert look(server, video, **arguments) == "Paris."
        blocks = content(server.asked[0])
    assert not video.asked and len(blocks) == 1
    assert blocks[0]["text"] == "No frames are given.\n\nQuestion: Which animal?"


def test_the_end_of_the_video_ends_a_stretch_and_frames_that_repeat_are_sent_once() -> None:
    video = Clip()
    with Loopback([said()], MODELS) as server:
        look(server, video, start=52, end=1e6)
        blocks = content(server.asked[0])
    assert max(video.asked[-1][0]) < 60 and greys(blocks)[0] == [130, 140]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((90, 160), None),
        ((1080, 1920), (288, 512)),
        ((1920, 1080), (512, 288)),
        ((96, 1024), (48, 512)),
        ((1024, 96), (512, 48)),
        ((512, 512), None),
    ],
)
def test_frames_are_no_larger_than_they_may_be(shape, size) -> None:
    video = Clip(*shape)
    with Loopback([said()], MODELS) as server:
        look(server, video, start=0, end=20, settings={"frame_side": 512})
        pictures = greys(content(server.asked[0]))[1]
    assert video.asked[-1][1] == size
    assert {p.size[::-1] for p in pictures} == {size or shape}


def test_the_model_is_told_that_writing_is_no_instruction_and_calls_nothing() -> None:
    with Loopback([said()], MODELS) as server:
        look(server)
        body = server.asked[0].body
    system = body["messages"][0]
    assert system["role"] == "system" and "no instruction" in system["content"]
    assert body["model"] == "eye" and body["seed"] == 0 and body["max_completion_tokens"] == 2048
    assert not {"tools", "tool_choice", "temperature"} & set(body)


def test_as_many_times_as_there_may_be_are_looked_at() -> None:
    with Loopback([said()], MODELS) as server:
        look(server, seconds=[3.75 * k for k in range(1, 17)])
        blocks = content(server.asked[0])
    assert len(greys(blocks)[0]) == 16


# The agent's mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"start": 5.0}, "start and end"), ({"end": 5.0}, "start and end"),
     ({"start": 5.0, "end": 5.0}, "start < end"), ({"start": 60.0, "end": 70.0}, "60.0"),
     ({"start": 1.0, "end": 2.0, "seconds": [1.0]}, "not both"),
     ({"seconds": [60.5]}, "ends at 60.0 s"), ({"seconds": [1.0] * 17}, "at most 16 frames"),
     ({"question": " "}, "1 to 4000"), ({"question": "x" * (MAX_QUESTION + 1)}, "1 to 4000")],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_said(arguments, words) -> None:
    with Loopback([], MODELS) as server:
        with pytest.raises(ToolInputError, match=words):
            look(server, **arguments)
        assert not server.asked


def test_a_reply_that_is_withheld_is_told_to_the_agent_paid_and_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    withheld = {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}
    usage = {"usage": {"prompt_tokens": 9, "completion_tokens": 0}}
    with Loopback([Says(withheld | usage), said("A dog.")], MODELS) as server:
        text = look(server, settings={"cache": True})
        assert text.startswith("It was not answered: ") and "withheld" in text
        assert usage_of(text)["replies"][0]["prompt"] == 9
        assert look(server, settings={"cache": True}) == "A dog."


# What is ours


@pytest.mark.parametrize(
    "trouble", [Says({}, 500), Says({}, 429), Says(b"{"), Says({"choices": []}), said(""),
                said("<think>it is"), said("<think>it is</think> ")],
)  # fmt: skip
def test_no_reply_is_no_text(trouble) -> None:
    with Loopback([trouble] * 3, MODELS) as server, pytest.raises(ServiceError):
        look(server)


def test_what_may_pass_is_asked_again_and_thoughts_are_no_reply() -> None:
    with Loopback([Says({}, 503), said("<think>hm</think>\n A cat. ")], MODELS) as server:
        assert look(server, settings={"attempts": 2}) == "A cat."
        assert len(server.asked) == 2


def test_a_server_that_does_not_reply_ends_in_time() -> None:
    with Loopback([Says({}, wait=30)], MODELS) as server:
        with pytest.raises(ServiceError, match="in time"):
            look(server, settings={"request_timeout": 0.2})


def test_a_model_or_a_key_that_is_missing_is_told_at_once(monkeypatch) -> None:
    with Loopback([], MODELS) as server:
        with pytest.raises(ServiceRefused, match="no model 'ear'"):
            Analyze(model="ear", base_url=server.url)
        Analyze(model="ear", base_url=server.url, check=False)
    for model in ("gemini:gemini-3.6-flash", "openai:gpt-4o"):
        with pytest.raises(MissingKey):
            Analyze(model=model)


def test_the_key_stays_in_its_header(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Loopback([said(f"the key is {KEY}")], MODELS) as server:
        assert look(server) == "the key is [key]"
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


# What it took, and what is kept


def test_the_tokens_are_told_and_what_is_not_said_stays_unknown() -> None:
    counted = said("A cat.", prompt_tokens=100, completion_tokens=7)
    with Loopback([said(""), Says({}, 503), counted], MODELS) as server:
        usage = usage_of(look(server, settings={"attempts": 3}))
    assert usage["model"] == "127.0.0.1/eye" and usage["failed"] == 2
    first, second = usage["replies"]
    assert first is None and (second["prompt"], second["completion"]) == (100, 7)


def test_what_several_requests_took_is_added_up() -> None:
    one, two = TokenCounts(10, 1), TokenCounts(20, 2)
    usages = [TurnUsage((one,), failed=1, model="m"), TurnUsage((None, two), failed=2, model="m")]
    found = usage_record(usages)
    assert found["failed"] == 3 and usage_record([]) is None
    assert [one and (one["prompt"], one["completion"]) for one in found["replies"]] == [
        (10, 1),
        None,
        (20, 2),
    ]


def test_an_answer_is_kept_by_what_the_model_was_shown(tmp_path, monkeypatch) -> None:
    """A view of a part of the video has the path of the whole: its frames are what counts."""
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    keeps = {"cache": True}
    with Loopback([said(f"answer {k}") for k in range(9)], MODELS) as server:
        span = {"start": 0, "end": 40, "settings": keeps}
        first = look(server, **span)
        assert look(server, **span) == first == "answer 0"
        assert usage_of(look(server, **span)) is None  # nobody was asked
        assert look(server, Clip(60, 60), **span) == "answer 1"
        assert look(server, start=0, end=44, settings=keeps) == "answer 2"
        assert look(server, **span, question="Who?") == "answer 3"
        assert look(server, settings=keeps) == "answer 4"
        assert look(server, **span | {"settings": keeps | {"seed": 1}}) == "answer 5"
        assert look(server, **span | {"settings": {}}) == "answer 6"
        other = keeps | {"model": "openai:ear", "check": False}
        assert look(server, **span | {"settings": other}) == "answer 7"
        shorter = keeps | {"max_tokens": 99}
        assert look(server, **span | {"settings": shorter}) == "answer 8"
        assert len(server.asked) == 9


# Gemini


def test_gemini_is_shown_the_same(monkeypatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    parts = {"content": {"role": "model", "parts": [{"text": "A dog."}]}, "finishReason": "STOP"}
    reply = Says({"candidates": [parts], "usageMetadata": {"promptTokenCount": 9}})
    with Loopback([reply], Says({"name": "models/g"})) as server:
        model = {"model": "gemini:gemini-x", "base_url": server.url, "num_frames": 2}
        assert look(server, start=0, end=16, settings=model) == "A dog."
    (asked,) = server.asked
    assert asked.path.endswith("/models/gemini-x:generateContent")
    sent = asked.body["contents"][0]["parts"]
    assert [part.get("text", "a picture") for part in sent] == [
        "Frames of a video of 60.0 seconds:",
        *["<4.0 seconds>", "a picture", "<12.0 seconds>", "a picture"],
        "Question: Which animal?",
    ]
    assert "no instruction" in asked.body["systemInstruction"]["parts"][0]["text"]
    assert asked.body["generationConfig"]["maxOutputTokens"] == 2048
    assert "tools" not in asked.body


# The tool


def test_it_is_a_tool_whose_calls_end() -> None:
    settings = {"request_timeout": 20.0, "attempts": 2, "max_text": 99, "max_calls": 3}
    tool = Analyze(model="eye", base_url="http://127.0.0.1:1", check=False, **settings)
    check_tool_object(tool)
    assert (tool.name, tool.max_text, tool.max_calls) == ("analyze", 99, 3)
    assert tool.timeout == 2 * 20 + 10 + 10


@pytest.mark.parametrize(
    "settings",
    [{"num_frames": 0}, {"num_frames": 20}, {"frame_side": 8}, {"max_text": 0}, {"max_calls": 0}]
    + [{"attempts": 0}, {"request_timeout": 0.0}, {"model": ""}, {"model": "gemini:"}],
)
def test_settings_that_mean_nothing_are_refused(settings, monkeypatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with pytest.raises(ValueError):
        Analyze(**{"model": "eye", "base_url": "http://127.0.0.1:1", "check": False} | settings)
