"""SageSynth: generated H.264 videos with known answers and known evidence.

May not: be needed by anything else of `sage_env`; it is one dataset among others.

Read in this order: `plan` (what happens in a video), `symbols` and `render` (its pictures),
`encode` (its file), `questions` (what can be asked of it), `dataset` (a split as a sequence of
questions), `build` (all files ahead of time), `rendered` (a video without a file).
"""

from sage_env.synth.dataset import DEFAULT_COUNTS, SageSynth, sage_synth
from sage_env.synth.questions import CORE, FAMILIES

__all__ = ["CORE", "DEFAULT_COUNTS", "FAMILIES", "SageSynth", "sage_synth"]
