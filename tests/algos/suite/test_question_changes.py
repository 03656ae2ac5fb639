"""Laws of `algos.suite.question_changes`: what a control asks, and that nothing else changes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.suite.question_changes import (
    GOLD_POSITION,
    about_another_video,
    can_be_shuffled,
    with_shuffled_choices,
)
from sage_env import QAItem
from sage_env.datasets import validate
from sage_env.datasets.matching import match_answer
from sage_env.errors import DatasetError

COLOURS = ("red", "blue", "green", "teal")


def ask(name: str, video: str = "a.mp4", **values) -> QAItem:
    defaults = {"choices": COLOURS, "answer": "green", "kind": "mcq", "group": {"family": "needle"}}
    return QAItem(name, Path(video), f"which {name}?", **{**defaults, **values})


def about(durations: list[float | None], each: int = 2) -> list[QAItem]:
    """Return questions about videos of these durations, `each` about every one."""
    return [
        ask(
            f"v{k}-{n}",
            f"folder/{k}.mp4",
            duration=seconds,
            evidence=((1.0, 2.0),),
            subtitles=Path(f"folder/{k}.srt"),
            subtitles_start=float(k),
        )
        for k, seconds in enumerate(durations)
        for n in range(each)
    ]


@given(
    st.lists(st.none() | st.sampled_from([10.0, 10.0, 20.0, 600.0, 7200.0]), min_size=2),
    st.integers(0, 3),
)
def test_a_wrong_video_is_a_derangement_of_videos(durations, seed) -> None:
    items = about(durations)
    changed = about_another_video(items, seed)
    assert [item.id for item in changed] == [item.id for item in items]
    shown = {(a.video, b.video) for a, b in zip(items, changed, strict=True)}
    assert all(own != other for own, other in shown)
    assert len(shown) == len(durations) == len({other for _, other in shown}), "one to one"
    own = {item.video: item.duration for item in items}
    for before, after in zip(items, changed, strict=True):
        assert after.duration == own[after.video] and after.evidence == ()
        assert after.subtitles == after.video.with_suffix(".srt"), "what is said is told of another"
        assert after.subtitles_start == float(after.video.stem)
        names = ("video", "duration", "evidence", "subtitles", "subtitles_start")
        kept = replace(after, **{name: getattr(before, name) for name in names})
        assert kept == before, "nothing else changes"


def test_a_wrong_video_is_of_near_duration() -> None:
    items = about([10.0, 7200.0, 12.0, 7000.0, 300.0, 290.0, 11.0], each=1)
    changed = about_another_video(items, 0)
    pairs = [(a.duration, b.duration) for a, b in zip(items, changed, strict=True)]
    # in order 10 11 | 12 290 | 300 7000 7200: pairs, and the last three in a ring
    assert dict(pairs) == {
        10.0: 11.0, 11.0: 10.0, 12.0: 290.0, 290.0: 12.0, 300.0: 7000.0, 7000.0: 7200.0,
        7200.0: 300.0,
    }  # fmt: skip


def test_what_a_question_becomes_is_a_matter_of_seed_id_and_dataset_alone() -> None:
    items = about([10.0] * 9, each=3)
    mixed = random.Random(0).sample(items, len(items))
    moved = [replace(item, video=Path("/elsewhere") / item.video) for item in mixed]
    for change in (about_another_video, with_shuffled_choices):
        plain = {item.id: (item.video.name, item.choices) for item in change(items, 0)}
        assert {item.id: (item.video.name, item.choices) for item in change(moved, 0)} == plain
        other = {item.id: (item.video.name, item.choices) for item in change(items, 1)}
        assert other != plain, "another seed is another order"


def test_one_video_alone_cannot_be_the_wrong_one() -> None:
    with pytest.raises(DatasetError, match="two videos or more"):
        about_another_video(about([10.0], each=3), 0)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=6, unique=True), st.data())
def test_shuffled_choices_are_the_same_choices_and_the_gold_goes_with_its_text(texts, data) -> None:
    gold = data.draw(st.sampled_from(texts))
    item = ask("q", choices=tuple(texts), answer=gold)
    (changed,) = with_shuffled_choices([item], data.draw(st.integers(0, 99)))
    assert Counter(changed.choices) == Counter(item.choices) and changed.answer == gold
    assert changed.choices[int(changed.group[GOLD_POSITION]) - 1] == gold
    back = replace(changed, choices=item.choices, group=item.group)
    assert back == item, "nothing else changes"


def test_every_order_is_as_likely() -> None:
    """The digests of one question in 2,400 are as fair as draws: 24 orders, 100 of each."""
    items = [ask(f"q{k}") for k in range(2400)]
    changed = with_shuffled_choices(items, 0)
    orders = Counter(item.choices for item in changed)
    assert len(orders) == 24
    chi_squared = sum((count - 100) ** 2 / 100 for count in orders.values())
    assert chi_squared < 49.7, "the 99.9 % quantile of 23 degrees of freedom"
    places = Counter(item.group[GOLD_POSITION] for item in changed)
    assert set(places) == {"1", "2", "3", "4"} and min(places.values()) > 500


def test_letters_that_choices_bring_along_stay_in_their_places() -> None:
    item = ask(
        "q",
        choices=("A. red", "B. blue", "C. teal"),
        answer="B. blue",
        aliases=("B", "(b)", " B. ", "navy"),
    )
    seen = set()
    for seed in range(20):
        (changed,) = with_shuffled_choices([item], seed)
        validate([changed])
        assert [choice[:3] for choice in changed.choices] == ["A. ", "B. ", "C. "]
        assert changed.answer[3:] == "blue" and changed.aliases == ("navy",), "B is no alias now"
        assert match_answer(changed, "blue") and match_answer(changed, changed.answer[0])
        seen.add(changed.answer)
    assert seen == {"A. blue", "B. blue", "C. blue"}


@pytest.mark.parametrize(
    "last",
    ["None of the above", "All of the above", "Both A and C", "A and B", "(A) or (B)", "Option B",
     "neither of them", "Any of these", "A & D", "NONE OF THE ABOVE"],
)  # fmt: skip
def test_choices_that_speak_of_others_by_their_places_stay(last) -> None:
    item = ask("q", choices=("red", "blue", "teal", last), answer="blue")
    assert not can_be_shuffled(item)
    for seed in range(5):
        (changed,) = with_shuffled_choices([item], seed)
        assert changed.choices == item.choices and changed.group[GOLD_POSITION] == "2"


def test_choices_that_only_look_like_it_are_shuffled() -> None:
    for text in ("A man and a woman", "vitamin B and iron", "both cars", "he has an option"):
        assert can_be_shuffled(ask("q", choices=("red", text), answer="red")), text


def test_questions_without_choices_are_left_as_they_are() -> None:
    items = [
        ask("open", choices=(), answer="red", kind="open"),
        ask("one", choices=("a",), answer="a"),
    ]
    changed = with_shuffled_choices(items, 0)
    assert changed[0] == items[0] and changed[1].choices == ("a",)
