"""Laws of `algos.sft.fitting` and `validation`: one loss, one gradient, and runs that go on."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from algos.runs.checkpoint import ConfigChanged, load
from algos.runs.metrics import of_the_run, read_metrics
from algos.runs.stopping import Stopped
from algos.sft import fitting
from algos.sft.examples import Example, digest
from algos.sft.fitting import add_gradient, fine_tune
from algos.sft.replaying import Replayer
from algos.sft.schedule import learning_rate
from algos.sft.settings import FineTuningError, SFTConfig
from algos.sft.step_batches import StepPlan
from algos.sft.validation import as_batch, token_scores
from policies.sage_mm import SageMM
from tests.helpers.episodes import stir
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.wiring.cloning_task import demonstrations, write_items

CONFIG = SFTConfig(steps=6, batch=2, lr=5e-3, warmup=0.0, eval_every=2, checkpoint_every=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("fit")
    model = write_tiny_model(folder / "model", layers=2)
    (model / "sage_mm.json").write_text('{"prompt": "brief", "env": {"frame_size": [64, 64]}}')
    student, items = SageMM.load(model), write_items(folder)
    shown = demonstrations(folder, items)
    examples = [example for _, example in Replayer(student, items).examples(shown)]
    return student, student.state(), examples


@pytest.fixture
def student(made):
    """Return the student as it is before any training."""
    policy, fresh, _ = made
    policy.load_state(fresh)
    return policy


@pytest.fixture(scope="module")
def examples(made):
    return made[2]


def test_the_loss_is_that_of_the_tokens_one_by_one(student, examples) -> None:
    """Without packing, without batches: one pass over one conversation, shifted by hand."""
    stir(student)
    total, right = 0.0, 0
    for example in examples:
        ids = torch.from_numpy(example.ids)[None]
        model = student.model
        positions = model.positions(ids, [ids.shape[1]], [example.frames])
        hidden = model.hidden(ids, positions, example.frames)[0].detach()
        logprobs = model.log_probs(hidden, 1.0)
        for t in example.loss_mask.nonzero()[0].tolist():
            total -= float(logprobs[t - 1, ids[0, t]])
            right += int(logprobs[t - 1].argmax()) == int(ids[0, t])
    count = sum(int(example.loss_mask.sum()) for example in examples)
    scores = token_scores(student, examples, SFTConfig(micro_batch=4))
    assert scores.tokens == count
    assert scores.loss == pytest.approx(total / count, abs=1e-5)
    assert scores.accuracy == right / count
    batch = as_batch(examples)
    exact = student.evaluate(batch).logprobs
    assert float(-exact.detach().sum() / count) == pytest.approx(scores.loss, abs=1e-6)
    assert torch.equal(exact != 0, batch.sampled)


def test_a_row_says_which_turn_a_token_is_of_and_a_digest_says_all_of_an_example() -> None:
    """A turn is what is read, and then the reply; what is behind a shorter row is of none."""
    ids, mask = np.arange(6), np.array([0, 0, 1, 1, 0, 1], bool)
    whole, short = Example(ids, mask, (b"k",)), Example(ids[:3], mask[:3], ())
    batch = as_batch([whole, short])
    assert batch.turn.tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, -1, -1, -1]]
    assert batch.attention.sum(1).tolist() == [6, 3] and batch.sampled.sum(1).tolist() == [3, 1]
    learned = whole.without_turns(batch.turn[0].numpy(), [1])
    assert learned.loss_mask.tolist() == [False, False, True, True, False, False]
    others = [learned, Example(ids, mask, (b"l",)), Example(ids + 1, mask, (b"k",)), short]
    assert len({digest([one]) for one in (whole, *others)}) == 5
    assert digest([whole, short]) != digest([short, whole]) != digest([short])


def gradient(student, examples, **cut) -> tuple[float, list[torch.Tensor]]:
    parameters = student.actor_parameters()
    for parameter in parameters:
        parameter.grad = None
    loss = add_gradient(SFTConfig(**cut), student, examples, parameters)
    return loss, [p.grad.clone() for p in parameters]


@pytest.mark.parametrize(
    "cut", [{"micro_batch": 1}, {"micro_batch": 4, "workers": 2}, {"micro_tokens": 300}]
)
def test_the_gradient_does_not_depend_on_how_the_step_is_cut(student, examples, cut) -> None:
    stir(student)
    whole, pieces = gradient(student, examples, micro_batch=9), gradient(student, examples, **cut)
    assert pieces[0] == pytest.approx(whole[0], abs=1e-5)
    for a, b in zip(whole[1], pieces[1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_what_is_only_read_has_no_gradient(student, examples) -> None:
    """Other tokens behind the last learned one move nothing."""
    stir(student)
    example = examples[0]
    last = int(example.loss_mask.nonzero()[0][-1])
    longer = Example(
        torch.cat([torch.from_numpy(example.ids[: last + 1]), torch.tensor([20, 21, 22])]).numpy(),
        torch.cat(
            [torch.from_numpy(example.loss_mask[: last + 1]), torch.zeros(3, dtype=torch.bool)]
        ).numpy(),
        example.frames,
    )
    ours, theirs = gradient(student, [example]), gradient(student, [longer])
    assert ours[0] == pytest.approx(theirs[0], abs=1e-5)
    for a, b in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_the_loss_falls_and_the_best_is_kept(student, examples, tmp_path) -> None:
    config = SFTConfig(steps=20, batch=4, lr=2e-2, eval_every=4)
    done = fine_tune(config, student, examples[:4], tmp_path, validation=examples[4:])
    rows = read_metrics(tmp_path / "metrics.jsonl")
    losses = {row["update"]: row["eval/loss"] for row in rows if "eval/loss" in row}
    assert list(losses) == [0, 4, 8, 12, 16, 20]
    assert losses[done.step] == min(losses.values()) < 0.5 * losses[0]
    assert rows[-1]["losses/sft"] < 0.5 * rows[1]["losses/sft"]
    assert token_scores(student, examples[4:], config).loss == losses[done.step]
    assert done.loss == losses[done.step] and done.token_accuracy is not None
    assert done.adapter.is_dir() and done.last == done.steps == 20
    other = load(tmp_path / "checkpoints", done.step).policy
    assert all(torch.equal(tensor, other[name]) for name, tensor in student.state().items())


def rows_of(folder: Path) -> list[dict[str, float]]:
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in of_the_run(row).items() if k != "time/step"} for row in rows]


def test_a_run_that_was_stopped_is_the_uninterrupted_one(
    student, examples, tmp_path, monkeypatch
) -> None:
    fresh = student.state()
    fine_tune(CONFIG, student, examples[:4], tmp_path / "whole", validation=examples[4:])
    whole = student.state()
    student.load_state(fresh)
    real, taken = fitting.add_gradient, []

    def signalled(*given, **named):
        taken.append(1)
        if len(taken) in (2, 5):
            signal.raise_signal(signal.SIGTERM if len(taken) == 2 else signal.SIGINT)
        return real(*given, **named)

    monkeypatch.setattr(fitting, "add_gradient", signalled)
    for at in (2, 5):
        with pytest.raises(Stopped, match=f"stopped after step {at} of 6, which is saved"):
            fine_tune(CONFIG, student, examples[:4], tmp_path / "cut", validation=examples[4:])
        stir(student, seed=at)  # whatever the weights are meanwhile
    fine_tune(CONFIG, student, examples[:4], tmp_path / "cut", validation=examples[4:])
    assert len(taken) == 6 and rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in student.state().items())
    weights = [
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        for name in ("whole", "cut")
    ]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_patience_ends_it_also_when_it_is_called_again(student, examples, tmp_path) -> None:
    config = SFTConfig(steps=30, batch=2, lr=2.0, warmup=0.0, eval_every=1, patience=2)
    for _ in range(2):
        done = fine_tune(config, student, examples[:4], tmp_path, validation=examples[4:])
        assert done.last == done.step + 2 < 30
        assert read_metrics(tmp_path / "metrics.jsonl")[-1]["update"] == done.last


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr": 1e-3}, "lr: was 0.005, is 0.001"),
        ({"steps": 9}, "steps: was 6, is 9"),
    ],
)
def test_other_settings_are_refused(student, examples, tmp_path, change, said) -> None:
    settings = {"steps": 6, "batch": 2, "lr": 5e-3}
    fine_tune(SFTConfig(**settings), student, examples[:2], tmp_path)
    with pytest.raises(ConfigChanged, match=f"{said}.*sage-vqa sft --out FOLDER"):
        fine_tune(SFTConfig(**settings | change), student, examples[:2], tmp_path)
    with pytest.raises(ConfigChanged, match="training: was"):
        fine_tune(SFTConfig(**settings), student, examples[1:3], tmp_path)
    fine_tune(SFTConfig(**settings, micro_batch=1, workers=2), student, examples[:2], tmp_path)


def test_another_base_or_other_validation_is_another_run(student, examples, tmp_path) -> None:
    config = SFTConfig(steps=2, batch=2)
    fine_tune(config, student, examples[:2], tmp_path, validation=examples[2:4])
    with pytest.raises(ConfigChanged, match="validation: was"):
        fine_tune(config, student, examples[:2], tmp_path, validation=examples[2:5])
    weight = student.model.base.lm_head.weight
    with torch.no_grad():
        weight[0, 0] += 1
    try:
        with pytest.raises(ConfigChanged, match="base: was"):
            fine_tune(config, student, examples[:2], tmp_path, validation=examples[2:4])
    finally:
        with torch.no_grad():
            weight[0, 0] -= 1


def test_a_step_is_adamw_down_the_clipped_gradient(student, examples, tmp_path) -> None:
    """The first step of Adam is g / (|g| + eps): with the norm clipped, eps is felt."""
    stir(student)
    config = SFTConfig(steps=1, batch=6, lr=0.01, warmup=0.0, schedule="constant")
    config = replace(config, weight_decay=0.5, max_grad_norm=1e-6)
    loss, gradients = gradient(student, examples)
    norm = float(torch.stack([g.norm() for g in gradients]).norm())
    before = [p.detach().clone() for p in student.actor_parameters()]
    fine_tune(config, student, examples, tmp_path)
    for old, g, new in zip(before, gradients, student.actor_parameters(), strict=True):
        small = g * 1e-6 / norm
        wanted = old * (1 - 0.01 * 0.5) - 0.01 * small / (small.abs() + 1e-8)
        torch.testing.assert_close(new.detach(), wanted, atol=1e-5, rtol=0)
    row = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert row["losses/sft"] == pytest.approx(loss, abs=1e-5)
    assert row["losses/grad_norm"] == pytest.approx(norm, rel=1e-4)
    assert row["sft/tokens"] == sum(len(example.ids) for example in examples)
    assert row["sft/learned_tokens"] == sum(int(e.loss_mask.sum()) for e in examples)


def test_steps_have_their_batches_and_rates_and_a_crash_costs_few_of_them(
    student, examples, tmp_path, monkeypatch
) -> None:
    config = SFTConfig(steps=6, batch=2, lr=1e-3, warmup=0.5, checkpoint_every=2)
    real, taken = fitting.add_gradient, []

    def watched(settings, policy, chosen, *rest):
        taken.append([next(k for k, e in enumerate(examples) if e is one) for one in chosen])
        if len(taken) == 4:
            raise RuntimeError("planted")
        return real(settings, policy, chosen, *rest)

    monkeypatch.setattr(fitting, "add_gradient", watched)
    with pytest.raises(RuntimeError, match="planted"):
        fine_tune(config, student, examples, tmp_path)
    fine_tune(config, student, examples, tmp_path)
    plan = list(map(list, StepPlan.of(config, [len(e.ids) for e in examples]).batches))
    assert taken == [*plan[:4], *plan[2:]], "what was after step 2 is learned again"
    rates = [row["charts/learning_rate"] for row in read_metrics(tmp_path / "metrics.jsonl")[1:]]
    assert rates == [learning_rate(config, step, 6) for step in range(1, 7)]


def test_without_validation_the_last_step_is_kept(student, examples, tmp_path) -> None:
    done = fine_tune(SFTConfig(epochs=2, batch=3), student, examples, tmp_path)
    assert (done.step, done.last, done.steps) == (4, 4, 4)
    assert all("eval/loss" not in row for row in read_metrics(tmp_path / "metrics.jsonl"))


def test_what_cannot_be_trained_is_refused(student, examples, tmp_path) -> None:
    with pytest.raises(FineTuningError, match="no episode is left to train on"):
        fine_tune(CONFIG, student, [], tmp_path)
    with pytest.raises(FineTuningError, match="patience and eval_every need episodes"):
        fine_tune(CONFIG, student, examples, tmp_path)
    silent = examples[0].without_turns(as_batch(examples[:1]).turn[0].numpy(), range(9))
    with pytest.raises(FineTuningError, match="no token to learn"):
        fine_tune(CONFIG, student, [*examples, silent], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_gradient_that_is_not_finite_moves_no_weight(student, examples, tmp_path) -> None:
    with torch.no_grad():
        student.actor_parameters()[0].fill_(float("nan"))
    before = student.state()
    with pytest.raises(FineTuningError, match="the gradient of step 1 is not finite"):
        fine_tune(SFTConfig(steps=1), student, examples, tmp_path)
    after = student.state()
    assert all(torch.equal(t.nan_to_num(), after[n].nan_to_num()) for n, t in before.items())
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["update"] == 0
