"""Laws of `algos.ppo.token_sample`, `algos.ppo.validation_episodes`, `algos.runs.update_episodes`.

What a training keeps of its play.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algos.batching.token_batches import collate
from algos.evaluation.measures import evaluate
from algos.ppo.config import PPOConfig
from algos.ppo.targets import Targets
from algos.ppo.token_sample import TokenSample
from algos.ppo.training import train
from algos.ppo.validation_episodes import ValidationEpisodes
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.checkpoint import load_latest
from algos.runs.metrics import of_the_run, read_metrics
from algos.runs.update_episodes import UpdateEpisodes
from policies.base import Decision, Evaluation, TurnTokens
from sage_env import Answer, Sample
from sage_env.datasets.item import QAItem
from tests.helpers.toy import ITEMS, STOP, TOY_PPO, WORDS, ToyPolicy, envs, interrupted_at

torch.set_num_threads(1)
P, A, S, B = 9, 1, 0, 2  # a prompt token, `a`, the stop token, `b`
SPELLED = {P: "P", A: "a", S: "<s>", B: "b"}
AFTER = {A: 0.75, S: 0.125, B: 0.8}
"""Probabilities of the tokens after the update; before it: 0.5, 0.25, 0.8."""


class Scripted:
    """Scores every token by `AFTER`, wherever it stands; what nobody sampled has no sense."""

    temperature = 1.0

    def read_text(self, ids: Any) -> str:
        ids = list(ids)[:-1] if len(ids) and ids[-1] == S else ids
        return "".join(SPELLED[int(one)] for one in ids)

    def evaluate(self, batch: Any) -> Evaluation:
        found = torch.full(batch.ids.shape, 1e9)
        for token, p in AFTER.items():
            found[batch.ids == token] = float(np.log(p))
        return Evaluation(found, found)


def turn(prompt: list[int], said: list[int], before: list[float], reward: float) -> Turn:
    scores = np.log(np.array(before, np.float32))
    spread = np.arange(len(said), dtype=np.float32) + 0.5
    tokens = TurnTokens(np.array(prompt), np.array(said), scores, entropies=spread)
    action = Answer("b") if len(prompt) == 1 else Sample(0.0, 1.0, 1)
    return Turn(Decision(action, "a", tokens), reward, {"item_id": "q"})


def recorded(tmp_path: Path, config: PPOConfig, taught: set[int], **targets: Any) -> list[Any]:
    """Record the worked example of `Trajectory`, behind a longer row that nobody asks about."""
    example = [turn([P, P], [A, S], [0.5, 0.25], 0.5), turn([P], [B], [0.8], 1.0)]
    other = [turn([P, P, P], [A, A, A, S], [0.5, 0.5, 0.5, 0.25], 0.0)]
    episodes = [Trajectory("o", turns=other), Trajectory("q", turns=example)]
    batch = collate(episodes, 1.0)
    given = {  # token ids of row 1:  P  P  a  s  P  b  (padding)
        "advantages": [99.0, 99, 1, -2, 99, 0.5, 99],
        "old_values": [77.0, 77, 0.1, 0.2, 77, 0.3, 77],
    }
    rows = {name: torch.tensor([[55.0] * 7, row]) for name, row in given.items()}
    made = Targets(returns=torch.zeros(2, 7), **rows, **targets)
    sample = TokenSample(config, Scripted(), tmp_path, keep_through=0)  # type: ignore[arg-type]
    sample.record(4, episodes, ["o", "q"], batch, made, taught)
    sample.close()
    (found,) = UpdateEpisodes(tmp_path / "tokens.jsonl").of("q")
    assert found.update == 4
    return list(found.turns or [])


def test_position_t_is_token_t_by_hand(tmp_path: Path) -> None:
    """Ratios: 0.75 / 0.5, 0.125 / 0.25 and 0.8 / 0.8."""
    first, second = recorded(tmp_path, PPOConfig(record_tokens=2), {1})
    assert first.text == ("a", "") and first.stop == "<s>" and first.reward == 0.5
    assert second.text == ("b",) and second.stop is None and second.reward == 1.0
    assert first.ratio == pytest.approx((1.5, 0.5), rel=1e-5)
    assert second.ratio == pytest.approx((1.0,), rel=1e-5)
    assert (first.advantage, second.advantage) == ((1.0, -2.0), (0.5,))
    assert (first.value, second.value) == ((0.1, 0.2), (0.3,))
    assert first.logprob == pytest.approx(np.log([0.5, 0.25]), rel=1e-5)
    assert (first.entropy, second.entropy) == ((0.5, 1.5), (0.5,))
    assert (first.in_loss, second.in_loss) == ((True, True), (True,))


def test_the_ratio_is_to_what_the_loss_was_compared_with(tmp_path: Path) -> None:
    """With a correction of the sampler, the loss starts from the learner's own log-probs."""
    learner = torch.log(torch.tensor([[1.0] * 7, [1.0, 1, 0.25, 0.5, 1, 0.4, 1]]))
    first, second = recorded(tmp_path, PPOConfig(record_tokens=2), {1}, old_logprobs=learner)
    assert first.ratio == pytest.approx((3.0, 0.25), rel=1e-5)
    assert second.ratio == pytest.approx((2.0,), rel=1e-5)


