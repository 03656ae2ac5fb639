"""Laws of `check_kinds`: what each check shows of a video and tells of its sound, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.data_pipeline.checking.check_kinds import CHECKS, NotAsked, Subject
from algos.data_pipeline.checking.check_settings import CheckSettings
from sage_env.openers import read_restricted
from sage_env.subtitles.line import Line
from tests.helpers.data_line.checked_questions import SeesColours, generated

SPANS = ((100.0, 103.0), (200.0, 204.0))
LINES = (
    Line(10.0, 12.0, "far"),
    Line(98.0, 98.9, "just before"),
    Line(99.2, 99.8, "in the margin"),
    Line(102.0, 105.0, "reaching out"),
    Line(203.0, 203.5, "inside"),
    Line(205.0, 206.0, "just behind"),
)


def asked(check, modality="both", *, spans=SPANS, lines=LINES, video="600_a.mp4", **settings):
    item = generated("q", video, evidence=spans).item(Path("videos"))
    return CHECKS[check].ask(Subject(item, modality, lines), CheckSettings(**settings))


def told(check, **given):
    text = asked(check, **given).question
    return [line.text for line in LINES if line.text in text]


def test_a_line_goes_with_the_side_that_it_can_give_away() -> None:
    assert told("sufficient") == ["reaching out", "inside"]
    assert told("outside") == ["far", "just before", "just behind"]
    assert told("outside", margin=0.0) == ["far", "just before", "in the margin", "just behind"]
    assert told("transcript") == [line.text for line in LINES]
    for check in ("sufficient", "outside", "blind", "uniform"):
        assert told(check, modality="visual") == [], "it is not about what is said"
    assert told("blind") == told("uniform") == []


def test_both_has_to_be_heard_too_and_only_verbal_ones_may_be_answered_by_what_is_said() -> None:
    for modality in ("verbal", "both"):
        for check in ("sufficient", "outside"):
            found = asked(check, modality, lines=None)
            assert isinstance(found, NotAsked) and found.open, "what is said is not known"
    found = asked("transcript", "verbal")
    assert isinstance(found, NotAsked) and not found.open
    for modality in ("visual", "both"):
        assert not isinstance(asked("transcript", modality), NotAsked)
        assert isinstance(asked("transcript", modality, lines=()), NotAsked)


def test_the_span_and_its_rest_by_hand() -> None:
    assert read_restricted(asked("sufficient").video)[1] == SPANS
    rest = asked("outside", margin=2.0)
    stretches = ((0.0, 98.0), (105.0, 198.0), (206.0, 600.0))
    assert read_restricted(rest.video) == (Path("videos/600_a.mp4"), stretches)
    assert rest.evidence == () and asked("sufficient").evidence == SPANS
    for check in ("blind", "uniform", "transcript"):
        assert asked(check).video == Path("videos/600_a.mp4")


@pytest.mark.parametrize(("end", "left"), [(59.0, True), (59.01, False), (60.0, False)])
def test_a_rest_of_just_as_many_seconds_is_looked_at(end, left) -> None:
    found = asked(
        "outside", "visual", spans=((0.0, end),), video="60_a.mp4", margin=0.0, least_rest=1.0
    )
    assert isinstance(found, NotAsked) is not left


def test_each_player_sees_as_many_frames_as_its_setting_says() -> None:
    settings = CheckSettings(span_frames=5, uniform_frames=7, outside_frames=9)
    frames = {
        name: {
            **CHECKS[name].player(SeesColours(), settings).env_options,
            **CHECKS[name].env_options(settings, 3),
        }
        for name in CHECKS
    }
    assert {name: one["max_frames"] for name, one in frames.items()} == {
        "sufficient": 15,  # five of each span
        "blind": 0,
        "transcript": 0,
        "outside": 9,
        "uniform": 7,
    }
    assert (frames["sufficient"]["max_turns"], frames["sufficient"]["overview_frames"]) == (4, 0)
    assert {one["max_turns"] for name, one in frames.items() if name != "sufficient"} == {1}
