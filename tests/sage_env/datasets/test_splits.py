"""Laws of `sage_env.datasets.splits`, `json_lines`: three splits, no video in two of them."""

import json
import os
from copy import copy, deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.item import QAItem
from sage_env.datasets.json_lines import read_jsonl, splits_of
from sage_env.datasets.loading import has_splits, load_dataset
from sage_env.datasets.splits import Splits, hold_out_videos, load_splits, part_of
from sage_env.errors import DatasetError


def items(*videos: str, folder: str = "/videos") -> list[QAItem]:
    return [
        QAItem(f"{number}", Path(folder) / video, "?", answer="x")
        for number, video in enumerate(videos)
    ]


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(name: str, video: str, **more) -> dict:
    return {"id": name, "video": video, "question": "?", "answer": "x", **more}


TEN = items(*(f"{k % 10}.mp4" for k in range(30)))


@given(
    count=st.integers(3, 40),
    shares=st.tuples(st.floats(0.01, 0.3), st.floats(0.01, 0.3)),
    seed=st.integers(0, 9),
)
def test_held_out_videos_are_nowhere_else_and_nothing_is_lost(count, shares, seed) -> None:
    questions = items(*(f"{k % count}.mp4" for k in range(3 * count)))
    parts = hold_out_videos(questions, dict(zip(("validation", "test"), shares, strict=True)), seed)
    videos = {name: {item.video for item in part} for name, part in parts.items()}
    assert not videos["train"] & videos["validation"]
    assert not videos["train"] & videos["test"]
    assert not videos["validation"] & videos["test"]
    assert len(videos["validation"]) == max(1, round(shares[0] * count))
    assert len(videos["test"]) == max(1, round(shares[1] * count))
    for part in parts.values():  # in their order, whole videos
        assert list(part) == [item for item in questions if item in list(part)]
    assert sum(map(len, parts.values())) == len(questions)


def test_what_is_held_out_depends_on_the_seed_and_on_no_order_and_no_folder() -> None:
    def held(questions, seed=0):
        part = hold_out_videos(questions, {"test": 0.3}, seed)["test"]
        return {item.video.name for item in part}

    assert held(TEN) == held(TEN[::-1]) == held(items(*(f"{k}.mp4" for k in range(10))))
    moved = items(*(f"{k % 10}.mp4" for k in range(30)), folder="/elsewhere/deep")
    assert held(moved) == held(TEN)
    assert len({frozenset(held(TEN, seed)) for seed in range(8)}) > 3


def test_a_dataset_of_its_own_splits_has_to_have_all_three(tmp_path) -> None:
    rows = [row(f"{s}{k}", f"{s}{k}.mp4", split=s) for s in ("train", "test") for k in range(2)]
    path = write(tmp_path / "set.jsonl", *rows)
    assert splits_of(path) == ("train", "test") and has_splits(path)
    assert [item.id for item in load_dataset(path, split="test")] == ["test0", "test1"]
    with pytest.raises(DatasetError, match="no line of the split 'te'"):
        read_jsonl(path, split="te")
    with pytest.raises(DatasetError, match=r"no line of the split 'validation', .*--validation"):
        load_splits(path)
    found = load_splits(path, validation=items("v.mp4"))
    assert found.ids() == {
        "train": ["train0", "train1"], "validation": ["0"], "test": ["test0", "test1"]
    }  # fmt: skip
    assert set(found.how.values()) == {"given"}


def test_one_split_is_divided_and_what_is_named_is_not(tmp_path) -> None:
    path = write(tmp_path / "set.jsonl", *(row(f"{k}", f"{k}.mp4") for k in range(10)))
    assert splits_of(path) == () and not has_splits(path)
    whole = load_splits(path, seed=3)
    assert [len(part) for part in whole.parts().values()] == [7, 1, 2]
    assert whole.how["test"] == "held out by video, seed 3" == whole.how["validation"]
    named = load_splits(path, test=items("other.mp4"))
    assert [len(part) for part in named.parts().values()] == [9, 1, 1]
    assert named.how["test"] == "given"


def test_the_seed_decides_what_is_held_out_and_paths_lead_out_only_where_allowed(tmp_path) -> None:
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in" / "set.jsonl", *(row(f"{k}", f"{k}.mp4") for k in range(10)))
    found = {tuple(load_splits(path, seed=seed).ids()["test"]) for seed in range(8)}
    assert len(found) > 3
    outside = write(tmp_path / "in" / "out.jsonl", *(row(f"{k}", f"../{k}.mp4") for k in range(10)))
    with pytest.raises(DatasetError, match="outside"):
        load_splits(outside)
    assert len(load_splits(outside, allow_outside=True).train) == 7
    rows = (row(f"{k}", f"../{k}.mp4", split="train") for k in range(2))
    with pytest.raises(DatasetError, match="outside"):
        read_jsonl(write(tmp_path / "in" / "own.jsonl", *rows), split="train")


