"""Laws of `algos.sft.cloning`: who was cloned is imitated, whatever the caches have dropped."""

from __future__ import annotations

import json

import pytest
import torch

from algos.rollout.playing import EpisodeSpec, collect
from algos.runs.metrics import of_the_run, read_metrics
from algos.sft import EpisodeChoice, FineTuningError, SFTConfig, clone, demonstrate
from algos.sft.cloning import play_held_out, prepare
from algos.sft.environments import open_envs
from algos.sft.fitting import fine_tune
from policies.sage_mm import LoraSettings, SageMM
from policies.sage_mm.model.sage_model import SHIPPED
from policies.sage_mm.vision.feature_cache import CacheSizes
from sage_env import Answer
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.wiring.cloning_task import ENV, Hasty, demonstrations, write_items


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("clone")
    items = write_items(folder)
    model = write_tiny_model(folder / "model", layers=2)
    (model / "sage_mm.json").write_text('{"prompt": "brief", "env": {"frame_size": [64, 64]}}')
    return model, items, demonstrations(folder, items)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
def test_the_student_plays_as_it_was_shown(task, tmp_path) -> None:
    from peft import PeftModel

    from policies.sage_mm.model.pretrained import open_checkpoint

    _, items, _ = task
    shown = demonstrate(Hasty(), items, tmp_path / "shown.jsonl")
    student = SageMM.load(lora=LoraSettings(r=8, alpha=16))

    def actions(policy):
        policy.temperature, policy.max_new_tokens = 0.0, 40
        with open_envs(items, ENV, 6) as envs:
            played = collect(envs, policy, [EpisodeSpec(item.id, 0) for item in items])
        return [[turn.decision.action for turn in t.turns] for t in played]

    asked = [Answer("red")]
    assert asked not in actions(student)
    config = SFTConfig(steps=12, batch=6, lr=1e-2, eval_every=6)
    done = clone(student, shown, items, tmp_path, config, validation=0.25)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert rows[-1]["losses/sft"] < 0.1 * rows[1]["losses/sft"]
    imitated = actions(student)
    assert imitated == [asked] * len(items)
    loaded = SageMM.load(adapter=done.adapter)
    assert actions(loaded) == imitated and loaded.model.reference == "reference"
    base = open_checkpoint(None, dtype=torch.float32, device="cpu", four_bit=False).base
    PeftModel.from_pretrained(base, str(done.adapter))
    split = json.loads((tmp_path / "split.json").read_text())
    assert len(split["training"]) + len(split["validation"]) == 6 and split["validation"]
    lessons = prepare(student, shown, items, validation=0.25)
    found = play_held_out(student, lessons, items, tmp_path, env_options=ENV)
    wrong = "q1" in split["validation"]
    assert found.questions == len(split["validation"])
    assert found.accuracy == 1 - wrong / found.questions


def test_a_filter_and_equal_episodes(task, tmp_path) -> None:
    model, items, shown = task
    student = SageMM.load(model)
    choice = EpisodeChoice(right_only=True, limit=3)
    lessons = prepare(student, shown, items, validation=0.0, choice=choice)
    assert [e.item_id for e, _ in lessons.training] == ["q0", "q2", "q4"]
    assert lessons.left_out == {"without a right answer": 1, "beyond the limit": 2}
    student.max_new_tokens = 4
    own = demonstrate(student, items[:2], tmp_path / "own.jsonl", env_options=ENV, repeats=2)
    assert len(own) == 4
    with pytest.raises(FineTuningError, match="no episode is left to train on: 4 without a right"):
        prepare(student, own, items, choice=EpisodeChoice(right_only=True))


def test_given_validation_is_of_other_videos(task) -> None:
    model, items, shown = task
    student = SageMM.load(model)
    with pytest.raises(FineTuningError, match=r"a.mp4 is in training .*'q0'.* validation .*'q4'"):
        prepare(student, shown[:4], items, validation=shown[4:5])
    lessons = prepare(student, shown[:2], items, validation=shown[2:4])
    assert lessons.question_ids() == {"training": ["q0", "q1"], "validation": ["q2", "q3"]}
    # the choice holds for both sides, its limit for the training alone
    choice = EpisodeChoice(right_only=True, limit=1)
    lessons = prepare(student, [shown[0], shown[4]], items, validation=[*shown[1:4]], choice=choice)
    assert lessons.question_ids() == {"training": ["q0"], "validation": ["q2", "q3"]}


def test_a_demonstrator_plays_with_its_own_options_over_those_that_are_given(
    task, tmp_path
) -> None:
    _, items, _ = task
    given = {**ENV, "max_turns": 2, "snap": True}
    (shown,) = demonstrate(Hasty(), items[:1], tmp_path / "a.jsonl", env_options=given)
    assert shown.trajectory.conditions.max_turns == ENV["max_turns"] == 3
    other, same, far = (
        demonstrate(Hasty(), items[:2], tmp_path / f"{n}.jsonl", seed=seed)
        for n, seed in enumerate((0, 0, 1))
    )
    seeds = [[e.trajectory.seed for e in episodes] for episodes in (other, same, far)]
    assert seeds[0] == seeds[1] and len({*seeds[0], *seeds[2]}) == 4, "each question has its own"


def test_frames_that_the_cache_dropped_are_decoded_again(task, tmp_path) -> None:
    """With room for the frames of one episode, each pass plays it again; the run is the same."""
    model, items, shown = task
    config = SFTConfig(epochs=2, batch=2, micro_batch=1, lr=1e-3, eval_every=2)
    rows = []
    for number, cache in enumerate((CacheSizes(), CacheSizes(cpu=6 * 4 * 4 * 64 * 4, pictures=0))):
        student = SageMM.load(model, cache=cache)
        lessons = prepare(student, shown, items, validation=0.25)
        encoded = student.encodes
        fine_tune(
            config,
            student,
            [e for _, e in lessons.training],
            tmp_path / str(number),
            validation=[e for _, e in lessons.validation],
            restore=lessons.restore,
        )
        assert (student.encodes > encoded) == (number == 1)
        found = read_metrics(tmp_path / str(number) / "metrics.jsonl")
        rows.append([{k: v for k, v in of_the_run(r).items() if k != "time/step"} for r in found])
    assert rows[0] == rows[1]
    with pytest.raises(FineTuningError, match="do not fit into memory together: give more --feat"):
        lessons.restore([e for _, e in lessons.training])
