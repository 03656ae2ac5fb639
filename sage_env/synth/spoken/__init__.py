"""SageSynth that speaks and shows text: the dataset `sage-synth-spoken`.

May not: change what sage-synth is. Words, texts, times and questions are the same on any machine;
sound is that of the synthesiser that is installed.

Read in this order: `script` (what is said and written), `asking` (what can be asked of it),
`captioned_frames` (pictures with text), `synthesiser` (who speaks), `film` (the file), `dataset`
(all of it as a sequence of questions).
"""

from sage_env.synth.spoken.dataset import sage_synth_spoken

__all__ = ["sage_synth_spoken"]