def test_functions_say_by_their_parameters_whether_they_have_splits() -> None:
    def all_of_them():
        return TEN

    def by_split(split):
        return items(f"{split}.mp4")

    assert not has_splits(all_of_them) and not has_splits(TEN)
    assert has_splits(by_split) and has_splits("sage-synth")
    assert has_splits(lambda **named: TEN)
    assert [len(part) for part in load_splits(all_of_them).parts().values()] == [21, 3, 6]
    assert load_splits(by_split).validation[0].video.name == "validation.mp4"


@pytest.mark.parametrize("link", [None, "hard", "soft"])
def test_a_video_in_two_splits_is_refused_by_whatever_name(tmp_path, link) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    other = tmp_path / "a.mp4"
    if link is not None:
        other = tmp_path / "b.mp4"
        (os.link if link == "hard" else os.symlink)(tmp_path / "a.mp4", other)
    first, second = items("a.mp4", folder=str(tmp_path)), items(other.name, folder=str(tmp_path))
    with pytest.raises(DatasetError, match=f"{other.name} is in train and in test"):
        Splits(first, items("v.mp4"), second, {})
    Splits(first, items("v.mp4"), items("c.mp4", folder=str(tmp_path)), {})


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_videos_are_one_sentence(count) -> None:
    questions = items(*(f"{k % count}.mp4" for k in range(12)))
    with pytest.raises(DatasetError, match=rf"has {count} videos, too few to hold out 1 for val"):
        load_splits(questions)
    three = load_splits(items("a.mp4", "b.mp4", "c.mp4"))
    assert [len(part) for part in three.parts().values()] == [1, 1, 1]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_is_a_share(share) -> None:
    with pytest.raises(DatasetError, match=r"must be in \(0, 1\)"):
        hold_out_videos(TEN, {"test": share}, 0)


def test_a_part_has_what_its_dataset_has() -> None:
    class Made(list):
        frame_size = (64, 32)

        def prepare(self, item):
            return f"made {item.id}"

        def __deepcopy__(self, memo):
            return Made(self)

    part = part_of(Made(TEN), [2, 5])
    assert [item.id for item in part] == ["2", "5"] and part[0].id == "2"
    assert part.frame_size == (64, 32) and part.prepare(part[0]) == "made 2"
    assert not hasattr(part, "headline")
    for twin in (copy(part), deepcopy(part)):  # of the part, and not of what it is a part of
        assert [item.id for item in twin] == ["2", "5"] and twin.frame_size == (64, 32)
    whole = Made(TEN)
    assert part_of(whole, range(len(TEN))) is whole


def test_without_some_videos_only_their_questions_go() -> None:
    splits = Splits(items("a.mp4", "b.mp4", "a.mp4"), items("c.mp4"), items("d.mp4"), {})
    left = splits.without([Path("/videos/a.mp4")])
    assert left.ids() == {"train": ["1"], "validation": ["0"], "test": ["0"]}
    assert left.test is splits.test
    assert not len(splits.without([Path("/videos/d.mp4")]).test)


@pytest.mark.parametrize("split", [None, 3, " ", "absent"])
def test_a_split_stands_in_every_line_or_in_none(tmp_path, split) -> None:
    odd = row("b", "b.mp4") if split == "absent" else row("b", "b.mp4", split=split)
    path = write(tmp_path / "set.jsonl", row("a", "a.mp4", split="train"), odd)
    with pytest.raises(DatasetError, match="line 2: split must be a text .* in every line or in n"):
        read_jsonl(path)


def test_all_lines_are_checked_whichever_split_is_read(tmp_path) -> None:
    rows = [row("a", "a.mp4", split="train"), row("a", "b.mp4", split="test")]
    with pytest.raises(DatasetError, match="used before"):
        read_jsonl(write(tmp_path / "set.jsonl", *rows), split="train")


def test_names_of_one_file_are_held_out_together(tmp_path) -> None:
    names = []
    for k in range(6):
        (tmp_path / f"{k}.mp4").write_bytes(bytes([k]))
        os.link(tmp_path / f"{k}.mp4", tmp_path / f"hard{k}.mp4")
        os.symlink(f"{k}.mp4", tmp_path / f"soft{k}.mp4")
        names += [f"{k}.mp4", f"hard{k}.mp4", f"soft{k}.mp4"]
    splits = load_splits(items(*names, folder=str(tmp_path)))
    parts = splits.parts().values()
    assert [len(part) for part in parts] == [12, 3, 3]  # three names of each of 4, 1 and 1 files
    with pytest.raises(DatasetError, match="has 2 videos, too few"):
        load_splits(items(*names[:6], folder=str(tmp_path)))


def test_a_path_with_a_zero_byte_is_no_video(tmp_path) -> None:
    path = write(tmp_path / "set.jsonl", row("a", "a\0.mp4"))
    with pytest.raises(DatasetError, match=r"line 1 .*no zero byte, got '.*a\\x00.mp4'"):
        read_jsonl(path)
