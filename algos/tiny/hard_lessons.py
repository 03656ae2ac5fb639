"""Lessons of the hard tier: a teacher that plays `order`, `count` and `detail` from the plan.

Each frame's label comes from the plan of the video, as `pictures.look` has it, and each action from
the labels of the frames that were shown: nothing is written that the frames before it do not show.
So a student that reads its frames can play the same way, and writes the words that it knows.

What fails in the shipped model, and what the lesson has for it:

* `order`: both times are right in its thought, and often a third symbol is the answer. The same
  thought, with the right answer.
* `count`: it counts in the overview, or after one zoom of 8 frames around the scene. Two zooms of
  12 frames: first to the ends of the scene, then all of it.
* `detail`: it names another corner, and in a box of 0.3 the tower reads half of the marks. The
  right corner, a box of 0.22, 12 frames.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from algos.tiny.pictures import look
from policies.base import Decision, EpisodeStates, Observation, require_distinct
from policies.baselines.scripted import FrameReading
from sage_env.actions.action import Action, Answer, Zoom
from sage_env.actions.action_text import format_action
from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.frames import Box
from sage_env.synth.plan import VideoPlan
from sage_env.synth.rendered import open_rendered
from sage_env.synth.symbols import COLOURS, CORNERS, SYMBOLS

LOOK_FRAMES = 12
"""Frames of one zoom: the most of a turn.

A flash lasts about an eighth of its scene in videos up to 35 minutes, and a sixteenth in those of
two hours, where some are stepped over: lessons about these are left out, see `hard_tier`."""
CLOSE_BOX = 0.22
"""Side of the box that enlarges a corner, as a fraction of the picture's: just the places of marks.

At 64 pixels the shipped tower reads 41.5 % of the frames of 53 marks with 0.3, 72.2 with 0.25, 82.5
with 0.22 and 57.5 with 0.16 (training videos): a mark of 13 native pixels is then as large in the
picture as the symbols that the tower learned most of."""


@dataclass(eq=False)
class _Lesson:
    item: QAItem
    plan: VideoPlan
    box: Box | None = None  # of the frames that come next
    shown: list[list[FrameReading]] = field(default_factory=list)  # one list per turn

    @property
    def words(self) -> list[str]:
        return re.findall(r"[a-z]+", self.item.question.lower())


class HardLessons(EpisodeStates[_Lesson]):
    """Plays the questions of the hard tier as a student with good eyes could.

    It is told the item, for the plan of its video: a `PrivilegedPolicy`, which teaches and is
    never measured.

    Attributes:
        env_options: nothing; it plays in the budget of the student, see `demonstrations.BUDGET`.
    """

    env_options: Mapping[str, Any] = {}

    def __init__(self) -> None:
        """Start with no episode."""
        self._episodes = {}

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; nothing is random."""
        self._episodes = {}

    def inform(self, episode: Hashable, item: QAItem) -> None:
        """Take the item of the episode that begins.

        Raises:
            DatasetError: if it is no question of the hard tier of SageSynth.
        """
        if item.group.get("family") not in _RULES:
            raise DatasetError(
                f"item {item.id!r} is no question of SageSynth's hard tier ({', '.join(_RULES)}), "
                "and the lessons are of no other"
            )
        self._episodes[episode] = _Lesson(item, open_rendered(item.video).plan)

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        Raises:
            ValueError: if an episode is named twice.
        """
        require_distinct(observations, episodes)
        decisions = []
        for observation, name in zip(observations, episodes, strict=True):
            lesson = self._episodes[name]
            lesson.shown.append(_labelled(lesson, observation))
            thought, action = _RULES[str(lesson.item.group["family"])](lesson)
            lesson.box = action.box if isinstance(action, Zoom) else None
            decisions.append(Decision(action, format_action(action, thought)))
        return decisions


def _labelled(lesson: _Lesson, observation: Observation) -> list[FrameReading]:
    """Return what each frame shows; a mark is seen where the box enlarges its corner alone."""
    found = []
    for second in observation["seconds"][: int(observation["num_frames"])].tolist():
        scene, event = look(lesson.plan, round(second, 3))  # whole milliseconds, as the plan has
        seen = event is not None and (event.corner is None or lesson.box == close_box(event.corner))
        symbol = event.symbol if event is not None and seen else "empty"
        found.append(FrameReading(round(second, 1), scene.colour or "grey", symbol))
    return found


def close_box(corner: str) -> Box:
    """Return the box of a corner that holds every place of a mark, and little else."""
    x, y = (value * (1 - CLOSE_BOX) for value in CORNERS[corner])
    return (round(x, 2), round(y, 2), round(x + CLOSE_BOX, 2), round(y + CLOSE_BOX, 2))


def _order(lesson: _Lesson) -> tuple[str, Action]:
    """Say when each of the two symbols is first seen on a backdrop, and answer with the earlier."""
    asked = [word for word in lesson.words if word in SYMBOLS]
    on_colour = [frame for frame in lesson.shown[0] if frame.backdrop != "grey"]  # else a decoy
    first = {name: next(f.second for f in on_colour if f.sight == name) for name in asked}
    thought = ", ".join(f"{name} {second:.1f}" for name, second in first.items())
    return thought, Answer(min(first, key=lambda name: first[name]))


def _detail(lesson: _Lesson) -> tuple[str, Action]:
    """Enlarge the corner while the backdrop may be on screen, and answer with what is there."""
    corner = next(name for name in CORNERS if name in lesson.item.question)
    seen, sight = _sight(lesson)
    thought = f"mark {corner} {seen}"
    if sight is not None and lesson.box is not None:
        return thought, Answer(sight)
    return thought, Zoom(*_around(lesson), LOOK_FRAMES, close_box(corner))


def _count(lesson: _Lesson) -> tuple[str, Action]:
    """Find the ends of the scene, look at all of it, and count the runs of frames with a symbol."""
    seen, _ = _sight(lesson)
    if len(lesson.shown) < 3:
        return f"times {seen}", Zoom(*_around(lesson), LOOK_FRAMES)
    colour = _colour(lesson)
    lit = [f.backdrop == colour and f.sight != "empty" for f in lesson.shown[-1]]
    count = sum(now and not before for before, now in pairwise([False, *lit]))
    return f"times {seen} {count}", Answer(str(count))


def _sight(lesson: _Lesson) -> tuple[str, str | None]:
    """Return what is seen on the backdrop in the latest frames, in words and as a symbol."""
    colour = _colour(lesson)
    seen = (f.sight for f in lesson.shown[-1] if f.backdrop == colour and f.sight != "empty")
    sight = next(seen, None)
    return f"{colour} {sight or 'empty'}", sight


def _colour(lesson: _Lesson) -> str:
    return next(word for word in lesson.words if word in COLOURS)


def _around(lesson: _Lesson) -> tuple[float, float]:
    """Return the times of the latest frames right before and right after the backdrop asked for."""
    frames, colour = lesson.shown[-1], _colour(lesson)
    hits = [i for i, frame in enumerate(frames) if frame.backdrop == colour]
    if not hits:
        raise DatasetError(f"item {lesson.item.id!r}: no frame shows the {colour} backdrop")
    first, last = hits[0] - 1, hits[-1] + 1
    whole = 0.0, round(lesson.plan.duration, 1)
    earliest, latest = whole if len(lesson.shown) == 1 else (frames[0].second, frames[-1].second)
    start = frames[first].second if first >= 0 else earliest
    return start, frames[last].second if last < len(frames) else latest


_RULES = {"order": _order, "count": _count, "detail": _detail}
