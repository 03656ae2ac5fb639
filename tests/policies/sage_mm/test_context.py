"""Laws of `policies.sage_mm.context` and of the prefix cache in play.

A context grows, is read once, and loses whole turns or none.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.batching.token_batches import collate  # noqa: E402
from algos.rollout.trajectory import Trajectory, Turn  # noqa: E402
from policies.base import Decision  # noqa: E402
from policies.errors import ContextFull, ModelError  # noqa: E402
from policies.prompt import render_user  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.context import Context, fix_seam, require_prefix, require_room  # noqa: E402
from policies.sage_mm.generation.sequence import Completion  # noqa: E402
from sage_env.actions.action import Skip  # noqa: E402
from tests.helpers.dropped_turns import in_context  # noqa: E402
from tests.helpers.episodes import episode, observe, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny_folder):
    policy = SageMM.load(tiny_folder, lora=LoraSettings(r=4))
    stir(policy)
    return policy.model


@pytest.fixture
def policy(model):
    """A policy of its own for each test: none has read anything, and none guesses ahead."""
    return SageMM(model, max_new_tokens=10, draft_tokens=0)


@pytest.fixture
def counted(model, monkeypatch):
    """The number of tokens that each pass of the language model was given."""
    passes, hidden = [], model.hidden

    def count(ids, *rest):
        passes.append(ids.numel())
        return hidden(ids, *rest)

    monkeypatch.setattr(model, "hidden", count)
    return passes


def assert_same(turn, other):
    assert turn.completion.tolist() == other.completion.tolist()
    np.testing.assert_allclose(turn.logprobs, other.logprobs, atol=2e-5)


def test_no_token_is_read_twice(policy, counted):
    policy.reset(seed=1)
    turns = play(policy, episode(1, 5), "x")
    total = sum(len(t.prompt) + len(t.completion) for t in turns)
    assert sum(counted) == total - 1  # nothing follows the last one
    measured = policy.measures()
    sampled = sum(len(t.completion) for t in turns)
    assert measured["policy/sampled_tokens"] == sampled
    # what is read before a turn: its prompt, and the last token of the reply before it
    assert measured["policy/prefill_tokens"] == total - sampled + len(turns) - 1
    assert policy.measures()["policy/encodes_per_frame"] == 1


@pytest.mark.parametrize("max_batch, workers", [(64, 1), (3, 1), (3, 2)])
def test_rollouts_of_a_question_read_its_opening_once(model, counted, max_batch, workers):
    look = episode(3, 1)[0]
    alone = SageMM(model, max_new_tokens=10)
    alone.reset(seed=7)
    expected = {name: play(alone, [look], name)[0] for name in range(8)}
    counted.clear()
    policy = SageMM(model, max_new_tokens=10, max_batch=max_batch, workers=workers, draft_tokens=0)
    policy.reset(seed=7)
    found = policy.act_batch([look] * 6, range(6))
    prompt = len(found[0].tokens.prompt)
    assert counted[0] == prompt and max(counted[1:]) <= min(6, max_batch)
    counted.clear()
    found += policy.act_batch([look] * 2, [6, 7])  # those that start later find it read
    assert max(counted) <= 2
    for name, decision in enumerate(found):
        assert_same(decision.tokens, expected[name])


def test_openings_that_do_not_fit_are_shared_within_a_call_only(model, counted):
    policy = SageMM(model, max_new_tokens=4, prefix_cache_bytes=0, draft_tokens=0)
    look = episode(3, 1)[0]
    for _ in range(2):
        counted.clear()
        found = policy.act_batch([look] * 3, range(3))
        policy.end(range(3))
        assert counted[0] == len(found[0].tokens.prompt) and max(counted[1:]) <= 3


def test_openings_do_not_outlive_the_weights(model, tiny_folder):
    policy = SageMM.load(tiny_folder, max_new_tokens=10, lora=LoraSettings(r=4))
    look = episode(3, 2)
    policy.reset(seed=1)
    play(policy, look, "x")
    optimizer = torch.optim.SGD(policy.actor_parameters(), lr=1.0)
    for parameter in policy.actor_parameters():
        parameter.grad = torch.ones_like(parameter) * 0.05
    optimizer.step()  # in place: nobody tells the policy
    policy.reset(seed=2)
    after = play(policy, look, "x")
    fresh = SageMM(policy.model, max_new_tokens=10)
    fresh.reset(seed=2)
    for turn, other in zip(after, play(fresh, look, "x"), strict=True):
        assert_same(turn, other)


def test_tokens_that_change_are_refused(policy):
    read = np.arange(5)
    require_prefix(read, np.arange(9))
    for other, at in (([0, 1, 9, 3, 4, 5], 2), ([0, 1, 2], 3)):
        with pytest.raises(ModelError, match=f"the 5 tokens that were read: token {at} of"):
            require_prefix(read, np.array(other))
    policy.reset(seed=1)
    look = episode(1, 2)
    play(policy, look[:1], "x")
    policy._episodes["x"]._turns[0].prompt[3] += 1
    with pytest.raises(ModelError, match="token 3 of .* must not be written anew"):
        play(policy, look[1:], "x")


@pytest.mark.parametrize(
    "had_stop, stopped, expected",
    [
        (False, True, [3, 4]),
        (False, False, [7, 3, 4]),
        (True, True, [3, 4]),
        (True, False, [7, 3, 4]),
    ],
)
def test_there_is_one_stop_token_at_a_seam(had_stop, stopped, expected):
    """The reply before it brings the stop token, or the prompt does; never both, never none."""
    prompt = np.array([7] * had_stop + [3, 4])
    assert fix_seam(prompt, 7, stopped=stopped).tolist() == expected


def context_of(*turns):
    """A context of turns, each a prompt and a completion."""
    context = Context(np.random.default_rng(0))
    for prompt, completion in turns:
        context.show(np.array(prompt), ())
        context.extend(Completion(np.array(completion), np.zeros(len(completion)), None))
    return context


def test_room_is_made_by_dropping_the_oldest_turns_after_the_first():
    turns = ([1, 1], [5, 7]), ([2, 2], [5, 7]), ([3, 3], [5, 5])  # the last reply was cut: no 7
    context = context_of(*turns)
    prompt = np.array([7, 4])
    assert context.fit(prompt, 2, limit=16, stop=7, drop=True).tolist() == [7, 4]
    assert context.dropped == 0, "it fits: nothing is dropped"
    assert context.fit(prompt, 2, limit=15, stop=7, drop=True).tolist() == [7, 4]
    assert context.dropped == 1 and context.ids.tolist() == [1, 1, 5, 7, 3, 3, 5, 5]
    assert context.fit(prompt, 2, limit=11, stop=7, drop=True).tolist() == [4]
    assert context.dropped == 2 and context.ids.tolist() == [1, 1, 5, 7]
    with pytest.raises(ContextFull, match="would need 8 tokens, but the model's context has 7"):
        context.fit(prompt, 2, limit=7, stop=7, drop=True)


def test_nothing_is_dropped_where_that_is_not_allowed():
    context = context_of(([1, 1], [5, 7]), ([2, 2], [5, 7]))
    with pytest.raises(ContextFull, match="would need 12 tokens, but the model's context has 11"):
        context.fit(np.array([7, 4]), 2, limit=11, stop=7, drop=False)
    assert context.dropped == 0 and len(context.ids) == 8


def test_a_running_episode_keeps_its_question(policy):
    policy.reset(seed=1)
    play(policy, [observe(1)], "x")
    with pytest.raises(ModelError, match="asks .* star 1.*the observation now asks .* star 2"):
        play(policy, [observe(2)], "x")
    policy.end(["x"])
    play(policy, [observe(2)], "x")


def small_context(model, monkeypatch, tokens):
    monkeypatch.setattr(model.config, "max_position_embeddings", tokens)


def long_episode(turns=6):
    first = observe(100, 3, turns_left=turns, frames_left=0)
    asked = {"question": first["question"], "frames_left": 0}
    return [first] + [observe(100 + t, t % 4, **asked) for t in range(1, turns)]


def rescored(model, ids, frames):
    """The log-prob of each token but the first, from these tokens alone."""
    with torch.no_grad():
        row = torch.from_numpy(ids)[None]
        hidden = model.hidden(row, model.positions(row, [len(ids)], [frames]), frames)
        return model.log_probs(hidden[0, :-1], 1.0).gather(1, row[0, 1:, None])[:, 0].numpy()


def test_a_full_context_loses_whole_turns_with_their_frames(model, monkeypatch):
    chat, limit, closed_anew = model.tokens, 310, 0
    layout = (chat.im_start, chat.im_end)
    small_context(model, monkeypatch, limit)
    policy = SageMM(model, when_full="drop")
    for seed in (2, 4, 7):
        policy.reset(seed=seed)
        turns = []
        for number, look in enumerate(long_episode(8)):
            policy.max_new_tokens = 1 if number % 2 else 60  # every other reply is cut by length
            turns += play(policy, [look], "x")
        dropped = [turn.dropped for turn in turns]
        assert dropped == sorted(dropped) and dropped[0] == 0 and dropped[-1] >= 2
        for count in range(1, len(turns) + 1):
            ids, frames = in_context(turns[:count], chat.stop)
            assert len(ids) <= limit
            assert (ids == chat.frame_pad).sum() == 4 * len(frames)
            assert ids[: len(turns[0].prompt)].tolist() == turns[0].prompt.tolist()
            marks = [i for i in ids[:-1] if i in layout]  # turns open and close in order
            assert marks == [layout[i % 2] for i in range(len(marks))]
            # what was sampled is re-scored from just these tokens
            last = turns[count - 1].logprobs
            scores = rescored(model, ids, frames)[-len(last) :]
            np.testing.assert_allclose(scores, last, atol=2e-5)
            kept = [turns[0], *turns[1 + dropped[count - 1] : count]] if count > 1 else turns[:1]
            closed_anew += len(ids) != sum(len(t.prompt) + len(t.completion) for t in kept)
    assert closed_anew  # some followed a cut reply, and came to follow a whole one, or vice versa


def test_a_full_context_is_an_error_by_default(model, policy, monkeypatch):
    small_context(model, monkeypatch, 150)
    policy.reset(seed=1)
    with pytest.raises(ContextFull, match="the model's context has 150: make the environment"):
        play(policy, long_episode(), "x")
    small_context(model, monkeypatch, 60)
    dropping = SageMM(model, max_new_tokens=10, when_full="drop")
    with pytest.raises(ContextFull, match="context has 60"):  # nothing is left to drop
        play(dropping, long_episode(), "x")


def test_frames_that_cannot_fit_are_refused_before_the_first_turn(policy, counted, model):
    crowd = observe(1, 2, frames_left=5000, turns_left=9)
    with pytest.raises(ContextFull, match=r"5002 frames of 4 tokens .* has 32768: .*when_full"):
        policy.act(crowd)
    assert not counted
    SageMM(model, max_new_tokens=4, when_full="drop").act(crowd)
    with pytest.raises(ValueError, match="when_full must be"):
        SageMM(model, when_full="shrink")


def test_training_refuses_episodes_that_lost_turns(model, monkeypatch):
    small_context(model, monkeypatch, 180)
    policy = SageMM(model, max_new_tokens=10, when_full="drop")
    turns = play(policy, long_episode(), "x")
    assert turns[-1].dropped
    trajectory = Trajectory("item", 0, [Turn(Decision(Skip(1.0), "", t), 0.0, {}) for t in turns])
    copy = Trajectory.from_json(trajectory.to_json())
    assert [t.decision.tokens.dropped for t in copy.turns] == [t.dropped for t in turns]
    with pytest.raises(ValueError, match="outgrew the policy's context"):
        collate([trajectory], 1.0)


def least_room(tokens, observation, *, prompt=50, frame=4, reply=7) -> int:
    """The smallest context that `require_room` accepts."""
    low, high = 0, 100_000
    while low < high:
        middle = (low + high) // 2
        try:
            require_room(tokens, observation, prompt, frame, reply, middle)
            high = middle
        except ContextFull:
            low = middle + 1
    return low


def test_the_room_that_an_episode_needs_is_counted_to_the_token(policy):
    """A prompt and one token for every look, every frame with its time, and the last reply."""
    tokens = policy.model.tokens
    bare = {"turns_left": 4, "frames_left": 5, "duration": np.float32(600)}
    first = observe(1, 0, **bare)
    empty = len(tokens.prompt(render_user(first, first=False, style=tokens.style), 0, first=False))
    stamped = len(tokens.prompt(["<600.0 seconds>", 0], 4, first=False))
    stamped -= len(tokens.prompt([], 4, first=False))
    expected = 50 + 3 * (empty + 1) + 5 * stamped + 7
    assert least_room(tokens, first) == expected
    # What the first turn says and shows is in its own prompt already.
    told = observe(1, 3, **bare, message="look closer " * 9, text="a b " * 99)
    assert least_room(tokens, told) == expected
    for changes, more in (
        ({"frames_left": 6}, stamped),
        ({"turns_left": 5}, empty + 1),
        ({"turns_left": 1}, -3 * (empty + 1)),
        ({"turns_left": 0}, -3 * (empty + 1)),
    ):
        other = observe(1, 0, **(bare | changes))
        assert least_room(tokens, other) == expected + more, changes
    # No more looks than there are frames to see.
    assert least_room(tokens, observe(1, 0, **(bare | {"turns_left": 9}))) == expected + 2 * (
        empty + 1
    )
    assert least_room(tokens, first, prompt=51, reply=9) == expected + 3
    assert least_room(tokens, first, frame=6) == expected + 10
