"""Measure how well speech is recognised, and print it.

    python -m benchmarks.speech --clip ../shared/videos/nasa_13013_speech.mp4
    python -m benchmarks.speech --split train --videos 21 --longest 300

The first compares what Whisper hears in a clip with the subtitles inside it. The second does so for
the videos of sage-synth-spoken, which are made where they are missing, and says for each word how
often it was heard where it was said: WORDS of `sage_env.synth.spoken.script` were chosen by it, on
train videos.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import tyro
from tqdm import tqdm

from benchmarks.speech.word_errors import WordErrors, spoken_words, word_errors
from sage_env.subtitles.line import Line
from sage_env.synth.plan import plan_video
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.script import write_script
from sage_env.tools.speech.hearing import Hearing, hear
from sage_env.video.video_file import open_video


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is listened to."""

    clip: Path | None = None
    """A video with subtitles of its own; without it, sage-synth-spoken is measured."""
    split: str = "train"
    """Of sage-synth-spoken."""
    videos: int = 21
    """How many of its first videos; long ones are left out."""
    longest: float = 300.0
    """Seconds of the longest video."""
    root: Path | None = None
    """Folder of the videos."""
    model: str = ""
    """Of Whisper, as `transcribe?model=` takes it."""


def measure_clip(path: Path, hearing: Hearing) -> WordErrors:
    """Print and return the errors of a clip against its own subtitles."""
    end = open_video(path).duration
    heard = _text(hear(path, 0.0, end, hearing))
    reference = _text(hear(path, 0.0, end))
    print(f"said:  {reference}\nheard: {heard}")
    return word_errors(heard, reference)


def measure_synth(settings: Settings, hearing: Hearing) -> WordErrors:
    """Print how often each word was heard; return the errors of whole sentences."""
    items = sage_synth_spoken(settings.root, settings.split, count=settings.videos)
    short = [item for item in items if (item.duration or 0.0) <= settings.longest]
    videos = {item.video: item for item in short}
    for item in tqdm(videos.values(), desc="videos"):
        items.prepare(item)
    total, said, missed = WordErrors(0, 0), Counter[str](), Counter[str]()
    for path in videos:
        plan = plan_video(settings.split, int(path.stem))
        lines = hear(path, 0.0, plan.duration, hearing)
        utterances = write_script(plan).utterances
        total += word_errors(_text(lines), " ".join(one.sentence for one in utterances))
        for one in utterances:
            there = _text([line for line in lines if line.start < one.end and one.start < line.end])
            said[one.word] += 1
            if one.word not in spoken_words(there):
                missed[one.word] += 1
                print(f"{path.stem} {one.start:.1f} s, {one.word}: heard {there!r}")
    for word, times in sorted(said.items()):
        print(f"{word}: {times - missed[word]} of {times}")
    print(f"words heard: {said.total() - missed.total()} of {said.total()}")
    return total


def _text(lines: tuple[Line, ...] | list[Line]) -> str:
    return " ".join(line.text for line in lines)


def main() -> None:
    """Measure what the command line asks for."""
    settings = tyro.cli(Settings, description=__doc__)
    hearing = Hearing(model=settings.model, language="en", written=False)
    if settings.clip is not None:
        errors = measure_clip(settings.clip, hearing)
    else:
        errors = measure_synth(settings, hearing)
    print(f"word error rate: {errors.rate:.3f} ({errors.errors} of {errors.words} words)")


if __name__ == "__main__":
    main()
