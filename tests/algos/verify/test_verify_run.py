"""Laws of `algos.verify`, `algos.exactness`, on a real run of a tiny random model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from safetensors.torch import load_file, save_file  # noqa: E402

from algos.exactness.check_result import CheckResult  # noqa: E402
from algos.exactness.rescoring import ExactnessError  # noqa: E402
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.training import train  # noqa: E402
from algos.runs import checkpoint  # noqa: E402
from algos.runs.metrics import read_metrics  # noqa: E402
from algos.runs.run_folder import RunFolder, RunFolderError  # noqa: E402
from algos.verify.verify_run import load_stored_episodes, verify  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes, FeatureCache  # noqa: E402
from sage_env import QAItem  # noqa: E402
from sage_env.env import VideoQAEnv  # noqa: E402
from sage_env.storage.digests import write_digests  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from tests.helpers.episodes import stir  # noqa: E402
from tests.helpers.tiny_model import write_tiny_model  # noqa: E402

torch.set_num_threads(1)
ITEMS = [QAItem(f"q{s}", Path(f"{s}.memory"), "what?", ("yes", "no"), "no", "mcq") for s in (7, 90)]
CONFIG = PPOConfig(
    updates=2,
    questions_per_update=2,
    episodes_per_question=2,
    minibatches=1,
    advantage="group",
    actor_lr=1e-2,
    rescore_sample=3,
)


def make_env() -> VideoQAEnv:
    options = {"max_turns": 3, "overview_frames": 3, "frames_per_turn": 3, "frame_size": (64, 64)}
    return VideoQAEnv(dataset=ITEMS, opener=open_memory, **options)


def make_policy(folder: Path) -> SageMM:
    policy = SageMM.load(folder, max_new_tokens=12, lora=LoraSettings(r=4))
    stir(policy)
    return policy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def policy(model: Path) -> SageMM:
    return make_policy(model)


@pytest.fixture(scope="module")
def finished(policy: SageMM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(CONFIG, policy, [make_env()], [item.id for item in ITEMS], folder, progress=False)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def findings(run: Path, policy: SageMM) -> dict[str, CheckResult]:
    """Verify with a fresh memory of frames, as another process would."""
    policy.model.encoder._store = FeatureCache(CacheSizes(), torch.device("cpu"))
    return {f"{what}: {f.name}": f for what, f in verify(RunFolder(run), policy, make_env())}


def failed(run: Path, policy: SageMM) -> dict[str, str]:
    return {name: f.problem for name, f in findings(run, policy).items() if f.problem}


def tamper(run: Path, change: Callable[[dict], None]) -> None:
    """Change the second turn of the first stored episode of the last update that has two."""
    path = run / "proof" / "update-000002.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(next(row for row in rows[1:] if len(row["turns"]) > 1))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_every_update_proves_itself(finished: Path) -> None:
    for row in read_metrics(finished / "metrics.jsonl")[1:]:
        assert 0 <= row["proof/mean_dlogp"] <= row["proof/max_dlogp"] < 1e-3
        assert row["proof/ratio_min"] <= row["proof/ratio_q01"] <= 1.001
        assert 0.999 <= row["proof/ratio_q99"] <= row["proof/ratio_max"]
        assert row["proof/ratio_outside"] == 0
        assert row["proof/prefix_turns"] >= 3
        assert row["proof/frames"] >= 9 and row["proof/image_tokens"] == 4 * row["proof/frames"]
        assert 0 <= row["proof/max_time_error"] <= 0.0502
        assert 0 <= row["proof/encodes_per_frame"] <= 1


def test_a_sound_run_is_verified_from_its_files(finished: Path, policy: SageMM) -> None:
    found = findings(finished, policy)
    assert {f.verdict for f in found.values()} == {"ok"}, found
    assert len(found) == 1 + 7
    assert "of 3 episodes" in found["update-000002: played again"].measured


def test_samples_live_as_long_as_their_checkpoints(finished: Path) -> None:
    names = sorted(path.name for path in (finished / "proof").iterdir())
    assert names == ["update-000002.jsonl"]
    sample = load_stored_episodes(finished / "proof" / names[-1])
    assert len(sample.trajectories) == CONFIG.rescore_sample
    assert checkpoint.exists(finished / "checkpoints", sample.checkpoint)


def test_a_changed_token_of_a_reply_is_found(run: Path, policy: SageMM) -> None:
    def change(row: dict) -> None:
        completion = row["turns"][0]["tokens"]["completion"]
        completion[0] = completion[0] + 1

    tamper(run, change)
    problems = failed(run, policy)
    assert "turn 0, sampled token 0" in problems["update-000002: log-probs scored again"]
    assert "turn 1: the" in problems["update-000002: prefix identity"]


def test_a_changed_token_of_a_prompt_is_found_and_shown(run: Path, policy: SageMM) -> None:
    def change(row: dict) -> None:
        row["turns"][1]["tokens"]["prompt"][3] += 1

    tamper(run, change)
    problems = failed(run, policy)
    assert "turn 1" in problems["update-000002: prefix identity"]
    assert "the prompt differs from token 3 on" in problems["update-000002: played again"]


def test_a_changed_time_is_found(run: Path, policy: SageMM) -> None:
    def change(row: dict) -> None:
        row["start_info"]["frame_seconds"][1] += 0.2

    tamper(run, change)
    problems = failed(run, policy)
    assert set(problems) == {"update-000002: times of frames", "update-000002: played again"}
    assert "frame 1 is shown at" in problems["update-000002: times of frames"]
    assert "seconds>" in problems["update-000002: times of frames"]


def test_a_time_written_wrongly_into_the_prompt_is_found(run, policy, model) -> None:
    chat = policy.model.tokens

    def change(row: dict) -> None:
        tokens = row["turns"][0]["tokens"]
        segments = [f"<{t + 1:.1f} seconds>" for t in row["start_info"]["frame_seconds"]]
        pieces = [part for k, text in enumerate(segments) for part in (text, k)]
        tokens["prompt"] = chat.prompt(pieces, 4, first=True).tolist()
        del row["turns"][0]["tokens"]["context"]

    tamper(run, change)
    assert "the text before it says" in failed(run, policy)["update-000002: times of frames"]


def test_a_missing_visual_token_is_found(run: Path, policy: SageMM) -> None:
    def change(row: dict) -> None:
        prompt = row["turns"][0]["tokens"]["prompt"]
        prompt.remove(policy.model.tokens.frame_pad)
        prompt.insert(0, prompt[0])

    tamper(run, change)
    problem = findings(run, policy)["update-000002: image tokens"].problem
    assert "frames of [3, 4, 4] visual tokens" in problem


@pytest.mark.parametrize("cover_up", [False, True])
def test_a_changed_weight_is_found(run: Path, policy: SageMM, cover_up: bool) -> None:
    path = run / "checkpoints" / "update-000001" / "tensors.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.startswith("policy/actor.") and "lora_B" in name)
    tensors[name][0, 0] += 0.5
    save_file(tensors, path)
    if cover_up:
        write_digests(path.parent, ("tensors.safetensors", "state.json"))
    problems = failed(run, policy)
    if cover_up:
        said = problems["update-000002: weights of checkpoint 1"]
        assert "its weights were changed since" in said
        assert "update-000002: log-probs scored again" in problems
    else:
        assert "tensors.safetensors" in problems["update-000002: checkpoint 1"]
        assert "is damaged" in problems["update-000002: checkpoint 1"]


def test_a_changed_log_is_found(run: Path, policy: SageMM) -> None:
    rows = read_metrics(run / "metrics.jsonl")
    rows[1]["proof/max_dlogp"] = 0.5
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "update 1 logged max |dlogp| 0.5" in failed(run, policy)["all updates: log"]


@pytest.mark.parametrize("tolerance", [0.5, 1e-9])
def test_a_tolerance_that_an_older_version_stored_still_holds(
    run: Path, policy: SageMM, tolerance: float
) -> None:
    path = run / "proof" / "update-000002.jsonl"
    header, *rows = path.read_text().splitlines()
    assert json.loads(header)["tolerance"] is None, "the bounds of the dtype"
    path.write_text("\n".join([json.dumps({**json.loads(header), "tolerance": tolerance}), *rows]))
    problems = failed(run, policy)
    if tolerance == 0.5:
        assert problems == {}
    else:
        assert "off by more than 1e-09" in problems["update-000002: log-probs scored again"]
        assert "more than 1e-09" in problems["all updates: log"]


def test_a_run_that_went_on_with_another_tolerance_is_held_to_the_wider_one(
    run: Path, policy: SageMM
) -> None:
    """An update is within the tolerance of its time, and the log does not say which that was."""
    path = run / "proof" / "update-000002.jsonl"
    header, *rows = path.read_text().splitlines()
    wide = json.dumps({**json.loads(header), "tolerance": 0.5})
    (run / "proof" / "update-000003.jsonl").write_text("\n".join([wide, *rows]))
    log = read_metrics(run / "metrics.jsonl")
    log[1]["proof/max_dlogp"] = 0.4
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    assert "all updates: log" not in failed(run, policy)
    log[1]["proof/max_dlogp"] = 0.6
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    assert "update 1 logged max |dlogp| 0.6" in failed(run, policy)["all updates: log"]


def test_a_run_without_episodes_is_refused(tmp_path: Path, policy: SageMM) -> None:
    with pytest.raises(RunFolderError, match="holds no episodes to check"):
        list(verify(RunFolder(tmp_path), policy, None))


class Drifting(SageMM):
    """Acts with other weights than it learns, as an engine that missed the last update."""

    def fingerprint(self) -> str:
        return "0123456789abcdef"


class Forgetful(SageMM):
    """Drops a token between sampling and the record."""

    def act_batch(self, observations, episodes):
        decisions = []
        for decision in super().act_batch(observations, episodes):
            prompt = decision.tokens.prompt.copy()
            prompt[2] += 1
            decisions.append(replace(decision, tokens=replace(decision.tokens, prompt=prompt)))
        return decisions


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Drifting, "the sampler was not given"), (Forgetful, "are not those that the sampler held")],
)
def test_a_run_that_is_not_exact_stops(kind, said: str, policy: SageMM, tmp_path: Path) -> None:
    broken = kind(policy.model, max_new_tokens=12)
    before = broken.state()
    with pytest.raises(ExactnessError, match=said):
        train(CONFIG, broken, [make_env()], [item.id for item in ITEMS], tmp_path, progress=False)
    assert all(torch.equal(before[name], tensor) for name, tensor in broken.state().items())


def test_weights_in_use_are_the_actors_and_nothing_else(policy: SageMM) -> None:
    def held() -> list[int]:
        return [tensor.data_ptr() for tensor in policy.model.weights_in_use()]

    assert held() == [p.data_ptr() for p in policy.actor_parameters()]
    with policy.model.using(None):
        assert held() == []


def test_frames_are_read_back_from_a_prompt(policy: SageMM) -> None:
    chat = policy.model.tokens
    ids = chat.prompt(["<0.5 seconds>", 0, "<7199.9 seconds>", 1, "no time", 2], 4, first=True)
    read = policy.read_frames(ids)
    assert [(frame.seconds, frame.tokens) for frame in read] == [(0.5, 4), (7199.9, 4), (None, 4)]
    assert policy.read_frames(np.zeros(0, np.int64)) == []
