"""Labels of the auxiliary losses: what is to be known where in a conversation.

They are computed from the conversation's tokens and from what its frames show. A *point* is a place
whose next token one frame determines. Worked example, frames `5.0 grey star`, `25.0 blue star` and
a reply:

    blue at 25.0; blue after 5.0; blue what star
            ^^^^             ^^^            ^^^^
    the tokens of 25.0 point to the frame at 25.0: its time
    the tokens of 5.0 point to the frame at 25.0 as well: it is the first blue one, and the time of
    the frame before it is asked for
    star points to the frame at 25.0: the first blue frame with a star
"""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algos.sft.examples import Example
from policies.baselines.reading_head import BACKDROPS, SIGHTS, ReadingHead
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.frame_encoder import FrameEncoder

NONE = -100  # nothing to be known: the index that cross-entropy ignores
DIGITS = 4  # most digits before the point of a time
SLOTS = DIGITS + 3  # them, the decimal, backdrop and sight
_EARLIER = {"after", "start"}  # words that ask for the time before the frame looked for


@dataclass(frozen=True, eq=False)
class Labels:
    """Places and tokens, all int64. Letters: F frames, P points.

    Attributes:
        ends: `(F,)`, the `<|vision_end|>` of each frame.
        own: `(F, SLOTS)`, tokens of its time (left-aligned digits, then the stop token; its
            decimal last) and of what it shows.
        before: `(F, SLOTS)`, the same of the frame before it; stop tokens if there is none.
        points: `(P,)`, places whose next token is determined by a frame.
        frames: `(P,)`, the `<|vision_end|>` of that frame.
        asked: `(P, 2)`, the colour or symbol and the word that the token is asked for with.
    """

    ends: NDArray[np.int64]
    own: NDArray[np.int64]
    before: NDArray[np.int64]
    points: NDArray[np.int64]
    frames: NDArray[np.int64]
    asked: NDArray[np.int64]


class _Point(NamedTuple):
    """A place, the number of the frame that determines the next token, and what asks for it."""

    place: int
    frame: int
    asked: tuple[int, int]


@dataclass(frozen=True)
class _Subject:
    """What a reply named last: the tokens of a colour, a symbol and a word, `NONE` for none."""

    colour: int = NONE
    sight: int = NONE
    word: int = NONE


@dataclass(frozen=True)
class _Frames:
    """The frames of a conversation, in order.

    Attributes:
        ends: place of the `<|vision_end|>` of each.
        times: number tokens of its time.
        looks: tokens of its backdrop and sight.
    """

    ends: list[int]
    times: list[list[int]]
    looks: list[tuple[int, int]]

    def before(self, at: int) -> int:
        """Return how many frames stand before a place."""
        return bisect(self.ends, at)


