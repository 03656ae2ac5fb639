"""A scripted coarse-to-fine policy that sees with the vision tower, and its bad habits.

It reads each frame (backdrop colour and symbol) from the tower's features with a linear head and
knows nothing else of the video: no evidence spans, no labels. With `Habits()` it plays well; with
`DEMONSTRATOR` it is the imperfect demonstrator that `sage-mm-tiny` is cloned from.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from policies.base import Decision, EpisodeStates, Observation, require_distinct
from policies.baselines.reading_head import ReadingHead
from sage_env.actions.action import Answer, Zoom
from sage_env.actions.action_text import format_action
from sage_env.frames import Box
from sage_env.synth.symbols import COLOURS, CORNERS, SYMBOLS

if TYPE_CHECKING:
    from policies.sage_mm.vision.frame_encoder import FrameEncoder

ZOOM_FRAMES = 8
"""Frames of one zoom, where the budget allows it."""
MARK_BOX = 0.3
"""Side of the box that enlarges a corner, as a fraction of the picture's."""


@dataclass(frozen=True)
class Habits:
    """Probabilities of bad habits; all 0 is good play.

    Attributes:
        needless: zooms although what it has seen holds the answer.
        gives_up: guesses at once when the overview does not show the answer.
        wide: makes the first zoom over the whole video.
        quits: guesses after a zoom that did not show the answer.
    """

    needless: float = 0.0
    gives_up: float = 0.0
    wide: float = 0.0
    quits: float = 0.0


DEMONSTRATOR = Habits(needless=0.75, gives_up=0.2, wide=0.6, quits=0.7)


@dataclass(frozen=True)
class FrameReading:
    """One frame as the policy read it, with the words of `sage_env.synth.symbols`.

    Attributes:
        second: its time.
        backdrop: a colour, "grey" where nothing is asked about.
        sight: a symbol, or "empty".
    """

    second: float
    backdrop: str
    sight: str


@dataclass(eq=False)
class _Episode:
    random: np.random.Generator
    question: str = ""
    choices: tuple[str, ...] = ()
    duration: float = 0.0
    batches: list[list[FrameReading]] = field(default_factory=list)
    turns_left: int = 0
    frames_left: int = 0

    def readings(self) -> list[FrameReading]:
        """Return the frames of all turns in order of time."""
        return sorted((k for batch in self.batches for k in batch), key=lambda k: k.second)


class Scripted(EpisodeStates[_Episode]):
    """Coarse to fine: find the scene in the overview, zoom into it, zoom again, answer.

    Args:
        encoder: the vision tower.
        head: reads its features.
        habits: how often to play badly.

    Attributes:
        env_options: what the environment must be made with: frames of the size that the head reads.
    """

    ONLY: ClassVar[Hashable] = 0

    def __init__(
        self, encoder: FrameEncoder, head: ReadingHead, habits: Habits | None = None
    ) -> None:
        """Start with no episode."""
        self._encoder, self._head = encoder, head
        self.habits = habits or Habits()
        self.env_options: Mapping[str, Any] = {}
        self.reset()

    @classmethod
    def load(cls, habits: Habits | None = None, folder: Path | None = None) -> Scripted:
        """See with the shipped tiny model's tower, or with that of another folder."""
        from policies.sage_mm.model.sage_model import SHIPPED, load

        folder = folder or SHIPPED
        model = load(folder)
        policy = cls(model.encoder, ReadingHead.load(folder), habits)
        policy.env_options = {k: v for k, v in model.env_options.items() if k == "frame_size"}
        return policy

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides when a habit strikes, and what is guessed."""
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        self._episodes = {}

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation.

        Raises:
            ValueError: if an episode is named twice.
        """
        require_distinct(observations, episodes)
        frames = [o["frames"][: int(o["num_frames"])] for o in observations]
        keys = self._encoder.encode(frames)
        decisions = []
        for observation, name, seen in zip(observations, episodes, keys, strict=True):
            episode = self._episodes.get(name)
            if episode is None:
                random = np.random.default_rng([self._seed, zlib.crc32(repr(name).encode())])
                episode = self._episodes[name] = _Episode(random)
            self._observe(episode, observation, seen)
            thought, action = _Choice(episode, self.habits).decide()
            decisions.append(Decision(action, format_action(action, thought)))
        return decisions

    def _observe(self, episode: _Episode, observation: Observation, keys: Sequence[bytes]) -> None:
        episode.question = str(observation["question"])
        episode.choices = (
            tuple(str(observation["choices"]).split("\n")) if observation["choices"] else ()
        )
        episode.duration = round(float(observation["duration"]), 1)
        episode.turns_left = int(observation["turns_left"])
        episode.frames_left = int(observation["frames_left"])
        read: list[tuple[str, str]] = []
        if keys:
            merged = self._encoder.features(keys)[0]
            mean = merged.reshape(len(keys), -1, merged.shape[-1]).mean(1)
            read = self._head(mean.float().cpu().numpy())
        seconds = [round(float(s), 1) for s in observation["seconds"][: len(keys)]]
        readings = [
            FrameReading(second, *sight) for second, sight in zip(seconds, read, strict=True)
        ]
        episode.batches.append(readings)


