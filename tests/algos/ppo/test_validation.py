"""Laws of `algos.ppo.validation`: numbers of a validation, the file of them, and the patience."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.ppo.validation import Validation
from algos.runs import checkpoint
from algos.runs.checkpoint import Best
from algos.runs.metrics import read_metrics
from tests.helpers.toy import ITEMS, TOY_PPO, cloned_policy, envs, interrupted_at

torch.set_num_threads(1)
CONFIG = replace(
    TOY_PPO,
    advantage="group",
    updates=6,
    questions_per_update=2,
    episodes_per_question=2,
    eval_every=1,
    rescore_sample=0,
)


def run(config: PPOConfig, folder: Path, validate: Any) -> Best | None:
    policy = cloned_policy(0)
    return train(config, policy, envs(4), ITEMS, folder, progress=False, validate=validate)


def saying(*scores: Any) -> Any:
    said: Iterator[Any] = iter(scores)
    return lambda policy: next(said)


def validated(folder: Path) -> list[dict[str, Any]]:
    return read_metrics(folder / "validation.jsonl")


def test_a_number_is_a_score_and_a_mapping_is_written_down(tmp_path: Path) -> None:
    more = {"accuracy": 0.5, "frames": None, "score": 0.7, "accuracy/tier/core": 1}
    best = run(replace(CONFIG, updates=2), tmp_path, saying(0.25, more, 0.6))
    assert best == Best(1, 0.7)
    assert validated(tmp_path) == [
        {"update": 0, "score": 0.25},
        {"update": 1, **more},
        {"update": 2, "score": 0.6},
    ]
    row = read_metrics(tmp_path / "metrics.jsonl")[1]
    found = {name: value for name, value in row.items() if name.startswith("eval/")}
    assert found == {f"eval/{name}": value for name, value in more.items()}


@pytest.mark.parametrize("said", [{"accuracy": 1.0}, {"score": None}, float("nan")])
def test_what_cannot_be_compared_is_no_score(tmp_path: Path, said: Any) -> None:
    with pytest.raises(ValueError, match="validate must return a number, or a mapping"):
        run(CONFIG, tmp_path, saying(said))


def test_without_validation_there_is_no_file_and_no_patience(tmp_path: Path) -> None:
    run(replace(CONFIG, updates=1), tmp_path, None)
    assert not (tmp_path / "validation.jsonl").exists()
    with pytest.raises(ValueError, match="patience needs a validation"):
        run(replace(CONFIG, patience=1), tmp_path / "other", None)


def test_rows_of_updates_that_are_played_again_are_dropped(tmp_path: Path) -> None:
    config = replace(CONFIG, updates=4, checkpoint_every=3)
    with interrupted_at("collect", call=3):
        run(config, tmp_path, saying(0.9, 0.5, 0.4))
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2]
    run(config, tmp_path, saying(0.1, 0.2, 0.3, 0.35))
    assert [(row["update"], row["score"]) for row in validated(tmp_path)] == [
        (0, 0.9), (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.35)
    ]  # fmt: skip


def test_a_run_ends_after_so_many_validations_without_a_new_best(tmp_path: Path, caplog) -> None:
    scores = (0.5, 0.4, 0.6, 0.6, 0.6)  # as good is not better
    config = replace(CONFIG, patience=2, checkpoint_every=3)
    assert run(config, tmp_path, saying(*scores)) == Best(2, 0.6)
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2, 3, 4]
    latest = checkpoint.load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.update == 4, "the last is saved"
    assert "ended after update 4 of 6: 2 validations in a row found nothing better" in caplog.text
    # ended is ended, and a longer patience goes on
    assert run(config, tmp_path, saying()) == Best(2, 0.6)
    assert run(replace(config, patience=3), tmp_path, saying(0.1)) == Best(2, 0.6)
    assert [row["update"] for row in validated(tmp_path)] == [0, 1, 2, 3, 4, 5]
    assert run(replace(config, patience=None), tmp_path, saying(0.7)) == Best(6, 0.7)


def test_a_patient_run_is_the_beginning_of_the_whole_one(tmp_path: Path) -> None:
    scores = (0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0)
    run(replace(CONFIG, patience=3), tmp_path / "ended", saying(*scores))
    run(CONFIG, tmp_path / "whole", saying(*scores))
    ended = checkpoint.load_latest(tmp_path / "ended" / "checkpoints")
    assert ended is not None and ended.update == 3
    run(replace(CONFIG, patience=None), tmp_path / "ended", saying(*scores[4:]))
    ends = [checkpoint.load(tmp_path / name / "checkpoints", 6) for name in ("ended", "whole")]
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name


def test_patience_counts_validations_and_not_updates(tmp_path: Path) -> None:
    config = replace(CONFIG, patience=2, eval_every=4, updates=30)
    validation = Validation(config, lambda _: 0.0, tmp_path, keep_through=0)
    found = [u for u in range(31) if validation.exhausted(u, Best(4, 1.0))]
    assert found == list(range(12, 31))
    assert not any(validation.exhausted(u, None) for u in range(31))
    assert [u for u in range(31) if validation.due(u)] == [*range(0, 31, 4), 30]


def test_patience_waits_for_the_actor_to_learn(tmp_path: Path) -> None:
    """While only the critic learns, no validation can be better than the one before."""
    own = {"advantage": "critic", "critic_pretrain_updates": 3, "critic_warmup": 1}
    config = replace(CONFIG, patience=2, **own)  # type: ignore[arg-type]
    validation = Validation(config, lambda _: 0.0, tmp_path, keep_through=0)
    assert [u for u in range(7) if validation.exhausted(u, Best(0, 1.0))] == [5, 6]


def test_a_run_that_ends_says_so_in_one_line(tmp_path: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        run(replace(CONFIG, patience=1, updates=3), tmp_path, saying(0.5, 0.9, 0.95, 0.99))
    assert "ended after" not in caplog.text
