"""Passages: what is said or stands written in a stretch of a video, as one text with its times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sage_env.subtitles.line import Line

SPEECH, SCENE = "speech", "text on screen and speech of a shot"
_MOST_LINES = 3  # of speech in one passage
_LONGEST = 30.0  # seconds of such a passage
_LONGEST_SHOT = 60.0  # seconds of a shot whose texts are one
_PAUSE = 2.0  # seconds between lines of one passage at most


class Passage(NamedTuple):
    """A text and when it is there.

    Attributes:
        start: seconds.
        end: seconds.
        text: on one line.
        source: how it is known: `"speech"`, `"text on screen"`, or both, of one shot.
    """

    start: float
    end: float
    text: str
    source: str

    def overlap(self, other: Passage) -> float:
        """Return the seconds that two have in common, over those of both."""
        common = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, common) / max(max(self.end, other.end) - min(self.start, other.start), 1e-9)


def spoken_passages(lines: Sequence[Line], start: float, end: float) -> list[Passage]:
    """Return each line of speech, and two and three that follow one another, inside a stretch.

    What is told in several sentences is nearer to a description of it than any one of them.

    Args:
        lines: in order of time.
        start: seconds; what is outside of the stretch is cut off.
        end: seconds.
    """
    found = []
    for first in range(len(lines)):
        for count in range(1, _MOST_LINES + 1):
            run = lines[first : first + count]
            pauses = [b.start - a.end for a, b in zip(run, run[1:], strict=False)]
            too_long = count > 1 and run[-1].end - run[0].start > _LONGEST
            if len(run) < count or too_long or any(pause > _PAUSE for pause in pauses):
                break
            span = max(start, run[0].start), min(end, run[-1].end)
            if span[0] < span[1]:
                found.append(Passage(*span, " ".join(line.text for line in run), SPEECH))
    return found


def scene_passages(
    written: Sequence[Passage], spoken: Sequence[Passage], shots: Sequence[tuple[float, float]]
) -> list[Passage]:
    """Return what is written and said in each shot, as one text for those that have both.

    Args:
        written: texts on screen.
        spoken: what is said.
        shots: `(start, end)` of each, seconds.
    """
    found = []
    for start, end in shots:
        shown, said = (_inside(texts, start, end) for texts in (written, spoken))
        if shown and said and end - start <= _LONGEST_SHOT:
            text = " ".join(dict.fromkeys(one.text for one in [*shown, *said]))
            found.append(Passage(start, end, text, SCENE))
    return found


def _inside(texts: Sequence[Passage], start: float, end: float) -> list[Passage]:
    """Return the texts that are mostly in a stretch, in order, without those made of others."""
    mostly = [x for x in texts if min(end, x.end) - max(start, x.start) > (x.end - x.start) / 2]
    parts = [x for x in mostly if not any(x.text != y.text and y.text in x.text for y in mostly)]
    return sorted(parts)
