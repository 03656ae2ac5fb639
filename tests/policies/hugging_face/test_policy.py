"""Laws of `policies.hugging_face.policy`, `chat_model`, `draws`: foreign families play."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor

from algos.cli import main
from algos.rollout.playing import play
from policies.check.policy_check import check_policy
from policies.errors import ContextFull, EpisodesFailed
from policies.hugging_face import HuggingFacePolicy
from policies.hugging_face.draws import Draws
from policies.registry import load_policy
from policies.sage_mm.generation.sampling import Sampling
from sage_env import Answer, Invalid
from tests.helpers.foreign.tiny_chat_models import write_gemma3, write_llava
from tests.helpers.loopback import shown

NAMES = ["a", "b", "c"]


def load(checkpoint, **settings):
    return HuggingFacePolicy.load(checkpoint, **{"max_new_tokens": 5} | settings)


def three():
    """Observations of different lengths; the last has no frames."""
    choices = "\n".join(f"choice {k}" for k in range(20))
    return [shown(0), shown(1, choices=choices), shown(2, num_frames=0)]


def rewritten(policy, text):
    """Let the policy's own tokenizer write its replies: a random model writes no actions."""
    tokenizer = policy.model.processor.tokenizer
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return Says([*ids, tokenizer.eos_token_id])


class Says(LogitsProcessor):
    """Leaves one token per step, in order."""

    def __init__(self, ids):
        self.ids, self.left = ids, list(ids)

    def __call__(self, input_ids, scores):
        if not self.left:
            self.left = list(self.ids)
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.left.pop(0)] = 0.0
        return forced


def test_the_model_is_given_the_frames_in_order_with_their_times(checkpoint, monkeypatch) -> None:
    policy = load(checkpoint)
    given = []
    read = type(policy.model.processor).__call__

    def noted(self, *args, **settings):
        given.append(settings)
        return read(self, *args, **settings)

    monkeypatch.setattr(type(policy.model.processor), "__call__", noted)
    first, second = shown(0), shown(5, message="clamped")
    policy.act(first)
    (decision,) = policy.act_batch([second], [policy.ONLY])
    (pictures,) = given[1]["images"]
    frames = [*first["frames"][:2], *second["frames"][:2]]
    assert [np.array(picture).tolist() for picture in pictures] == [f.tolist() for f in frames]
    (text,) = given[1]["text"]
    assert re.findall(r"<[\d.]+ seconds>", text) == [
        f"<{second:.1f} seconds>" for second in (0.25, 7.96, 5.25, 12.96)
    ]
    assert text.count("what is it, 0?") == 1 and text.index("clamped") > text.index("0?")
    assert len(decision.tokens.frames) == 4 and decision.tokens.fresh


def test_pictures_reach_the_network_in_the_order_of_their_times(checkpoint) -> None:
    policy = load(checkpoint)
    swapped = shown(0)
    swapped["frames"] = swapped["frames"][[1, 0, 2]]
    one, other = (policy.act_batch([o], [k])[0].tokens for k, o in enumerate((shown(0), swapped)))
    assert (one.prompt == other.prompt).all()
    assert abs(one.logprobs[0] - other.logprobs[0]) > 1e-4


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_says_what_its_episodes_say_alone(checkpoint, temperature) -> None:
    """Padding is in it: the three prompts have different lengths."""
    together = load(checkpoint, temperature=temperature)
    alone = load(checkpoint, temperature=temperature, max_batch=1)
    for policy in (together, alone):
        policy.reset(seed=7)
    for _ in range(2):
        decisions = together.act_batch(three(), NAMES)
        assert len({len(d.tokens.prompt) for d in decisions}) == 3
        for name, observation, decision in reversed(
            list(zip(NAMES, three(), decisions, strict=True))
        ):
            (own,) = alone.act_batch([observation], [name])
            assert own.tokens.prompt.tolist() == decision.tokens.prompt.tolist()
            assert own.tokens.completion.tolist() == decision.tokens.completion.tolist()
            assert np.abs(own.tokens.logprobs - decision.tokens.logprobs).max() <= 1e-5
    assert len({tuple(d.tokens.completion) for d in decisions}) > 1


def test_the_logprobs_are_those_of_the_tokens_in_one_pass(checkpoint) -> None:
    """The slow way: the whole sequence in one forward pass, no cache and no padding."""
    policy = load(checkpoint, temperature=0.7)
    policy.reset(seed=1)
    asked = policy._ask(shown(0), "x")
    inputs = policy.model.encode(policy._system, [asked.turns])
    turn = policy.act_batch([shown(0)], ["x"])[0].tokens
    ids = torch.tensor(np.concatenate([turn.prompt, turn.completion]))[None]
    whole = dict(inputs) | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        logits = policy.model.network(**whole).logits[0].float() / 0.7
    scores = logits.log_softmax(-1)[len(turn.prompt) - 1 : -1]
    expected = scores.gather(1, torch.tensor(turn.completion)[:, None])[:, 0]
    assert np.abs(expected.numpy() - turn.logprobs).max() <= 1e-5


def test_sampling_follows_the_seed_and_the_name_of_the_episode(checkpoint) -> None:
    policy = load(checkpoint, temperature=1.0)

    def said(seed, name):
        policy.reset(seed=seed)
        return policy.act_batch([shown(0)], [name])[0].tokens.completion.tolist()

    assert said(3, "a") == said(3, "a")
    assert said(3, "a") != said(4, "a") and said(3, "a") != said(3, "b")


