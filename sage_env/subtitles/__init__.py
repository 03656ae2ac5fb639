"""What is said in a video, read from subtitle files: SubRip, WebVTT, JSON and JSON lines.

May not: recognise speech, open a video, show anybody a line who did not ask.

Read in this order: `line` (one line with its times), `cue_text` (tags and entities taken out, and
times read), `cue_files` (`.srt` and `.vtt`), `word_files` (`.json` and `.jsonl`: lines, or words
that are made lines), `captions` (lines that repeat each other made one), `reading` (any of these
files, by its name; the lines of an item).
"""

from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import lines_between, read_subtitles, subtitles_of

__all__ = ["Line", "lines_between", "read_subtitles", "subtitles_of"]
