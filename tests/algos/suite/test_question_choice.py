"""Laws of `algos.suite.question_choice`: which questions are played is the same everywhere."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.suite.question_choice import (
    ChoiceError,
    Shard,
    listed,
    merged_order,
    stratified,
    video_names,
)
from sage_env import QAItem
from sage_env.datasets.duration_buckets import bucket_of


def asked(number: int, video: int, seconds: float | None, **group: str) -> QAItem:
    return QAItem(f"q{number}", Path(f"/data/{video}.mp4"), "?", duration=seconds, group=group)


LENGTHS = st.sampled_from([None, 10.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0])
DATASETS = st.lists(st.tuples(st.integers(0, 9), LENGTHS), min_size=1, max_size=60).map(
    lambda rows: [asked(k, video, seconds) for k, (video, seconds) in enumerate(rows)]
)


@settings(max_examples=60, deadline=None)
@given(DATASETS, st.integers(1, 70))
def test_a_limit_takes_of_each_length_its_share_and_a_larger_one_only_adds(items, limit) -> None:
    chosen = stratified(items, limit)
    assert len(chosen) == min(limit, len(items))
    assert [x for x in items if x in chosen] == chosen, "the order of the dataset is lost"
    whole, part = (Counter(bucket_of(x.duration) for x in some) for some in (items, chosen))
    for bucket, count in whole.items():
        assert abs(part[bucket] - len(chosen) * count / len(items)) < 1.5
    assert {x.id for x in chosen} <= {x.id for x in stratified(items, limit + 3)}
    shuffled = {x.id for x in stratified(items[::-1], limit)}
    assert shuffled == {x.id for x in chosen}, "it depends on the order"


def test_a_rare_length_gets_its_share_and_no_more() -> None:
    """40 questions of 100 s and 8 of 1,000 s: five to one at every limit."""
    items = [asked(k, k, 100.0 if k % 6 else 1000.0) for k in range(48)]
    for limit, rare in ((6, 1), (12, 2), (24, 4), (42, 7)):
        assert sum(x.duration == 1000.0 for x in stratified(items, limit)) == rare


def test_videos_take_turns_before_one_is_asked_twice() -> None:
    items = [asked(k, k // 6, 100.0) for k in range(60)]  # ten videos of six questions
    for limit, videos in ((5, 5), (10, 10), (20, 10)):
        per_video = Counter(x.video for x in stratified(items, limit))
        assert len(per_video) == videos
        assert max(per_video.values()) == -(-limit // 10)
        again = stratified(items[::-1], limit)
        assert {x.id for x in again} == {x.id for x in stratified(items, limit)}, "by place"
    assert stratified(items, None) == items and stratified(items, 99) == items
    with pytest.raises(ChoiceError, match="--limit must be at least 1"):
        stratified(items, 0)


def test_where_no_duration_is_known_the_report_key_stands_for_it() -> None:
    items = [asked(k, k, None, duration=["short", "medium", "long"][k % 3]) for k in range(30)]
    found = Counter(x.group["duration"] for x in stratified(items, 6))
    assert found == {"short": 2, "medium": 2, "long": 2}


@settings(max_examples=60, deadline=None)
@given(DATASETS, st.integers(1, 6))
def test_shards_are_a_partition_by_video_that_puts_together_again(items, count) -> None:
    videos = len({x.video for x in items})
    shards = [Shard(k + 1, count) for k in range(count)]
    if count > videos:
        with pytest.raises(ChoiceError, match="a shard needs one at least"):
            shards[0].positions(items)
        return
    places = [shard.positions(items) for shard in shards]
    assert sorted(k for own in places for k in own) == list(range(len(items)))
    of_shards = [{items[k].video for k in own} for own in places]
    assert sum(map(len, of_shards)) == videos, "a video is in two shards"
    assert max(map(len, of_shards)) - min(map(len, of_shards)) <= 1
    order = merged_order(places)
    assert [items[places[shard][k]] for shard, k in order] == items
    moved = [QAItem(x.id, Path("/elsewhere") / x.video.name, x.question) for x in items]
    assert [shard.positions(moved) for shard in shards] == places


def test_videos_of_one_name_in_two_folders_are_two() -> None:
    items = [QAItem(f"q{k}", Path(f"/d/{name}/video.mp4"), "?") for k, name in enumerate("aab")]
    assert video_names(items) == ["a/video.mp4", "a/video.mp4", "b/video.mp4"]
    assert sorted(map(len, (Shard(k, 2).positions(items) for k in (1, 2)))) == [1, 2]
    assert video_names([]) == []
    odd = [QAItem("a", Path("/d/x.mp4"), "?"), QAItem("b", Path("y.mp4"), "?")]
    assert video_names(odd) == ["x.mp4", "y.mp4"]


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ChoiceError, match="--shard takes i/n"):
        Shard.parse(text)


def test_ids_are_read_in_three_forms_and_unknown_ones_are_named(tmp_path: Path) -> None:
    items = [asked(k, k, None) for k in range(12)]
    path = tmp_path / "ids"
    rows = "\n".join(json.dumps({"id": f"q{k}", "verdict": True}) for k in (7, 3, 7))
    for text in ("q7\n\n  q3\n", '["q7", "q3"]', rows):
        path.write_text(text)
        assert [x.id for x in listed(items, path)] == ["q3", "q7"]
    path.write_text("q7\nq33\n")
    with pytest.raises(ChoiceError, match="1 of 2 ids that the dataset lacks, the first 'q33'"):
        listed(items, path)
    path.write_text("\n")
    with pytest.raises(ChoiceError, match="lists no id"):
        listed(items, path)
    with pytest.raises(ChoiceError, match="cannot be read"):
        listed(items, tmp_path / "none")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["q", " q ", "a\u2028b", "\x85q", "5", '{"id": "x"}', "ü", "../q"])
def test_a_list_of_ids_holds_any_id_of_one_line(tmp_path, name, start, end) -> None:
    items = [QAItem(one, Path("a.mp4"), "?") for one in ("other", name)]
    path = tmp_path / "ids.txt"
    path.write_bytes(f"{start}{name}{end}{end}".encode())
    assert [item.id for item in listed(items, path)] == [name]
