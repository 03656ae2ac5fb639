"""The search that needs no server: text on screen and speech, matched with the event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Literal, get_args

from sage_env.object_reference import spelled
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import lines_between
from sage_env.tools.grounding.found_spans import FoundSpan
from sage_env.tools.grounding.glances import Glances, find_shots, take_glances
from sage_env.tools.grounding.matching import Matcher, match_meanings, match_words, remembering
from sage_env.tools.grounding.passages import SCENE, Passage, scene_passages, spoken_passages
from sage_env.tools.grounding.screen_text import MOST_READ, read_screen
from sage_env.tools.grounding.text_embedding import embed
from sage_env.tools.grounding.text_reading import TextReader, read_text
from sage_env.tools.reply_cache import content_digest, find_kept, keep, reply_key
from sage_env.tools.speech.hearing import Hearing, hear
from sage_env.tools.speech.recogniser import model_name
from sage_env.tools.speech.written_speech import subtitles_beside, written_lines
from sage_env.tools.tool import ToolContext

MatcherName = Literal["meaning", "words"]
SpeechFrom = Literal["any", "subtitles", "no"]
THRESHOLDS: Mapping[str, float] = {"meaning": 0.4, "words": 0.6}
"""Least score of what is told, by matcher.

Chosen on the training sentences of `benchmarks.grounding`, seeds 0 to 19, where 0.4 finds 84 % of
the events that are described in other words, and calls 1 to 2 % of the absent ones found.
"""
_VAGUE = 0.05  # by which the texts of a whole shot must fit better than one of them
_TEXTS = "texts of a stretch, 1"  # how they are read; a change makes those that are kept useless


@dataclass(frozen=True)
class SearchSettings:
    """What is searched, and how texts are matched.

    Attributes:
        matcher: `meaning` or `words`, see `matching`.
        threshold: least score of what counts as found; `None` for the matcher's own.
        weights: folder or hub id of the embeddings; "" for those that are installed.
        screen: whether text on screen is read.
        most_read: frames of a call that are read at most.
        speech: `any`, what is written beside the video, else what is recognised in its sound;
            `subtitles`, the first alone; `no`, neither.
        hearing: how speech is recognised.
    """

    matcher: MatcherName = "meaning"
    threshold: float | None = None
    weights: str = ""
    screen: bool = True
    most_read: int = MOST_READ
    speech: SpeechFrom = "any"
    hearing: Hearing = Hearing()

    def __post_init__(self) -> None:
        """Refuse illegal values where they are made."""
        for name, known in (("matcher", MatcherName), ("speech", SpeechFrom)):
            if getattr(self, name) not in get_args(known):
                told = ", ".join(get_args(known))
                raise ValueError(f"{name} must be one of {told}, got {getattr(self, name)!r}")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, got {self.threshold}")


class TextSearch:
    """Finds events by what is written and said; what the pictures show is not looked at.

    The texts of a stretch are kept on disk by content, so that another event is found at once.
    """

    unseen = "only text on screen and speech were searched, not what the pictures show"
    longest = 0.0

    def __init__(self, settings: SearchSettings, reader: TextReader = read_text) -> None:
        """Load nothing yet.

        Args:
            settings: what is searched, and how.
            reader: reads the text of a frame.
        """
        self._settings, self._reader = settings, reader
        self._match = find_matcher(settings)
        own = THRESHOLDS[settings.matcher]
        self._threshold = own if settings.threshold is None else settings.threshold

    def __call__(
        self, event: str, start: float, end: float, context: ToolContext
    ) -> list[FoundSpan]:
        """Return the stretches whose text fits the event at least as well as the threshold.

        Args:
            event: what to look for, in words.
            start: seconds in the video, where to begin.
            end: seconds, after `start`.
            context: of the episode.

        Raises:
            MissingExtra: if a package is not installed that reads, recognises or matches.
            VideoError: if the video cannot be read.
        """
        passages = self._passages(start, end, context)
        scores = self._match(event, [one.text for one in passages]).tolist()
        found = [
            FoundSpan(
                one.start, one.end, score - _VAGUE * (one.source == SCENE), one.source, one.text
            )
            for one, score in zip(passages, scores, strict=True)
        ]
        return [one for one in found if one.score >= self._threshold]

    def _passages(self, start: float, end: float, context: ToolContext) -> list[Passage]:
        """Return all texts of a stretch, from disk where they were had before."""
        # Even where the rest is kept: a view of a part of a video has the path of the whole.
        glances = take_glances(context.video, start, end) if self._settings.screen else None
        key = self._key(start, end, context, glances)
        if key is None:
            return self._read(start, end, context, glances)
        if (kept := find_kept(key)) is not None:
            return [Passage(*one) for one in json.loads(kept)]
        passages = self._read(start, end, context, glances)
        keep(key, json.dumps(passages))
        return passages

    def _key(
        self, start: float, end: float, context: ToolContext, glances: Glances | None
    ) -> str | None:
        """Return what the texts of a stretch depend on; `None` where that cannot be told.

        So it is of a video that is no file, and of a recogniser of the user's own.
        """
        settings, path = self._settings, context.path
        ears = "" if settings.speech != "any" else model_name(settings.hearing.model)
        if not path.is_file() or ears is None:
            return None
        seen = b"" if glances is None else glances.grey.tobytes() + glances.seconds.tobytes()
        beside = subtitles_beside(path) if context.subtitles is None else [context.subtitles]
        files = [content_digest(file) for file in (path, *beside)]
        reading = settings.screen, settings.most_read, settings.speech, repr(settings.hearing)
        clock = context.subtitles_start, start, end
        shown = blake2b(seen, digest_size=16).hexdigest()
        return reply_key(_TEXTS, spelled(self._reader), files, reading, clock, ears, shown)

    def _read(
        self, start: float, end: float, context: ToolContext, glances: Glances | None
    ) -> list[Passage]:
        """Return all texts of a stretch: what is said, what is written, and both of a shot."""
        spoken = spoken_passages(_lines(self._settings, start, end, context), start, end)
        if glances is None:
            return spoken
        written = read_screen(context.video, glances, self._reader, self._settings.most_read)
        shots = [
            (glances.begin(first), glances.stop(last - 1)) for first, last in find_shots(glances)
        ]
        return [*written, *spoken, *scene_passages(written, spoken, shots)]


def find_matcher(settings: SearchSettings) -> Matcher:
    """Return the matcher that the settings name."""
    if settings.matcher == "meaning":
        embedder = remembering(partial(embed, source=settings.weights or None))
        return partial(match_meanings, embedder=embedder)
    return match_words


def _lines(
    settings: SearchSettings, start: float, end: float, context: ToolContext
) -> Sequence[Line]:
    """Return what is said in a stretch, as far as it is to be searched."""
    given: dict[str, Any] = {
        "subtitles": context.subtitles,
        "subtitles_start": context.subtitles_start,
    }
    no_file = not context.path.is_file() and context.subtitles is None
    if settings.speech == "no" or no_file:  # a video in memory has no sound
        return ()
    if settings.speech == "subtitles":
        return lines_between(written_lines(context.path, **given) or (), start, end)
    return hear(context.path, start, end, settings.hearing, **given)
