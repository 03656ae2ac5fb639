"""Laws of `algos.ppo.learning_signal`: a run that could learn nothing says so, and why."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from algos.ppo.learning_signal import GROUP, SHARE, SPREAD, nothing_learned, signal_row  # noqa: E402
from algos.ppo.targets import Targets  # noqa: E402
from algos.ppo.training import train  # noqa: E402
from algos.runs.metrics import read_metrics  # noqa: E402
from policies.base import TokenBatch  # noqa: E402
from tests.helpers.toy import ITEMS, TOY_PPO, ToyEnv, ToyPolicy, cloned_policy  # noqa: E402

torch.set_num_threads(1)
CONFIG = replace(
    TOY_PPO, updates=2, questions_per_update=4, episodes_per_question=4, advantage="group"
)


class Paying(ToyEnv):
    """Pays the same for everything, or by the question alone."""

    by_question = False

    def step(self, action: Any) -> Any:
        observation, _, over, cut, info = super().step(action)
        earned = float(self.item[1:]) if self.by_question else 0.5
        return observation, earned * over, over, cut, info


class PayingByQuestion(Paying):
    by_question = True


@pytest.mark.parametrize(
    ("env", "why"),
    [
        (Paying, "all episodes of an update earned the same, 0.5"),
        (PayingByQuestion, "all episodes of a question earned the same in every update"),
    ],
)
def test_equal_rewards_are_nothing_to_learn_from(tmp_path, caplog, env, why) -> None:
    with caplog.at_level(logging.WARNING):
        train(CONFIG, ToyPolicy(0), [env() for _ in range(4)], ITEMS, tmp_path, progress=False)
    (record,) = [r for r in caplog.records if "nothing could be learned" in r.message]
    assert why in record.message and "all advantages of 2 updates were 0" in record.message
    rows = read_metrics(tmp_path / "metrics.jsonl")[1:]
    assert [(row[SHARE], row[GROUP]) for row in rows] == [(0.0, 4)] * 2
    assert [row[SPREAD] > 0 for row in rows] == [env is PayingByQuestion] * 2


def test_a_run_that_learns_says_nothing(tmp_path, caplog) -> None:
    train(CONFIG, cloned_policy(0), [ToyEnv() for _ in range(4)], ITEMS, tmp_path, progress=False)
    assert "nothing could be learned" not in caplog.text
    assert any(row.get(SHARE, 0) > 0 for row in read_metrics(tmp_path / "metrics.jsonl"))


def test_one_episode_a_question_is_named_and_one_that_moved_is_enough() -> None:
    alone = {SHARE: 0.0, SPREAD: 1.0, GROUP: 1}
    assert "each question had one episode" in nothing_learned([{"update": 0}, alone])
    assert nothing_learned([alone, {**alone, SHARE: 0.1}]) == ""
    assert nothing_learned([]) == nothing_learned([{"update": 0}]) == ""


def test_what_there_is_to_learn_from_by_hand() -> None:
    """Two questions, of three episodes and of one; the last episode is a tie left out."""
    sampled = torch.tensor([[False, True, True]] * 4)
    rewards = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -0.5], [0.0, 0.0, 0.25], [0.0, 0.5, 0.0]])
    shape = torch.zeros(4, 3, dtype=torch.long)
    batch = TokenBatch(
        shape, torch.ones_like(sampled), sampled, shape, torch.zeros(4, 3), rewards, [()] * 4
    )
    advantages = torch.tensor([[9.0, 1.0, 1.0], [9.0, -1.0, 0.0], [0.0] * 3, [0.0, 1.0, 1.0]])
    targets = Targets(advantages, rewards, rewards)
    groups = ["a", "b", "a", "a"]
    row = signal_row(batch, targets, groups)
    assert row == {SHARE: 5 / 8, SPREAD: 1.5, GROUP: 3}, "what is not sampled does not count"
    kept = replace(targets, in_loss=torch.tensor([True, True, True, False]))
    assert signal_row(batch, kept, groups)[SHARE] == 3 / 8
    still = replace(targets, advantages=torch.zeros(4, 3))
    assert signal_row(batch, still, groups)[SHARE] == 0.0


def test_why_nothing_was_learned_in_words() -> None:
    same = {SHARE: 0.0, SPREAD: 0.0, GROUP: 4, "rollout/return": 0.25}
    asked = "all advantages of 1 update were 0, because all episodes of an update earned the same"
    assert f"{asked}, 0.25; take a reward" in nothing_learned([same])
    unsaid = {name: value for name, value in same.items() if name != "rollout/return"}
    assert f"{asked}; take a reward" in nothing_learned([unsaid])
    assert ", 0; take" in nothing_learned([same, {**same, "rollout/return": 0.0}]), "the last one's"
    other = {**same, SPREAD: 0.5}
    assert "all episodes of a question earned the same" in nothing_learned([same, other])
    assert "all advantages of 2 updates" in nothing_learned([same, other])
    alone = {**other, GROUP: 1}
    assert "each question had one episode" not in nothing_learned([alone, other])
    assert "each question had one episode" in nothing_learned([alone, alone])
    assert nothing_learned([{**same, SHARE: 1e-9}]) == ""
