"""A scripted policy that answers what is said in a video: it calls `transcribe`, and reads by rule.

It knows the words of `sage-synth-spoken` and the form of its questions, and nothing of a video but
what the tool replies and which colour a frame has. Other questions it guesses. Where there is no
tool `transcribe` it guesses too, so that the difference is what hearing is worth.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.base import Decision, EpisodeStates, Observation, require_distinct
from sage_env.actions.action import Action, Answer, UseTool, Zoom
from sage_env.actions.action_text import format_action
from sage_env.synth.spoken.script import WORDS
from sage_env.synth.symbols import COLOURS

TOOL = "transcribe"
SPAN = 600.0
"""Seconds of one call: the most that the tool takes."""
_LOOK = 0.5
"""Seconds around a spoken word in which a frame is looked at."""
_GREY = 0.12
"""Below it, (max - min) / max of a backdrop's channels is grey."""
_LINE = re.compile(r"\[([0-9.]+) s - ([0-9.]+) s\] (.+)")


class _Said(NamedTuple):
    """A word that was heard, with when, in seconds."""

    start: float
    end: float
    word: str

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(eq=False)
class _Episode:
    random: np.random.Generator
    colours: dict[float, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    reached: float = 0.0
    said: list[_Said] = field(default_factory=list)
    deaf: bool = False


class Listener(EpisodeStates[_Episode]):
    """Finds the scene that is asked about by its colour, and reads what is said there.

    1. The overview shows about where the colour of the question is; without one, all is listened
       to.
    2. That stretch is transcribed, 600 seconds at a time.
    3. If words were heard around its edges too, a frame is looked at for each, until one has the
       colour.
    """

    def __init__(self) -> None:
        """Start with no episode."""
        self.reset()

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` decides what is guessed."""
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
        self._episodes = {}

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation; see `BatchPolicy`."""
        require_distinct(observations, episodes)
        decisions = []
        for observation, name in zip(observations, episodes, strict=True):
            episode = self._episodes.get(name)
            if episode is None:
                random = np.random.default_rng([self._seed, zlib.crc32(repr(name).encode())])
                episode = self._episodes[name] = _Episode(random)
            _take(episode, observation)
            action = _choose(episode, observation)
            decisions.append(Decision(action, format_action(action)))
        return decisions


def _take(episode: _Episode, observation: Observation) -> None:
    """Take what the last action brought: colours of frames, lines of speech, or a refusal."""
    count = int(observation["num_frames"])
    for frame, second in zip(
        observation["frames"][:count], observation["seconds"][:count].tolist(), strict=True
    ):
        episode.colours[second] = backdrop_of(frame)
    if str(observation["message"]).startswith("There is no tool"):
        episode.deaf = True
    for start, end, text in _LINE.findall(str(observation["text"])):
        asked = _word_in(text, _options(observation))
        if asked and ("code" in text.lower()) == _wants_code(observation):
            episode.said.append(_Said(float(start), float(end), asked))


def _choose(episode: _Episode, observation: Observation) -> Action:
    """Return the next action; a guess where nothing else is left."""
    question = str(observation["question"]).lower()
    if episode.deaf or not re.search(r"\b(?:spoken|voice)\b", question):
        return _guess(episode, observation)
    colour = next((word for word in re.findall("[a-z]+", question) if word in COLOURS), None)
    if episode.window is None:
        duration = float(observation["duration"])
        episode.window = (0.0, duration) if colour is None else _around(episode, colour, duration)
        episode.reached = episode.window[0]
    may_go_on = int(observation["turns_left"]) > 1
    found = colour is None and bool(episode.said)
    if may_go_on and not found and episode.reached < episode.window[1]:
        start, end = episode.reached, min(episode.reached + SPAN, episode.window[1])
        episode.reached = end
        return UseTool(TOOL, {"start": start, "end": end})
    return _answer(episode, observation, colour, may_go_on)


def _answer(
    episode: _Episode, observation: Observation, colour: str | None, may_look: bool
) -> Action:
    """Answer with the word that was heard on the colour; look where that is not clear."""
    if not episode.said:
        return _guess(episode, observation)
    if colour is None or len(episode.said) == 1:
        return Answer(episode.said[0].word)
    for said in episode.said:
        looked = [c for second, c in episode.colours.items() if _near(second, said)]
        if colour in looked:
            return Answer(said.word)
        if not looked and may_look and int(observation["frames_left"]) > 0:
            return Zoom(max(0.0, said.middle - _LOOK), said.middle + _LOOK, 1)
    return Answer(episode.said[0].word)


def _near(second: float, said: _Said) -> bool:
    return abs(second - said.middle) <= 2 * _LOOK


def _around(episode: _Episode, colour: str, duration: float) -> tuple[float, float]:
    """Return the stretch between the frames around those of a colour; all without such a frame."""
    seconds = sorted(episode.colours)
    hits = [place for place, second in enumerate(seconds) if episode.colours[second] == colour]
    if not hits:
        return 0.0, duration
    start = seconds[hits[0] - 1] if hits[0] > 0 else 0.0
    end = seconds[hits[-1] + 1] if hits[-1] + 1 < len(seconds) else duration
    return start, end


def _wants_code(observation: Observation) -> bool:
    return "code" in str(observation["question"]).lower()


def _options(observation: Observation) -> tuple[str, ...]:
    choices = str(observation["choices"])
    return tuple(choices.split("\n")) if choices else WORDS


def _word_in(text: str, options: Sequence[str]) -> str | None:
    """Return the option that a line says, or that its last words sound most like."""
    words: list[str] = re.findall("[a-z]+", text.lower())
    exact = [word for word in words if word in options]
    if exact:
        return exact[-1]
    near = [found for word in words[-2:] for found in difflib.get_close_matches(word, options, n=1)]
    return near[-1] if near else None


def _guess(episode: _Episode, observation: Observation) -> Answer:
    options = _options(observation)
    return Answer(options[int(episode.random.integers(len(options)))])


def backdrop_of(frame: NDArray[np.uint8]) -> str:
    """Return the colour of the outer part of a picture, or "grey".

    Args:
        frame: uint8 `(H, W, 3)`, RGB.
    """
    height, width = frame.shape[:2]
    edge = np.ones((height, width), bool)
    edge[height // 6 : -(height // 6), width // 6 : -(width // 6)] = False
    middle = np.median(frame[edge], axis=0)
    if middle.max() - middle.min() < _GREY * max(float(middle.max()), 1.0):
        return "grey"

    def distance(name: str) -> float:
        named = np.array(COLOURS[name], np.float64)
        return float(np.abs(named / named.sum() - middle / middle.sum()).sum())

    return min(COLOURS, key=distance)
