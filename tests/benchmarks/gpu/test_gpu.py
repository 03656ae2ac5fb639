"""Laws of `benchmarks.gpu`: what a step says, and that one which fails ends no other."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from benchmarks.gpu import full_size, steps  # noqa: E402
from benchmarks.gpu.episodes import play, questions  # noqa: E402
from benchmarks.gpu.equality import compare  # noqa: E402
from benchmarks.published_shapes import published_config, random_model  # noqa: E402
from policies.baselines.random_policy import RandomPolicy  # noqa: E402
from policies.sage_mm.model.operations import forward, peak, trained, weights  # noqa: E402
from policies.sage_mm.model.pretrained import SHIPPED, open_checkpoint  # noqa: E402

needs_model = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")


class Said:
    """An episode with the tokens that were sampled in it, all but the first."""

    def __init__(self, ids: list[int], logprobs: list[float]) -> None:
        self.token_ids = np.array(ids)
        self.sampled = np.array([False] + [True] * (len(ids) - 1))
        self.logprobs = np.array([0.0, *logprobs], np.float32)


def test_episodes_are_compared_up_to_the_token_where_they_part() -> None:
    ours: Any = [Said([1, 2, 3], [-1.0, -2.0]), Said([1, 5, 6, 7], [-1.0, -1.0, -1.0])]
    theirs: Any = [Said([1, 2, 3], [-1.5, -2.0]), Said([1, 5, 9], [-0.75, -7.0])]
    same, gaps = compare(ours, theirs)
    assert same == 1 and gaps.tolist() == [0.5, 0.0, 0.25]
    longer: Any = [Said([1, 2, 3, 4], [-1.0, -2.0, -3.0]), ours[1]]
    assert compare(ours, longer)[0] == 1, "a longer episode is another one"


@pytest.mark.parametrize("size", ["2B", "8B", "30B-A3B"])
def test_operations_are_those_of_the_matrices_that_a_token_goes_through(size) -> None:
    config = published_config(size)
    text = config.get_text_config()
    model = random_model(size, device="meta")
    language = model.model.language_model
    used = 0
    for name, parameter in language.layers.named_parameters():
        if parameter.ndim == 2 or "experts" in name:
            share = text.num_experts_per_tok / text.num_experts if parameter.ndim == 3 else 1
            used += parameter.numel() * share
    assert weights(text) == used + model.lm_head.weight.numel()


def test_a_pass_back_takes_as_much_again_and_attention_grows_with_the_length() -> None:
    text = published_config("4B").get_text_config()
    assert forward(text, 10, 0) == 20 * weights(text)
    looks = 36 * 4 * 1000 * 128 * 32 / 2  # layers, L, d, h, half of them masked
    assert forward(text, 1, 1000) - forward(text, 1, 0) == looks
    assert trained(text, 7, 100) == 2 * forward(text, 7, 100)
    assert peak("NVIDIA H200") == 989e12 and peak("NVIDIA H100 PCIe") == 756e12
    assert peak("an abacus") is None


def test_episodes_that_fail_are_an_error_and_no_measure() -> None:
    played = play(RandomPolicy(), questions(2), 3, frame_size=(8, 8), max_turns=2)
    assert [t.item_id for t in played] == ["q0"] * 3 + ["q1"] * 3
    assert {t.ret for t in played} == {0.0, 1.0}, "chance pays some"

    class Broken(RandomPolicy):
        def act(self, observation):
            raise ValueError("planted")

    with pytest.raises((RuntimeError, ValueError), match="planted"):
        play(Broken(), questions(1), 1, frame_size=(8, 8))


@needs_model
def test_a_full_size_step_counts_what_it_did_on_the_small_model() -> None:
    base = open_checkpoint(None).base
    found = full_size.measure("cpu", "2B", episodes=2, frames=2, side=64, model=base)
    # Two episodes of one question, and what each reply could not choose: 3 turns of 48 tokens
    # at most; random weights would take them all, the shipped ones stop by themselves.
    assert 0 < found["generated tokens"] <= 2 * 3 * full_size.REPLY
    assert found["trained tokens"] > found["generated tokens"]
    assert found["trained tokens/s"] == found["trained tokens"] / found["update, seconds"]
    nbytes = 4 * sum(weight.numel() for weight in set(base.parameters()))
    assert found["weights, GiB"] == nbytes / 2**30, "float32, and tied weights count once"
    assert found["MFU of the update"] is None and "rollout, peak GiB" not in found


def test_a_step_that_fails_or_hangs_is_told_and_the_next_one_runs(monkeypatch, tmp_path) -> None:
    def broken(step: str, device: str) -> dict[str, Any]:
        raise ValueError("planted")

    monkeypatch.setattr(steps, "_measure", broken)
    assert steps.measured("2B", "cpu")["error"].startswith("ValueError: planted (test_gpu.py:")

    real = subprocess.run

    def ended(command: list[str], **named: Any) -> subprocess.CompletedProcess[str]:
        if "--steps" not in command:  # what the report's head asks for
            return real(command, **named)
        step = command[command.index("--steps") + 1]
        if step == "2B":
            raise subprocess.TimeoutExpired(command, 1.0)
        said = "Killed" if step == "4B" else "noise\n" + steps.MARK + '{"seconds": 2.5}\n'
        return subprocess.CompletedProcess(command, 0, said)

    monkeypatch.setattr(steps.subprocess, "run", ended)
    settings = steps.Settings(device="cpu", steps=("2B", "4B", "8B"), out=tmp_path)
    with pytest.raises(SystemExit, match="failed: 2B, 4B"):
        steps.main(settings)
    page = (tmp_path / "gpu.md").read_text()
    assert "took longer" in page and "said nothing" in page and "- seconds: 2.5" in page


def test_steps_share_the_minutes_and_the_last_word_of_a_step_counts(monkeypatch, tmp_path) -> None:
    given = []

    def ended(command: list[str], **named: Any) -> subprocess.CompletedProcess[str]:
        given.append(named["timeout"])
        clock[0] += 40.0
        said = "".join(f'{steps.MARK}{{"k": {k}}}\n' for k in (1, 2))
        return subprocess.CompletedProcess(command, 0, said)

    clock = [1000.0]
    monkeypatch.setattr(steps.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(steps.subprocess, "run", ended)
    pages = []
    monkeypatch.setattr(steps, "publish", lambda text, *_: pages.append(text))
    monkeypatch.setattr(steps, "report", lambda name, results: dict(results))
    with pytest.raises(SystemExit, match="failed: 8B"):
        steps.main(steps.Settings(device="cpu", steps=("2B", "4B", "8B"), minutes=1.0))
    assert given == [60.0, 20.0], "for the third no time is left"
    assert pages[-1]["2B"] == {"k": 2} and pages[-1]["8B"] == {"error": "no time was left"}


def test_what_cannot_run_is_refused_before_it_begins(monkeypatch) -> None:
    with pytest.raises(SystemExit, match="--steps takes equality"):
        steps.main(steps.Settings(device="cpu", steps=("speed",)))
    monkeypatch.setattr(steps.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="torch sees no GPU"):
        steps.main(steps.Settings())


@pytest.mark.gpu
@needs_model
def test_every_step_runs_on_the_gpu(tmp_path) -> None:
    steps.main(steps.Settings(out=tmp_path))
    assert "error" not in (tmp_path / "gpu.md").read_text()