class _Choice:
    """One decision of the policy: a thought, and the action that follows from it.

    The question's words decide the kind of question, and with it the rule:

    | kind | words | rule |
    |---|---|---|
    | order | "first" and two symbols | `_order`: answers at once with the earlier of the two |
    | detail | "mark" | `_detail`: zooms into the corner, then answers with the latest symbol |
    | any other | - | `_look_up`: answers once a symbol was seen on the colour, zooms till then |

    Attributes:
        episode: what was seen, and what may still be spent.
        habits: how often to play badly.
        colour: the first colour that the question names; "" for none.
        symbols: the symbols that it names, in order.
        words: all its words, in lower case.
    """

    def __init__(self, episode: _Episode, habits: Habits) -> None:
        self.episode, self.habits = episode, habits
        words = re.findall(r"[a-z]+", episode.question.lower())
        self.colour = next((word for word in words if word in COLOURS), "")
        self.symbols = [word for word in words if word in SYMBOLS]
        self.words = set(words)

    def decide(self) -> tuple[str, Any]:
        """Return the thought and the action; draws from the episode's generator."""
        if "first" in self.words and len(self.symbols) == 2:
            return self._order()
        if "mark" in self.words:
            return self._detail()
        return self._look_up()

    @property
    def _first_turn(self) -> bool:
        return len(self.episode.batches) == 1

    @property
    def _counting(self) -> bool:
        return "many" in self.words

    def _happens(self, probability: float) -> bool:
        return bool(self.episode.random.random() < probability)

    def _may_zoom(self) -> bool:
        return self.episode.turns_left > 1 and self.episode.frames_left >= ZOOM_FRAMES // 2

    def _on_colour(self) -> list[FrameReading]:
        return [reading for reading in self.episode.readings() if reading.backdrop == self.colour]

    def _symbols_on_colour(self) -> list[FrameReading]:
        return [reading for reading in self._on_colour() if reading.sight != "empty"]

    def _look_up(self) -> tuple[str, Any]:
        """Look for a symbol on a backdrop: `glance`, `needle`, `when` and `count`."""
        seen = self._symbols_on_colour()
        thought = f"{self.colour} {seen[0].sight if seen else 'empty'}"
        # The overview may step over events, so that what it shows is never enough to count.
        enough = bool(seen) and not (self._counting and self._first_turn)
        if self._wants_zoom(enough):
            wide = self._first_turn and self._happens(self.habits.wide)
            return thought, self._zoom(wide)
        return thought, Answer(self._answer(seen) if seen else self._guess(self._counting))

    def _wants_zoom(self, enough: bool) -> bool:
        """Decide between a zoom and an answer.

        | may zoom | seen enough | turn | zooms |
        |---|---|---|---|
        | no | - | - | no |
        | yes | yes | first | with the habit `needless` |
        | yes | yes | later | no |
        | yes | no | first | unless the habit `gives_up` strikes |
        | yes | no | later | unless the habit `quits` strikes |
        """
        if not self._may_zoom():
            return False
        if enough:
            return self._first_turn and self._happens(self.habits.needless)
        return not self._happens(self.habits.gives_up if self._first_turn else self.habits.quits)

    def _answer(self, seen: Sequence[FrameReading]) -> str:
        """Return what the frames with a symbol say to the question."""
        if self._counting:
            return str(_runs(self._on_colour()))
        if self.words & {"when", "second"}:
            return f"{seen[0].second:.1f}"
        return seen[0].sight

    def _guess(self, counting: bool = False) -> str:
        """Draw an answer of the kind that the question wants: a count, a time or a choice."""
        random = self.episode.random
        if counting:
            return str(int(random.integers(2, 5)))
        if self.words & {"when", "second"}:
            readings = self._on_colour() or self.episode.readings()
            if not readings:
                return "0.0"
            return f"{readings[int(random.integers(len(readings)))].second:.1f}"
        options = self.episode.choices or tuple(SYMBOLS)
        return options[int(random.integers(len(options)))]

    def _zoom(self, wide: bool = False, box: Box | None = None) -> Zoom:
        start, end = _window(self.episode, self.colour, wide)
        return Zoom(start, end, min(ZOOM_FRAMES, self.episode.frames_left), box)

    def _order(self) -> tuple[str, Any]:
        """Answer with the symbol that was seen first on a colour; never zoom."""
        times = {}
        for name in self.symbols:
            found = [
                k.second
                for k in self.episode.readings()
                if k.sight == name and k.backdrop != "grey"
            ]
            if found:
                times[name] = found[0]
        thought = ", ".join(
            f"{name} {times[name]:.1f}" if name in times else f"{name} empty"
            for name in self.symbols
        )
        if len(times) == 2:
            return thought, Answer(min(times, key=lambda name: times[name]))
        return thought, Answer(next(iter(times), self._guess()))

    def _detail(self) -> tuple[str, Any]:
        """Enlarge the corner that the question names, and answer with what is seen there."""
        seen = self._symbols_on_colour()
        thought = f"{self.colour} {seen[-1].sight if seen else 'empty'}"
        if seen and len(self.episode.batches) > 1:
            return thought, Answer(seen[-1].sight)
        if not self._may_zoom() or (len(self.episode.batches) > 1 and self._happens(0.5)):
            return thought, Answer(self._guess())
        corner = next((name for name in CORNERS if name in self.episode.question), "top left")
        return thought, self._zoom(box=corner_box(corner))


