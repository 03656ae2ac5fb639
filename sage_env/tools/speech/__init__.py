"""What is said in a video, for an agent: the tool `transcribe`, and `hear`, which it is made of.

May not: know a question or an episode beyond what a tool is told.

Read in this order: `words` (recognised words, and the lines that they make), `recording` (the sound
of a stretch, by the video's clock), `written_speech` (subtitles: given, beside the file, inside
it), `recogniser` (Whisper, or another), `hearing` (written or recognised: what is said from one
time to another), `transcribe` (the tool).

faster-whisper is loaded when something has to be recognised, not with this package.
"""

from sage_env.tools.speech.hearing import Hearing, hear
from sage_env.tools.speech.transcribe import Transcribe

__all__ = ["Hearing", "Transcribe", "hear"]
