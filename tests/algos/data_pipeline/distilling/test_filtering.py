"""Laws of `distilling.filtering`, `episode_facts`, `settings`: every loss has one reason.

Small cases are worked by hand; random ones hold that nothing wrong, failed or held out is kept.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.data_pipeline.distilling.episode_facts import facts_of, same_actions
from algos.data_pipeline.distilling.filtering import REASONS, filter_episodes, in_turns
from algos.data_pipeline.distilling.settings import DistillError, DistillSettings, EpisodeFilter
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision
from sage_env import Answer, Invalid, Sample, Skip, UseTool, Zoom
from tests.helpers.handmade import item
from tests.helpers.wiring.tries import episode

LOOSE = EpisodeFilter(direct_share=None, per_video=None, least_sure=0)
VIDEOS = {f"q{k}": f"v{k // 2}" for k in range(6)}


def lost(episodes, how=LOOSE, **given):
    found = filter_episodes(episodes, how, VIDEOS, **given)
    assert {one.name for one in found.kept}.isdisjoint(found.lost)
    assert len(found.kept) + len(found.lost) == len(episodes)
    return dict(found.lost)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (episode(error="VideoError: gone", ended=False, right=None), "failed on our side"),
        (episode(ended=False), "not played to its end"),
        (episode(right=None), "not judged"),
        (episode(right=False), "wrong"),
        (episode(evidence_seen=False), "evidence not seen"),
    ],
)
def test_each_fault_has_its_reason(facts, reason) -> None:
    assert lost([facts]) == {"p q0#0": reason}


def test_what_has_no_evidence_to_see_passes_and_the_sound_too() -> None:
    assert lost([episode(evidence_seen=None), episode("q1")]) == {}


def test_a_held_out_question_is_lost_whatever_else_it_is() -> None:
    assert lost([episode("q1"), episode("q2")], held_out={"q1"}) == {
        "p q1#0": "of a held-out video"
    }


def test_wrong_ones_stay_where_any_outcome_will_do() -> None:
    assert lost([episode(right=False)], replace(LOOSE, outcome="any")) == {}


def test_the_same_actions_up_to_half_a_second_count_once() -> None:
    def zoomed(attempt, start, box=None):
        return episode(attempt=attempt, actions=(Zoom(start, 9.0, 3, box), Answer(" Right")))

    near, far = zoomed(1, 2.4), zoomed(2, 2.6)
    assert lost([zoomed(0, 2.0), near, far]) == {"p q0#1": "the same as another try"}
    boxed, moved = zoomed(3, 2.0, (0.0, 0.0, 0.5, 0.5)), zoomed(4, 2.0, (0.2, 0.0, 0.5, 0.5))
    assert lost([zoomed(0, 2.0), boxed, moved]) == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Answer("Red "), Answer("red"), True),
        (Answer("red"), Answer("blue"), False),
        (Answer("red", ((1.0, 2.0),)), Answer("red", ((1.3, 2.0),)), True),
        (Answer("red", ((1.0, 2.0),)), Answer("red"), False),
        (Skip(3.0), Skip(3.5), True),
        (Skip(3.0), Skip(3.6), False),
        (Sample(0.0, 9.0, 4), Sample(0.0, 9.0, 5), False),
        (Sample(0.0, 9.0, 4), Zoom(0.0, 9.0, 4), False),
        (UseTool("t", {"start": 1.0, "q": "a"}), UseTool("t", {"start": 1.2, "q": "a"}), True),
        (UseTool("t", {"q": "a"}), UseTool("t", {"q": "b"}), False),
        (UseTool("t", {"q": True}), UseTool("t", {"q": 1}), False),
        (UseTool("t", {}), UseTool("u", {}), False),
        (Invalid("x", "why"), Invalid("y", "why"), False),
    ],
)
def test_when_two_actions_are_the_same(one, other, same) -> None:
    a, b = (episode(actions=(action,)) for action in (one, other))
    assert same_actions(a, b, 0.5) is same and same_actions(b, a, 0.5) is same


def test_a_way_that_is_mostly_wrong_is_luck_and_the_other_way_is_not() -> None:
    tries = [
        episode(attempt=0),
        episode(attempt=1, right=False),
        episode(attempt=2, right=False),
        episode(attempt=3, turns=2),
    ]
    found = lost(tries, replace(LOOSE, least_sure=0.5))
    assert found["p q0#0"] == "right by luck" and "p q0#3" not in found
    assert "p q0#0" not in lost(tries, replace(LOOSE, least_sure=0.33))
    assert "p q0#0" not in lost(tries, replace(LOOSE, least_sure=1 / 3)), "just as sure"


def test_how_sure_a_way_is_counts_every_try_also_those_that_did_the_same() -> None:
    twice = [replace(episode(attempt=k), actions=(Answer("right"),)) for k in (0, 1)]
    tries = [*twice, episode(attempt=2, right=False)]
    found = lost(tries, replace(LOOSE, least_sure=0.6))  # two of three are right
    assert found == {"p q0#1": "the same as another try", "p q0#2": "wrong"}


def test_pairs_are_among_what_was_judged_and_differs_right_or_wrong() -> None:
    twice = [replace(episode(attempt=k), actions=(Answer("right"),)) for k in (0, 1)]
    tries = [*twice, episode(attempt=2, right=False), episode(attempt=3, right=None)]
    found = filter_episodes(tries, LOOSE, VIDEOS)
    assert [one.attempt for one in found.comparable] == [0, 2]


def test_a_quantile_is_the_smallest_value_that_suffices() -> None:
    tries = [episode(attempt=k, turns=2, frames=k + 1) for k in range(4)]
    for share, left in ((0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4)):
        assert len(tries) - len(lost(tries, replace(LOOSE, frames_quantile=share))) == left


def test_of_equal_frames_the_fewest_turns_are_the_cheapest() -> None:
    tries = [episode(attempt=k, turns=t, frames=f) for k, (t, f) in enumerate([(2, 9), (4, 5)])]
    tries.append(episode(attempt=2, turns=3, frames=5))
    found = lost(tries, replace(LOOSE, cheapest=1))
    assert set(found) == {"p q0#0", "p q0#1"}, "frames count first"


def test_quantiles_and_the_cheapest_by_hand() -> None:
    tries = [episode(attempt=k, turns=k + 1, frames=frames) for k, frames in enumerate((8, 4, 4))]
    above = {"p q0#0": "more frames than the quantile"}
    assert lost(tries, replace(LOOSE, frames_quantile=0.5)) == above
    assert lost(tries, replace(LOOSE, frames_quantile=1.0)) == {}
    assert lost(tries, replace(LOOSE, turns_quantile=0.0)) == {
        "p q0#1": "more turns than the quantile",
        "p q0#2": "more turns than the quantile",
    }
    assert lost(tries, replace(LOOSE, cheapest=1)) == {
        "p q0#0": "dearer than the cheapest",
        "p q0#2": "dearer than the cheapest",
    }


def test_a_video_has_a_most_and_its_questions_take_turns() -> None:
    tries = [episode(f"q{k}", attempt, turns=attempt + 1) for k in (0, 1) for attempt in range(3)]
    found = filter_episodes(tries, replace(LOOSE, per_video=2), VIDEOS)
    assert [one.item_id for one in found.kept] == ["q0", "q1"]


@pytest.mark.parametrize(
    ("direct", "longer", "share", "left"),
    [(6, 2, 0.5, (2, 2)), (2, 6, 0.5, (2, 2)), (9, 9, 0.25, (3, 9)), (1, 9, 0.25, (1, 3))],
)
def test_the_balance_by_hand(direct, longer, share, left) -> None:
    tries = [episode(f"q{k % 6}", k) for k in range(direct)]
    tries += [episode(f"q{k % 6}", 20 + k, turns=2) for k in range(longer)]
    tries = [replace(one, actions=(*one.actions[:-1], Answer(one.name))) for one in tries]
    found = filter_episodes(tries, replace(LOOSE, direct_share=share), VIDEOS)
    count = sum(one.direct for one in found.kept)
    assert (count, len(found.kept) - count) == left and not found.notes


def test_one_sort_alone_cannot_be_balanced_and_that_is_said() -> None:
    found = filter_episodes([episode()], replace(LOOSE, direct_share=0.5), VIDEOS)
    assert len(found.kept) == 1 and found.notes == ["not balanced: all 1 episodes are direct"]


_facts = st.builds(
    lambda k, attempt, turns, right, error, seen, ended: episode(
        f"q{k}", attempt, turns=turns, right=right, error=error, evidence_seen=seen, ended=ended
    ),
    st.integers(0, 5),
    st.integers(0, 40),
    st.integers(1, 4),
    st.sampled_from([True, True, True, False, None]),
    st.sampled_from([None, None, None, "VideoError: gone"]),
    st.sampled_from([True, True, False, None]),
    st.sampled_from([True, True, False]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_facts, max_size=40, unique_by=lambda e: e.name),
    st.builds(
        EpisodeFilter,
        cheapest=st.none() | st.integers(1, 3),
        frames_quantile=st.none() | st.floats(0, 1),
        direct_share=st.none() | st.floats(0.1, 0.9),
        per_video=st.none() | st.integers(1, 4),
        least_sure=st.floats(0, 1),
    ),
)
def test_whatever_is_given_nothing_bad_is_kept_and_every_limit_holds(tries, how) -> None:
    found = filter_episodes(tries, how, VIDEOS, held_out={"q3"}, seed=1)
    kept = found.kept
    assert [one for one in tries if one.name not in found.lost] == list(kept)
    assert set(found.lost.values()) <= set(REASONS)
    assert sum(found.counts.values()) == len(found.lost)
    assert all(e.right and e.error is None and e.ended and e.item_id != "q3" for e in kept)
    assert all(e.evidence_seen is not False for e in kept)
    for name, limit in (("item_id", how.cheapest), ("video", how.per_video)):
        of = [VIDEOS[e.item_id] if name == "video" else e.item_id for e in kept]
        assert limit is None or all(of.count(x) <= limit for x in of)
    direct = sum(e.direct for e in kept)
    if how.direct_share is not None and 0 < direct < len(kept):
        share, rest = how.direct_share, len(kept) - direct
        assert direct <= max(1, rest * share / (1 - share) + 1e-9) or rest <= max(
            1, direct * (1 - share) / share + 1e-9
        )
    assert filter_episodes(tries, how, VIDEOS, held_out={"q3"}, seed=1) == found


def test_the_order_of_turns_is_up_to_names_and_the_seed_alone() -> None:
    tries = [episode(f"q{k}", attempt) for k in range(3) for attempt in range(3)]
    order = [one.name for one in in_turns(tries, 5)]
    assert [one.name for one in in_turns(tries[::-1], 5)] == order
    assert order != [one.name for one in in_turns(tries, 6)]
    assert {name.split("#")[0] for name in order[:3]} == {"p q0", "p q1", "p q2"}


def played(*actions, told: str = "", frames=((0.0, 10.0),)) -> Trajectory:
    infos = [{"frame_seconds": list(one)} for one in frames[1:]] + [{}] * len(actions)
    turns = [
        Turn(Decision(action, ""), 0.0, {**info, "told": {"text": told}})
        for action, info in zip(actions, infos, strict=False)
    ]
    return Trajectory("q", 0, turns, {"frame_seconds": list(frames[0])}, terminated=True)


@pytest.mark.parametrize(
    ("trajectory", "seen"),
    [
        (played(Answer("x")), False),
        (played(Answer("x"), frames=((3.0,),)), True),
        (played(Answer("x"), frames=((5.0,),)), False),  # spans are half-open
        (played(Sample(0, 9, 2), Answer("x"), frames=((0.0,), (3.5,))), True),
        (played(UseTool("say", {"start": 4, "end": 9}), told="words"), True),
        (played(UseTool("say", {"start": 5, "end": 9}), told="words"), False),
        (played(UseTool("say", {"start": 4, "end": 9})), False),  # it had nothing to say
        (played(UseTool("say", {"start": "4", "end": 9}), told="words"), False),
    ],
)
def test_when_evidence_counts_as_seen(trajectory, seen) -> None:
    asked = item("q", evidence=((3.0, 5.0),))
    assert facts_of("p", 0, asked, trajectory).evidence_seen is seen
    assert facts_of("p", 0, item("q", evidence=()), trajectory).evidence_seen is None


def test_an_episode_with_a_late_tool_is_our_failure_right_or_wrong() -> None:
    late = played(UseTool("say", {}), Answer("x"))
    late.turns[-1].info.update(correct=True, tool_calls={"ok": 1, "late": 1})
    facts = facts_of("p", 0, item("q0"), late)
    assert (facts.error, facts.right, facts.ended) == ("a tool was late", None, False)
    assert lost([facts]) == {"p q0#0": "failed on our side"}
    late.turns[-1].info["tool_calls"] = {"ok": 2}
    assert facts_of("p", 0, item("q0"), late).right is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"cheapest": 0},
        {"per_video": 0},
        {"frames_quantile": 1.1},
        {"turns_quantile": -0.1},
        {"direct_share": 1.0},
        {"least_sure": 2},
        {"seconds_tolerance": float("nan")},
    ],
)
def test_numbers_that_choose_nothing_are_refused(wrong) -> None:
    with pytest.raises(DistillError, match=next(iter(wrong))):
        EpisodeFilter(**wrong)
    with pytest.raises(DistillError, match="pairs_per_question"):
        DistillSettings(pairs_per_question=0)
