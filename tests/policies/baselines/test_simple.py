"""Laws of `policies.baselines.random_policy`, `uniform`, `policies.registry`: no model needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from algos.rollout.playing import play
from policies.base import Decision
from policies.baselines.random_policy import RandomPolicy
from policies.baselines.uniform import UniformPolicy, direct_env_options
from policies.check.policy_check import check_policy
from policies.prompt import ONLY_TURN
from policies.registry import UnknownPolicy, load_policy
from sage_env import Answer, QAItem, Sample, Skip, VideoQAEnv, Zoom
from tests.helpers.clips import write_clip


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[QAItem]:
    """Return three questions about a clip of 40 seconds."""
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(40)])
    return [
        QAItem(f"q{k}", clip, f"which {k}?", ("a", "b", "c"), "b", "mcq", duration=40.0)
        for k in range(3)
    ]


def observation(**values):
    base = {
        "turns_left": 5,
        "duration": np.float32(100.0),
        "cursor": np.float32(40.0),
        "choices": "a\nb\nc",
        "seconds": np.zeros(8, np.float32),
    }
    return {**base, **values}


def test_the_random_policy_plays_every_action_and_all_are_legal() -> None:
    policy = RandomPolicy()
    policy.reset(seed=0)
    actions = [policy.act(observation()) for _ in range(400)]
    assert {type(action) for action in actions} == {Skip, Sample, Zoom, Answer}
    for action in actions:
        if isinstance(action, Sample | Zoom):
            assert 0 <= action.start < action.end <= 100 and 1 <= action.num_frames <= 8
        if isinstance(action, Skip):
            assert 40 <= action.to <= 100
    texts = [action.text for action in actions if isinstance(action, Answer)]
    assert set(texts) == {"a", "b", "c"} and 60 < len(texts) < 140


def test_the_random_policy_answers_on_the_last_turn_and_repeats_with_its_seed() -> None:
    policy = RandomPolicy(answer_rate=0)
    for seed in range(20):
        policy.reset(seed=seed)
        first = [policy.act(observation()) for _ in range(5)]
        assert isinstance(policy.act(observation(turns_left=1, choices="")), Answer)
        policy.reset(seed=seed)
        assert first == [policy.act(observation()) for _ in range(5)]


def test_uniform_shows_even_frames_and_takes_one_answer(items) -> None:
    policy = UniformPolicy(RandomPolicy(), 8)
    env = VideoQAEnv(dataset=items, frame_size=(64, 96), **policy.env_options)
    seen, info = env.reset(seed=0)
    assert info["frame_seconds"] == [2, 7, 12, 17, 22, 27, 32, 37]
    policy.reset(seed=0)
    action = policy.act(seen).action
    assert isinstance(action, Answer)
    assert env.step(action)[2] is True


def test_uniform_refuses_an_environment_with_more_turns(items) -> None:
    seen, _ = VideoQAEnv(dataset=items, frame_size=(64, 96)).reset(seed=0)
    with pytest.raises(ValueError, match="make the environment with its env_options"):
        UniformPolicy(RandomPolicy(), 8).act(seen)
    with pytest.raises(ValueError, match="at least 0"):
        direct_env_options(-1)


def test_uniform_of_no_frames_answers_blind_and_decodes_nothing(items) -> None:
    policy = UniformPolicy(UniformPolicy(RandomPolicy(), 8), 0)
    assert isinstance(policy.answerer, RandomPolicy), "DIRECT of DIRECT is DIRECT"
    played = play(VideoQAEnv(dataset=items, frame_size=(64, 96), **policy.env_options), policy)
    assert (played.num_turns, played.error) == (1, None)
    spent = played.turns[-1].info["spent"]
    assert (spent.frames_shown, spent.frames_decoded) == (0, 0)


class Batched:
    """A policy that serves batches, and remembers what it was told."""

    temperature = 1.0
    env_options = {"frame_size": (64, 64), "max_turns": 7}

    def __init__(self) -> None:
        self.told: list[object] = []

    def reset(self, *, seed=None):
        self.told.append(seed)

    def act_batch(self, observations, episodes):
        self.told.append(tuple(episodes))
        return [Decision(Answer("a")) for _ in observations]

    def end(self, episodes):
        self.told.append(set(episodes))


def test_uniform_hands_everything_through_to_a_batch_policy() -> None:
    inner = Batched()
    policy = UniformPolicy(inner, 4)
    policy.temperature = 0.0
    policy.reset(seed=3)
    policy.act_batch([observation(turns_left=1)] * 2, ["x", "y"])
    policy.end(["x"])
    assert inner.temperature == policy.temperature == 0.0
    assert inner.told == [3, ("x", "y"), {"x"}]
    assert policy.env_options == {"frame_size": (64, 64), **direct_env_options(4)}
    assert not hasattr(UniformPolicy(RandomPolicy(), 4), "temperature")


class Obedient(Batched):
    """A policy that can be made to answer, and remembers when it was."""

    answers_only = False

    def act_batch(self, observations, episodes):
        self.told += [(self.answers_only, str(o.get("message", ""))) for o in observations]
        if len(episodes) == 3:
            raise RuntimeError("no batches of three")
        return [Decision(Answer("a")) for _ in observations]


def test_uniform_makes_a_policy_answer_and_leaves_it_as_it_was() -> None:
    inner = Obedient()
    policy, seen = UniformPolicy(inner, 4), observation(turns_left=1)
    policy.act_batch([seen, seen], [0, 1])
    assert inner.told == [(True, "")] * 2 and inner.answers_only is False
    with pytest.raises(RuntimeError, match="three"):
        policy.act_batch([seen] * 3, [0, 1, 2])
    assert inner.answers_only is False
    inner.answers_only = True
    policy.act_batch([seen], [0])
    assert inner.answers_only is True


def test_uniform_tells_a_policy_that_cannot_be_made_to_answer() -> None:
    """Once, behind what the environment says, and not in the observation itself."""
    heard = []

    class Listener(RandomPolicy):
        def act(self, observation):
            heard.append(observation["message"])
            return super().act(observation)

    seen = observation(turns_left=1, message="clamped")
    UniformPolicy(Listener(), 4).act(seen)
    UniformPolicy(Listener(), 4).act(observation(turns_left=1))
    assert heard == [f"clamped {ONLY_TURN}", ONLY_TURN] and seen["message"] == "clamped"


def test_our_policies_keep_the_contract(items) -> None:
    env = VideoQAEnv(dataset=items, frame_size=(64, 96))
    check_policy(RandomPolicy(), env)
    policy = UniformPolicy(RandomPolicy(), 4)
    check_policy(policy, VideoQAEnv(dataset=items, frame_size=(64, 96), **policy.env_options))


class Forgetful:
    """Breaks the law of seeds."""

    resets = 0

    def reset(self, *, seed=None):
        self.resets += 1

    def act(self, observation):
        return Answer(str(self.resets))


class Mute(RandomPolicy):
    """Returns something that is no action."""

    def act(self, observation):
        return "answer"


class Leaky(Batched):
    """Lets one episode see the rest of the batch."""

    def act_batch(self, observations, episodes):
        return [Decision(Answer("a"), text=str(len(episodes))) for _ in observations]


@pytest.mark.parametrize(
    ("policy", "law"),
    [
        (Forgetful(), "same seed"),
        (Mute(), "must return an action"),
        (Leaky(), "rest of the batch"),
        (object(), "must have reset"),
    ],
)
def test_check_policy_names_the_law_that_is_broken(policy, law, items) -> None:
    with pytest.raises(AssertionError, match=law):
        check_policy(policy, VideoQAEnv(dataset=items, frame_size=(64, 96)))


def test_policies_by_name() -> None:
    assert isinstance(load_policy("random"), RandomPolicy)
    named = load_policy("uniform:9:random", temperature=0.5)
    assert isinstance(named, UniformPolicy) and named.env_options["overview_frames"] == 9
    assert isinstance(load_policy(f"{__name__}:Batched", temperature=0.5), Batched)
    assert isinstance(load_policy("policies.baselines.random_policy:RandomPolicy"), RandomPolicy)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "there is no policy"),
        ("nobody", "give one of random"),
        (":", "there is no policy"),
        ("no_such_module:X", "module no_such_module that is not there"),
        (".relative:X", "must be named 'package.module:name'"),
        ("policies.baselines.random_policy:Nobody", "has no 'Nobody'"),
        ("policies.baselines.uniform:UniformPolicy", "without arguments"),
        ("policies.registry:NAMES", "not a policy"),
        ("uniform:-3", "whole number"),
        ("sage-mm:/no/such/folder", "cannot be loaded"),
    ],
)
def test_a_policy_that_is_not_there_is_refused(name: str, message: str) -> None:
    pytest.importorskip("peft") if name.startswith("sage-mm") else None
    with pytest.raises(UnknownPolicy, match=message):
        load_policy(name)


def test_an_adapter_is_for_models_only() -> None:
    with pytest.raises(UnknownPolicy, match="take an adapter"):
        load_policy("random", adapter=Path("x"))
    with pytest.raises(UnknownPolicy, match="is not a folder"):
        load_policy("sage-mm-tiny", adapter=Path("no-such-folder"))


@pytest.mark.parametrize(
    "name, where",
    [
        ("sage-mm-tiny", {}),
        ("sage-mm:some/checkpoint", {"device": "auto", "dtype": "auto"}),
        ("sage-released:some/checkpoint", {"device": "auto", "dtype": "auto", "tools": ()}),
    ],
)
def test_checkpoints_go_on_the_gpu_if_there_is_one(name, where, monkeypatch) -> None:
    pytest.importorskip("peft")
    from policies.sage_mm import SageMM
    from policies.sage_released import SageReleased

    asked = []
    for kind in (SageMM, SageReleased):
        monkeypatch.setattr(kind, "load", lambda *_, adapter, **given: asked.append(given))
    load_policy(name)
    assert asked == [where]