class Labeller:
    """Labels conversations. One visual token per frame.

    Args:
        tokens: the chat layout.
        names: the text of every token id, in order.
        encoder: has the features of the frames.
        head: reads them.
    """

    def __init__(
        self, tokens: ChatTokens, names: list[str], encoder: FrameEncoder, head: ReadingHead
    ) -> None:
        """Look up the tokens of numbers and of what is shown."""
        self._tokens, self._encoder, self._head = tokens, encoder, head
        self._numbers = {i for i, name in enumerate(names) if re.fullmatch(r"\.?\d+", name)}
        self._words = {i: n.strip() for i, n in enumerate(names) if re.fullmatch(r" ?[a-z]+", n)}
        # "red" and " red" are two tokens; the latter stands for both.
        self._shown = {word: names.index(f" {word}") for word in (*BACKDROPS, *SIGHTS)}
        self._colours = {i: self._shown[w] for i, w in self._words.items() if w in BACKDROPS}
        self._sights = {i: self._shown[w] for i, w in self._words.items() if w in SIGHTS}
        # Without a space a symbol is the subject of a look-up, not its answer: `star at 12.5`.
        self._subjects = {i for i in self._sights if not names[i].startswith(" ")}

    def __call__(self, example: Example) -> Labels:
        """Label one conversation."""
        ids = example.ids.tolist()
        ends = [at for at, token in enumerate(ids) if token == self._tokens.vision_end]
        times = [self._time_before(ids, end) for end in ends]
        stop = self._tokens.stop
        own = np.full((len(ends), SLOTS), stop, dtype=np.int64)
        before = own.copy()
        looks = self._read(example)
        for row, (time, look) in enumerate(zip(times, looks, strict=True)):
            own[row, len(time) : DIGITS] = NONE
            own[row, : len(time) - 1] = time[:-1]
            own[row, min(len(time) - 1, DIGITS)] = stop
            own[row, DIGITS:] = time[-1], *look
            if row and self._tokens.stop not in ids[ends[row - 1] : ends[row]]:
                before[row] = own[row - 1]
        points = self._points(example, _Frames(ends, times, looks))
        return Labels(
            np.array(ends, dtype=np.int64),
            own,
            before,
            np.array([p.place for p in points], dtype=np.int64),
            np.array([ends[p.frame] for p in points], dtype=np.int64),
            np.array([p.asked for p in points], dtype=np.int64).reshape(-1, 2),
        )

    def _read(self, example: Example) -> list[tuple[int, int]]:
        """Return the tokens of backdrop and sight of each frame."""
        if not example.frames:
            return []
        features = self._encoder.features(example.frames)[0].float().cpu().numpy()
        return [(self._shown[b], self._shown[s]) for b, s in self._head(features)]

    def _time_before(self, ids: list[int], end: int) -> list[int]:
        """Return the number tokens of the time before a frame; ids: `… <312.5 seconds>[frame]`."""
        at = end - 4  # before the markers, the frame and the word
        time: list[int] = []
        while ids[at] in self._numbers:
            time.insert(0, ids[at])
            at -= 1
        return time

    def _points(self, example: Example, frames: _Frames) -> list[_Point]:
        """Find every token of the replies that one frame determines.

        A reply is read from left to right. The subject is what it named last: a colour, a symbol,
        a word. Each token is one of:

        1. outside the loss mask: a prompt, where the subject is forgotten;
        2. the start of a number: each of its tokens is determined by the frame of that time;
        3. a symbol that begins a look-up (`star at 12.5`): the subject is no colour from here on;
        4. another symbol, with a colour as subject: determined by the first frame of both;
        5. any other word: only the subject may change.
        """
        ids, loss_mask = example.ids.tolist(), example.loss_mask
        points: list[_Point] = []
        subject = _Subject()
        at = int(np.argmax(loss_mask)) if loss_mask.any() else len(ids)
        while at < len(ids):
            token, length = ids[at], 1
            if not loss_mask[at]:
                subject = _Subject()
            elif token in self._numbers:
                length = self._number_length(ids, at)
                points += self._points_of_number(ids[at : at + length], at, subject, frames)
            elif token in self._subjects:
                subject = replace(subject, colour=NONE)
            elif token in self._sights and subject.colour != NONE:
                points += self._point_of_symbol(token, at, subject, frames)
            if loss_mask[at] and token in self._words:
                colour = self._colours.get(token, subject.colour)
                subject = _Subject(colour, self._sights.get(token, subject.sight), token)
            at += length
        return points

    def _number_length(self, ids: list[int], at: int) -> int:
        """Return how many number tokens stand in a row from `at` on."""
        length = 1
        while at + length < len(ids) and ids[at + length] in self._numbers:
            length += 1
        return length

    def _points_of_number(
        self, number: list[int], at: int, subject: _Subject, frames: _Frames
    ) -> list[_Point]:
        """Let the last frame before `at` whose time is the number determine its tokens.

        `red after 12.5` names the time of the frame before the red one. What has to be found is the
        red frame, so the point goes to the frame after the one of that time.
        """
        known = frames.before(at)
        frame = next((f for f in reversed(range(known)) if frames.times[f] == number), None)
        if frame is None:
            return []
        asked = subject.sight if subject.colour == NONE else subject.colour
        earlier = self._words.get(subject.word) in _EARLIER
        if earlier and frames.looks[frame][0] != subject.colour:
            frame = min(frame + 1, known - 1)
        return [_Point(at + k - 1, frame, (asked, subject.word)) for k in range(len(number))]

    def _point_of_symbol(
        self, token: int, at: int, subject: _Subject, frames: _Frames
    ) -> list[_Point]:
        """Let the first frame before `at` with the subject's colour and the symbol determine it."""
        look = subject.colour, self._sights[token]
        found = [f for f in range(frames.before(at)) if frames.looks[f] == look]
        return [_Point(at - 1, frame, (subject.colour, subject.word)) for frame in found[:1]]
