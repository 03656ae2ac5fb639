"""Laws of `distilling.preference_pairs`, `rl_questions`: who is preferred, what is worth training.

Cases are worked by hand.
"""

from __future__ import annotations

from dataclasses import replace

from algos.data_pipeline.distilling.preference_pairs import find_pairs
from algos.data_pipeline.distilling.rl_questions import choose_questions
from sage_env import UseTool
from tests.helpers.wiring.tries import episode


def pairs(tries, rule="both", **given):
    found = find_pairs(tries, rule, most=given.pop("most", 9), **given)
    return [(pair.chosen.attempt, pair.rejected.attempt, pair.rule) for pair in found]


def test_the_cheapest_right_one_is_preferred_to_wrong_ones_and_to_dearer_ones() -> None:
    tries = [
        episode(attempt=0, turns=3),
        episode(attempt=1, turns=2),
        episode(attempt=2, right=False),
        episode(attempt=3, turns=1, frames=99),
    ]
    assert pairs(tries) == [(1, 2, "right-wrong"), (1, 0, "cheaper")]
    assert pairs(tries, "right-wrong") == [(1, 2, "right-wrong")]
    assert pairs(tries, "cheaper") == [(1, 0, "cheaper")]  # 3 has fewer turns, more frames: neither
    assert pairs(tries, most=1) == [(1, 2, "right-wrong")]


def test_equal_costs_are_no_pair_and_no_right_one_is_none() -> None:
    assert pairs([episode(attempt=0), episode(attempt=1)]) == []
    assert pairs([episode(right=False), episode(attempt=1, right=False)]) == []


def test_what_was_not_judged_is_nobodys_worse_episode() -> None:
    assert pairs([episode(), episode(attempt=1, right=None)]) == []


def test_which_wrong_one_is_taken_is_up_to_the_seed_and_the_names() -> None:
    tries = [episode(), *(episode(attempt=k, right=False) for k in range(1, 9))]
    taken = [pairs(tries, most=1, seed=seed)[0][1] for seed in range(40)]
    assert len(set(taken)) > 4
    assert taken == [pairs(tries[::-1], most=1, seed=seed)[0][1] for seed in range(40)]


def test_a_guess_that_saw_no_evidence_is_not_preferred_unless_that_is_allowed() -> None:
    tries = [episode(evidence_seen=False), episode(attempt=1, right=False)]
    assert pairs(tries) == [] and pairs(tries, grounded=False) == [(0, 1, "right-wrong")]


def test_a_pair_is_of_one_question_and_begins_with_one_prompt() -> None:
    other = episode("q1", right=False)
    elsewhere = replace(episode(attempt=2, right=False), prompt="other budget")
    assert pairs([episode(), other, elsewhere]) == []


def chosen(tries, **given):
    kept, lost = choose_questions(tries, **given)
    told = {q.item_id: (q.right, q.tries, q.horizon, q.uses_tools) for q in kept}
    return told, lost


def of(item_id, *rights, turns=1, **given):
    return [
        episode(item_id, k, right=right, turns=turns, **given) for k, right in enumerate(rights)
    ]


def test_only_what_is_right_at_times_is_trained_on_half_and_half() -> None:
    tries = of("q0", True, True) + of("q1", False, False) + of("q2", None)
    tries += of("q3", True, False, turns=2) + of("q4", True, False) + of("q5", True, True, False)
    told, lost = chosen(tries)
    assert lost["q0"] == "always answered rightly" and lost["q1"] == "never answered rightly"
    assert lost["q2"] == "never judged"
    assert told.pop("q3") == (1, 2, "several turns", False)
    ((one, direct),) = told.items()
    assert direct[2] == "direct" and {one} | set(lost) == {"q0", "q1", "q2", "q4", "q5"}
    assert lost[({"q4", "q5"} - {one}).pop()] == "beyond its half or the limit"
    every, _ = chosen(tries, half=False)
    assert set(every) == {"q3", "q4", "q5"}
    assert len(chosen(tries, half=False, most=2)[0]) == 2 and chosen(tries, most=1)[0] == {}


def test_what_most_right_tries_did_says_what_a_question_needs() -> None:
    mixed = [
        episode(attempt=0),
        episode(attempt=1, turns=2),
        episode(attempt=2, turns=2),
        episode(attempt=3, right=False),
    ]
    told, _ = chosen(mixed, half=False)
    assert told["q0"] == (3, 4, "several turns", False)
    half, _ = chosen([*mixed[:2], mixed[3]], half=False)
    assert half["q0"] == (2, 3, "direct", False), "no more than half took several"
    called = replace(mixed[1], actions=(UseTool("t"), *mixed[1].actions[-1:]))
    assert chosen([called, mixed[3]], half=False)[0]["q0"] == (1, 2, "several turns", True)


def test_which_questions_are_left_out_is_up_to_the_seed_and_their_names() -> None:
    tries = [one for k in range(9) for one in of(f"q{k}", True, False)]
    kept = [tuple(chosen(tries, half=False, most=2, seed=seed)[0]) for seed in range(40)]
    assert len(set(kept)) > 10
    backwards = [chosen(tries[::-1], half=False, most=2, seed=seed)[0] for seed in range(40)]
    assert [set(one) for one in kept] == [set(one) for one in backwards]


def test_failures_count_for_nobody_and_one_policy_can_be_named() -> None:
    failed = episode(attempt=9, right=None, ended=False, error="VideoError: gone")
    told, _ = chosen([*of("q0", True, False), failed], half=False)
    assert told["q0"][:2] == (1, 2)
    strong = [replace(one, policy="strong", name=f"s{k}") for k, one in enumerate(of("q0", True))]
    assert chosen([*of("q0", False, True), *strong], half=False, policy="strong")[1] == {
        "q0": "always answered rightly"
    }
    assert chosen(of("q0", True, False), half=False, held_out={"q0"})[1] == {
        "q0": "of a held-out video"
    }
