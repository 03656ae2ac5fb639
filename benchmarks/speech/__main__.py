"""Measure how well Whisper hears, and what hearing is worth to a policy.

    python -m benchmarks.speech --clip nasa_13013_speech.mp4 --out benchmarks/reports

Three parts: what is heard in a clip, if one is given, against its own subtitles; what is heard in
train videos of sage-synth-spoken, by which its words were chosen; and spoken questions about its
test videos, with the tool `transcribe` and without. Videos are made where they are missing, by the
synthesiser that is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.provenance import header, publish, versions
from benchmarks.speech.listening import clip_lines, synth_lines
from benchmarks.speech.spoken_answers import SEED, answer_lines
from sage_env.synth.spoken.synthesiser import find_synthesiser
from sage_env.tools.speech.hearing import Hearing
from sage_env.tools.speech.recogniser import weights_place


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is listened to."""

    clip: Path | None = None
    """A video with subtitles of its own inside."""
    train_videos: int = 63
    """First train videos of sage-synth-spoken that are listened to; 0 for none."""
    longest: float = 300.0
    """Seconds of the longest of them."""
    test_videos: int = 21
    """First test videos that are asked about, of any length; 0 for none."""
    root: Path | None = None
    """Folder of the videos; by default the cache folder."""
    model: str = ""
    """Of Whisper, as `transcribe?model=` takes it."""
    out: Path | None = None
    """Folder to write the report to."""


def main() -> None:
    """Measure what the command line asks for."""
    settings = tyro.cli(Settings, description=__doc__)
    hearing = Hearing(model=settings.model, language="en", written=False)
    lines = header(
        "Speech: what is heard, and what it is worth",
        "benchmarks.speech",
        libraries=versions("faster-whisper", "ctranslate2", "av"),
    )
    weights = Path(weights_place(settings.model))
    place = f"{weights.parent.name}/{weights.name}" if weights.is_dir() else str(weights)
    lines.append(f"- Whisper: {place}; speech: {find_synthesiser()}; seed {SEED}")
    if settings.clip is not None:
        lines += ["", "## A clip", "", *_listed(clip_lines(settings.clip, hearing))]
    if settings.train_videos:
        heard = synth_lines(
            "train", settings.train_videos, settings.longest, settings.root, hearing
        )
        lines += ["", "## Sentences of sage-synth-spoken", "", *_listed(heard)]
    if settings.test_videos:
        tool = f"transcribe?language=en&model={settings.model}".removesuffix("&model=")
        answers = answer_lines(settings.test_videos, settings.root, tool)
        lines += ["", "## Spoken questions", "", *_listed(answers)]
    publish("\n".join([*lines, ""]), settings.out, "speech.md")


def _listed(lines: list[str]) -> list[str]:
    return [f"- {line}" for line in lines]


if __name__ == "__main__":
    main()
