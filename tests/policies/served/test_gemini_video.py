"""Laws of `policies.served.gemini_video` and `gemini_files`: a whole video, sent once."""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import pytest

from algos.evaluation.measures import episode_result, measures_of
from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect, play
from algos.rollout.trajectory import load_trajectories, save_trajectories
from algos.rollout.transcript import spent_in_words
from policies.base import PrivilegedPolicy
from policies.briefing import WholeVideoPolicy, briefing_of
from policies.check.policy_check import check_policy
from policies.errors import PolicyError
from policies.registry import UnknownPolicy, load_policy
from policies.served import (
    GeminiPolicy,
    GeminiVideoPolicy,
    Prices,
    RetrySettings,
    gemini_files,
)
from policies.served.policy import ServedPolicy
from sage_env import Answer, Invalid, QAItem, VideoQAEnv
from tests.helpers.clips import write_clip
from tests.helpers.foreign.files_server import FilesServer
from tests.helpers.loopback import KEY, Says, shown

pytest.importorskip("google.genai")
ANSWER = '{"thought": "seen", "action": "answer", "text": "b"}'


def said(text, **usage):
    counts = {"promptTokenCount": 9000, "candidatesTokenCount": 20} | usage
    content = {"role": "model", "parts": [{"text": text}]}
    found = {"content": content, "finishReason": "STOP"}
    return Says({"candidates": [found], "usageMetadata": counts})


