"""Laws of `algos.evaluation.measures`: playing a part, parts of a result, what is counted where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from algos.evaluation.measures import (
    episode_result,
    evaluate,
    failures,
    measure,
    measure_episodes,
)
from algos.evaluation.sample_rows import overview_end
from algos.evaluation.tables import format_table, spread
from algos.rollout.trajectory import Trajectory
from policies.base import Decision
from sage_env import Answer
from tests.helpers.handmade import item, result, trajectory


class Room:
    """An environment that shows nothing, and has a bug at one question."""

    def reset(self, *, seed=None, options=None):
        self.name = options["item_id"]
        return {}, {"item_id": self.name}

    def step(self, action):
        if self.name == "bug":
            raise ZeroDivisionError("a bug")
        return {}, 1.0, True, False, {"correct": True, "stop_reason": "answered"}


class Drawn:
    """A policy that says its seed."""

    def reset(self, *, seed=None):
        self.seed = seed

    def act(self, observation):
        return Decision(Answer(str(self.seed)))


def answers(found) -> list[str]:
    return [t.turns[-1].decision.action.text for t in found.trajectories]


def test_an_evaluation_is_seeded_by_0_unless_told_otherwise() -> None:
    items = [item(name) for name in "abc"]
    default, named, other = (
        evaluate([Room()], Drawn(), items, **seed)  # type: ignore[arg-type, list-item]
        for seed in ({}, {"seed": 0}, {"seed": 1})
    )
    assert answers(default) == answers(named) != answers(other)
    assert [t.seed for t in default.trajectories] == [t.seed for t in named.trajectories]
    assert not {t.seed for t in other.trajectories} & {t.seed for t in named.trajectories}
    assert (default.name, default.decoding, default.title) == ("", "", "")


def test_what_was_played_before_is_kept_and_the_rest_is_the_same() -> None:
    items = [item(name) for name in "abc"]
    whole = evaluate([Room()], Drawn(), items, name="x", decoding="greedy")  # type: ignore[arg-type, list-item]
    done, heard = {"b": whole.trajectories[1], "z": Trajectory("z")}, list[str | None]()
    part = evaluate([Room()], Drawn(), items, done=done, progress=lambda t: heard.append(t.item_id))  # type: ignore[arg-type, list-item]
    assert part.trajectories[1] is whole.trajectories[1] and heard == ["a", "c"]
    assert answers(part) == answers(whole) and whole.title == "x, greedy"
    assert evaluate([Room()], Drawn(), items, done={n: Trajectory(n) for n in "abc"}).items == items  # type: ignore[arg-type, list-item]


def test_a_bug_ends_an_evaluation_unless_it_is_isolated() -> None:
    items = [item("a"), item("bug")]
    with pytest.raises(ZeroDivisionError):
        evaluate([Room()], Drawn(), items)  # type: ignore[arg-type, list-item]
    found = evaluate([Room()], Drawn(), items, isolate=True)  # type: ignore[arg-type, list-item]
    ((name, reason),) = failures(found)
    assert name == "bug" and reason.startswith("ZeroDivisionError: a bug (")


def test_a_part_of_a_result_is_that_of_its_group() -> None:
    hard = {"family": "order", "tier": "hard"}
    made = result(
        (item("a"), trajectory("a", True)),
        (item("b", group=hard), trajectory("b", False)),
        (item("c", group={}), trajectory("c", True)),
    )
    part = made.only({"tier": "hard"})
    assert [i.id for i in part.items] == [t.item_id for t in part.trajectories] == ["b"]
    assert part.title == "policy, greedy" and made.only({"tier": "none"}).items == []
    names = [(r.section, r.name) for r in measure(made.items, made.trajectories)]
    assert names == [
        ("all", "all"), ("length", "<=600 s"), ("bucket", "60-180"), ("family", "needle"),
        ("family", "order"), ("tier", "core"), ("tier", "hard"),
    ]  # fmt: skip


def test_lengths_that_are_not_known_stand_last() -> None:
    made = [
        result((item(n, duration=d), trajectory(n, True, overview=()))).episodes()[0]
        for n, d in (("a", None), ("b", 700.0), ("c", 3.0))
    ]
    made[0] = replace(made[0], duration=None)
    rows = measure_episodes(made)
    assert [r.name for r in rows if r.section == "length"] == ["<=600 s", ">600 s", "unknown"]
    assert [r.measures.questions for r in rows if r.section == "length"] == [1, 1, 1]


def test_a_verdict_of_an_episode_that_failed_counts_for_nothing() -> None:
    played = trajectory("q", True)
    played.error = "JudgeError: no reply"
    assert episode_result(item("q"), played).correct is None
    played.turns[-1].info.update(stop_reason="out_of_turns", correct=None)
    assert episode_result(item("q"), played).correct is None
    played.error = None
    assert episode_result(item("q"), played).correct is False


def test_an_overview_of_nothing_tells_no_length() -> None:
    assert overview_end(Trajectory("q")) is None
    assert overview_end(Trajectory("q", start_info={"span": None})) is None
    assert overview_end(Trajectory("q", start_info={"span": (2.0, 7.5)})) == 7.5
    played = trajectory("q", True)
    assert episode_result(item("q", duration=0.5), played).duration == 0.5, "the item says so"


def test_a_letter_with_its_accent_takes_one_column() -> None:
    lines = format_table(("name", "n"), [("e\u0301a", "1"), ("bcd", "22")], text_columns=1)
    assert lines.splitlines() == ["name   n", "----  --", "e\u0301a     1", "bcd   22"]
    assert spread([1.0, 1.0, 1.0]) == "1.0" and spread([0.0, 2.0]) == "1.0 [0.0, 2.0]"


def test_an_answer_that_was_not_judged_is_no_failure() -> None:
    played = trajectory("q", None, error="JudgeError: no reply")
    assert failures(result((item("q"), played))) == [("q", "JudgeError: no reply")]
    played.failed = Decision(Answer("blue"))
    assert failures(result((item("q"), played))) == []
