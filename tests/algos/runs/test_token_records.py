"""Laws of `algos.runs.token_records`, `token_log`: what is kept of sampled tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.append_log import LogError
from algos.runs.run_folder import RunFolder
from algos.runs.token_log import kept_questions, played_and_kept, save_tokens
from algos.runs.token_records import (
    MEASURES,
    StoredTokens,
    TurnRecord,
    read_record,
    record_json,
    tokens_path,
)
from policies.base import Decision, TurnTokens
from sage_env import Answer

NUMBERS = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.6g}"))


@st.composite
def records(draw: st.DrawFn) -> TurnRecord:
    count = draw(st.integers(0, 5))

    def lists(values: st.SearchStrategy) -> st.SearchStrategy:
        return st.lists(values, min_size=count, max_size=count).map(tuple)

    measures = {name: draw(st.none() | lists(NUMBERS)) for name in MEASURES}
    return TurnRecord(
        draw(lists(st.text())),
        in_loss=draw(st.none() | lists(st.booleans())),
        reward=draw(st.none() | NUMBERS),
        stop=draw(st.none() | st.text()),
        **measures,
    )


@given(records())
def test_a_record_comes_back(record: TurnRecord) -> None:
    assert read_record(json.loads(json.dumps(record_json(record)))) == record


def test_numbers_have_six_digits_and_what_json_has_not_is_left_out() -> None:
    record = TurnRecord(("a", "b"), (-1 / 3, 0.0), ratio=(1.0, float("inf")), value=None)
    assert record_json(record) == {"text": ["a", "b"], "logprob": [-0.333333, 0.0]}


@pytest.mark.parametrize("name", [*MEASURES, "in_loss"])
def test_a_list_that_does_not_stand_beside_the_tokens_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must have one value for each of 2 tokens, got 1"):
        TurnRecord(("a", "b"), **{name: (1,)})
    with pytest.raises(ValueError, match=name):
        read_record({"text": ["a", "b"], name: [1]})


@pytest.mark.parametrize(
    "row",
    [3, [], {}, {"text": "ab"}, {"text": [1]}, {"text": [], "value": "x"}]
    + [{"text": ["a"], "ratio": [None]}, {"text": [], "reward": "x"}, {"text": [], "stop": 1}],
)
def test_what_is_no_record_is_refused(row: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        read_record(row)  # type: ignore[arg-type]


# --- which questions, and the file


@given(st.lists(st.text(max_size=4), unique=True), st.integers(0, 8), st.randoms())
def test_what_is_kept_of_a_whole_is_kept_of_its_parts(ids, most, random) -> None:
    whole = kept_questions(ids, most)
    assert len(whole) == min(most, len(ids)) and whole == [one for one in ids if one in whole]
    assert set(kept_questions(random.sample(ids, len(ids)), most)) == set(whole), "in any order"
    part = [one for one in ids if random.random() < 0.5]
    assert set(whole) & set(part) <= set(kept_questions(part, most))


class Reader:
    def read_text(self, ids: np.ndarray) -> str:
        return "".join(chr(96 + one) for one in ids.tolist() if one)


def episode(name: str, *completions: list[int]) -> Trajectory:
    turns = []
    for said in completions:
        scores = np.log(np.arange(1, len(said) + 1, dtype=np.float32) / 10)
        tokens = TurnTokens(np.arange(5), np.array(said), scores, entropies=scores + 9)
        turns.append(Turn(Decision(Answer("x"), "x", tokens), 0.5, {"item_id": name}))
    return Trajectory(item_id=name, turns=turns)


def test_an_evaluation_keeps_the_tokens_of_some_questions_in_order(tmp_path: Path) -> None:
    folder, ids = RunFolder(tmp_path), [f"q{k}" for k in range(6)]
    chosen = kept_questions(ids, 3)
    for _ in range(2):  # played again: the last counts
        with played_and_kept(folder, "one", Reader(), ids, 3) as record:
            for name in reversed(ids):
                record(episode(name, [1, 2, 0], [3]))
    path = tokens_path(tmp_path / "evaluations" / "one.jsonl")
    assert path == tmp_path / "evaluations" / "one.tokens.jsonl"
    stored = StoredTokens(path)
    assert stored.ids == chosen == [json.loads(x)["id"] for x in path.read_text().splitlines()]
    first, second = stored.of(chosen[0])
    assert first.text == ("a", "b", "") and second.text == ("c",)
    assert first.logprob == pytest.approx(np.log([0.1, 0.2, 0.3]), abs=1e-5)
    assert first.entropy == pytest.approx(np.log([0.1, 0.2, 0.3]) + 9, abs=1e-5)
    assert first.ratio is first.in_loss is None and first.reward == 0.5
    assert stored.of(next(one for one in ids if one not in chosen)) is None
    assert folder.load_played("one").keys() == set(ids)
    assert all(t.decision.tokens is None for t in folder.load_played("one")["q1"].turns)


@pytest.mark.parametrize(("policy", "most"), [(object(), 3), (Reader(), 0)])
def test_nothing_is_written_where_there_is_nothing_to_read(tmp_path, policy, most) -> None:
    with played_and_kept(RunFolder(tmp_path), "one", policy, ["a"], most) as record:
        record(episode("a", [1]))
    assert not list(tmp_path.rglob("*.tokens.jsonl"))
    assert StoredTokens(tmp_path / "none.tokens.jsonl").ids == []


def test_who_answers_for_a_policy_reads_its_tokens(tmp_path: Path) -> None:
    class Direct:
        answerer = Reader()

    save_tokens(tmp_path / "trajectory.jsonl", Direct(), episode("q", [1, 2]))
    save_tokens(tmp_path / "trajectory.jsonl", Direct(), episode("question", [2]))
    stored = StoredTokens(tmp_path / "trajectory.tokens.jsonl")
    assert stored.ids == ["question"] and stored.of("question")[0].text == ("b",)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "one.tokens.jsonl"
    path.write_text('{"id": "a", "turns": [{"text": ["x"], "logprob": []}]}\n{"id": "b"\n')
    with pytest.raises(LogError, match="line 2 is not JSON"):
        StoredTokens(path)
    path.write_text(path.read_text().splitlines()[0] + "\n" + '{"id": "b", "turns"')
    stored = StoredTokens(path)
    assert stored.ids == ["a"], "a torn line counts as never written"
    with pytest.raises(LogError, match="damaged at question 'a': logprob must have one value"):
        stored.of("a")
