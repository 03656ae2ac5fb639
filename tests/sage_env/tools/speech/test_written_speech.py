"""Laws of `sage_env.tools.speech.written_speech`: which subtitles are read, in which order."""

import pytest

from sage_env.errors import DatasetError
from sage_env.subtitles.line import Line
from sage_env.tools.speech.written_speech import subtitles_beside, written_lines
from tests.helpers.real_clips import REAL_CLIPS
from tests.helpers.speech.sounding import subtitled

CUES = [(500, 1500, "Hello <i>there</i>"), (2000, 3000, "Bye, all")]


def srt(text):
    return f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n"


@pytest.fixture
def talk(tmp_path):
    return subtitled(tmp_path / "talk.mkv", CUES, "subrip")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "subrip"), ("b.mp4", "mov_text"), ("c.mkv", "ass")]
)
def test_text_inside_the_file_is_read(tmp_path, name, codec):
    path = subtitled(tmp_path / name, CUES, codec)
    lines = written_lines(path)
    assert [line.text for line in lines] == ["Hello there", "Bye, all"]
    times = [time for line in lines for time in line[:2]]
    assert times == pytest.approx([0.5, 1.5, 2.0, 3.0])


def test_the_given_file_comes_first_then_files_beside_then_the_file_itself(talk, tmp_path):
    def said(**given):
        return written_lines(talk, **given)[0].text

    assert said() == "Hello there"
    (tmp_path / "talk.de.srt").write_text(srt("Hallo"))
    assert said() == "Hallo"
    (tmp_path / "talk.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nEnglish\n")
    assert said() == "English"
    assert said(language="de") == "Hallo"
    (tmp_path / "talk.srt").write_text(srt("plain"))
    assert said() == said(language="de") == "plain"
    given = tmp_path / "elsewhere.srt"
    given.write_text(srt("given"))
    assert said(subtitles=given) == "given"
    assert written_lines(talk, subtitles=given, subtitles_start=0.5) == (Line(0.5, 1.5, "given"),)


def test_names_that_are_those_of_subtitles(tmp_path):
    names = ["talk.srt", "talk.en.srt", "talk.pt-BR.vtt", "talk.en.auto.vtt", "talk.jsonl"]
    others = ["talk2.srt", "talk.info.json", "talk.txt", "other.srt", "talk.en.forced.srt"]
    for name in (*names, *others):
        (tmp_path / name).write_text("")
    found = subtitles_beside(tmp_path / "talk.mp4")
    assert {path.name for path in found} == set(names)
    assert [path.name for path in found[:3]] == ["talk.srt", "talk.jsonl", "talk.en.srt"]
    assert [p.name for p in subtitles_beside(tmp_path / "talk.mp4", "pt")] == [
        "talk.srt",
        "talk.jsonl",
        "talk.pt-BR.vtt",
    ]


def test_what_cannot_be_read_beside_the_video_is_passed_over(talk, tmp_path):
    (tmp_path / "talk.json").write_text('{"title": "no subtitles"}')
    assert written_lines(talk)[0].text == "Hello there"
    (tmp_path / "talk.srt").write_text("00:00:xx --> 00:00:02,000\nbroken\n")
    with pytest.warns(UserWarning, match="left out"):
        assert written_lines(talk)[0].text == "Hello there"
    broken = tmp_path / "given.srt"
    broken.write_text("no times here")
    with pytest.raises(DatasetError, match="given.srt"):
        written_lines(talk, subtitles=broken)


def test_an_empty_file_beside_says_nothing_and_an_empty_one_that_is_named_says_so(talk, tmp_path):
    (tmp_path / "talk.srt").write_text("")
    (tmp_path / "talk.json").write_text("[]")
    assert written_lines(talk)[0].text == "Hello there"
    assert written_lines(talk, subtitles=tmp_path / "talk.srt") == ()


def test_a_video_without_any_has_none(tmp_path):
    path = subtitled(tmp_path / "a.mkv", [], "subrip")
    assert written_lines(path) is None
    # Forced ones are of signs and of other languages alone, not of what is said.
    assert written_lines(subtitled(tmp_path / "b.mkv", CUES, "subrip", forced=True)) is None
    assert written_lines(tmp_path / "drawn.mp4") is None  # a video of an opener has no file


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="no filmed clips here")
def test_the_subtitles_of_a_filmed_clip():
    lines = written_lines(REAL_CLIPS / "nasa_13013_speech.mp4")
    assert len(lines) == 4 and lines[1].start == pytest.approx(4.26)
    assert lines[2].text.startswith("at NASA’s Goddard Space Flight Center")
