"""Laws of `algos.ppo.training` with Qwen2.5-VL: what is sampled is what is scored."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.training import train  # noqa: E402
from algos.runs.metrics import read_metrics  # noqa: E402
from policies.check.policy_check import check_policy  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from sage_env import QAItem  # noqa: E402
from sage_env.env import VideoQAEnv  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from tests.helpers.episodes import stir  # noqa: E402
from tests.helpers.foreign.tiny_qwen2_5 import write_tiny_qwen2_5  # noqa: E402

torch.set_num_threads(1)
ITEMS = [QAItem(f"q{s}", Path(f"{s}.memory"), "what?", ("yes", "no"), "no", "mcq") for s in (7, 90)]


def length(item, action, history):
    """A random model answers nothing: what it writes is worth its length."""
    return {"length": len(getattr(action, "text", "")) / 100}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_qwen2_5(tmp_path_factory.mktemp("qwen") / "model")


def make_env() -> VideoQAEnv:
    options = {"max_turns": 2, "overview_frames": 3, "frames_per_turn": 3, "frame_size": (56, 84)}
    return VideoQAEnv(dataset=ITEMS, opener=open_memory, reward=length, **options)


def test_two_updates_move_the_weights_and_prove_their_exactness(folder, tmp_path) -> None:
    policy = SageMM.load(folder, max_new_tokens=8, lora=LoraSettings(r=4))
    stir(policy)
    before = policy.state()
    config = PPOConfig(
        updates=2,
        questions_per_update=2,
        episodes_per_question=2,
        minibatches=2,
        critic_warmup=0,
        actor_lr=1e-3,
        rescore_sample=4,
    )
    items = [item.id for item in ITEMS]
    train(config, policy, [make_env(), make_env()], items, tmp_path, progress=False)
    _, first, second = read_metrics(tmp_path / "metrics.jsonl")
    for row in (first, second):
        assert row["proof/max_dlogp"] <= 1e-5 and row["proof/max_time_error"] == 0
        assert row["proof/image_tokens"] == 4 * 3 * 6  # of 4 episodes, 3 frames of 2 x 3 each
    moved = [name for name, tensor in policy.state().items() if not tensor.equal(before[name])]
    assert any(name.startswith("actor.") for name in moved)
    assert any(name.startswith("critic.") for name in moved)


def test_it_keeps_the_contract(folder) -> None:
    policy = SageMM.load(folder, max_new_tokens=6, lora=LoraSettings(r=4))
    stir(policy)
    check_policy(policy, make_env())
