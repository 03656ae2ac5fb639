"""Laws of `sage_env.datasets.access.coverage`: what can be asked, out of what there is."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.access.coverage import Coverage, coverage_line, coverage_of, present
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset


def ask(number, video):
    return QAItem(f"q{number}", video, "What?", answer="this")


def test_questions_are_told_apart_by_whether_their_video_is_there(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere.mp4")
    names = ["a", "b", "a", "folder", "link"]
    items = [ask(k, tmp_path / f"{name}.mp4") for k, name in enumerate(names)]
    kept, missing = present(items)
    assert [item.id for item in kept] == ["q0", "q2"]
    assert [item.id for item in missing] == ["q1", "q3", "q4"]
    coverage = coverage_of(items, kept)
    assert coverage == Coverage(2, 1, 5, 4) and not coverage.whole
    assert coverage_line(coverage) == "2 of 5 questions, 1 of 4 videos"
    assert coverage_line(coverage, 1) == (
        "2 of 5 questions, 1 of 4 videos; missing counted wrong: 20.0 %"
    )
    assert present(kept) == (kept, [])


def test_a_benchmark_is_measured_by_its_official_numbers(tmp_path):
    (tmp_path / "charades_sta_test.txt").write_text("A 1.0 2.0##he runs\nB 1.0 2.0##she runs\n")
    (tmp_path / "A.mp4").touch()
    items = load_dataset("charades-sta", root=tmp_path, split="test")
    kept, missing = present(items)
    assert [item.id for item in missing] == ["B-1"] and kept.benchmark is items.benchmark
    assert coverage_line(coverage_of(items, kept), right=1) == (
        "1 of 3720 official questions, 1 of 1334 videos; missing counted wrong: 0.0 %"
    )
    assert coverage_of(kept, kept) == coverage_of(items, kept)


def test_videos_without_an_official_number_have_no_total_beside_official_questions():
    class Known:
        questions, videos = {"test": 1744}, {}

    class Items(list):
        benchmark, split = Known(), "test"

    items = Items(ask(k, Path(f"{k}.mp4")) for k in range(3))
    coverage = coverage_of(items, items[:2])
    assert coverage_line(coverage) == "2 of 1744 official questions, 2 videos"
    assert not coverage.whole and Coverage(2, 2, 2, None, official=True).whole


def test_a_dataset_that_makes_its_videos_has_them_all(tmp_path):
    items = load_dataset("sage-synth", root=tmp_path, split="test")
    assert not items[0].video.exists()
    assert present(items) == (items, [])


@given(st.integers(0, 50), st.integers(0, 50), st.data())
def test_missing_counted_wrong_is_never_more_than_accuracy(asked, lost, data):
    right = data.draw(st.integers(0, asked))
    line = coverage_line(Coverage(asked, asked, asked + lost, asked + lost, True), right)
    if asked + lost:
        share = float(line.rpartition(": ")[2].removesuffix(" %"))
        assert share <= 100 * right / max(asked, 1) + 0.05
        assert (share == 100.0) == (right == asked + lost)
    else:
        assert "wrong" not in line


def test_more_questions_than_officially_are_all_counted():
    class Known:
        questions, videos = {"test": 1}, {"test": 1}

    class Items(list):
        benchmark, split = Known(), "test"

    items = Items([ask(0, Path("a.mp4")), ask(1, Path("b.mp4"))])
    assert coverage_of(items, items) == Coverage(2, 2, 2, 2, official=True)
    assert coverage_of(items, items).whole