def test_who_was_not_taught_is_not_in_the_loss_and_nothing_moved_has_no_ratio(tmp_path) -> None:
    config = PPOConfig(record_tokens=2, advantage="group")
    left_out = recorded(tmp_path / "one", config, {0})
    assert [r.in_loss for r in left_out] == [(False, False), (False,)]
    assert left_out[0].ratio == pytest.approx((1.5, 0.5), rel=1e-5), "others moved the weights"
    assert left_out[0].value is None, "there is no critic"
    nothing = recorded(tmp_path / "two", config, set())
    assert [(r.ratio, r.in_loss) for r in nothing] == [(None, (False, False)), (None, (False,))]


# --- in a training


class Reading(ToyPolicy):
    def read_text(self, ids: Any) -> str:
        ids = list(ids)[:-1] if len(ids) and ids[-1] == STOP else ids
        return " ".join(WORDS[int(one)] for one in ids)


SMALL = dict(updates=4, questions_per_update=3, episodes_per_question=4, eval_every=2)
CONFIG = replace(TOY_PPO, **SMALL, checkpoint_every=1, rescore_sample=2)
QUESTIONS = [QAItem(one, Path("v.mp4"), "What?", (), "a", kind="open") for one in ITEMS]


def run(config: PPOConfig, folder: Path, policy: ToyPolicy | None = None) -> ToyPolicy:
    policy = policy or Reading(0)
    kept = ValidationEpisodes(QUESTIONS, most=config.record_validation, seed=config.seed)

    def validate(policy: Any) -> float:
        policy.temperature = 0.0
        played = evaluate(envs(2), policy, QUESTIONS, progress=kept.record)
        return float(np.mean([t.ret for t in played.trajectories]))

    items = {item.id: item for item in QUESTIONS}
    train(
        config, policy, envs(2), ITEMS, folder,
        progress=False, validate=validate, kept=kept, questions=items,
    )  # fmt: skip
    return policy


