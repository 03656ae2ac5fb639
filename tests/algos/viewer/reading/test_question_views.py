"""Laws of `algos.viewer.reading.question_views`: what is known goes before what follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from algos.viewer.reading.question_views import QuestionReader, question_view
from algos.viewer.reading.stored_entries import StoredEntry
from tests.helpers.handmade import item, trajectory


def test_what_the_item_says_goes_before_what_a_row_says() -> None:
    reader = QuestionReader(entries=())
    asked = item("q", duration=40.0, subtitles=Path("s.srt"), subtitles_start=9.0)
    told = question_view(asked, [{"id": "q", "duration": 41.0}], (), reader)
    assert (told.duration, told.subtitles, told.subtitles_start) == (40.0, Path("s.srt"), 9.0)
    unknown = question_view(item("q", duration=None), [{}, {"duration": 41.0}], (), reader)
    assert unknown.duration == 41.0


def test_an_episode_that_failed_on_our_side_has_no_command() -> None:
    def commands(error: str | None) -> Sequence[tuple[str, str]]:
        played = trajectory("q", None, looks=((1.0,),), error=error)
        entry = StoredEntry(
            key="a", title="a", ids=["q"], rows=lambda: iter(()), replay=["runs/a"],
            episode=lambda _: played, item=item,
        )  # fmt: skip
        return QuestionReader(entries=[entry]).read("q").episodes[0].commands

    assert commands(None) and not commands("VideoError: gone")
