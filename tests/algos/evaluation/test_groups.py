"""Laws of `algos.evaluation.groups`: tables by report keys of one's own."""

from __future__ import annotations

from algos.evaluation.groups import (
    MOST_VALUES,
    group_keys,
    group_words,
    in_group,
    other_groups,
)
from algos.evaluation.measures import EvalResult, measure_episodes
from tests.helpers.handmade import item, trajectory


def test_every_key_makes_rows_and_own_names_do_not_hide_ours() -> None:
    items = [
        item(f"q{k}", group={"domain": "ab"[k % 2], "length": "mine", "bucket": "theirs"})
        for k in range(4)
    ]
    result = EvalResult("x", items, [trajectory(one.id, one.id == "q1") for one in items])
    rows = {(r.section, r.name): r.measures for r in measure_episodes(result.episodes())}
    assert rows["domain", "a"].accuracy == 0 and rows["domain", "b"].accuracy == 0.5
    assert rows["length (group)", "mine"].questions == 4 == rows["length", "<=600 s"].questions
    assert rows["bucket (group)", "theirs"].questions == 4 == rows["bucket", "60-180"].questions


def test_the_buckets_that_we_have_anyway_and_names_without_number_make_no_table() -> None:
    groups = [{"bucket": "0-60", "channel": f"{k}"} for k in range(MOST_VALUES + 1)]
    assert group_keys(groups, ["0-60"] * len(groups)) == []
    assert group_keys(groups, ["60-180"] * len(groups)) == ["bucket"]
    assert group_keys(groups[:-1], ["0-60"] * MOST_VALUES) == ["channel"]


def test_a_group_is_all_of_its_keys_and_others_differ_in_one() -> None:
    groups = [{"tier": "a", "kind": "x"}, {"tier": "a", "kind": "y"}, {"tier": "b"}, {"tier": "a"}]
    items = [item(f"{k}", group=group) for k, group in enumerate(groups)]
    asked = {"tier": "a", "kind": "x"}
    assert [in_group(one, asked) for one in items] == [True, False, False, False]
    assert [in_group(one, {}) for one in items] == [True] * 4
    assert other_groups(items, asked) == [{"tier": "a", "kind": "y"}]
    assert other_groups(items, {"tier": "a"}) == [{"tier": "b"}]
    assert other_groups(items, {}) == []
    assert group_words(asked) == "tier a, kind x"


def test_a_question_of_several_values_is_in_the_group_of_each() -> None:
    items = [item("1", group={"type": "x | y"}), item("2", group={"type": "y"})]
    assert [in_group(one, {"type": "x"}) for one in items] == [True, False]
    assert [in_group(one, {"type": "y"}) for one in items] == [True, True]
    assert other_groups(items, {"type": "x"}) == [{"type": "y"}]
    many = [{"type": f"{k} | {k + 1}"} for k in range(MOST_VALUES)]
    assert group_keys(many, ["0-60"] * len(many)) == [], "one value more than makes a table"
    assert group_keys(many[1:], ["0-60"] * (len(many) - 1)) == ["type"]
