"""Laws of `policies.tools.ground_by_server` and `shown_frames`: true times, and checked."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from policies.errors import ReplyUnusable, ServiceError, ServiceRefused
from policies.tools.ground_by_server import read_spans
from sage_env.datasets.item import QAItem
from sage_env.frames import FrameBatch
from sage_env.tools.grounding.ground import Ground
from sage_env.tools.paid_text import usage_of
from sage_env.tools.tool import ToolContext
from tests.helpers.loopback import PROXIES, Loopback, Says

MODELS = Says({"object": "list", "data": [{"id": "eye"}]})
NOTHING = {"spans": []}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_BASE_URL", *PROXIES):
        monkeypatch.delenv(name, raising=False)


class Clip:
    """100 s with a frame every 0.8 s, the k-th as grey as k."""

    duration, fps = 100.0, 1.25

    def frames_at(self, seconds, *, size=None, box=None) -> FrameBatch:
        index = np.floor(np.sort(seconds) / 0.8 + 1e-9).astype(int)
        pixels = np.broadcast_to(
            index.astype(np.uint8)[:, None, None, None], (len(index), *(size or (120, 160)), 3)
        )
        return FrameBatch(pixels.copy(), index * 0.8)

    def close(self) -> None:
        pass


def context() -> ToolContext:
    item = QAItem("q", "v.mp4", "when?", (), "", duration=100.0)
    return ToolContext("when?", (), item.video, Clip(), 100.0, 0.0, None)


def said(value: object, status: int = 200) -> Says:
    text = value if isinstance(value, str) else json.dumps(value)
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    return Says(
        {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}, status
    )


def span(start: object, end: object, score: object = 0.9, seen: str = "a dog") -> dict[str, object]:
    return {"start": start, "end": end, "score": score, "seen": seen}


def ask(replies: list[Says], start: float = 0.0, end: float = 10.0, **settings):
    """Return the tool's reply and what the server was asked."""
    with Loopback(list(replies), MODELS) as server:
        tool = Ground(
            server="openai:eye", base_url=f"{server.url}/v1", num_frames=8, attempts=1, **settings
        )
        try:
            return tool(
                {"event": "a dog runs", "start": start, "end": end}, context()
            ), server.bodies
        except Exception as error:
            error.asked = server.bodies
            raise


def parts(body) -> list:
    return body["messages"][-1]["content"]


def test_frames_are_sent_as_pictures_each_after_its_true_time() -> None:
    reply, (body,) = ask([said({"spans": [span(3.2, 6.4)]})], 2.0, 10.0)
    texts = [one["text"] for one in parts(body) if one["type"] == "text"]
    told = [float(x) for text in texts for x in re.findall(r"^<([0-9.]+) seconds>$", text)]
    shown = [one["image_url"]["url"] for one in parts(body) if one["type"] == "image_url"]
    pictures = [Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) for url in shown]
    # 8 middles from 2.5 on, and the frame on screen at each: every 0.8 s, none of them twice.
    assert told == [2.4, 3.2, 4.0, 4.8, 6.4, 7.2, 8.0, 8.8]
    assert [round(np.asarray(one).mean()) for one in pictures] == [3, 4, 5, 6, 8, 9, 10, 11]
    assert texts[-1] == "Event: a dog runs"
    assert reply == '[3.2 s - 6.4 s] score 0.90 (seen in the picture: "a dog")'


def test_no_more_frames_are_sent_than_the_setting_and_none_is_larger() -> None:
    _, bodies = ask([said(NOTHING)], 0.0, 100.0, frame_side=64)
    shown = [one for one in parts(bodies[0]) if one["type"] == "image_url"]
    assert len(shown) == 8
    picture = Image.open(io.BytesIO(base64.b64decode(shown[0]["image_url"]["url"].split(",")[1])))
    assert picture.size == (64, 48)


def test_what_is_not_there_is_said_in_words() -> None:
    reply, _ = ask([said(NOTHING)])
    assert reply == "Not found between 0.0 s and 10.0 s (what is said was not searched)."


