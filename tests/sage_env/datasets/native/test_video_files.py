"""Laws of `sage_env.datasets.native.video_files`: by stem, whatever suffix, below the root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.video_files import (
    VIDEO_SUFFIXES,
    FilesByStem,
    missing_videos,
    stem_of,
    with_videos,
)
from sage_env.datasets.splits import Part
from sage_env.errors import DatasetError
from tests.helpers.native.laid_out import touch


def test_only_the_stem_counts(tmp_path):
    touch(tmp_path, "a/one.MP4", "a/two.mkv", "b/c/d/e/three.x.webm", "four.txt", ".h/five.mp4")
    videos = FilesByStem(tmp_path, VIDEO_SUFFIXES, folder="videos")
    for name in ("one", "one.mp4", "elsewhere/one.avi", "https://x.org/v/one.mp4?t=1"):
        assert videos.find(name) == tmp_path / "a/one.MP4"
    assert videos.find("two") == tmp_path / "a/two.mkv"
    assert videos.find("three.x") == tmp_path / "b/c/d/e/three.x.webm"
    assert videos.find("four") is videos.find("five") is None
    assert videos.path("four") == tmp_path / "videos/four.mp4"


def test_capitals_count_where_there_are_two(tmp_path):
    touch(tmp_path, "AbC.mp4", "abc.mp4", "Only.mp4")
    videos = FilesByStem(tmp_path, VIDEO_SUFFIXES)
    assert videos.find("AbC").name == "AbC.mp4" and videos.find("abc").name == "abc.mp4"
    assert videos.find("ABC") is None
    assert videos.find("ONLY").name == "Only.mp4"


def test_of_files_with_one_stem(tmp_path):
    touch(tmp_path, "clips/7.mp4", "deep/er/8.mp4", "9.mkv", "9.mp4", "videos/7.webm", "8.mp4")
    videos = FilesByStem(tmp_path, VIDEO_SUFFIXES, folder="videos")
    assert videos.find("7") == tmp_path / "videos/7.webm"  # where it is expected
    assert videos.find("8") == tmp_path / "8.mp4"  # the shallowest
    assert videos.find("9") == tmp_path / "9.mp4"  # the preferred suffix
    apart = FilesByStem(tmp_path, VIDEO_SUFFIXES, not_in=["videos", "clips"])
    assert apart.find("7") is None
    left = FilesByStem(tmp_path, VIDEO_SUFFIXES, leave_out=[tmp_path / "9.mp4"])
    assert left.find("9") == tmp_path / "9.mkv"


def test_the_names_that_yt_dlp_gives(tmp_path):
    touch(tmp_path, "A title [x-1_2345678].mkv")
    assert FilesByStem(tmp_path, VIDEO_SUFFIXES).find("x-1_2345678").suffix == ".mkv"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("https://www.youtube.com/watch?v=x-1_2&t=3s", "x-1_2"),
        ("https://youtu.be/x-1_2?t=3", "x-1_2"),
        ("./ego/a.b.mp4", "a.b"),
        ("C:\\videos\\a.mp4", "a"),
        ("v1.5", "v1.5"),
        (" a ", "a"),
        (".mp4", ".mp4"),
        ("a\0b", "a_b"),
    ],
)
def test_stems(name, stem):
    assert stem_of(name) == stem


@given(st.text())
def test_no_name_leads_out_of_the_root(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp() / "nothing-here"
    try:
        path = FilesByStem(root, VIDEO_SUFFIXES, folder="videos").path(name)
    except DatasetError:
        return
    assert path.parent == root / "videos" and ".." not in path.parts and "\0" not in path.name


@pytest.mark.parametrize("name", ["", "/", "..", "https://x.org/"])
def test_what_names_no_file_is_refused(tmp_path, name):
    if name == "https://x.org/":
        assert FilesByStem(tmp_path, VIDEO_SUFFIXES).find(name) is None
        return
    with pytest.raises(DatasetError, match="does not name a file"):
        FilesByStem(tmp_path, VIDEO_SUFFIXES).path(name)


def test_questions_with_and_without_their_video(tmp_path):
    touch(tmp_path, "a.mp4")
    there, gone = tmp_path / "a.mp4", tmp_path / "b.mp4"
    items = [QAItem(str(k), video, "?", answer="x") for k, video in enumerate([there, gone, gone])]
    dataset = Part([*items], [0, 1, 2])
    assert missing_videos(dataset) == [gone]
    assert list(with_videos(dataset)) == items[:1]
    touch(tmp_path, "b.mp4")
    assert missing_videos(dataset) == [] and with_videos(dataset) is dataset
