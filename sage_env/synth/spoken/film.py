"""Writing a planned video with its captions and its voice: pictures and sound in one MP4 file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sage_env.storage.atomic_file import atomic_path, atomic_write
from sage_env.synth.encode import write_film
from sage_env.synth.plan import VideoPlan
from sage_env.synth.spoken.captioned_frames import captioned_frames
from sage_env.synth.spoken.script import Script, write_script
from sage_env.synth.spoken.synthesiser import RATE, Samples, spoken

BLOCK = 1024
"""Samples of one frame of sound, as AAC has them."""


def encode_spoken(
    plan: VideoPlan,
    path: Path,
    side: int,
    *,
    seed: int,
    synthesiser: str,
    subtitles: bool = False,
) -> None:
    """Render, speak and encode a video; it appears under its name only when it is complete.

    Pictures are as in `sage_env.synth.encode`; sound is AAC (ISO/IEC 14496-3), mono, 16 kHz, from
    the first frame to the end of the last. Each sentence begins and ends at its planned time.

    Args:
        plan: of the video.
        path: of the file.
        side: of the pictures, in pixels; an even number.
        seed: of the whole set.
        synthesiser: that speaks, see `find_synthesiser`; "" for a video without sound.
        subtitles: whether to write what is said into a `.srt` file beside it.

    Raises:
        OSError: if the file cannot be written.
        DatasetError: if the synthesiser fails.
    """
    script = write_script(plan, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    if subtitles and synthesiser:  # first: a video is finished when its file is there
        atomic_write(path.with_suffix(".srt"), subtitle_text(script))
    sound = sound_blocks(plan, script, synthesiser) if synthesiser else None
    with atomic_path(path, first=True) as partial:
        write_film(plan, partial, captioned_frames(plan, script, side), side, sound, RATE)


def sound_blocks(plan: VideoPlan, script: Script, synthesiser: str) -> Iterator[Samples]:
    """Yield the whole sound track in blocks: float32 `(1024,)`, the last one shorter."""
    said = [
        (
            round(one.start * RATE),
            spoken(one.sentence, script.voice, one.end - one.start, synthesiser),
        )
        for one in script.utterances
    ]
    total = round(plan.duration * RATE)
    for first in range(0, total, BLOCK):
        block = np.zeros(min(BLOCK, total - first), np.float32)
        for start, sound in said:
            left, right = max(first, start), min(first + len(block), start + len(sound))
            if left < right:
                block[left - first : right - first] = sound[left - start : right - start]
        yield block


def subtitle_text(script: Script) -> str:
    """Return what is said as a SubRip file."""
    rows = [
        f"{number}\n{_time(one.start)} --> {_time(one.end)}\n{one.sentence}\n"
        for number, one in enumerate(script.utterances, start=1)
    ]
    return "\n".join(rows)


def _time(second: float) -> str:
    ticks = round(second * 1000)
    minutes, ticks = divmod(ticks, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{ticks // 1000:02d},{ticks % 1000:03d}"
