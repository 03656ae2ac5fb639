"""Laws of `policies.check.policy_check`, `token_check`: whoever breaks one is told which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from policies.base import Decision, Evaluation, TrainablePolicy  # noqa: E402
from policies.check.policy_check import check_policy  # noqa: E402
from sage_env import Answer  # noqa: E402
from tests.helpers.toy import MAX_NEW_TOKENS, STOP, ToyEnv, ToyPolicy, cloned_policy  # noqa: E402


class Toy(ToyPolicy):
    """The toy policy, which says what ends a completion; it keeps the contract."""

    stop_token, max_new_tokens = STOP, MAX_NEW_TOKENS

    def __init__(self) -> None:
        super().__init__()
        self.load_state(cloned_policy(0).state())

    def reset(self, *, seed=None):
        super().reset(seed=seed)
        self.turns = {}

    def end(self, episodes):
        super().end([name for name in episodes if name in self.ids])

    def act_batch(self, observations, episodes):
        decisions = super().act_batch(observations, episodes)
        for name in episodes:
            self.turns[name] = self.turns.get(name, 0) + 1
        return [
            replace(d, tokens=self.told(d.tokens, self.turns[name]))
            for d, name in zip(decisions, episodes, strict=True)
        ]

    def told(self, tokens, turn):
        return tokens


def test_a_policy_that_keeps_the_contract_passes() -> None:
    assert isinstance(Toy(), TrainablePolicy)
    check_policy(Toy(), ToyEnv())


def broken(**methods):
    """Make the toy policy with other methods."""
    return type("Broken", (Toy,), methods)()


def tokens(**changes):
    """Make a policy whose tokens have other fields; a function gets the field as it was."""

    def told(self, tokens, turn):
        values = {
            key: change(getattr(tokens, key)) if callable(change) else change
            for key, change in changes.items()
        }
        return replace(tokens, **values)

    return broken(told=told)


def only_at_first(self, tokens, turn):
    return tokens if turn == 1 else None


def other_prompt(self, tokens, turn):
    return replace(tokens, prompt=tokens.prompt[::-1].copy()) if turn == 2 else tokens


def other_token(self, tokens, turn):
    return replace(tokens, completion=np.where(tokens.completion == STOP, STOP, 3))


def cut_stop(self, tokens, turn):
    return replace(tokens, completion=tokens.completion[:-1], logprobs=tokens.logprobs[:-1])


def go_on(self, tokens, turn):
    ids = np.append(tokens.completion, 3)
    return replace(tokens, completion=ids, logprobs=np.append(tokens.logprobs, np.float32(-1)))


def reuse_buffer(self, tokens, turn):
    if turn == 2:
        self.buffer[:] = 9
    self.buffer = tokens.prompt
    return tokens


class Rereading(Toy):
    """Forgets what it read before, so that each turn has a context of its own."""

    honest = False

    def act_batch(self, observations, episodes):
        for name in set(episodes) & set(self.ids):
            self.ids[name].clear()
        return super().act_batch(observations, episodes)

    def told(self, tokens, turn):
        return replace(tokens, fresh=self.honest)


def wrong_scores(**changes):
    """Make a policy whose `evaluate` returns something else."""

    def evaluate(self, batch):
        scored = Toy.evaluate(self, batch)
        return Evaluation(
            **{k: changes.get(k, lambda x: x)(getattr(scored, k)) for k in ("logprobs", "entropy")}
        )

    return broken(evaluate=evaluate)


def decisions(change):
    """Make a policy that returns other decisions."""
    return broken(act_batch=lambda self, o, e: change(Toy.act_batch(self, o, e)))


def scribble(self, observations, episodes):
    found = Toy.act_batch(self, observations, episodes)
    for observation in observations:
        observation["seen"] = 4
    return found


def crowd(self, observations, episodes):
    found = Toy.act_batch(self, observations, episodes)
    return [replace(d, action=Answer(str(len(episodes)))) for d in found]


LAWS = {
    "prompt int32": (tokens(prompt=lambda x: x.astype(np.int32)), "prompt must be a int64"),
    "prompt list": (tokens(prompt=lambda x: x.tolist()), "prompt must be a int64"),
    "prompt 2-d": (tokens(prompt=lambda x: x[None]), "with one dimension"),
    "completion int32": (tokens(completion=lambda x: x.astype(np.int32)), "completion must be"),
    "logprobs float64": (tokens(logprobs=lambda x: x.astype(float)), "logprobs must be a float32"),
    "nothing sampled": (tokens(completion=lambda x: x[:0], logprobs=lambda x: x[:0]), "got none"),
    "negative id": (tokens(prompt=lambda x: x - 9), "must not be negative"),
    "probability above 1": (tokens(logprobs=lambda x: -x), "not above 0"),
    "nan": (tokens(logprobs=lambda x: x * np.float32("nan")), "must be finite"),
    "frames list": (tokens(frames=lambda x: list(x)), "tuple of keys"),
    "frames text": (tokens(frames=("a",)), "tuple of keys"),
    "no tokens later": (broken(told=only_at_first), "with every turn of an episode or with none"),
    "stop token left out": (broken(told=cut_stop), "belongs to the completion"),
    "more after the stop token": (broken(told=go_on), "nothing may follow the stop token"),
    "tokens overwritten": (broken(told=reuse_buffer), "must not change afterwards"),
    "another prompt than read": (broken(told=other_prompt), "must score as they were sampled"),
    "other ids than sampled": (broken(told=other_token), "must score as they were sampled"),
    "each turn read anew": (Rereading(), "is the context append-only"),
    "scores of another shape": (wrong_scores(logprobs=lambda x: x[:, 1:]), "must be float32"),
    "scores in double": (wrong_scores(entropy=lambda x: x.double()), "must be float32"),
    "scores on prompts": (wrong_scores(entropy=lambda x: x + 1), "0 where nothing was sampled"),
    "a tuple": (decisions(tuple), "must return a list"),
    "one too few": (decisions(lambda x: x[1:]), "one decision per observation"),
    "bare actions": (decisions(lambda x: [d.action for d in x]), "must return `Decision`s"),
    "no action": (decisions(lambda x: [replace(d, action="a") for d in x]), "act must return"),
    "no text": (decisions(lambda x: [replace(d, text=None) for d in x]), "text must be a string"),
    "sees the batch": (broken(act_batch=crowd), "rest of the batch"),
    "writes into observations": (broken(act_batch=scribble), "seen was changed"),
    "reset without a seed": (broken(reset=lambda self: None), "must take `seed` by name"),
    "odd options": (broken(env_options=["max_turns"]), "env_options must be a mapping"),
}


@pytest.mark.parametrize("name", LAWS)
def test_each_broken_law_is_named(name: str) -> None:
    policy, law = LAWS[name]
    with pytest.raises(AssertionError, match=law):
        check_policy(policy, ToyEnv())


def test_who_says_that_turns_are_fresh_is_not_asked_for_one_sequence() -> None:
    policy = Rereading()
    policy.honest = True
    check_policy(policy, ToyEnv())


class Chatty:
    """Plays with `act`, and gives tokens that say more frames than there are."""

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        turn = Toy().act_batch([{"seen": 0}], ["x"])[0].tokens
        return Decision(Answer("a"), "a", replace(turn, frames=(b"1", b"2")))


class Framed(ToyEnv):
    """The toy task, whose observations say how many frames they have."""

    def reset(self, **given):
        observation, info = super().reset(**given)
        return observation | {"num_frames": 1}, info


def test_frames_that_were_not_shown_are_found() -> None:
    with pytest.raises(AssertionError, match="at most the 1 of the observation, got 2"):
        check_policy(Chatty(), Framed())
