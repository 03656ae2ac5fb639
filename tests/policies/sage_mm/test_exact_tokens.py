"""Laws of `policies.sage_mm.policy` as a recorder: nothing is lost between sampling and scoring.

The record is all that was read, its frames are all there, its times are true.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.prompt import render_user  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from sage_env import QAItem, Sample  # noqa: E402
from tests.helpers.clips import IRREGULAR, decoded, number_in, write_clip  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def policy(tiny_folder):
    return SageMM.load(tiny_folder, max_new_tokens=5, lora=LoraSettings(r=4))


def test_what_was_read_is_the_record_and_only_grows(policy):
    policy.reset(seed=3)
    record = np.zeros(0, np.int64)
    for observation in episode(1, 4):
        turn = policy.act_batch([observation], ["x"])[0].tokens
        record = np.concatenate([record, turn.prompt, turn.completion])
        assert policy._episodes["x"].ids.tolist() == record.tolist()


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
def test_the_entropy_of_a_token_is_that_of_what_it_was_drawn_from(policy, temperature):
    """Greedy decoding has log-probs and entropies at temperature 1."""
    policy.reset(seed=3)
    policy.temperature = temperature
    try:
        turns = play(policy, episode(1, 3), "x")
    finally:
        policy.temperature = 1.0
    batch = as_batch([turns], temperature=temperature or 1.0)
    with torch.no_grad():
        scored = policy.evaluate(batch).entropy[batch.sampled].numpy()
    sampled = np.concatenate([turn.entropies for turn in turns])
    assert sampled.dtype == np.float32 and sampled.std() > 1e-3
    np.testing.assert_allclose(sampled, scored, atol=1e-4)


def test_a_frame_too_few_or_too_many_is_an_error(policy):
    policy.reset(seed=3)
    batch = as_batch([play(policy, episode(1, 3), "x")])
    whole = batch.frames[0]
    for wrong in (whole[:-1], whole[1:], (*whole, whole[0])):
        batch.frames = [wrong]
        with pytest.raises(ValueError, match="visual tokens, but the ids have"):
            policy.evaluate(batch)


def test_the_prompt_tells_the_true_times_of_irregular_frames(policy, tmp_path):
    path = write_clip(tmp_path / "f.mp4", IRREGULAR, time_base=Fraction(1, 1000))
    shown = [second for second, _ in decoded(path)]
    steps = np.diff(shown)
    assert steps.max() > 20 * steps.min(), "the clip must be irregular"
    item = QAItem("f", path, "what is it?", (), "a number", "open")
    env = gym.make("SageVideoQA-v0", dataset=[item], frame_size=(64, 96), overview_frames=5)
    looks = [env.reset(seed=0)[0], env.step(Sample(2.0, 9.0, 7))[0]]
    env.close()
    for turn, look in enumerate(looks):
        count = int(look["num_frames"])
        ids = policy.model.tokens.prompt(render_user(look, first=turn == 0), 6, first=turn == 0)
        told = re.findall(r"<(\d+\.\d) seconds>", policy.model.tokens.text(ids))
        assert count > 4 and len(told) == count
        # Which picture it is says when it was shown, whatever the observation claims.
        for text, picture in zip(told, look["frames"], strict=False):
            assert abs(float(text) - shown[number_in(picture)]) <= 0.051


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_a_value_does_not_see_the_token_that_it_judges(tiny_folder, critic):
    """In any turn: a later one's first token is judged after its observation, before itself."""
    learner = SageMM.load(tiny_folder, max_new_tokens=3, critic=critic, lora=LoraSettings(r=4))
    stir(learner)
    learner.reset(seed=3)
    batch = as_batch([play(learner, episode(1, 3), "x")])
    places = batch.sampled[0].nonzero()[:, 0].tolist()
    assert len(set(batch.turn[0][places].tolist())) == 3
    for place in places[:-1]:
        after_it = places[places.index(place) + 1]
        other = replace(batch, ids=batch.ids.clone(), cache={})
        other.ids[0, place] += 1
        for grad in (False, True):  # with an adapter the two take different ways
            with torch.set_grad_enabled(grad):
                before, after = learner.values(batch)[0], learner.values(other)[0]
            assert torch.equal(before[: place + 1], after[: place + 1]) and before[place] != 0
            assert abs(before[after_it] - after[after_it]) > 1e-6, "the next value must see it"


@pytest.mark.parametrize(("critic", "asked_first"), [("head", True), ("adapter", False)])
def test_the_reference_has_nobodys_adapter_on(tiny_folder, critic, asked_first):
    """Neither the actor's nor the critic's; with a head it may read what the critic has read."""
    learner = SageMM.load(tiny_folder, max_new_tokens=4, critic=critic, lora=LoraSettings(r=4))
    stir(learner)
    learner.reset(seed=3)
    batch = as_batch([play(learner, episode(i, turns), i) for i, turns in enumerate([2, 1])])
    base = SageMM.load(tiny_folder, lora=LoraSettings(r=4))  # fresh adapters change nothing
    base.model.encoder = learner.model.encoder
    if asked_first:
        learner.values(batch)
    found, expected = learner.reference_logprobs(batch), base.evaluate(batch).logprobs
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert not found.requires_grad
    far = (learner.evaluate(batch).logprobs - found).abs().max()
    assert far > 0.01, "the actor must differ from the reference for this to show anything"