def _window(episode: _Episode, colour: str, wide: bool) -> tuple[float, float]:
    """Choose what to zoom into, from the latest frames that show the backdrop.

    After the overview: between the frames around the scene (`wide`: all of the video). After a
    zoom: between the scene's first and last frame.
    """
    for number in () if wide else range(len(episode.batches) - 1, -1, -1):
        readings = episode.batches[number]
        hits = [i for i, reading in enumerate(readings) if reading.backdrop == colour]
        if not hits:
            continue
        earliest, latest = 0.0, episode.duration
        if number > 0:
            earliest, latest = readings[0].second, readings[-1].second
        margin = 0 if number > 0 and len(hits) > 1 else 1
        low, high = hits[0] - margin, hits[-1] + margin
        start = readings[low].second if low >= 0 else earliest
        end = readings[high].second if high < len(readings) else latest
        if end > start:
            return start, end
    return 0.0, max(episode.duration, 0.1)


def corner_box(corner: str) -> Box:
    """Return the box that enlarges a corner of the picture enough to read a mark."""
    x, y = (value * (1 - MARK_BOX) for value in CORNERS[corner])
    return (round(x, 2), round(y, 2), round(x + MARK_BOX, 2), round(y + MARK_BOX, 2))


def _runs(readings: Sequence[FrameReading]) -> int:
    """Count the runs of frames with a symbol."""
    shown = [reading.sight != "empty" for reading in readings]
    return sum(now and not before for before, now in zip([False, *shown], shown, strict=False))
