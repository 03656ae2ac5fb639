"""Word error rates of Whisper, and how often it hears each word of sage-synth-spoken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.speech.word_errors import WordErrors, spoken_words, word_errors
from sage_env.subtitles.line import Line
from sage_env.synth.plan import plan_video
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.script import write_script
from sage_env.tools.speech.hearing import Hearing, hear
from sage_env.video.video_file import open_video


def clip_lines(path: Path, hearing: Hearing) -> list[str]:
    """Return lines of a report: what is heard in a clip, against its own subtitles.

    Only subtitles that end within the clip count: the others are said in part.
    """
    duration = open_video(path).duration
    said = [line for line in hear(path, 0.0, duration) if line.end <= duration]
    if not said:
        return [f"{path.name} has no subtitles of its own"]
    heard = hear(path, 0.0, said[-1].end, hearing)
    rate = _rate(word_errors(_text(heard), _text(said)))
    return [f"{path.name}: {rate}", f"said:  {_text(said)}", f"heard: {_text(heard)}"]


def synth_lines(
    split: str, videos: int, longest: float, root: Path | None, hearing: Hearing
) -> list[str]:
    """Return lines of a report: what is heard in videos of sage-synth-spoken, word by word.

    Args:
        split: of the videos, which are made where they are missing.
        videos: how many of the first ones.
        longest: seconds; longer ones are left out.
        root: folder of the videos; `None` for the default.
        hearing: how to listen.
    """
    items = sage_synth_spoken(root, split, count=videos)
    short = {item.video: item for item in items if (item.duration or 0.0) <= longest}
    errors, said, missed = WordErrors(0, 0), Counter[str](), list[str]()
    for path, item in tqdm(short.items(), desc="videos"):
        items.prepare(item)
        plan = plan_video(split, int(path.stem))
        lines = hear(path, 0.0, plan.duration, hearing)
        utterances = write_script(plan).utterances
        errors += word_errors(_text(lines), " ".join(one.sentence for one in utterances))
        for one in utterances:
            said[one.word] += 1
            there = _text([line for line in lines if line.start < one.end and one.start < line.end])
            if one.word not in spoken_words(there):
                missed.append(f"{one.word}, {path.stem} at {one.start:.1f} s: heard {there!r}")
    heard = said.total() - len(missed)
    return [
        f"{len(short)} {split} videos up to {longest:g} s: {_rate(errors)}",
        f"words heard: {heard} of {said.total()}, of {len(said)} different ones",
        *missed,
    ]


def _rate(errors: WordErrors) -> str:
    return f"word error rate {errors.rate:.3f} ({errors.errors} of {errors.words} words)"


def _text(lines: Sequence[Line]) -> str:
    return " ".join(line.text for line in lines)
