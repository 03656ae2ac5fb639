"""Laws of `benchmarks.ppo.step_cost`, `step_contestants`, `step_episodes` and `step_memory`.

The contestants of the update benchmark compute one and the same gradient.
"""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
from benchmarks.ppo import (  # noqa: E402
    step_cost,  # noqa: E402
    step_memory,
    step_trl,
)
from benchmarks.ppo.step_contestants import OURS, ROWS, TRL, TRL_GIVEN, apart  # noqa: E402
from benchmarks.ppo.step_cost import BARS, CONFIG, MOST_APART, Contestants, Settings, main  # noqa: E402
from benchmarks.ppo.step_episodes import TURNS  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def contestants(tmp_path_factory) -> Contestants:
    return Contestants(CONFIG, 1, tmp_path_factory.mktemp("videos"))


def test_every_turn_of_every_episode_has_frames(contestants) -> None:
    batch = contestants.batch
    pad = contestants.policy.model.tokens.frame_pad
    for row in range(len(batch)):
        for turn in range(TURNS):
            here = batch.turn[row] == turn
            assert (batch.ids[row][here] == pad).any() and batch.sampled[row][here].any()
        assert batch.turn[row].max() == TURNS - 1


def test_rows_hold_every_trained_token_once_after_the_same_tokens(contestants) -> None:
    batch = contestants.batch
    rows, targets = contestants._cut([1, 0])
    assert len(rows) == 2 * TURNS and int(rows.sampled.sum()) == int(batch.sampled[:2].sum())
    for number in range(len(rows)):
        episode, turn = (1, 0)[number // TURNS], number % TURNS
        length = int(rows.attention[number].sum())
        assert torch.equal(rows.ids[number, :length], batch.ids[episode, :length])
        assert torch.equal(
            rows.sampled[number], batch.sampled[episode] & (batch.turn[episode] == turn)
        )
        assert bool(rows.sampled[number, length - 1]), "a row ends with what it learns"
        assert rows.frames[number] == batch.frames[episode][: len(rows.frames[number])]
        advantages = targets.advantages[number][rows.sampled[number]]
        assert torch.allclose(advantages, contestants.scores[episode])


def test_gradients_are_the_same(contestants) -> None:
    gradients = contestants.gradients()
    ours = gradients.pop(OURS)
    assert (TRL in gradients) == (step_trl.absent() is None)
    for name, gradient in gradients.items():
        assert apart(ours, gradient) <= MOST_APART[name]
    wrong = {name: tensor * 1.01 for name, tensor in ours.items()}
    assert apart(ours, wrong) == pytest.approx(0.01, rel=1e-3) and apart(ours, ours) == 0


def test_another_gradient_stops_the_benchmark(contestants, monkeypatch) -> None:
    ours = contestants._gradient(contestants.batch, contestants.targets)
    wrong = {name: -tensor for name, tensor in ours.items()}
    monkeypatch.setattr(contestants, "gradients", lambda: {OURS: ours, ROWS: wrong})
    with pytest.raises(RuntimeError, match="row per turn is 2 away"):
        step_cost._gaps(contestants)


@pytest.mark.slow
def test_the_quick_run_writes_a_report_and_names_who_is_absent(
    tmp_path: Path, contestants, monkeypatch
) -> None:
    monkeypatch.setattr(step_cost, "Contestants", lambda *_: contestants)
    monkeypatch.setattr(step_cost, "_gaps", lambda _: {ROWS: 1e-6})
    slow = {name: u for name, u in contestants.updates.items() if name not in (TRL, TRL_GIVEN)}
    monkeypatch.setattr(contestants, "updates", slow)
    main(Settings(quick=True, out=tmp_path))
    text = (tmp_path / "ppo_step.md").read_text(encoding="utf-8")
    assert ("absent: TRL" in text) == (step_trl.absent() is not None)
    for name in contestants.updates:
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name}  ")]
        assert ("met" in line.lower()) == (name in BARS)


def test_memory_counts_the_base_once_and_what_is_trained_four_times() -> None:
    head, adapter = (step_memory.memory(case) for case in step_memory.CASES[:2])
    assert 4.4e9 < head["one model"] / 2 < 4.5e9
    assert adapter["critic"] > head["critic"]
    for sizes in (head, adapter):
        trained = sizes["actor"] + sizes["critic"]
        assert sum(sizes.values()) == sizes["one model"] + 4 * trained
    # rank 16 on seven linear layers of each of 36 blocks
    widths = 2560 + 4096 + 2 * (2560 + 1024) + 4096 + 2560 + 3 * (2560 + 9728)
    assert head["actor"] == 4 * 16 * 36 * widths