def test_draws_leave_the_drawn_token_alone() -> None:
    """Of p = 1/8, 1/2, 3/8, the number 0.2 falls into the second and 0.7 into the third."""
    scores = torch.tensor([[0.125, 0.5, 0.375]]).log().repeat(2, 1)
    draws = Draws(Sampling(1.0), torch.tensor([[0.2], [0.7]], dtype=torch.float64))
    left = draws(torch.zeros(2, 1), scores)
    assert left.argmax(1).tolist() == [1, 2] and torch.isinf(left).sum() == 4
    assert draws.logprobs[:, 0].exp().tolist() == pytest.approx([0.5, 0.375])
    # each step has a number of its own: below, within and above the middle third
    draws = Draws(Sampling(1.0), torch.tensor([[0.9, 0.1, 0.5]], dtype=torch.float64))
    steps = [int(draws(torch.zeros(1, 1), torch.zeros(1, 3)).argmax()) for _ in range(3)]
    assert steps == [2, 0, 1] and draws.logprobs.shape == (1, 3)


def test_the_checkpoints_own_sampling_settings_are_not_used(checkpoint) -> None:
    settings = load(checkpoint).model.network.generation_config
    assert not settings.do_sample and settings.repetition_penalty in (None, 1.0)


def test_it_keeps_the_contract(checkpoint, env) -> None:
    check_policy(load(checkpoint), env)


def test_what_is_no_action_is_invalid_and_what_is_one_is_played(
    checkpoint, env, monkeypatch
) -> None:
    policy = load(checkpoint, max_new_tokens=60)
    trajectory = play(env, policy, seed=0)
    assert trajectory.error is None and trajectory.num_turns == 2
    assert all(isinstance(turn.decision.action, Invalid) for turn in trajectory.turns)
    written = (
        'Well, <think>{"action": "answer", "text": "a"}</think> {"action": "answer", "text": "b"}'
    )
    says = rewritten(policy, written)
    monkeypatch.setattr("policies.hugging_face.chat_model.Draws", lambda *_: _WithLogprobs(says))
    trajectory = play(env, policy, seed=0)
    (turn,) = trajectory.turns
    assert turn.decision.action == Answer("b") and turn.info["correct"] is True
    assert turn.decision.text == written
    assert turn.decision.tokens.completion[-1] == policy.model.processor.tokenizer.eos_token_id


class _WithLogprobs(LogitsProcessor):
    """`Draws` whose tokens are given."""

    def __init__(self, says):
        self.says, self.steps = says, 0

    def __call__(self, input_ids, scores):
        self.steps += 1
        return self.says(input_ids, scores)

    @property
    def logprobs(self):
        return torch.zeros(1, self.steps)


def test_a_full_context_is_an_error_of_its_episode_or_forgets_old_turns(
    tmp_path, checkpoint
) -> None:
    length = len(load(checkpoint).act(shown(0)).tokens.prompt)
    write = write_llava if checkpoint.name == "llava" else write_gemma3
    short = write(tmp_path / "short", context=length + 130)
    strict, drops = load(short), load(short, when_full="drop")
    for policy in (strict, drops):
        policy.act_batch([shown(0), shown(1)], ["a", "b"])
    strict.act_batch([shown(0)], ["a"])
    with pytest.raises(EpisodesFailed) as failed:
        for _ in range(9):
            strict.act_batch([shown(0), shown(1)], ["a", "b"])
            strict.end(["b"])
    assert list(failed.value.errors) == ["a"] and "b" in failed.value.decisions
    assert isinstance(failed.value.errors["a"], ContextFull)
    assert "give when_full=drop" in str(failed.value)
    for _ in range(5):
        turn = drops.act_batch([shown(0)], ["a"])[0].tokens
        assert len(turn.prompt) + 5 <= length + 130
    assert turn.dropped >= 2
    with pytest.raises(ContextFull):
        load(short, max_new_tokens=200).act(shown(0))


def test_the_command_line_plays_a_folder(checkpoint, tmp_path, env, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    video = str(env._items[0].video)
    asked = ["ask", video, "which?", "--choices", "a", "b", "--policy", f"hf:{checkpoint}"]
    asked += ["--max-turns", "2", "--policy-option", "max_new_tokens=5", "--policy-option"]
    main([*asked, 'images={"do_normalize": false}', "--frame-size", "64", "96"])
    assert "no JSON object was found" in capsys.readouterr().out
    policy = load_policy(f"hf:{checkpoint}", temperature=0.5, options={"max_batch": 3})
    assert (policy.temperature, policy.max_batch) == (0.5, 3)


def test_what_a_turn_reads_is_counted_and_pictures_apart(checkpoint) -> None:
    policy = load(checkpoint)
    decisions = policy.act_batch(three(), NAMES)
    visual = []
    for decision in decisions:
        (counts,) = decision.usage.replies
        assert counts.prompt == len(decision.tokens.prompt)
        assert counts.completion == len(decision.tokens.completion)
        assert decision.usage.resent, "every turn reads the whole conversation"
        visual.append(counts.visual)
    assert visual[0] == visual[1] > 0 == visual[2] and visual[0] % 2 == 0, "two frames, and none"
    again = policy.act_batch([shown(3)], NAMES[:1])[0].usage.replies[0]
    assert again.visual == 2 * visual[0], "those of the turn before are read again"
