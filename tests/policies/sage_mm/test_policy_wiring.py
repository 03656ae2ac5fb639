"""Laws of `policies.sage_mm.policy`: every setting reaches the sampler and the scorer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.base import TokenBatch  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play, stir  # noqa: E402


class OddThenStop:
    """A grammar of another kind: four odd ids, then the stop token."""

    def __init__(self, vocabulary: int, stop: int) -> None:
        self.vocabulary, self.stop = vocabulary, stop

    def start(self) -> list[int]:
        return []

    def allowed(self, replies: Sequence[list[int]]):
        found = np.zeros((len(replies), self.vocabulary), bool)
        for row, reply in zip(found, replies, strict=True):
            if len(reply) < 4:
                row[21:300:2] = True
            else:
                row[self.stop] = True
        return found

    def consume(self, reply: list[int], token: int) -> None:
        reply.append(token)

    def allowed_in(self, batch: TokenBatch):
        rows = []
        for ids, sampled, turn in zip(batch.ids, batch.sampled, batch.turn, strict=True):
            for number in turn[sampled].unique().tolist():
                reply = self.start()
                for token in ids[sampled & (turn == number)].tolist():
                    rows.append(self.allowed([reply])[0])
                    self.consume(reply, token)
        return torch.from_numpy(np.stack(rows))


@pytest.fixture(scope="module")
def policy(tiny_folder) -> SageMM:
    policy = SageMM.load(tiny_folder, max_new_tokens=8, lora=LoraSettings(r=4))
    stir(policy, scale=0.05)
    return policy


def test_a_grammar_rules_what_is_sampled_and_what_is_scored(policy, monkeypatch) -> None:
    vocabulary = int(policy.model.base.lm_head.out_features)
    odd = OddThenStop(vocabulary, policy.stop_token)
    monkeypatch.setattr(policy._grammars, "in_use", lambda *, answers_only: odd)
    monkeypatch.setattr(policy, "temperature", 0.7)
    policy.reset(seed=3)
    turns = [play(policy, episode(i, 2), i) for i in range(3)]
    for turn in (turn for played in turns for turn in played):
        assert turn.completion[-1] == policy.stop_token and len(turn.completion) == 5
        assert all(token % 2 == 1 for token in turn.completion[:-1])
    batch = as_batch(turns, temperature=0.7)
    found = policy.evaluate(batch).logprobs
    torch.testing.assert_close(found, batch.old_logprobs, atol=1e-4, rtol=0)
    reference = policy.reference_logprobs(batch)
    last = batch.ids == policy.stop_token
    assert reference[batch.sampled & last].abs().max() < 1e-6, "it has no choice either"
    assert SageMM(policy.model).evaluate(batch).logprobs[batch.sampled].min() < found.min() - 0.1


def test_the_cut_of_samples_reaches_the_sampler(policy, monkeypatch) -> None:
    """With top_k = 1, or a top_p of nothing, sampling is greedy; at T = 0 it is too."""
    said = {}
    for name, value in (("temperature", 0.0), ("top_k", 1), ("top_p", 1e-9), ("seed", 5)):
        with monkeypatch.context() as patch:
            if name != "seed":
                patch.setattr(policy, name, value)
            policy.reset(seed=3)
            said[name] = [play(policy, [observe(i)], i)[0].completion.tolist() for i in range(3)]
    assert said["temperature"] == said["top_k"] == said["top_p"] != said["seed"]


@pytest.mark.parametrize("most", [1, 3])
def test_no_turn_is_longer_than_it_may_be(policy, monkeypatch, most: int) -> None:
    monkeypatch.setattr(policy, "max_new_tokens", most)
    policy.reset(seed=3)
    turns = [play(policy, episode(i, 2), i) for i in range(6)]
    lengths = [len(turn.completion) for played in turns for turn in played]
    assert max(lengths) == most


def test_what_it_measures_is_what_it_did(policy) -> None:
    policy.reset(seed=3)
    before = policy.encodes
    turns = play(policy, episode(50, 3), "x")
    found = policy.measures()
    assert found["policy/sampled_tokens"] == sum(len(turn.completion) for turn in turns)
    # The last sampled token of a turn is read with the prompt of the next.
    prompts = sum(len(turn.prompt) for turn in turns)
    assert prompts <= found["policy/prefill_tokens"] <= prompts + len(turns)
    assert policy.encodes == before + sum(len(turn.frames) for turn in turns)
    assert found["policy/encodes_per_frame"] == 1.0
    assert found["policy/tokens_per_step"] >= 1.0
    for stage in ("encode", "prefill", "generate"):
        assert 0 < found[f"policy/{stage}_seconds"] < 60
    policy.reset(seed=3)
    assert policy.measures()["policy/sampled_tokens"] == 0


@pytest.mark.parametrize("name", ["max_new_tokens", "max_batch", "workers"])
def test_sizes_that_cannot_play_are_refused_and_the_smallest_are_taken(policy, name: str) -> None:
    with pytest.raises(ValueError, match="expected max_new_tokens, max_batch and workers >= 1"):
        SageMM(policy.model, **{name: 0})
    assert getattr(SageMM(policy.model, **{name: 1}), name) == 1


def test_settings_that_are_no_distribution_or_no_choice_are_refused(policy) -> None:
    for settings in ({"temperature": -0.1}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}):
        with pytest.raises(ValueError):
            SageMM(policy.model, **settings)
    with pytest.raises(ValueError, match="when_full must be 'error' or 'drop', got 'stop'"):
        SageMM(policy.model, when_full="stop")  # type: ignore[arg-type]


def test_a_batch_without_episodes_is_refused(policy) -> None:
    policy.reset(seed=3)
    empty = as_batch([play(policy, episode(1, 1), "x")]).select([])
    with pytest.raises(ValueError, match="the batch has no episodes"):
        policy.reference_logprobs(empty)