def test_the_best_of_a_long_stretch_is_looked_at_again_closer() -> None:
    coarse = {"spans": [span(60.0, 70.0, 0.5), span(20.0, 30.0, 0.8)]}
    reply, (_, closer) = ask([said(coarse), said({"spans": [span(21.0, 24.0, 0.7)]})], 0.0, 96.0)
    assert parts(closer)[0]["text"] == "Frames of a video from 8.0 to 42.0 seconds:"  # 12 around
    assert [line[:21] for line in reply.splitlines()] == [
        "[21.0 s - 24.0 s] sco",
        "[60.0 s - 70.0 s] sco",
    ]
    assert [one["prompt"] for one in usage_of(reply)["replies"]] == [5, 5]  # of both looks


@pytest.mark.parametrize(
    "wrong",
    [
        "I see a dog.",
        "",
        {"spans": "none"},
        {"spans": [3.0]},
        {"spans": [span(-4.0, 2.0)]},
        {"spans": [span(2.0, 12.0)]},
        {"spans": [span(6.0, 5.0)]},
        {"spans": [span(None, 5.0)]},
        {"spans": [span(1.0, 5.0, 7)]},
        '{"spans": [{"start": NaN, "end": 5, "score": 1, "seen": ""}]}',
    ],
)
def test_a_reply_that_cannot_be_used_is_asked_for_once_more_and_never_mended(wrong) -> None:
    right = {"spans": [span(1.0, 5.0)]}
    if wrong != "":  # an empty reply is the service's failure, and has its own attempts
        reply, bodies = ask([said(wrong), said(right)])
        assert reply.startswith("[1.0 s - 5.0 s]") and len(bodies) == 2
        assert parts(bodies[1])[-1]["text"].startswith("Your last reply cannot be used: ")
    with pytest.raises(ServiceError) as caught:
        ask([said(wrong), said(wrong), said(right)])
    assert len(caught.value.asked) <= 2


def test_a_reply_with_thoughts_and_a_fence_is_read() -> None:
    text = f"<think>a {{cat}}?</think>```json\n{json.dumps({'spans': [span(1.0, 5.0)]})}\n```"
    assert ask([said(text)])[0].startswith("[1.0 s - 5.0 s]")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_outage_is_an_error_and_not_a_not_found(status: int) -> None:
    with pytest.raises(ServiceError):
        ask([Says({"error": {"message": "no"}}, status)])


def test_a_server_without_the_model_is_told_when_the_tool_is_made() -> None:
    with Loopback([], Says({"object": "list", "data": [{"id": "other"}]})) as server:
        with pytest.raises(ServiceRefused, match="eye"):
            Ground(server="openai:eye", base_url=f"{server.url}/v1", attempts=1)


def test_times_that_were_rounded_are_brought_back_and_no_others() -> None:
    (found,) = read_spans(json.dumps({"spans": [span(9.96, 20.04)]}), 10.0, 20.0)
    assert (found.start, found.end) == (10.0, 20.0)
    for begin, stop in ((9.9, 15.0), (15.0, 20.1)):
        with pytest.raises(ReplyUnusable, match=r"between 10\.0 and 20\.0 seconds"):
            read_spans(json.dumps({"spans": [span(begin, stop)]}), 10.0, 20.0)


@given(st.floats(), st.floats(), st.floats())
def test_a_span_is_inside_of_what_was_shown_or_refused(begin, stop, score) -> None:
    reply = json.dumps({"spans": [span(begin, stop, score)]})
    try:
        (found,) = read_spans(reply, 10.0, 20.0)
    except ReplyUnusable:
        inside = 10.0 <= begin < stop <= 20.0 and 0.0 <= score <= 1.0
        assert not inside
    else:
        assert 10.0 <= found.start < found.end <= 20.0
        assert abs(found.start - begin) <= 0.05 and abs(found.end - stop) <= 0.05
