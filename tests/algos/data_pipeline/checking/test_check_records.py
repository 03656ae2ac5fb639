"""Laws of `check_plays`, `check_log`, `planned_plays`: what a play is known by, and what it leaves.

Bugs planted that these laws see: a setting left out of a key, a play with a late tool that counts
as a wrong answer, a reply that is on the ledger only if its play could be written.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from algos.data_pipeline.checking import check_plays
from algos.data_pipeline.checking.check_kinds import Subject
from algos.data_pipeline.checking.check_log import CHECKS_FILE, is_known, put_in_order, read_plays
from algos.data_pipeline.checking.check_plays import _Writer, play_row
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.planned_plays import level_of, plan_checks, plan_passes, tries_of
from algos.data_pipeline.questions.ledger import Ledger, paid_replies
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.append_log import AppendLog
from policies.base import Decision
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env import Answer, UseTool
from sage_env.subtitles.line import Line
from tests.helpers.data_line.checked_questions import SeesColours, generated

ITEM = generated("q", "600_a.mp4").item(Path("videos"))
SUBJECT = Subject(ITEM, "both", (Line(1.0, 2.0, "said"),))
PLAIN = CheckSettings(answerers=("a",), rl_policy="r", outside_frames=4)


def keys(settings: CheckSettings, subject: Subject = SUBJECT) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for plan in (plan_checks([subject], settings), plan_passes([subject], settings)):
        for play in plan.plays:
            found.setdefault(play.check, set()).add(play.key)
    return found


ALL = {"sufficient", "blind", "transcript", "outside", "uniform"}


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"seed": 1}, ALL | {"pass"}),
        ({"judge": "gemini"}, ALL | {"pass"}),
        ({"temperature": 0.5}, ALL),
        ({"answerers": ("b",)}, ALL),
        ({"rl_policy": "s"}, {"pass"}),
        ({"span_frames": 9}, {"sufficient"}),
        ({"uniform_frames": 9}, {"uniform"}),
        ({"outside_frames": 9}, {"outside"}),
        ({"outside_frames": None}, {"outside"}),
        ({"margin": 2.0}, {"outside"}),
        ({"tools": ("transcribe",)}, {"outside", "pass"}),
        ({"envs": 1, "budget": 3.0, "held_out": 0.5, "per_video": 1, "length_ratio": None}, set()),
        ({"labels": ("uniform",), "similar": 0.5, "listen": False, "orders": False}, set()),
    ],
)
def test_a_key_says_all_that_a_play_depends_on_and_nothing_else(change, other) -> None:
    before, after = keys(PLAIN), keys(replace(PLAIN, **change))
    assert before.keys() == after.keys() == ALL | {"pass"}
    assert {check for check in before if before[check].isdisjoint(after[check])} == other
    assert {check for check in before if before[check] == after[check]} == (ALL | {"pass"}) - other


def test_every_setting_that_decides_is_described() -> None:
    told = PLAIN.described()
    assert set(told) == set(vars(PLAIN)) - {"envs", "budget"}
    assert told["margin"] == PLAIN.margin and told["answerers"] == ["a"]


def test_all_answerers_together_may_guess_with_the_level() -> None:
    for names, level in (((), 0.05), (("a",), 0.05), (("a", "b"), 0.025)):
        assert level_of(replace(PLAIN, answerers=names, level=0.05)) == level
    two = replace(SUBJECT.item, choices=("red", "teal"))
    assert [tries_of(two, replace(PLAIN, answerers=names)) for names in ("a", "ab")] == [5, 6]


def test_another_question_under_the_same_id_is_played_anew() -> None:
    before = keys(PLAIN)
    for changed in ({"answer": "teal"}, {"question": "Which?"}, {"choices": ("red", "blue")}):
        after = keys(PLAIN, replace(SUBJECT, item=replace(ITEM, **changed)))
        assert all(before[check].isdisjoint(after[check]) for check in before)
    deaf = keys(PLAIN, replace(SUBJECT, lines=(Line(1.0, 2.0, "other"),)))
    assert {check for check in before if before[check].isdisjoint(deaf[check])} == {
        "transcript",
        "outside",
    }, "the line is not said in the span"


def test_choices_are_shuffled_for_checks_and_stay_for_the_policy_itself() -> None:
    settings = replace(PLAIN, tries=12, rl_tries=12)
    plays = [*plan_checks([SUBJECT], settings).plays, *plan_passes([SUBJECT], settings).plays]
    for check in ("blind", "pass"):
        orders = {play.asked.choices for play in plays if play.check == check}
        assert (orders == {ITEM.choices}) is (check == "pass")
        assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(ITEM.choices))}


def planned(check: str = "blind"):
    plays = [*plan_checks([SUBJECT], PLAIN).plays, *plan_passes([SUBJECT], PLAIN).plays]
    return next(play for play in plays if play.check == check)


def played(*infos, usage=None, failed=None, error=None) -> Trajectory:
    turns = [Turn(Decision(Answer("red"), "", usage=usage), 1.0, dict(info)) for info in infos]
    start = {"frame_seconds": [7.0, 9.0]}
    found = Trajectory("q", 0, turns, start, terminated=bool(turns), error=error)
    found.failed = failed
    return found


RIGHT = {"correct": True, "stop_reason": "answered"}


def test_a_play_in_which_a_tool_was_late_has_no_verdict() -> None:
    fine = play_row(planned(), played({**RIGHT, "tool_calls": {"ok": 1}}))
    late = play_row(planned(), played({**RIGHT, "tool_calls": {"ok": 1, "late": 1}}))
    assert (fine.verdict, fine.error) == (True, None)
    assert (late.verdict, late.error) == (None, "a tool was late")
    assert is_known({fine.key: fine}, fine.key) and not is_known({late.key: late}, late.key)
    failed = play_row(planned(), played(RIGHT, error="VideoError: gone"))
    assert (failed.verdict, failed.error) == (None, "VideoError: gone")


def test_what_was_seen_is_told_whatever_the_order_of_looks() -> None:
    row = play_row(planned(), played({"frame_seconds": [3.0]}, {**RIGHT, "frame_seconds": [8.0]}))
    assert row.seen == (3.0, 9.0)


class Stop(Exception):
    """Nothing is played."""


def environment_of(monkeypatch, check: str, **changes) -> dict:
    """Return the arguments of the environment in which a check is played."""
    found = {}

    @contextmanager
    def environments(items, count, options):
        found.update(options)
        raise Stop
        yield

    @contextmanager
    def confined(tools):
        yield [f"confined {name}" for name in tools]

    monkeypatch.setattr(check_plays, "_environments", environments)
    monkeypatch.setattr(check_plays, "confined_tools", confined)
    settings = replace(PLAIN, answerers=("sees",), **changes)
    opener = SimpleNamespace()
    with pytest.raises(Stop):
        check_plays._play(check, [planned(check)], SeesColours(), settings, opener, None)
    found["restricted"] = found.pop("opener") is not opener
    return found


def test_each_check_is_played_as_the_settings_say_and_sees_its_side_of_the_video(monkeypatch):
    for check in (*ALL, "pass"):
        told = {"tools": ("t",), "judge": "some:judge", "call_timeout": 3.0}
        found = environment_of(monkeypatch, check, **told)
        assert (found["judge"], found["call_timeout"]) == ("some:judge", 3.0)
        assert found["restricted"] is (check in ("sufficient", "outside"))
        tools = {"outside": ["confined t"], "pass": ("t",)}
        assert found.get("tools") == tools.get(check)
        plain = environment_of(monkeypatch, check)
        assert not {"judge", "call_timeout", "tools"} & plain.keys()


def test_the_policy_itself_is_sampled_at_temperature_one(monkeypatch) -> None:
    warm = SeesColours()
    warm.temperature = 0.3
    monkeypatch.setattr(check_plays, "_environments", None)
    for check, expected in (("blind", 0.5), ("pass", 1.0)):
        with pytest.raises(TypeError):
            check_plays._play(
                check, [planned(check)], warm, replace(PLAIN, temperature=0.5), None, None
            )
        assert warm.temperature == expected


USAGE = TurnUsage((TokenCounts(1000, 100, audio=0),), model="google/gemini-3.8-flash")


def test_a_reply_is_paid_for_before_its_play_is_written_and_one_that_failed_too(tmp_path) -> None:
    def full(row) -> None:
        raise OSError("no space left")

    ledger = Ledger(tmp_path / "ledger.jsonl")
    log = SimpleNamespace(append=full, path="checks.jsonl")
    failed = Decision(UseTool("t", {}), "", usage=USAGE)
    with pytest.raises(OSError, match="no space"):
        _Writer(log, ledger, lambda row: None).write(
            planned(), played(RIGHT, usage=USAGE, failed=failed, error="ToolError: gone")
        )
    ledger.close()
    assert len(paid_replies(tmp_path / "ledger.jsonl")) == 2


def test_lines_are_put_in_order_and_none_is_lost_whoever_reads_them_meanwhile(tmp_path) -> None:
    row = play_row(planned(), played(RIGHT))
    log = AppendLog(tmp_path / CHECKS_FILE)
    for key in ("d", "c", "b", "a", "e"):
        log.append(vars(replace(row, key=key)))
    log.append(vars(replace(row, key="d", prediction="last")))
    log.close()
    before = (tmp_path / CHECKS_FILE).read_text()
    with open(tmp_path / CHECKS_FILE, encoding="utf-8") as reader:
        put_in_order(tmp_path, ["b", "d", "not there", "b"])
        assert reader.read() == before, "the file is replaced, not written over"
    found = read_plays(tmp_path)
    assert list(found) == ["b", "d", "a", "c", "e"] and found["d"].prediction == "last"
