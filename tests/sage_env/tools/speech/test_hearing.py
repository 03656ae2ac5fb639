"""Laws of `sage_env.tools.speech.hearing`, `words`, `recogniser`: the same words whoever asks."""

import importlib.util
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.errors import MissingExtra, ToolError
from sage_env.subtitles.line import Line
from sage_env.tools.speech import hearing as module
from sage_env.tools.speech.hearing import Hearing, hear, speech_between
from sage_env.tools.speech.recogniser import (
    Whisper,
    load_recogniser,
    model_name,
    weights_place,
)
from sage_env.tools.speech.words import Word, lines_of
from tests.helpers.real_clips import REAL_CLIPS
from tests.helpers.speech.sounding import clicking, subtitled

CLICKS = [0.2 + 0.4 * number for number in range(24)]  # every 0.4 s, in a video of 10 s
CALLS = []


def clicks(samples, language):
    """A recogniser that hears a word of 0.3 s at each click, and sees half a one at an edge."""
    CALLS.append(len(samples))
    loud = np.flatnonzero(np.abs(samples) > 0.2) / 16_000
    starts = [t for k, t in enumerate(loud.tolist()) if k == 0 or t - loud[k - 1] > 0.1]
    return [Word(t, min(t + 0.3, len(samples) / 16_000), " click") for t in starts]


EAR = Hearing(model=f"{__name__}:clicks")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("heard") / "clicks.mkv"
    return clicking(path, CLICKS, seconds=10.0, picture=10.0, codec="flac")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 2.1)  # edges at clicks, between them and inside words
    monkeypatch.setattr(module, "MARGIN", 0.5)
    module._piece.cache_clear()


def heard(video, start, end):
    return speech_between(video, start, end, EAR).words


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 9.5), st.floats(0.1, 10.0))
def test_each_word_is_heard_once_and_the_same_whatever_is_asked(video, start, length):
    words = heard(video, start, start + length)
    middles = [click + 0.15 for click in CLICKS]
    expected = [m for m in middles if start <= m < min(start + length, 10.0)]
    edges = {round(m, 2) for m in middles if min(abs(m - start), abs(m - start - length)) < 0.01}
    found = [(word.start + word.end) / 2 for word in words]
    assert all(word.text == " click" for word in words)
    inside = [m for m in expected if round(m, 2) not in edges]
    assert [m for m in found if round(m, 2) not in edges] == pytest.approx(inside, abs=0.005)


def test_a_piece_is_recognised_once(video):
    CALLS.clear()
    first = heard(video, 0.0, 10.0)
    count = len(CALLS)
    assert heard(video, 0.0, 10.0) == first and heard(video, 1.0, 9.0) and len(CALLS) == count == 5


def test_what_whisper_heard_is_kept_by_the_content_of_the_file(video, tmp_path, monkeypatch):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "model_name", lambda model: f"weights of {model}")
    monkeypatch.setattr(module, "load_recogniser", lambda *settings: clicks)
    CALLS.clear()

    def asked(path, model="small", language=""):
        """Return what is heard, by a process that remembers nothing, and how often it listened."""
        module._piece.cache_clear()
        before = len(CALLS)
        speech = speech_between(path, 0.0, 4.0, Hearing(model, language))
        return speech, len(CALLS) - before

    first, calls = asked(video)
    assert calls == 2 and len(first.words) == 10
    assert asked(video) == (first, 0)
    copy = Path(shutil.copy(video, tmp_path / "copy.mkv"))
    assert asked(copy) == (first, 0)
    assert asked(video, model="large") == asked(video, language="de") == (first, 2)
    other = clicking(copy, [1.0], seconds=10.0, picture=10.0, codec="flac")
    assert asked(other)[0] != first and asked(other)[1] == 0


def test_silence_needs_no_recogniser_and_no_sound_is_told_apart(tmp_path):
    quiet = clicking(tmp_path / "quiet.mp4", [])
    nobody = Hearing(model="no_such_module:nobody")
    assert speech_between(quiet, 0.0, 4.0, nobody) == ((), (), True)
    deaf = subtitled(tmp_path / "deaf.mkv", [], "subrip")
    assert speech_between(deaf, 0.0, 4.0, nobody) == ((), (), False)


def test_a_named_file_without_a_line_needs_no_recogniser(tmp_path):
    path = clicking(tmp_path / "talk.mkv", [1.0], codec="flac")
    (tmp_path / "none.srt").write_text("")
    nobody = Hearing(model="no_such_module:nobody")
    assert hear(path, 0.0, 4.0, nobody, subtitles=tmp_path / "none.srt") == ()


