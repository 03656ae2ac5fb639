"""SageSynth: generated H.264 videos with known answers and known evidence.

May not: know the environment. Same seed, same pictures, times, questions and answers on any
machine.

Read in this order: `symbols` (what is drawn), `plan` (what happens in a video), `questions` (what
can be asked of it), `render` (its frames), `encode` (its file), `dataset` (all of it as a sequence
of questions), `build` (all files at once), `rendered` (a video without a file).
"""

from sage_env.synth.dataset import DEFAULT_COUNTS, SageSynth, sage_synth
from sage_env.synth.questions import CORE, FAMILIES

__all__ = ["CORE", "DEFAULT_COUNTS", "FAMILIES", "SageSynth", "sage_synth"]
