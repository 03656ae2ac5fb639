"""Laws of `policies.turn_usage`, `policies.served.usage`: what a turn of a chat took, in rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect, play
from policies.served import GeminiPolicy, OpenAIPolicy, Prices, RetrySettings
from sage_env import VideoQAEnv
from tests.helpers.loopback import Provider, Says

pytest.importorskip("openai")
pytest.importorskip("google.genai")
QUICK = RetrySettings(timeout=5, attempts=3, first_wait=0.001)
LOOK = {"action": "sample", "start": 3, "end": 9, "num_frames": 2}
ANSWER = {"action": "answer", "text": "b"}


def openai(action: dict[str, Any] | str, prompt: int, completion: int, cached: int = 0) -> Says:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": completion // 2},
    }
    message = {"role": "assistant", "content": json.dumps(action) if action else ""}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Says({"object": "chat.completion", "choices": [choice], "usage": usage})


def gemini(action: dict[str, Any], prompt: int, completion: int, **details: Any) -> Says:
    content = {"role": "model", "parts": [{"text": json.dumps(action)}]}
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": completion, **details}
    body = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}
    return Says(body)


def modalities(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


def row_of(env: VideoQAEnv, policy: Any) -> dict[str, Any]:
    played = play(env, policy, seed=0)
    return sample_row(env.history.item, played)


class TestOpenAI:
    @pytest.fixture
    def provider(self) -> Provider:
        about = Says({"object": "list", "data": [{"id": "m", "object": "model"}]})
        return Provider(OpenAIPolicy, "m", about, path="/v1")

    def test_a_row_adds_up_what_the_server_counted(self, serve, env) -> None:
        """An error and an empty reply came before the second turn's: the reply is paid for."""
        settings = {"retries": QUICK, "replies": "json", "prices": Prices(2.0, 10.0, 0.5)}
        script = [
            openai(LOOK, 1000, 40),
            Says({"error": {"message": "busy"}}, 503),
            openai("", 1500, 6, 1000),
            openai(ANSWER, 1500, 20, 1000),
        ]
        _, policy = serve(*script, **settings)
        row = row_of(env, policy)
        assert row["verdict"] is True and row["error"] is None
        assert (row["prompt_tokens"], row["cached_tokens"]) == (4000, 2000)
        assert (row["tokens"], row["thought_tokens"]) == (66, 33)
        assert row["replies"] == 3 and row["retries"] == 2
        assert row["visual_tokens"] is row["visual_tokens_billed"] is None, "not told apart"
        assert row["cost"] == pytest.approx((2000 * 2 + 2000 * 0.5 + 66 * 10) / 1e6)
        assert row["price"] == "given"
        assert policy.usage.cost == pytest.approx(row["cost"]), "and the policy's own count agrees"
        waited = row["seconds_by_stage"]
        assert set(waited) == {"decode", "policy"}
        assert 0 < waited["policy"] <= row["seconds"] and waited["decode"] > 0

    def test_the_price_of_a_name_is_not_asked_of_another_server(self, serve, env) -> None:
        _, policy = serve(openai(ANSWER, 1000, 40), replies="json")
        row = row_of(env, policy)
        assert row["prompt_tokens"] == 1000 and row["cost"] is row["price"] is None
        own = OpenAIPolicy("gpt-4o", check=False, base_url="https://api.openai.com/v1")
        assert own._billed_as == "openai/gpt-4o"

    def test_episodes_side_by_side_have_each_their_own(self, serve, env) -> None:
        lengths = iter(range(100, 10_000, 100))
        _, policy = serve(lambda body: openai(ANSWER, next(lengths), 1), replies="json")
        specs = [EpisodeSpec("q", seed, name=seed) for seed in range(3)]
        played = collect([env], policy, specs, seed=0)
        prompts = [sample_row(env.history.item, one)["prompt_tokens"] for one in played]
        assert sorted(prompts) == [100, 200, 300]


class TestGemini:
    @pytest.fixture
    def provider(self) -> Provider:
        return Provider(GeminiPolicy, "gemini-3.8-flash", Says({"name": "models/x"}))

    def test_pictures_are_counted_where_the_server_tells_them_apart(self, serve, env) -> None:
        first = modalities(TEXT=200, IMAGE=840)
        second = modalities(TEXT=300, IMAGE=1400)
        cached = modalities(TEXT=150, IMAGE=840)
        script = [
            gemini(LOOK, 1040, 20, promptTokensDetails=first, thoughtsTokenCount=80),
            gemini(
                ANSWER,
                1700,
                10,
                promptTokensDetails=second,
                cachedContentTokenCount=990,
                cacheTokensDetails=cached,
            ),
        ]
        _, policy = serve(*script, prices=Prices(0.75, 3.75, 0.075))
        row = row_of(env, policy)
        assert row["visual_tokens"] == 1400 and row["visual_tokens_billed"] == 840 + 1400 - 840
        assert (row["prompt_tokens"], row["cached_tokens"]) == (2740, 990)
        assert (row["tokens"], row["thought_tokens"]) == (110, 80), "thoughts are billed as output"
        expected = (1750 * 0.75 + 990 * 0.075 + 110 * 3.75) / 1e6
        assert row["cost"] == pytest.approx(expected)

    def test_a_reply_without_counts_leaves_the_cost_unknown(self, serve, env) -> None:
        bare = gemini(ANSWER, 1, 1)
        del bare.body["usageMetadata"]
        _, policy = serve(gemini(LOOK, 1040, 20), bare, prices=Prices(0.75, 3.75, 0.075))
        row = row_of(env, policy)
        assert row["cost"] is row["prompt_tokens"] is row["tokens"] is None
        assert row["replies"] == 2

    def test_a_dated_price_of_the_provider(self) -> None:
        policy = GeminiPolicy("gemini-3.8-flash", check=False)
        assert policy._billed_as == "google/gemini-3.8-flash"
