"""What is to be known where in a conversation, from its tokens and what its frames show."""

from __future__ import annotations

import re
from bisect import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algos.sft import Example
from policies.baselines.reading_head import BACKDROPS, SIGHTS, ReadingHead
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.frame_encoder import FrameEncoder

NONE = -100  # nothing to be known
DIGITS = 4  # most digits before the point of a time
SLOTS = DIGITS + 3  # them, the decimal, backdrop and sight
_EARLIER = {"after", "start"}  # words that ask for the time of the frame before the one looked for


@dataclass(frozen=True, eq=False)
class Labels:
    """Places and tokens, all int64.

    Attributes:
        ends: `(F,)`, the `<|vision_end|>` of each frame.
        own: `(F, SLOTS)`, tokens of its time (left-aligned digits, then the stop token; its
            decimal last) and of what it shows.
        before: `(F, SLOTS)`, the same of the frame before it; stop tokens if there is none.
        points: `(P,)`, places whose next token is told by a frame.
        frames: `(P,)`, the `<|vision_end|>` of that frame.
        asked: `(P, 2)`, the colour or symbol and the word that the token is asked for with.
    """

    ends: NDArray[np.int64]
    own: NDArray[np.int64]
    before: NDArray[np.int64]
    points: NDArray[np.int64]
    frames: NDArray[np.int64]
    asked: NDArray[np.int64]


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
        # Without a space a symbol is asked about, not told: `star at 12.5`.
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
        points = self._points(example, ends, times, looks)
        at, frames = [p[0] for p in points], [p[1] for p in points]
        return Labels(
            np.array(ends, dtype=np.int64),
            own,
            before,
            np.array(at, dtype=np.int64),
            np.array([ends[f] for f in frames], dtype=np.int64),
            np.array([p[2] for p in points], dtype=np.int64).reshape(-1, 2),
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

    def _points(
        self,
        example: Example,
        ends: list[int],
        times: list[list[int]],
        looks: list[tuple[int, int]],
    ) -> list[tuple[int, int, tuple[int, int]]]:
        """Return `(place, frame, asked)` of every taught token that a frame tells."""
        ids, loss_mask = example.ids.tolist(), example.loss_mask
        points: list[tuple[int, int, tuple[int, int]]] = []
        colour = sight = word = NONE
        at = int(np.argmax(loss_mask)) if loss_mask.any() else len(ids)
        while at < len(ids):
            token = ids[at]
            if not loss_mask[at]:
                colour = sight = word = NONE
            elif token in self._numbers:
                number = ids[at : at + self._run(ids, at)]
                known = bisect(ends, at)
                frame = next((f for f in reversed(range(known)) if times[f] == number), None)
                asked = sight if colour == NONE else colour
                if frame is not None:
                    if self._words.get(word) in _EARLIER and looks[frame][0] != colour:
                        frame = min(frame + 1, known - 1)
                    points += [(at + k - 1, frame, (asked, word)) for k in range(len(number))]
                at += len(number) - 1
            elif token in self._subjects:
                colour = NONE
            elif token in self._sights and colour != NONE:
                look = colour, self._sights[token]
                found = [f for f in range(bisect(ends, at)) if looks[f] == look]
                points += [(at - 1, frame, (colour, word)) for frame in found[:1]]
            if loss_mask[at] and token in self._words:
                word = token
                colour, sight = self._colours.get(token, colour), self._sights.get(token, sight)
            at += 1
        return points

    def _run(self, ids: list[int], at: int) -> int:
        length = 1
        while at + length < len(ids) and ids[at + length] in self._numbers:
            length += 1
        return length
