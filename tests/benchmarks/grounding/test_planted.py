"""Laws of `benchmarks.grounding.planted`, `measure`: what is planted is there, and is counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.grounding.measure import Asked, ask_all, is_right, table
from benchmarks.grounding.planted import Planted, plant
from benchmarks.grounding.sentences import HELD_OUT, TRAIN
from sage_env.subtitles import read_subtitles
from sage_env.video import open_video

POOL = TRAIN[:6]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), 5, POOL, duration=20.0, count=3)


class Knowing:
    """A tool that answers from the plan."""

    name, description = "ground", "Says what was planted."
    parameters = {
        "type": "object",
        "properties": {
            "event": {"type": "string"},
            "start": {"type": "number"},
            "end": {"type": "number"},
        },
    }

    def __init__(self, planted: Planted, shift: float = 0.0) -> None:
        self.times = {
            words: (one.start + shift, one.end + shift)
            for one in planted.events
            for words in (one.sentence, one.described)
        }

    def __call__(self, arguments, context) -> str:
        span = self.times.get(arguments["event"])
        if span is None:
            return "Not found between 0.0 s and 20.0 s."
        return f'[{span[0]:.1f} s - {span[1]:.1f} s] score 0.70 (speech: "x")\n[0.0 s - 20.0 s] sc'


def test_half_of_the_events_are_shown_and_the_others_are_said_at_their_times(planted) -> None:
    assert sorted(one.shown for one in planted.events) == [False, True, True]
    assert {one.sentence for one in planted.events} | {a for a, _ in planted.absent} == {
        sentence for sentence, _ in POOL
    }
    lines = read_subtitles(planted.path.with_suffix(".srt"))
    said = [one for one in planted.events if not one.shown]
    for one in said:
        assert [(x.start, x.end) for x in lines if x.text == one.sentence] == [(one.start, one.end)]
    shown = {one.sentence for one in planted.events if one.shown}
    assert len(lines) > len(said) and not shown & {x.text for x in lines}
    assert all(a.end <= b.start for a, b in zip(lines, lines[1:], strict=False))


def test_what_is_shown_is_in_the_picture_at_its_times_alone(planted) -> None:
    video = open_video(planted.path)
    assert video.duration == pytest.approx(20.0)
    for one in planted.events:
        if one.shown:
            (before, first), (last, after) = (
                video.frames_at([t - 0.1, t]).pixels.astype(int) for t in (one.start, one.end)
            )
            inside = video.frames_at([one.start + 0.1, one.start + 0.2]).pixels.astype(int)
            still = abs(inside[0] - inside[1]).max(axis=(1, 2)) > 150  # rows that change anyway
            for without, with_it in ((before, first), (after, last)):
                assert (abs(with_it - without).max(axis=(1, 2)) > 150)[~still].sum() > 5
    video.close()


def test_same_seed_same_video(planted, tmp_path: Path) -> None:
    again = plant(tmp_path, 5, POOL, duration=20.0, count=3)
    assert again.events == planted.events and again.absent == planted.absent
    for suffix in (".mp4", ".srt"):
        one, other = (x.path.with_suffix(suffix).read_bytes() for x in (again, planted))
        assert one == other


def test_no_sentence_and_no_description_is_planted_twice() -> None:
    texts = [text for pair in (*TRAIN, *HELD_OUT) for text in pair]
    assert len(set(texts)) == len(texts) == 96


def test_a_tool_that_knows_is_right_and_one_that_is_late_is_not(planted) -> None:
    asked = list(ask_all([planted], Knowing(planted)))
    assert len(asked) == 2 * (3 + 3) and all(is_right(one) for one in asked)
    assert {(one.kind, one.paraphrased) for one in asked} == {
        (kind, worded) for kind in ("shown", "said", "absent") for worded in (False, True)
    }
    late = list(ask_all([planted], Knowing(planted, 3.0)))
    assert [is_right(one) for one in late] == [one.kind == "absent" for one in late]


def test_a_threshold_takes_away_what_was_found() -> None:
    found = Asked("said", False, 0.5, 0.6, 0.1, "q", 0)
    wrong = Asked("absent", False, 0.0, 0.6, 0.1, "q", 0)
    assert is_right(found, 0.6) and not is_right(found, 0.61)
    assert is_right(wrong, 0.61) and not is_right(wrong, 0.6)
    assert not is_right(found._replace(overlap=0.49))
    rows = table([found, found._replace(overlap=0.3), wrong], 0.5)
    assert [re.sub(r" \(.*?\)", "", row) for row in rows[2:]] == [
        "| said | as planted | 2 | 50 % | 0.40 |",
        "| absent | as planted | 1 | 0 % |  |",
    ]