@pytest.fixture
def serve():
    with ExitStack() as servers:

        def make(*script, states=("ACTIVE",), **settings):
            answers = script[0] if script and callable(script[0]) else list(script)
            server = servers.enter_context(FilesServer(answers, states=states))
            retries = RetrySettings(timeout=5, attempts=1)
            settings = {"check": False, "poll": 0.0, "retries": retries} | settings
            return server, GeminiVideoPolicy("gemini-x", base_url=server.url, **settings)

        yield make


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three questions on two videos, whose names must not be told."""
    folder = tmp_path_factory.mktemp("clips")
    clips = [
        write_clip(folder / f"the-answer-is-b-{k}.mp4", [25 * i for i in range(40 + k)])
        for k in range(2)
    ]
    return [
        QAItem(f"q{k}", clips[k // 2], f"which, {k}?", ("a", "b"), "b", "mcq", ((3.0, 9.0),), 40.0)
        for k in range(3)
    ]


@pytest.fixture(scope="module")
def env(videos):
    return VideoQAEnv(dataset=videos, frame_size=(64, 96), overview_frames=3, frames_per_turn=4)


def specs(*names):
    return [EpisodeSpec(name, 0, name=name) for name in names]


def test_the_whole_video_is_sent_and_asked_about_once(serve, env, videos) -> None:
    server, policy = serve(lambda _: said(ANSWER), states=("PROCESSING", "PROCESSING", "ACTIVE"))
    trajectory = play(env, policy, seed=0, item_id="q0")
    assert trajectory.turns[0].decision.action == Answer("b") and trajectory.num_turns == 1
    assert trajectory.turns[0].info["correct"] is True
    assert server.files == {"files/1": videos[0].video.read_bytes()}
    (asked,) = (asked for asked in server.asked if asked.path.endswith(":generateContent"))
    (message,) = asked.body["contents"]
    assert message["parts"] == [
        {
            "fileData": {"fileUri": f"{server.url}/v1/files/1", "mimeType": "video/mp4"},
            "mediaProcessing": "STATIC",
        },
        {"text": "Question: which, 0?\nChoices:\na\nb"},
    ]
    looks = [one for one in server.looked_up if one.method == "GET"]
    assert [one.path.rpartition("/")[2] for one in looks] == ["1", "1"]


def test_neither_the_file_name_nor_the_key_nor_the_answer_is_told(serve, env) -> None:
    server, policy = serve(lambda _: said(ANSWER))
    play(env, policy, seed=0, item_id="q0")
    (start,) = server.starts
    assert not any("the-answer" in value for value in start.headers.values())
    assert "the-answer" not in str(start.body) and KEY not in start.path
    assert not isinstance(policy, PrivilegedPolicy) and isinstance(policy, WholeVideoPolicy)


def test_questions_about_one_video_share_it_and_old_videos_are_deleted(serve, env) -> None:
    server, policy = serve(lambda _: said(ANSWER), keep_videos=0)
    collect([env], policy, specs("q0", "q2", "q1"), seed=0)
    assert len(server.starts) == 3 and server.deleted == ["files/1", "files/2", "files/3"]
    server, policy = serve(lambda _: said(ANSWER), keep_videos=1)
    collect([env], policy, specs("q0", "q1", "q2"), seed=0)
    assert len(server.starts) == 2 and server.deleted == ["files/1"]
    del policy
    assert server.deleted == ["files/1", "files/2"]  # with the policy the last one goes, too


def test_a_video_is_sent_again_before_the_service_forgets_it(serve, env, monkeypatch) -> None:
    """Files live there for 48 hours; an episode that begins before must find its own to the end."""
    hours = [0.0]
    clock = SimpleNamespace(monotonic=lambda: 3600 * hours[0], sleep=lambda _: None)
    monkeypatch.setattr(gemini_files, "time", clock)
    server, policy = serve(lambda _: said(ANSWER))
    for hour, sent in ((0.0, 1), (36.0, 1), (44.0, 2), (79.0, 2), (90.0, 3)):
        hours[0] = hour
        play(env, policy, seed=0, item_id="q0")
        assert len(server.starts) == sent, f"after {hour} hours"


def test_a_video_in_use_is_sent_once_for_all_and_stays(serve, videos, env) -> None:
    server, policy = serve(lambda _: said("it is b"), keep_videos=0)
    policy.reset(seed=0)
    for name, item in zip("abc", videos, strict=True):
        policy.watch_video(name, item.video)
    decisions = policy.act_batch([shown(k) for k in range(3)], ["a", "b", "c"])
    assert len(server.starts) == 2
    assert all(isinstance(decision.action, Invalid) for decision in decisions)
    policy.end(["a"])
    assert server.deleted == []
    policy.end(["b", "c"])
    assert sorted(server.deleted) == ["files/1", "files/2"]


def test_what_is_no_answer_costs_a_turn_and_is_asked_for_again(serve, env) -> None:
    look = '{"action": "sample", "start": 0, "end": 9, "num_frames": 2}'
    server, policy = serve(said(look), said("b, I think"), said(ANSWER))
    trajectory = play(env, policy, seed=0, item_id="q0")
    first, second, third = (turn.decision.action for turn in trajectory.turns)
    assert isinstance(first, Invalid) and "reply with the action answer" in first.reason
    assert isinstance(second, Invalid) and third == Answer("b")
    contents = server.bodies[-1]["contents"]
    assert [message["role"] for message in contents] == ["user", "model"] * 2 + ["user"]
    assert "Reply with the answer now." in contents[2]["parts"][0]["text"]
    assert sum("fileData" in part for message in contents for part in message["parts"]) == 1


@pytest.mark.parametrize("fault", ["piece", "failed", "slow"])
def test_a_video_that_cannot_be_sent_is_an_error_and_no_answer(serve, env, fault) -> None:
    states = {"failed": ("PROCESSING", "FAILED"), "slow": ("PROCESSING",)}.get(fault, ("ACTIVE",))
    server, policy = serve(lambda _: said(ANSWER), states=states, ready_within=0.2)
    if fault == "piece":
        server.refusals.append(Says({"error": {"code": 500, "message": "disk full"}}, 500))
    trajectory = play(env, policy, seed=0, item_id="q0")
    assert trajectory.num_turns == 0
    words = {"piece": "disk full", "failed": "no video in it", "slow": "ready in 0.2 s"}[fault]
    assert words in trajectory.error and "gemini-x" in trajectory.error
    assert not any(asked.path.endswith(":generateContent") for asked in server.asked)
    assert server.deleted == ([] if fault == "piece" else ["files/1"])


def test_a_refused_piece_is_not_sent_again_by_the_client(serve, env) -> None:
    server, policy = serve(lambda _: said(ANSWER), retries=RetrySettings(5, 2, 0.0))
    server.refusals.append(Says({"error": {"code": 503, "message": "busy"}}, 503))
    trajectory = play(env, policy, seed=0, item_id="q0")
    assert trajectory.error is None and len(server.starts) == 2
    assert policy.usage.failed_attempts == 1


def test_a_file_that_is_not_there_is_an_error_of_the_video(serve, tmp_path) -> None:
    _, policy = serve(said(ANSWER))
    policy.watch_video(ServedPolicy.ONLY, tmp_path / "gone.mp4")
    with pytest.raises(Exception, match=r"gone\.mp4 cannot be read"):
        policy.act(shown())


def test_without_its_video_it_does_not_play(serve, monkeypatch) -> None:
    server, policy = serve(said(ANSWER))
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    with pytest.raises(PolicyError, match="was not told which video the episode is about"):
        policy.act(shown())
    for name in ("uniform:4:gemini-video", "oracle:gemini-video"):
        with pytest.raises(UnknownPolicy, match="sees the whole video, whatever is chosen"):
            load_policy(name)


def test_the_options_reach_the_request(serve, env) -> None:
    server, policy = serve(
        lambda _: said(ANSWER),
        processing="agentic",
        fps=0.5,
        media_resolution="low",
        content_layers=("FRAMES",),
        options={"generationConfig": {"topP": 0.9}},
    )
    play(env, policy, seed=3, item_id="q0")
    body = server.bodies[-1]
    part = body["contents"][0]["parts"][0]
    assert part["mediaProcessing"] == "AGENTIC"
    assert part["videoMetadata"] == {"fps": 0.5, "contentLayers": ["FRAMES"]}
    generation = body["generationConfig"]
    assert generation["mediaResolution"] == "MEDIA_RESOLUTION_LOW" and generation["topP"] == 0.9
    assert "responseJsonSchema" not in generation and "tools" not in body
    server, policy = serve(lambda _: said(ANSWER), code_execution=True, processing=None)
    play(env, policy, seed=3, item_id="q0")
    assert server.bodies[-1]["tools"] == [{"codeExecution": {}}]
    assert "mediaProcessing" not in server.bodies[-1]["contents"][0]["parts"][0]
    server, policy = serve(lambda _: said(ANSWER))
    play(env, policy, seed=3, item_id="q0")
    schema = server.bodies[-1]["generationConfig"]["responseJsonSchema"]
    assert schema["properties"]["action"] == {"const": "answer"}
    for wrong in (
        {"processing": "odd"},
        {"fps": 0},
        {"media_resolution": "x"},
        {"keep_videos": -1},
        {"poll": -1},
    ):
        with pytest.raises(ValueError, match="got"):
            serve(**wrong)


def test_usage_and_cost_are_counted(serve, env) -> None:
    _, policy = serve(lambda _: said(ANSWER), prices=Prices(2.0, 10.0))
    collect([env], policy, specs("q0", "q1"), seed=0)
    assert (policy.usage.replies, policy.usage.prompt_tokens) == (2, 18000)
    assert policy.usage.cost == pytest.approx((18000 * 2 + 40 * 10) / 1e6)


def test_its_frames_are_not_counted_and_never_0(serve, env, videos, tmp_path) -> None:
    _, policy = serve(lambda _: said(ANSWER))
    trajectory = play(env, policy, seed=0, item_id="q0")
    save_trajectories(tmp_path / "t.jsonl", [trajectory])
    (loaded,) = load_trajectories(tmp_path / "t.jsonl")
    unknown = replace(videos[0], duration=None)  # then the overview says how long the video is
    assert (episode_result(unknown, loaded).duration or 0) == pytest.approx(40.0, abs=1.0)
    for one in (trajectory, loaded):
        result = episode_result(videos[0], one)
        assert result.correct is True and result.frames is None and result.evidence_seen is None
        measures = measures_of([result])
        assert measures.frames is None and measures.evidence_hits is None and measures.turns == 1
        assert sample_row(videos[0], one)["frames"] is None
    assert "the whole video" in spent_in_words(trajectory, 1.0)


def test_it_keeps_the_contract_and_has_a_name(serve, env, monkeypatch) -> None:
    server, policy = serve(lambda _: said(ANSWER))
    check_policy(policy, env)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    named = load_policy("gemini-video:gemini-y", options={"processing": "agentic"})
    assert isinstance(named, GeminiVideoPolicy) and repr(named) == "GeminiVideoPolicy('gemini-y')"
    assert dict(named.env_options) == {"overview_frames": 1}
    again = pickle.loads(pickle.dumps(named))  # without episodes, uploads and key
    assert KEY.encode() not in pickle.dumps(named) and repr(again) == repr(named)
    assert briefing_of(GeminiPolicy("gemini-x", check=False)) is None
