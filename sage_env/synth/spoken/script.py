"""What a video says and writes, beside what it shows: decided before anything is made.

On top of a plan of `sage_env.synth.plan`, which stays as it is, and drawn apart from it:

* in up to three coloured scenes a voice says a sentence with a word in it;
* somewhere else, where there is room, it says a sentence with a code word;
* in coloured scenes a word is written for a while, and in two of them a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sage_env.synth.plan import STREAMS, VERSION, Scene, VideoPlan, frame_span

WORDS = tuple(
    (
        "garden mountain kitchen bottle candle doctor monkey tiger sugar tomato potato camera "
        "computer table pocket blanket castle winter tractor turtle chocolate dinner music "
        "guitar pirate library village carpet curtain marble "
    ).split()
)
"""What is said and written, two of them never in one video."""
SENTENCES = {"word": "Please remember the word {}.", "code": "The secret code word is {}."}
"""What the voice says, by the kind of the utterance."""
MOST_SAID = 3
"""Coloured scenes of a video in which the voice speaks."""
MOST_WRITTEN = 2
"""Coloured scenes in which a word is written."""
NUMBERS = 2
"""Coloured scenes in which a number is written."""
_MARGIN = 0.3
"""Seconds of silence between an utterance and the ends of its scene, so that the word that is said
there is said nowhere else."""


@dataclass(frozen=True)
class Voice:
    """How the voice of a video sounds.

    Attributes:
        language: of the speaker, as espeak-ng names it.
        pitch: 0 to 99.
        pace: words per minute.
    """

    language: str
    pitch: int
    pace: int


VOICES = (Voice("en-us", 50, 150), Voice("en-gb", 35, 140), Voice("en-us", 65, 160))


@dataclass(frozen=True)
class Utterance:
    """A sentence that is said from `start` to `end`, seconds: whole milliseconds.

    Attributes:
        start: when its first sound is heard.
        end: when its last sound is over.
        word: one of `WORDS`.
        kind: a key of `SENTENCES`.
    """

    start: float
    end: float
    word: str
    kind: str

    @property
    def sentence(self) -> str:
        """Return what is said."""
        return SENTENCES[self.kind].format(self.word)


@dataclass(frozen=True)
class Caption:
    """A text that is written on the picture during `[start, end)`, at its top or its bottom."""

    start: float
    end: float
    text: str
    at_top: bool


@dataclass(frozen=True)
class Script:
    """All that a video says and writes, each in order of time."""

    voice: Voice
    utterances: tuple[Utterance, ...]
    captions: tuple[Caption, ...]


def write_script(plan: VideoPlan, seed: int = 0) -> Script:
    """Write the script of a planned video; the same for the same plan and seed, always.

    Args:
        plan: of the video.
        seed: of the whole set.
    """
    split, index = plan.name.split("/")
    rng = np.random.Generator(np.random.Philox([VERSION, seed, STREAMS[split], int(index), 2]))
    words = [str(word) for word in rng.permutation(WORDS)]
    voice = VOICES[int(rng.integers(len(VOICES)))]
    utterances = _utterances(plan, words, rng)
    captions = _captions(plan, words, rng)
    return Script(voice, utterances, captions)


def seconds_of(sentence: str) -> float:
    """Return how long a sentence lasts, in seconds: a rule of thumb that the voice is held to."""
    return round(0.3 + 0.055 * len(sentence), 2)


def _utterances(
    plan: VideoPlan, words: list[str], rng: np.random.Generator
) -> tuple[Utterance, ...]:
    """Place the sentences in scenes that have room; takes their words off the list."""
    said: list[Utterance] = []
    silent = list(plan.scenes)
    for scene in _shuffled([scene for scene in plan.scenes if scene.colour is not None], rng):
        utterance = _placed("word", scene, words[-1], rng)
        if utterance is not None and len(said) < MOST_SAID:
            said.append(utterance)
            words.pop()
            silent.remove(scene)
    for scene in _shuffled(silent, rng):
        utterance = _placed("code", scene, words[-1], rng)
        if utterance is not None:
            said.append(utterance)
            words.pop()
            break
    return tuple(sorted(said, key=lambda utterance: utterance.start))


def _placed(kind: str, scene: Scene, word: str, rng: np.random.Generator) -> Utterance | None:
    """Place a sentence somewhere in a scene; `None` if it is too short for it."""
    length = seconds_of(SENTENCES[kind].format(word))
    room = scene.end - scene.start - length - 2 * _MARGIN
    if room < 0:
        return None
    start = round(scene.start + _MARGIN + room * rng.random(), 3)
    return Utterance(start, round(start + length, 3), word, kind)


def _captions(plan: VideoPlan, words: list[str], rng: np.random.Generator) -> tuple[Caption, ...]:
    """Write two numbers, then words, each in a coloured scene of its own; takes the words."""
    scenes = [scene for scene in plan.scenes if scene.colour is not None and scene.kind != "mark"]
    numbers = [str(number) for number in rng.permutation(np.arange(10, 100))[:NUMBERS]]
    captions = []
    for place, scene in enumerate(_shuffled(scenes, rng)[: NUMBERS + MOST_WRITTEN]):
        text = numbers[place] if place < NUMBERS else words.pop()
        captions.append(_shown(text, plan, scene, rng))
    return tuple(sorted(captions, key=lambda caption: caption.start))


def _shown(text: str, plan: VideoPlan, scene: Scene, rng: np.random.Generator) -> Caption:
    """Show a text for about as long as two flashes last, in the middle part of a scene."""
    width = scene.end - scene.start
    length = min(0.9 * math.sqrt(plan.duration) * rng.uniform(0.9, 1.1), width / 2)
    middle = scene.start + width * rng.uniform(0.3, 0.7)
    return Caption(*frame_span(plan.times, middle, length), text, bool(rng.random() < 0.5))


def _shuffled(scenes: Sequence[Scene], rng: np.random.Generator) -> list[Scene]:
    return [scenes[int(place)] for place in rng.permutation(len(scenes))]