def test_what_is_written_is_read_unless_told_to_listen(tmp_path):
    path = clicking(tmp_path / "talk.mkv", [1.0], codec="flac")
    (tmp_path / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nwritten\n")
    assert hear(path, 0.0, 4.0, EAR) == (Line(1.0, 2.0, "written"),)
    assert hear(path, 2.5, 4.0, EAR) == ()
    (line,) = hear(path, 0.0, 4.0, Hearing(model=EAR.model, written=False))
    assert line.text == "click" and line.start == pytest.approx(1.0, abs=0.002)


def test_words_become_lines_at_sentences_pauses_and_when_they_are_long():
    words = [Word(0.0, 0.4, " One"), Word(0.4, 0.8, " two."), Word(0.8, 1.0, " Three"),
             Word(3.0, 3.2, " four"), Word(3.2, 3.2, "  ")]  # fmt: skip
    assert lines_of(words) == (
        Line(0.0, 0.8, "One two."),
        Line(0.8, 1.0, "Three"),
        Line(3.0, 3.2, "four"),
    )
    many = [Word(k * 0.1, k * 0.1 + 0.1, " word") for k in range(100)]
    lines = lines_of(many)
    assert max(len(line.text) for line in lines) <= 120
    assert " ".join(line.text for line in lines).split() == ["word"] * 100
    assert lines_of([Word(0.0, 2.0, " Long"), Word(0.5, 1.0, " in")]) == (
        Line(0.0, 2.0, "Long in"),
    ), "a line ends with the last of its words"
    assert lines_of([Word(0, 1, "你"), Word(1, 2, "好")]) == (Line(0, 2, "你好"),)


def test_a_missing_recogniser_is_told_with_its_command(monkeypatch):
    from sage_env.tools.speech import recogniser

    recogniser._whisper.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "faster_whisper", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sage-video-qa\[tools\]'"):
        load_recogniser("tiny.en", "cpu", "int8")
    with pytest.raises(ToolError, match="no_such_module"):
        load_recogniser("no_such_module:name", "cpu", "int8")


def test_weights_are_those_that_are_named_else_those_of_a_package_else_the_smallest(
    tmp_path, monkeypatch
):
    from sage_env.tools.speech import recogniser

    assert weights_place("large-v3") == "large-v3"
    monkeypatch.setattr(recogniser, "WEIGHTS", {"no_such_package": "model"})
    assert weights_place("") == "tiny"
    package = tmp_path / "made_up_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(recogniser, "WEIGHTS", {"made_up_weights": "model"})
    assert weights_place("") == "tiny"
    (package / "model" / "model.bin").write_bytes(b"")
    assert weights_place("") == str(package / "model")


def test_weights_in_a_folder_are_named_by_their_content(tmp_path):
    names = []
    for folder, weights in (("one", b"a" * 100), ("two", b"a" * 100), ("one", b"b" * 100)):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "model.bin").write_bytes(weights)
        names.append(model_name(str(tmp_path / folder)))
    assert names[0] == names[1] != names[2] and str(tmp_path) not in "".join(names)
    assert model_name("large-v3") == "large-v3" and model_name(EAR.model) is None


WHISPER = importlib.util.find_spec("faster_whisper") and Path(weights_place("")).is_dir()


@pytest.mark.skipif(not (WHISPER and REAL_CLIPS.is_dir()), reason="no Whisper or no clips here")
def test_whisper_hears_the_narration_of_a_filmed_clip(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    clip = REAL_CLIPS / "nasa_13013_speech.mp4"
    said = " ".join(line.text for line in hear(clip, 0.0, 13.0, Hearing(written=False)))
    for word in ("optical", "telescope", "largest", "Goddard", "Maryland"):
        assert word in said
    with pytest.raises(ToolError, match="English alone"):
        hear(clip, 0.0, 13.0, Hearing(written=False, language="de"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("language", "English"), ("language", "e"), ("language", "en us"), ("device", "tpu"),
     ("compute_type", "int3")],
)  # fmt: skip
def test_settings_that_nothing_can_have_are_refused_before_an_episode(setting, value):
    with pytest.raises(ValueError, match=f"{setting} must be"):
        Hearing(**{setting: value})


def test_a_tag_with_a_region_is_its_language_and_one_that_whisper_lacks_is_named():
    told = []

    def transcribe(samples, language, **_):
        told.append(language)
        return [], None

    for language, known in (("en-US", ["en"]), ("EN", ["en"]), ("pt_BR", ["en", "pt"])):
        model = SimpleNamespace(is_multilingual=len(known) > 1)
        whisper = SimpleNamespace(supported_languages=known, transcribe=transcribe, model=model)
        assert Whisper(whisper)(None, language) == []
    assert told == ["en", "en", "pt"]
    with pytest.raises(ToolError, match="knows no language 'zzz'"):
        Whisper(whisper)(None, "zzz")
    assert Whisper(whisper)(None, None) == [] and told[-1] is None