def numbers(folder: Path) -> list[dict[str, Any]]:
    return [of_the_run(row) for row in read_metrics(folder / "metrics.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(CONFIG, folder)
    return folder


def test_recording_changes_no_number_and_no_weight(whole: Path, tmp_path: Path) -> None:
    run(replace(CONFIG, record_tokens=0, record_validation=0), tmp_path)
    assert not (tmp_path / "tokens.jsonl").exists()
    assert not (tmp_path / "validation_episodes.jsonl").exists()
    assert numbers(tmp_path) == numbers(whole) and len(numbers(whole)) == 5
    ends = [load_latest(path / "checkpoints") for path in (whole, tmp_path)]
    assert ends[0] is not None and ends[1] is not None
    assert all(torch.equal(x, ends[1].tensors[name]) for name, x in ends[0].tensors.items())
    run(replace(CONFIG, record_tokens=99, updates=2), tmp_path / "all")
    assert len(UpdateEpisodes(tmp_path / "all" / "tokens.jsonl")) == 2 * 12, "all of them"


def test_a_sample_of_whole_groups_of_each_update_is_kept(whole: Path) -> None:
    """Two questions of three, chosen by the seed: all of the episodes of each."""
    kept = UpdateEpisodes(whole / "tokens.jsonl")
    assert kept.updates == [1, 2, 3, 4] and len(kept) == 4 * 2 * 4
    for name in kept.ids:
        of = kept.of(name)
        assert all(e.item is not None and e.item.id == name for e in of)
        for update in {e.update for e in of}:
            assert sum(e.update == update for e in of) % 4 == 0
    episodes = [e for name in kept.ids for e in kept.of(name)]
    records = [(e, k, r) for e in episodes for k, r in enumerate(e.turns or []) if r is not None]
    for e, k, record in records:
        said = e.trajectory.turns[k]
        assert "".join(record.text) == said.decision.text.strip() and record.reward == said.reward
        assert record.value is not None and record.advantage is not None
        first = e.update == 1  # in which only the critic learns
        assert (record.ratio is None) == first and set(record.in_loss or ()) == {not first}
    ratios = [x for _, _, r in records for x in r.ratio or ()]
    assert len(set(ratios)) > 20 and 0.5 < float(np.exp(np.log(ratios).mean())) < 2


def test_validations_keep_what_they_play_of_the_same_questions(whole: Path, tmp_path) -> None:
    kept = UpdateEpisodes(whole / "validation_episodes.jsonl")
    assert kept.updates == [0, 2, 4] and sorted(kept.ids) == ITEMS and len(kept) == 3 * 8
    assert all(e.item is not None and e.turns is None for e in kept.of("q3"))
    scores = [row["score"] for row in read_metrics(whole / "validation.jsonl")]
    for update, score in zip(kept.updates, scores, strict=True):
        played = [e for name in ITEMS for e in kept.of(name) if e.update == update]
        assert np.mean([e.trajectory.ret for e in played]) == pytest.approx(score)
    run(replace(CONFIG, record_validation=3, updates=2), tmp_path)
    some = UpdateEpisodes(tmp_path / "validation_episodes.jsonl")
    assert len(some.ids) == 3 and some.updates == [0, 2] and len(some) == 6


@pytest.mark.parametrize(
    ("moment", "call"), [("_learn", 3), ("save", 4), ("warn_if_nothing_was_learned", 1)]
)
def test_an_interrupted_run_keeps_what_it_would_have(whole, tmp_path, moment, call) -> None:
    with interrupted_at(moment, call):
        run(CONFIG, tmp_path)
    run(CONFIG, tmp_path)
    assert (tmp_path / "tokens.jsonl").read_text() == (whole / "tokens.jsonl").read_text()
    lines = [
        (path / "validation_episodes.jsonl").read_text().splitlines() for path in (tmp_path, whole)
    ]
    assert sorted(lines[0]) == sorted(lines[1]), "in whichever order they ended"


def test_a_run_that_goes_on_without_recording_drops_later_rows_all_the_same(tmp_path) -> None:
    config = replace(CONFIG, checkpoint_every=9)
    with interrupted_at("_learn", 4):
        run(replace(config, eval_every=9), tmp_path)
    assert UpdateEpisodes(tmp_path / "tokens.jsonl").updates == [1, 2, 3]
    run(replace(config, eval_every=9, record_tokens=0), tmp_path)
    assert UpdateEpisodes(tmp_path / "tokens.jsonl").updates == [], "update 0 was saved last"


def test_a_policy_whose_tokens_nobody_can_read_is_not_recorded(tmp_path: Path) -> None:
    run(replace(CONFIG, updates=1), tmp_path, ToyPolicy(0))
    assert not (tmp_path / "tokens.jsonl").exists()


def test_the_seed_chooses_the_questions_and_no_result_does(tmp_path: Path) -> None:
    sample = TokenSample(CONFIG, Reading(0), tmp_path, keep_through=0)
    chosen = [sample._chosen(update, list("aabbccdd")) for update in range(20)]
    assert chosen == [sample._chosen(update, list("aabbccdd")) for update in range(20)]
    assert {len(one) for one in chosen} == {2} and set().union(*chosen) == set("abcd")
    sample.close()
