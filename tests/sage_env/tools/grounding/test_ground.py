"""Laws of `sage_env.tools.grounding.ground` and `text_search`: found, not found, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from sage_env.actions.action import UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import MissingExtra, ToolInputError
from sage_env.testing import check_tool
from sage_env.tools.grounding import text_embedding
from sage_env.tools.grounding.ground import MAX_EVENT, Ground
from sage_env.tools.grounding.text_search import SearchSettings, TextSearch
from sage_env.tools.speech.hearing import Hearing
from sage_env.tools.tool import ToolContext
from tests.helpers.clips import write_clip
from tests.helpers.video.signs import Sign, SignVideo

SIGNS = [Sign(4.0, 9.5, "Fire drill at noon"), Sign(20.0, 26.0, "Lift out of order")]
SAID = """1
00:00:12,000 --> 00:00:15,000
The ferry leaves from pier seven.

2
00:00:30,000 --> 00:00:33,500
Nobody waters the garden.
"""


def context(video=None, subtitles: Path | None = None, path: Path = Path("no.mp4")) -> ToolContext:
    video = video or SignVideo(40.0, SIGNS)
    item = QAItem("q", path, "when?", (), "", duration=40.0)
    return ToolContext(
        "when?", (), item.video, video, video.duration, 0.0, None, subtitles=subtitles
    )


def ground(video: SignVideo, **settings) -> Ground:
    """Return the tool with a reader that needs no networks."""
    tool = Ground(matcher="words", **settings)
    tool._search = TextSearch(SearchSettings(matcher="words"), video.read)
    return tool


def ask(tool: Ground, event: str, asked: ToolContext, start: float = 0.0, end: float = 40.0) -> str:
    return tool({"event": event, "start": start, "end": end}, asked)


@pytest.fixture
def said(tmp_path: Path) -> Path:
    (tmp_path / "said.srt").write_text(SAID)
    return tmp_path / "said.srt"


def test_text_on_screen_and_speech_are_found_with_their_times(said: Path) -> None:
    video = SignVideo(40.0, SIGNS)
    tool, asked = ground(video), context(video, said)
    first = ask(tool, "a fire drill is announced at noon", asked).splitlines()[0]
    assert first.startswith("[4.0 s - 9.5 s] score ")
    assert first.endswith('(text on screen: "Fire drill at noon")')
    first = ask(tool, "the ferry leaves from a pier", asked).splitlines()[0]
    assert first == ('[12.0 s - 15.0 s] score 1.00 (speech: "The ferry leaves from pier seven.")')


def test_what_is_not_there_is_not_found_and_the_reply_says_what_was_not_searched(
    said: Path,
) -> None:
    video = SignVideo(40.0, SIGNS)
    reply = ask(ground(video), "a goal is scored", context(video, said))
    assert reply == (
        "Not found between 0.0 s and 40.0 s (only text on screen and speech were searched, not "
        "what the pictures show)."
    )


def test_nothing_outside_of_the_stretch_is_told(said: Path) -> None:
    video = SignVideo(40.0, SIGNS)
    tool, asked = ground(video), context(video, said)
    assert ask(tool, "fire drill at noon", asked, 10.0, 40.0).startswith("Not found")
    assert ask(tool, "lift out of order", asked, 22.0, 24.0).startswith("[22.0 s - 24.0 s]")


@pytest.mark.parametrize(
    ("event", "start", "end", "told"),
    [
        ("  ", 0.0, 9.0, f"event must have 1 to {MAX_EVENT} characters, got 0"),
        ("x" * 501, 0.0, 9.0, "got 501"),
        ("dog", 9.0, 9.0, "start must be 0 or more and before end, got 9 and 9"),
        ("dog", 40.0, 50.0, "the video ends at 40.00 s, got 40 to 50"),
        ("dog", 0.0, 31.0, "at most 30 s at once, got 31 s"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_frame_is_read(event, start, end, told) -> None:
    video = SignVideo(40.0, SIGNS)
    with pytest.raises(ToolInputError, match=told):
        ask(ground(video, max_span=30.0), event, context(video), start, end)
    assert video.reads == 0


def test_a_second_event_in_the_same_stretch_reads_nothing_again(
    tmp_path: Path, said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    (tmp_path / "v.mp4").write_bytes(b"a video that is not opened")
    video = SignVideo(40.0, SIGNS)
    subtitles = SearchSettings(matcher="words", speech="subtitles")
    tool = ground(video)
    tool._search = TextSearch(subtitles, video.read)
    asked = context(video, said, tmp_path / "v.mp4")
    replies = [ask(tool, "fire drill at noon", asked), ask(tool, "fire drill at noon", asked)]
    reads = video.reads
    assert replies[0] == replies[1] and reads > 0
    ask(tool, "lift out of order", asked)
    tool._search = TextSearch(subtitles, video.read)  # as another process has it
    assert ask(tool, "fire drill at noon", asked) == replies[0]
    assert video.reads == reads
    said.write_text(SAID.replace("ferry", "train"))
    assert '"The train' in ask(tool, "the train leaves from pier seven", asked)


def test_what_was_read_in_a_video_is_not_told_of_another_view_of_its_file(
    tmp_path: Path, said: Path
) -> None:
    """A view of some stretches has the path of the whole, and must not read what it hides."""
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"a video that is not opened")
    whole, hidden = SignVideo(40.0, SIGNS), SignVideo(40.0, [])
    settings = SearchSettings(matcher="words", speech="subtitles")
    tool = Ground(matcher="words")
    tool._search = TextSearch(settings, whole.read)
    assert "Fire drill" in ask(tool, "fire drill at noon", context(whole, said, path))
    assert ask(tool, "fire drill at noon", context(hidden, said, path)).startswith("Not found")


def test_what_one_recogniser_heard_is_not_told_of_another(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"a video that is not opened")
    keys = [
        TextSearch(
            SearchSettings(matcher="words", screen=False, hearing=Hearing(model=model))
        )._key(0.0, 9.0, context(path=path), None)
        for model in ("tiny.en", "small", "tests.helpers.plug_ins:ear")
    ]
    assert keys[0] != keys[1] and keys[2] is None


def test_no_more_than_the_most_are_told(said: Path) -> None:
    signs = [Sign(5.0 * i, 5.0 * i + 3, "Fire drill at noon") for i in range(8)]
    video = SignVideo(40.0, signs)
    assert len(ask(ground(video), "fire drill", context(video)).splitlines()) == 5
    assert len(ask(ground(video, most=2), "fire drill", context(video)).splitlines()) == 2


def test_without_weights_it_says_so_and_nothing_is_told_as_not_found(
    monkeypatch: pytest.MonkeyPatch, said: Path
) -> None:
    monkeypatch.setattr(text_embedding, "PACKAGES", {})
    monkeypatch.setattr(text_embedding, "HUB_NAME", "/no/such/folder")
    text_embedding._load.cache_clear()
    tool = Ground(screen=False, speech="subtitles")
    with pytest.raises(MissingExtra, match="all-MiniLM-L6-v2"):
        ask(tool, "the ferry leaves", context(subtitles=said))
    text_embedding._load.cache_clear()


def test_it_is_a_tool_as_the_environment_asks() -> None:
    check_tool(Ground(matcher="words", screen=False, speech="no"))


def test_by_name_it_is_called_in_a_process_of_its_own(tmp_path: Path, said: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, range(0, 1_000, 25))  # a frame a second
    item = QAItem("q", clip, "when?", answer="-", subtitles=said)
    name = "ground?matcher=words&screen=no&speech=subtitles"
    env = VideoQAEnv(dataset=[item], tools=[name], max_turns=3)
    env.reset()
    arguments = {"event": "the ferry leaves", "start": 0.0, "end": 40.0}
    observation = env.step(UseTool("ground", arguments))[0]
    assert "[12.0 s - 15.0 s] score 1.00" in observation["text"]
    env.close()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="max_span must be seconds above 0"):
        Ground(max_span=0)
    with pytest.raises(ValueError, match="most must be"):
        Ground(most=0)
    with pytest.raises(ValueError, match="matcher must be one of meaning, words, got 'none'"):
        Ground(matcher="none")
