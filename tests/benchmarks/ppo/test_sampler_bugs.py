"""Laws of `benchmarks.ppo.sampler_bugs` and `planted_samplers`: a bug is there while it samples.

Before and after, the policy is the right one, so that what is scored again is scored rightly.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.batching.token_batches import collate  # noqa: E402
from algos.exactness.rescoring import rescore  # noqa: E402
from algos.rollout.playing import EpisodeSpec, collect  # noqa: E402
from benchmarks.ppo.planted_samplers import BUGS, Bug, PlantedSampler  # noqa: E402
from benchmarks.ppo.sampler_bugs import Settings, main  # noqa: E402
from policies.sage_mm import LoraSettings  # noqa: E402
from sage_env import QAItem  # noqa: E402
from sage_env.env import VideoQAEnv  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from tests.helpers.episodes import stir  # noqa: E402
from tests.helpers.tiny_model import write_tiny_model  # noqa: E402

torch.set_num_threads(1)
ITEMS = [QAItem(f"q{s}", Path(f"{s}.memory"), "what?", ("yes", "no"), "no", "mcq") for s in (7, 90)]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> PlantedSampler:
    folder = write_tiny_model(tmp_path_factory.mktemp("model"))
    policy = PlantedSampler.load(folder, max_new_tokens=12, lora=LoraSettings(r=4))
    stir(policy)
    return policy


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_planted_while_a_turn_is_sampled_and_then_gone(
    policy: PlantedSampler, bug: Bug
) -> None:
    options = {"max_turns": 2, "overview_frames": 8, "frames_per_turn": 8, "frame_size": (64, 64)}
    envs = [VideoQAEnv(dataset=ITEMS, opener=open_memory, **options) for _ in range(2)]
    policy.bug = "none"
    collect(envs, policy, [EpisodeSpec("q7")], seed=0)  # the rollout before, which is stale then
    stir(policy, seed=1 + BUGS.index(bug))
    before = policy.state()
    policy.bug = bug
    played = collect(envs, policy, [EpisodeSpec(item.id) for item in ITEMS] * 2, seed=1)
    assert (policy.temperature, policy.top_p) == (1.0, 1.0) and "hidden" not in vars(policy.model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.state().items())
    found = rescore(policy, collate(played, 1.0), played, micro_batch=4, tolerance=None)
    assert (found.verdict == "ok") == (bug == "none"), found.metrics


@pytest.mark.slow
def test_the_quick_way_runs_and_finds_what_was_planted(tmp_path: Path) -> None:
    main(Settings(quick=True, out=tmp_path))
    text = (tmp_path / "sampler_bugs.md").read_text()
    assert "## bfloat16" in text
    none, temperature = (
        next(line.split() for line in text.splitlines() if line.startswith(name))
        for name in ("none ", "temperature ")
    )
    assert none[1].startswith("0/") and temperature[1] == "2/2"
