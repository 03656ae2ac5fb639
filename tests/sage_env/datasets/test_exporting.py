"""Laws of `sage_env.datasets.exporting`, `preparing`: datasets as files, made in parallel."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sage_env.datasets.exporting import QUESTIONS, export_questions
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.preparing import prepare_videos
from sage_env.datasets.splits import load_splits
from sage_env.errors import DatasetError
from sage_env.synth import sage_synth


class Made(list):
    """Questions whose videos are files that hold their own name."""

    def prepare(self, item: QAItem) -> None:
        if item.question == "broken":
            raise ZeroDivisionError("no such file")
        item.video.write_text(f"{item.video.name} made by {os.getpid()}")


def made(folder: Path, *names: str, question: str = "?") -> Made:
    return Made(QAItem(name, folder / f"{name}.mp4", question, answer="x") for name in names)


def test_what_is_written_out_is_read_back_as_it_was(tmp_path) -> None:
    full = QAItem(
        "q", tmp_path / "in" / "a.mp4", "Wähle: ü?", ("x", "y"), "y", "mcq", ((0.1, 0.2),),
        0.1 + 0.2, {"tier": "core", "β": "1"}, None, ("Y!",),
    )  # fmt: skip
    number = QAItem("n", tmp_path / "in" / "a.mp4", "When?", answer="5", tolerance=1.5, kind="open")
    (tmp_path / "in").mkdir()
    full.video.write_bytes(b"video")
    assert export_questions({None: [full, number]}, tmp_path / "out") == 2
    back = load_dataset(tmp_path / "out" / QUESTIONS)
    video = tmp_path / "out" / "videos" / "a.mp4"
    assert list(back) == [replace(full, video=video), replace(number, video=video)]
    assert video.read_bytes() == b"video"


def test_the_built_in_dataset_keeps_ids_order_and_splits(tmp_path, monkeypatch) -> None:
    counts = {"train": 2, "validation": 1, "test": 1}
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
    parts = {name: sage_synth(tmp_path / "cache", name) for name in counts}
    for part in parts.values():
        for video in part.videos:
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(str(video).encode())
    export_questions(parts, tmp_path / "out")
    splits = load_splits(tmp_path / "out" / QUESTIONS)
    for name, part in splits.parts().items():
        there = [replace(item, video=item.video.name) for item in part]
        assert there == [replace(item, video=item.video.name) for item in parts[name]]
        assert {item.video.parent for item in part} == {tmp_path / "out" / name}


def test_videos_of_one_name_and_two_folders_stay_apart_and_what_is_there_is_kept(tmp_path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("A.mp4" if name == "three" else "a.mp4")).write_text(name * 2)
    videos = [tmp_path / "one/a.mp4", tmp_path / "two/a.mp4", tmp_path / "three/A.mp4"]
    items = [QAItem(f"{k}", video, "?", answer="x") for k, video in enumerate(videos)]
    out = tmp_path / "out"
    export_questions({"test": items}, out, link=True)
    names = [json.loads(line)["video"] for line in (out / QUESTIONS).read_text().splitlines()]
    assert names == ["test/a.mp4", "test/a-2.mp4", "test/A-3.mp4"]  # where capitals count or not
    assert [(out / name).read_text() for name in names] == ["oneone", "twotwo", "threethree"]
    assert all(os.path.samefile(out / n, v) for n, v in zip(names, videos, strict=True))
    before = (out / names[0]).stat().st_mtime_ns
    export_questions({"test": items}, out)
    assert (out / names[0]).stat().st_mtime_ns == before


def test_a_video_that_was_cut_short_is_copied_again(tmp_path) -> None:
    items = made(tmp_path, "a")
    items[0].video.write_text("all of it")
    export_questions({None: items}, tmp_path / "out")
    copied = tmp_path / "out" / "videos" / "a.mp4"
    copied.write_text("all")
    export_questions({None: items}, tmp_path / "out")
    assert copied.read_text() == "all of it"


def test_a_missing_video_is_named_and_no_questions_are_written(tmp_path) -> None:
    with pytest.raises(DatasetError, match="gone.mp4 cannot be written"):
        export_questions({None: made(tmp_path, "gone")}, tmp_path / "out")
    assert not (tmp_path / "out" / QUESTIONS).exists()


def test_missing_videos_are_made_once_in_other_processes(tmp_path) -> None:
    items = made(tmp_path, "a", "b")
    items += [replace(items[0], id="again")]
    (tmp_path / "b.mp4").write_text("was there")
    assert prepare_videos([items, [items[0]]], workers=1, progress=False) == 1
    assert (tmp_path / "b.mp4").read_text() == "was there"
    assert (tmp_path / "a.mp4").read_text().startswith("a.mp4 made by")
    assert str(os.getpid()) not in (tmp_path / "a.mp4").read_text()
    assert prepare_videos([items], progress=False) == 0


def test_what_no_process_can_be_sent_is_made_here(tmp_path) -> None:
    class Local(Made):
        pass

    assert prepare_videos([Local(made(tmp_path, "a"))], progress=False) == 1
    assert str(os.getpid()) in (tmp_path / "a.mp4").read_text()


def test_long_videos_are_made_first_so_that_no_core_waits_for_the_last(tmp_path) -> None:
    made_so_far = []

    class Local(Made):
        def prepare(self, item: QAItem) -> None:
            made_so_far.append(item.id)

    items = made(tmp_path, "unknown", "short", "long", "middle")
    lengths = {"short": 1.0, "long": 9.0, "middle": 4.0}
    prepare_videos([Local(replace(i, duration=lengths.get(i.id)) for i in items)], progress=False)
    assert made_so_far == ["long", "middle", "short", "unknown"]


def test_a_dataset_that_fails_is_named_by_the_item(tmp_path) -> None:
    class Local(Made):
        pass

    with pytest.raises(DatasetError, match="cannot prepare item 'a'.*no such file"):
        prepare_videos([Local(made(tmp_path, "a", question="broken"))], progress=False)


def test_another_video_of_the_same_size_is_not_taken_for_the_original(tmp_path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_bytes(folder.encode().ljust(9))
        item = QAItem("q", tmp_path / folder / "a.mp4", "?", answer="x")
        export_questions({None: [item]}, tmp_path / "out")
        there = (tmp_path / "out" / "videos" / "a.mp4").read_bytes()
        assert there == folder.encode().ljust(9)
