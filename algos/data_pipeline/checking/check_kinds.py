"""The played checks: what each shows of a video, to whom, and what has to come of it.

| check | shows | has to |
|---|---|---|
| `sufficient` | frames of the evidence span, and what is said in it | succeed |
| `blind` | nothing | fail |
| `transcript` | what is said in the whole video, where that is known | fail |
| `outside` | the video without its span, and what is said there | fail |
| `uniform` | evenly spaced frames of the whole video | fail |

What is said is shown to questions that are about it (`verbal`, `both`) where the check shows a part
of the video. `transcript` is not asked of `verbal` questions: what is said has to answer those. A
span is shown, and hidden, by `RestrictedVideo`: no frame is on both sides. What is said goes with a
span if it is said while the span lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from algos.data_pipeline.checking.check_settings import CheckSettings
from policies.baselines.oracle import Oracle
from policies.baselines.transcript import transcript_text
from policies.baselines.uniform import UniformPolicy
from policies.registry import AnyPolicy
from sage_env.datasets.item import QAItem
from sage_env.openers import restricted_path
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import lines_between
from sage_env.timeline import covered, rest_of


@dataclass(frozen=True)
class Subject:
    """A question that is checked.

    Attributes:
        item: the question, with its duration.
        modality: `visual`, `verbal` or `both`.
        lines: what is said in the video; `None` where that is not known.
    """

    item: QAItem
    modality: str
    lines: tuple[Line, ...] | None = None

    @property
    def spoken(self) -> bool:
        """Return whether one has to hear something for the answer."""
        return self.modality != "visual"


@dataclass(frozen=True)
class NotAsked:
    """Why a check is not asked of a question.

    Attributes:
        why: in a few words.
        open: whether that leaves the question unchecked; else the check has nothing to say on it.
    """

    why: str
    open: bool = False


@dataclass(frozen=True)
class PlayedCheck:
    """One check that is played.

    Attributes:
        name: of `PLAYED`.
        about: what answers to it prove, as a line of a table.
        must_succeed: whether the question is good if it can be answered so; else if it cannot.
        ask: the question as it is asked, or why it is not.
        player: who plays it, for an answerer.
        restricts: whether it is asked of stretches of the video alone.
        env_options: arguments of the environment over those of the player, given the most spans
            that a question has.
    """

    name: str
    about: str
    must_succeed: bool
    ask: Callable[[Subject, CheckSettings], QAItem | NotAsked]
    player: Callable[[AnyPolicy, CheckSettings], AnyPolicy]
    restricts: bool = False
    env_options: Callable[[CheckSettings, int], Mapping[str, Any]] = lambda settings, spans: {}


def _within_span(subject: Subject, settings: CheckSettings) -> QAItem | NotAsked:
    item = subject.item
    if not item.evidence:
        return NotAsked("it has no evidence span", open=True)
    if subject.spoken and subject.lines is None:
        return NotAsked("what is said in its video is not known", open=True)
    heard = [
        line
        for line in subject.lines or ()
        if any(line in lines_between([line], *span) for span in item.evidence)
    ]
    asked = replace(item, video=restricted_path(item.video, item.evidence))
    return _told(asked, tuple(heard)) if subject.spoken else asked


def _outside_span(subject: Subject, settings: CheckSettings) -> QAItem | NotAsked:
    item = subject.item
    if not item.evidence or item.duration is None:
        return NotAsked("it has no evidence span", open=True)
    if subject.spoken and subject.lines is None:
        return NotAsked("what is said in its video is not known", open=True)
    rest = rest_of(item.evidence, item.duration, settings.margin)
    if covered(rest) < max(settings.least_rest, 1e-6):
        return NotAsked("its evidence is the whole video")
    # A line that is said partly in the span may tell what it shows: it goes with the span.
    hidden = rest_of(rest, item.duration)
    heard = [
        line
        for line in subject.lines or ()
        if not any(line in lines_between([line], *span) for span in hidden)
    ]
    asked = replace(item, video=restricted_path(item.video, rest), evidence=())
    return _told(asked, tuple(heard)) if subject.spoken else asked


def _said(subject: Subject, settings: CheckSettings) -> QAItem | NotAsked:
    if subject.modality == "verbal":
        return NotAsked("it is about what is said")
    if not subject.lines:
        return NotAsked("nothing is said in its video, as far as is known")
    return _told(subject.item, subject.lines)


def _as_it_is(subject: Subject, settings: CheckSettings) -> QAItem:
    return subject.item


def _told(item: QAItem, lines: tuple[Line, ...]) -> QAItem:
    """Return a question with what is said behind it, as the `transcript` policy writes it."""
    return replace(item, question=f"{item.question}\n\n{transcript_text(lines)}")


def _span_options(settings: CheckSettings, spans: int) -> Mapping[str, Any]:
    frames = settings.span_frames
    return {
        "overview_frames": 0,
        "frames_per_turn": frames,
        "max_frames": frames * spans,
        "max_turns": spans + 1,
    }


def _outside_player(policy: AnyPolicy, settings: CheckSettings) -> AnyPolicy:
    frames = settings.outside_frames
    return policy if frames is None else UniformPolicy(policy, frames)


CHECKS: Mapping[str, PlayedCheck] = {
    check.name: check
    for check in (
        PlayedCheck(
            "sufficient",
            "answered from the evidence span alone",
            True,
            _within_span,
            lambda policy, settings: Oracle(policy, settings.span_frames),
            True,
            _span_options,
        ),
        PlayedCheck(
            "blind",
            "answered without the video",
            False,
            _as_it_is,
            lambda policy, settings: UniformPolicy(policy, 0),
        ),
        PlayedCheck(
            "transcript",
            "answered from what is said alone",
            False,
            _said,
            lambda policy, settings: UniformPolicy(policy, 0),
        ),
        PlayedCheck(
            "outside",
            "answered without the evidence span",
            False,
            _outside_span,
            _outside_player,
            True,
        ),
        PlayedCheck(
            "uniform",
            "answered from evenly spaced frames",
            False,
            _as_it_is,
            lambda policy, settings: UniformPolicy(policy, settings.uniform_frames),
        ),
    )
}
"""Every played check by its name, in the order of `PLAYED`."""
