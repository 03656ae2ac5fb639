"""Synthesisers of speech: espeak-ng as a program or as a library, or another by its name.

espeak-ng (GPL) is no part of this project and not needed by it: where none is found, no video
speaks.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import wave
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import DatasetError
from sage_env.object_reference import is_reference, load_object
from sage_env.synth.spoken.script import Voice

RATE = 16_000
"""Samples per second of the sound tracks."""
Samples = NDArray[np.float32]
"""Sound, float32 `(N,)` in [-1, 1], mono."""
LOUDEST = 0.6
"""Largest sample of a sentence."""
_QUIET = 0.01
"""Below it, as a fraction of the largest sample, is silence around a sentence."""
_TIMEOUT = 30.0
PROGRAMS = ("espeak-ng", "espeak")
LIBRARY = "espeakng_loader"
"""A package that holds espeak-ng as a library."""
HOW_TO_GET_ONE = "apt install espeak-ng (or pip install espeakng-loader)"


class Synthesiser(Protocol):
    """What speaks: a function of a text and a voice."""

    def __call__(self, text: str, voice: Voice) -> tuple[Samples, int]:
        """Return the sound of a text, and its samples per second."""


def find_synthesiser(name: str = "") -> str:
    """Return the name of the synthesiser to use; "" if there is none.

    Args:
        name: `espeak-ng`, `espeak`, `espeakng_loader`, or `package.module:name` of a
            `Synthesiser`; "" for the first of these that is installed.

    Raises:
        DatasetError: if the one that is named is none of these, or is not installed.
    """
    if is_reference(name):
        return name
    installed = [program for program in PROGRAMS if shutil.which(program)]
    installed += [LIBRARY] if find_spec(LIBRARY) else []
    if not name:
        return installed[0] if installed else ""
    if name not in installed:
        known = ", ".join((*PROGRAMS, LIBRARY))
        raise DatasetError(
            f"the synthesiser must be one of {known} that is installed, or package.module:name, "
            f"got {name!r}: {HOW_TO_GET_ONE}"
        )
    return name


def spoken(text: str, voice: Voice, seconds: float, synthesiser: str) -> Samples:
    """Return a text spoken in just so many seconds: float32 `(round(seconds * 16000),)`.

    The first and the last sample are where the voice begins and ends. The pace is chosen so that it
    fits; what is left over of a few hundredths, the sound is stretched by.

    Args:
        text: what to say.
        voice: who says it.
        seconds: how long.
        synthesiser: its name, see `find_synthesiser`.

    Raises:
        DatasetError: if it fails, or says nothing.
    """
    speak = _loaded(synthesiser)
    sound, rate = _said(speak, text, voice, synthesiser)
    pace = round(voice.pace * len(sound) / rate / seconds)
    sound, rate = _said(speak, text, Voice(voice.language, voice.pitch, pace), synthesiser)
    places = np.linspace(0, len(sound) - 1, round(seconds * RATE))
    stretched = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return stretched * np.float32(LOUDEST / np.abs(stretched).max())


def _said(speak: Synthesiser, text: str, voice: Voice, name: str) -> tuple[Samples, int]:
    """Return what a synthesiser says, without the silence around it."""
    try:
        sound, rate = speak(text, voice)
    except Exception as error:
        raise DatasetError(f"the synthesiser {name} failed on {text!r}: {error}") from error
    loud = np.flatnonzero(np.abs(sound) > _QUIET * max(np.abs(sound).max(initial=0.0), 1e-6))
    if not len(loud):
        raise DatasetError(f"the synthesiser {name} said nothing for {text!r}: try another")
    return sound[loud[0] : loud[-1] + 1], rate


@cache
def _loaded(name: str) -> Synthesiser:
    if name in PROGRAMS:
        return _Program(name)
    if name == LIBRARY:
        return _library()
    return cast(Synthesiser, load_object(name, "the synthesiser", DatasetError))


class _Program:
    """espeak-ng, run for each text."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, text: str, voice: Voice) -> tuple[Samples, int]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            kind = ["-v", voice.language, "-p", str(voice.pitch), "-s", str(voice.pace)]
            command = [self._name, *kind, "-w", str(file), "--", text]
            subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)
            with wave.open(str(file)) as sound:
                frames = sound.readframes(sound.getnframes())
                return _floats(frames), sound.getframerate()


def _floats(frames: bytes) -> Samples:
    """Return samples of 16 bits as floats in [-1, 1]."""
    return np.frombuffer(frames, "<i2").astype(np.float32) / np.float32(32768)


_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS of espeak-ng's speak_lib.h
_PACE, _PITCH = 1, 3  # espeakRATE, espeakPITCH
_UTF8 = 1  # espeakCHARS_UTF8


def _library() -> Synthesiser:
    """Return espeak-ng as a library of this process (its `speak_lib.h`)."""
    loader = import_module(LIBRARY)
    library: Any = ctypes.CDLL(loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise DatasetError(f"espeak-ng cannot start ({rate}): use the program, {HOW_TO_GET_ONE}")
    pieces: list[bytes] = []

    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    kind = (ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    callback = ctypes.CFUNCTYPE(ctypes.c_int, *kind)(take)
    library.espeak_SetSynthCallback(callback)

    def speak(text: str, voice: Voice, held: object = callback) -> tuple[Samples, int]:
        pieces.clear()
        library.espeak_SetVoiceByName(voice.language.encode())
        library.espeak_SetParameter(_PACE, voice.pace, 0)
        library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        return _floats(b"".join(pieces)), int(rate)

    return speak
