"""Which pictures a question needs: each frame that was shown once, whoever was shown it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from algos.viewer.pictures.page_pictures import NO_PICTURE
from algos.viewer.view_data import Box, EpisodeView, FrameView, QuestionView, StepView

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_LARGEST_FILE = 8 * 2**20
"""Bytes of a picture that a trace brings; larger ones are not opened."""
_LONGEST = 4096
"""Pixels of a frame on a side at most; no policy is shown more."""

Places = Sequence[Sequence[Sequence[tuple[int, int]]]]
"""For each episode, step and frame two numbers: of its picture, and of the whole frame of a crop;
`NO_PICTURE` where there is none."""


class Look(NamedTuple):
    """One picture: what it shows, and how large the policy saw it.

    Attributes:
        second: recorded presentation time.
        box: the part of the picture; `None` for all of it.
        size: `(H, W)` of the frame, black bars included.
        carried: digest of the picture that the trace brings; "" where the video has it.
    """

    second: float
    box: Box | None
    size: tuple[int, int]
    carried: str = ""


@dataclass(frozen=True, eq=False)
class QuestionFrames:
    """The pictures that a question needs.

    Attributes:
        id: of the question.
        video: the file; `None` if there is none.
        looks: each picture once, in order of time.
        need: numbers of the looks, the one that is needed most first.
        total: how many there were before some were left out.
        carried: the files that a trace brings, by digest.
        places: which look stands where.
        notes: what can have no picture, in sentences.
    """

    id: str
    video: Path | None
    looks: tuple[Look, ...]
    need: tuple[int, ...]
    total: int
    carried: Mapping[str, bytes]
    places: Places
    notes: tuple[str, ...] = ()


def frames_of(
    question: QuestionView, frame_size: tuple[int, int], first: Sequence[str] = ()
) -> QuestionFrames:
    """Return the pictures that a question needs, equal ones once over all its episodes.

    Needed most are the frames of the first episode and the whole frames behind its crops, then
    those of the second, and so on.

    Args:
        question: with its episodes.
        frame_size: `(H, W)` where neither step nor question says.
        first: entries whose episodes come before all others, in this order.
    """
    found = _Found(question, question.frame_size or frame_size)
    rank = {entry: place for place, entry in reversed(list(enumerate(first)))}
    order = sorted(
        range(len(question.episodes)),
        key=lambda k: rank.get(question.episodes[k].entry, len(rank)),
    )
    shown = {k: found.episode(question.episodes[k]) for k in order}
    looks = sorted(found.looks, key=_order)
    number = {look: place for place, look in enumerate(looks)}

    def place(look: Look | None) -> tuple[int, int]:
        source = found.sources.get(look) if look else None
        return (
            NO_PICTURE if look is None else number[look],
            NO_PICTURE if source is None else number[source],
        )

    return QuestionFrames(
        question.id,
        question.video,
        tuple(looks),
        tuple(number[look] for look in found.looks),
        len(looks),
        found.files,
        [[[place(look) for look in step] for step in shown[k]] for k in sorted(order)],
        tuple(found.notes),
    )


def with_most(frames: QuestionFrames, most: int) -> QuestionFrames:
    """Return the pictures of a question that are needed most, at most so many."""
    if len(frames.looks) <= most:
        return frames
    kept = sorted(frames.need[:most])
    number = {look: place for place, look in enumerate(kept)}
    number[NO_PICTURE] = NO_PICTURE
    looks = tuple(frames.looks[look] for look in kept)
    return replace(
        frames,
        looks=looks,
        need=tuple(number[look] for look in frames.need[:most]),
        carried={look.carried: frames.carried[look.carried] for look in looks if look.carried},
        places=renumbered(frames.places, number),
    )


def renumbered(places: Places, number: Mapping[int, int]) -> Places:
    """Return places with other numbers; those that have none get `NO_PICTURE`."""

    def pair(old: tuple[int, int]) -> tuple[int, int]:
        return number.get(old[0], NO_PICTURE), number.get(old[1], NO_PICTURE)

    return [[[pair(old) for old in step] for step in episode] for episode in places]


def left_out(frames: QuestionFrames) -> str:
    """Return how many pictures were left out, in a sentence; "" for none."""
    count = frames.total - len(frames.looks)
    if not count:
        return ""
    return (
        f"{count} of {frames.total} pictures are left out, those of the last episodes first: there "
        f"is room for {len(frames.looks)}."
    )


def _cropped(look: Look) -> bool:
    return look.box not in (None, WHOLE) and not look.carried


def _order(look: Look) -> tuple[float, bool, Box, tuple[int, int], str]:
    """Return what pictures are sorted by: time, whole frames first."""
    return look.second, look.box is not None, look.box or WHOLE, look.size, look.carried


class _Found:
    """The pictures found so far, in the order of need, and the whole frames behind crops."""

    def __init__(self, question: QuestionView, frame_size: tuple[int, int]) -> None:
        self.looks: dict[Look, None] = {}
        self.sources: dict[Look, Look] = {}
        self.files: dict[str, bytes] = {}
        self.notes: list[str] = []
        self._whole: dict[float, Look] = {}
        self._video = question.video is not None
        self._frame_size = frame_size

    def note(self, sentence: str) -> None:
        """Remember what is left out, each sentence once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def episode(self, episode: EpisodeView) -> list[list[Look | None]]:
        """Return the pictures of the frames of an episode, step by step."""
        if episode.other_video is not None:
            self.note(f"Frames of another video, {episode.other_video}, are not drawn.")
            return [[None] * len(step.frames) for step in episode.steps]
        shown = [[self.frame(step, frame) for frame in step.frames] for step in episode.steps]
        for step in shown:
            for look in step:
                if look is not None and _cropped(look):
                    self.sources[look] = self.source(look)
        return shown

    def frame(self, step: StepView, frame: FrameView) -> Look | None:
        """Return the picture of a frame; `None` where it can have none."""
        size = step.frame_size or self._frame_size
        box = None
        if step.box is not None:
            x0, y0, x1, y1 = step.box  # of JSON, it would be a list
            box = (x0, y0, x1, y1)
        if frame.picture is not None and len(frame.picture) > _LARGEST_FILE:
            self.note(
                f"Pictures of the trace of more than {_LARGEST_FILE // 2**20} MiB are not opened."
            )
            return None
        if frame.picture is not None:
            digest = hashlib.blake2b(frame.picture, digest_size=16).hexdigest()
            self.files[digest] = frame.picture
            second = frame.second if math.isfinite(frame.second) else 0.0
            return self._added(Look(second, box, size, digest))
        fault = self._fault(frame.second, box, size)
        if fault:
            self.note(fault)
            return None
        return self._added(Look(float(frame.second), box, size))

    def _fault(self, second: float, box: Box | None, size: tuple[int, int]) -> str:
        """Say why a frame cannot be asked of the video; "" where it can."""
        if not self._video:
            return "The file of the video is not known."
        if not math.isfinite(second):
            return "The trace does not say at which time a frame was shown."
        if not all(1 <= length <= _LONGEST for length in size):
            return f"Frames of {size[0]} by {size[1]} pixels are not drawn."
        if box and not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            return f"A crop to {tuple(box)} is none: edges are fractions, 0 to 1."
        return ""

    def source(self, look: Look) -> Look:
        """Return the whole frame that a crop was taken from: of any size, where one was shown."""
        return self._whole.get(look.second) or self._added(Look(look.second, None, look.size))

    def _added(self, look: Look) -> Look:
        self.looks.setdefault(look)
        if look.box is None and not look.carried:
            self._whole.setdefault(look.second, look)
        return look
