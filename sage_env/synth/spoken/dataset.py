"""sage-synth-spoken as a dataset: the videos of sage-synth, which speak and show text."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.warn_once import warn_once
from sage_env.synth.dataset import DEFAULT_COUNTS, SageSynth, check_split
from sage_env.synth.spoken.asking import ask_spoken
from sage_env.synth.spoken.film import encode_spoken
from sage_env.synth.spoken.synthesiser import HOW_TO_GET_ONE, find_synthesiser

NAME = "sage-synth-spoken"
SPOKEN_VERSION = 1
"""Raise it when a seed comes to mean other words, texts or sounds: it is in the folder's name."""
SIDE = 224
"""Of the pictures, in pixels: written words are 14 pixels high."""


def sage_synth_spoken(
    root: Path | str | None = None,
    split: str = "train",
    *,
    seed: int = 0,
    count: int | None = None,
    synthesiser: str = "",
    subtitles: bool = False,
) -> SageSynth:
    """Return the questions of a split. Its video files are written when they are needed.

    They are those of `sage_synth` with the same seed, and those of three further families:
    `spoken`, `text` and `compare`. Scenes, symbols and times are the same too.

    Args:
        root: cache folder; the default is `sage_env.storage.cache_folder.cache_folder()`.
        split: `train`, `validation` or `test`; no video is in two of them.
        seed: of the whole set.
        count: videos; as `sage_synth` by default.
        synthesiser: that speaks: `espeak-ng`, `espeak`, `espeakng_loader` (a package), or
            `package.module:name`; "" for the first of these that is installed. Without one, the
            questions of the family `spoken` are left out, with a warning. Files of two synthesisers
            lie in two folders.
        subtitles: whether to write what is said beside each video that is made, as `.srt`; then it
            is known without listening.

    Raises:
        DatasetError: if the split has another name, or the synthesiser is not there.
    """
    check_split(NAME, split)
    folder = Path(root) if root is not None else cache_folder()
    voice = find_synthesiser(synthesiser)
    if not voice:
        warn_once(
            folder,
            NAME,
            f"{NAME}: no synthesiser of speech is installed, so the spoken questions are left out: "
            f"{HOW_TO_GET_ONE}",
        )
    name = f"{NAME}-v{SPOKEN_VERSION}-{voice.replace(':', '.') or 'mute'}-seed{seed}"
    return SageSynth(
        folder / name,
        split,
        DEFAULT_COUNTS[split] if count is None else count,
        seed,
        side=SIDE,
        ask=partial(ask_spoken, heard=bool(voice)),
        encode=partial(encode_spoken, seed=seed, synthesiser=voice, subtitles=subtitles),
    )
