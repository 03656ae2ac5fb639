"""The lines of a subtitle file, whatever its format, and those of an item."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.subtitles.captions import without_repetition
from sage_env.subtitles.cue_files import read_cues
from sage_env.subtitles.line import Cue, Line
from sage_env.subtitles.word_files import read_json_cues, read_json_lines

_READERS: Mapping[str, Callable[[str, str], list[Cue]]] = {
    ".srt": read_cues,
    ".vtt": read_cues,
    ".json": read_json_cues,
    ".jsonl": read_json_lines,
}


def read_subtitles(path: str | Path, start: float = 0.0) -> tuple[Line, ...]:
    """Return what is said in a video, in order of time.

    Tags, entities and what a player alone needs are taken out, captions that repeat each other are
    made one. A file without text is `()`.

    Args:
        path: a `.srt`, `.vtt`, `.json` or `.jsonl` file, in UTF-8, or UTF-16 with its mark.
        start: what the file's clock says when the video begins, in seconds: it is subtracted, and
            what was said before is left out (LongVideoBench cuts videos out of longer ones).

    Raises:
        DatasetError: if the file cannot be read; the message names it, and the line.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise DatasetError(f"{file} is no subtitle file: their names end with {known}")
    lines = without_repetition(reader(_text(file), str(file)))
    kept = [line for line in lines if line.end > start or line.start == start]
    return tuple(Line(max(0.0, ln.start - start), ln.end - start, ln.text) for ln in kept)


def subtitles_of(item: QAItem) -> tuple[Line, ...]:
    """Return what is said in an item's video, by the video's own clock; `()` without subtitles.

    Raises:
        DatasetError: as `read_subtitles`.
    """
    if item.subtitles is None:
        return ()
    return read_subtitles(item.subtitles, item.subtitles_start)


def lines_between(lines: Sequence[Line], start: float, end: float) -> tuple[Line, ...]:
    """Return the lines that are shown at some time of `[start, end)`, in seconds."""
    return tuple(
        line for line in lines if start <= line.start < end or line.start < start < line.end
    )


def _text(path: Path) -> str:
    """Return the text of a file, with the line ends of Unix."""
    if path.exists() and not path.is_file():
        raise DatasetError(f"{path} cannot be read as subtitles: it is a folder, pipe or device")
    try:
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}, line {number}: not UTF-8: save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read as subtitles: {error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
