"""Laws of `sage_env.subtitles.reading`: every format, the video's clock, broken files."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import lines_between, read_subtitles, subtitles_of

SAID = (Line(1.0, 2.5, "We begin."), Line(3723.5, 3725.0, "Then, it ends"))
SRT = """1
00:00:01,000 --> 00:00:02,500
<font color="#E5E5E5">We begin.</font>

2
01:02:03,500 --> 01:02:05,000 X1:40 X2:600
{\\an8}<i>Then,</i>
it&nbsp;ends
"""
VTT = """WEBVTT - a title

NOTE
00:00:00.000 --> 00:00:09.000
a comment

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>We <00:00:01.500><c>begin.</c>

01:02:03.500 --> 01:02:05.000
Then,
it ends
"""
SHAPES = {
    "a.json": [
        {"timestamp": [1.0, 2.5], "text": "We begin."},
        {"timestamp": [3723.5, 3725.0], "text": "Then, it ends"},
    ],
    "b.json": [
        {"start": "00:00:01.000", "end": "00:00:02.500", "line": "We begin."},
        {"start": "01:02:03.500", "end": "01:02:05.000", "line": "Then, it ends"},
    ],
    "c.json": {"language": "en", "segments": [
        {"id": 0, "start": 1.0, "end": 2.5, "text": " We begin."},
        {"id": 1, "start": 3723.5, "end": 3725.0, "text": " Then, it ends"},
    ]},
    "d.jsonl": [
        {"text": "We", "start_time": 1.0, "end_time": 1.4},
        {"text": "begin.", "start_time": 1.5, "end_time": 2.5},
        {"text": "Then", "start_time": 3723.5, "end_time": 3724},
        {"text": ",", "start_time": 3724, "end_time": 3724},
        {"text": "it", "start_time": 3724, "end_time": 3724.5},
        {"text": "ends", "start_time": 3724.5, "end_time": 3725.0},
    ],
}  # fmt: skip


def write(path: Path, content: object) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in content) + "\n\n")
    else:
        path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("name", "content"), [("a.srt", SRT), ("a.vtt", VTT), ("A.SRT", SRT), *SHAPES.items()]
)
def test_every_format_says_the_same(tmp_path, name, content):
    assert read_subtitles(write(tmp_path / name, content)) == SAID


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + SRT.encode(),
        SRT.replace("\n", "\r\n").encode(),
        SRT.replace("\n", "\r").encode(),
        SRT.encode("utf-16"),
        SRT.replace("\n\n", "\n").encode(),  # blank lines lost: a number above a timing is no text
        SRT.replace("\n\n", "\n \n\n").encode(),
        SRT.rstrip().encode(),
    ],
)
def test_marks_line_ends_and_blank_lines_do_not_matter(tmp_path, data):
    assert read_subtitles(write(tmp_path / "a.srt", data)) == SAID


@pytest.mark.parametrize("name", ["a.srt", "a.vtt", "a.json", "a.jsonl"])
def test_a_video_in_which_nothing_is_said(tmp_path, name):
    assert read_subtitles(write(tmp_path / name, "")) == ()
    assert read_subtitles(write(tmp_path / "head.vtt", "WEBVTT\n\nNOTE nothing\n")) == ()
    assert read_subtitles(write(tmp_path / "list.json", [])) == ()
    assert read_subtitles(write(tmp_path / "mark.vtt", b"\xef\xbb\xbfWEBVTT\n")) == ()
    assert read_subtitles(write(tmp_path / "mark.json", b"\xef\xbb\xbf[]")) == ()
    blank = "1\n00:00:01,000 --> 00:00:02,000\n<i> </i>\n"
    assert read_subtitles(write(tmp_path / "blank.srt", blank)) == ()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.srt", SRT.replace("00:00:02,500", "soon"), "a.srt, line 2: expected times"),
        ("a.srt", SRT.replace("01:02:05,000", "01:02:75,000"), "a.srt, line 6: expected times"),
        ("a.srt", "<html>not found</html>", "a.srt has no line such as"),
        ("a.vtt", "00:01.000 ->> 00:02.000\nx", "a.vtt has no line such as"),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n\xe9t\xe9\n", "a.srt, line 3: not UTF-8"),
        ("a.json", "[", "a.json is not JSON"),
        ("a.json", {"a": 1}, "a.json must hold a list of objects, got dict"),
        ("a.json", [3], "a.json, entry 1: expected an object, got int"),
        ("a.json", [SHAPES["a.json"][0], {"text": "x"}], "entry 2: expected start and end"),
        ("a.json", [{"start": "x", "end": 2, "text": "y"}], "entry 1: expected start and end"),
        ("a.json", [{"start": 1, "end": "x", "text": "y"}], "entry 1: expected start and end"),
        ("a.json", [{"start": True, "end": 2, "text": "y"}], "entry 1: expected start and end"),
        ("a.json", [{"start": 1, "end": 2}], "entry 1: expected a text under text or line"),
        ("a.json", [{"start": 1, "end": 2, "text": 3}], "entry 1: expected a text"),
        ("a.jsonl", '{"text": "x", "start_time": 1, "end_time": 2}\n{', "line 2: not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("a.ass", "", "a.ass is no subtitle file: their names end with .srt, .vtt"),
        ("a.srt", None, "a.srt cannot be read"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        write(path, content)
    with pytest.raises(DatasetError, match=words):
        read_subtitles(path)


def test_a_number_above_a_timing_is_its_name_and_any_other_is_said(tmp_path):
    """Of the second cue, which no blank line parts from the first, 2 is the number."""
    cues = [("1", "00:01", "41"), ("2", "00:02", "42"), ("", "00:05", "43")]
    text = "\n".join(f"{name}\n00:{at},000 --> 00:{at},500\n{said}" for name, at, said in cues)
    for end in ("", "\n"):
        lines = read_subtitles(write(tmp_path / "a.srt", text + end))
        assert [line.text for line in lines] == ["41", "42", "43"]


def test_a_cue_that_ends_before_it_starts_ends_where_it_starts(tmp_path):
    path = write(tmp_path / "a.srt", "1\n00:00:05,000 --> 00:00:04,000\nback\n")
    assert read_subtitles(path) == ((5.0, 5.0, "back"),)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.srt").mkdir()
    with pytest.raises(DatasetError, match="folder, pipe or device"):
        read_subtitles(tmp_path / "a.srt")


def test_the_clock_is_that_of_the_video(tmp_path):
    rows = [
        {"timestamp": [1.0, 5.0], "text": "before"},
        {"timestamp": [6.0, 10.0], "text": "until the cut"},
        {"timestamp": [8.0, 12.0], "text": "over the cut"},
        {"timestamp": [10.0, 10.0], "text": "at the cut"},
        {"timestamp": [12.5, None], "text": "open"},
        {"timestamp": [14.0, None], "text": "last"},
    ]
    path = write(tmp_path / "a.json", rows)
    item = QAItem("q", tmp_path / "v.mp4", "?", answer="x", subtitles=path, subtitles_start=10.0)
    assert subtitles_of(item) == (
        (0.0, 2.0, "over the cut"), (0.0, 0.0, "at the cut"), (2.5, 4.0, "open"), (4.0, 6.0, "last")
    )  # fmt: skip
    assert [line.start for line in read_subtitles(path)] == [1.0, 6.0, 8.0, 10.0, 12.5, 14.0]
    assert subtitles_of(QAItem("q", tmp_path / "v.mp4", "?", answer="x")) == ()


def test_lines_of_a_stretch():
    lines = (Line(0, 2, "a"), Line(2, 4, "b"), Line(3, 3, "c"), Line(5, 6, "d"))
    assert [line.text for line in lines_between(lines, 2, 5)] == ["b", "c"]
    assert [line.text for line in lines_between(lines, 1.5, 2)] == ["a"]
    assert [line.text for line in lines_between(lines, 0, 9)] == ["a", "b", "c", "d"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text("0:1. <a", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["start", "end", "text", "line", "timestamp", "start_time"]), inner
        )
    ),
    max_leaves=8,
)
cue_texts = st.lists(
    st.sampled_from(
        ["1", "", "00:00:01,000 --> 00:00:02,000", "x", "NOTE", "WEBVTT", "00:01 -->", "<i>y</i>"]
    )
).map("\n".join)


@given(
    st.binary(max_size=40) | cue_texts.map(str.encode) | json_values.map(json.dumps).map(str.encode)
)
def test_whatever_a_file_holds_it_is_lines_or_a_named_problem(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "anything"
    folder.mkdir(exist_ok=True)
    for suffix in ("srt", "vtt", "json", "jsonl"):
        try:
            lines = read_subtitles(write(folder / f"a.{suffix}", data), 0.5)
        except DatasetError as error:
            assert f"a.{suffix}" in str(error)
        else:
            assert all(0 <= line.start <= line.end and line.text.strip() for line in lines)
