"""Laws of `algos.suite.entries`, `evaluating` and `joining`: the lines of a table."""

from __future__ import annotations

from algos.suite.entries import Control, Entry, planned
from algos.suite.evaluating import make_plan, unique_names
from algos.suite.joining import joined_summary
from tests.helpers.handmade import item, result, trajectory

BLIND = Control("blind", "without a frame", "uniform:0:{policy}")
LONGEST = Control("longest", "the longest choice", "longest")


def test_floors_are_played_once_at_whatever_budgets_and_repeats() -> None:
    found = planned(["a", "uniform:4", "a"], [BLIND, LONGEST], [8, 16], repeats=2)
    assert found == [
        Entry("a", None, 8, 0), Entry("a", None, 8, 1),
        Entry("a", None, 16, 0), Entry("a", None, 16, 1),
        Entry("uniform:4", None, None, 0), Entry("uniform:4", None, None, 1),
        Entry("a", "blind"), Entry("uniform:4", "blind"), Entry("", "longest"),
    ]  # fmt: skip
    assert planned(["a"]) == [Entry("a")]


def test_direct_is_a_line_for_each_budget_and_repeat_of_who_chooses_frames() -> None:
    found = planned(["a", "oracle:a", "uniform"], [], [8, 16], direct=True, repeats=2)
    direct = [one for one in found if one.policy.startswith("uniform:")]
    assert direct == [
        Entry("uniform:8:a", None, None, 0), Entry("uniform:8:a", None, None, 1),
        Entry("uniform:16:a", None, None, 0), Entry("uniform:16:a", None, None, 1),
    ]  # fmt: skip


def test_no_two_entries_share_a_folder() -> None:
    entries = planned(["a b", "a-b", "A-B"], [BLIND], [8], repeats=2)
    named = unique_names(entries)
    assert list(named.values()) == entries
    assert len({name.lower() for name in named}) == len(entries), "some systems know no cases"
    whole = Entry("m", "blind", 16, 1)
    assert (whole.name, whole.title) == ("m_blind_16f_r1", "m, blind, 16 frames, repeat 1")


def test_a_control_that_means_nothing_for_a_policy_has_no_line_and_is_told() -> None:
    asked = [item(f"q{k}", f"{k}.mp4", choices=("yes", "no")) for k in range(3)]
    plan = make_plan(["random", "sage-mm-tiny"], asked, ["blind", "longest"])
    assert [(e.policy, e.control) for e in plan.entries] == [
        ("random", None), ("sage-mm-tiny", None), ("sage-mm-tiny", "blind"), ("", "longest"),
    ]  # fmt: skip
    assert len(plan.left_out) == 1 and "blind of random is left out" in plan.left_out[0]
    assert make_plan(["random"], asked).entries == [Entry("random")], "no controls were asked for"


def test_a_line_says_what_it_is_above_the_first() -> None:
    """Of four questions the first entry has one right, the other three; a third is not played."""
    results = {
        name: result(*((item(f"q{k}"), trajectory(f"q{k}", k < right)) for k in range(4)))
        for name, right in (("first", 1), ("other", 3))
    }
    told = [{"name": name} for name in ("first", "gone", "other")]
    first, other = joined_summary(told, results)["entries"]
    assert (first["name"], first["minus the first"]) == ("first", None)
    assert (other["questions"], other["measures"]["accuracy"]) == (4, 0.75)
    assert other["minus the first"]["mean"] == 0.5
