"""SageSynth: generated H.264 videos with known answers and known evidence."""

from sage_env.synth.dataset import DEFAULT_COUNTS, SageSynth, sage_synth
from sage_env.synth.questions import CORE, FAMILIES

__all__ = ["CORE", "DEFAULT_COUNTS", "FAMILIES", "SageSynth", "sage_synth"]
