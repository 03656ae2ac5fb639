r"""JSON and JSON lines: an object for each line or word that is said.

| from | an object is |
|---|---|
| Video-MME-v2 | `{"text": "and", "start_time": 1.2, "end_time": 1.4}`, a word |
| LongVideoBench | `{"timestamp": [1.2, 4.0], "text": "and then"}` |
| LongVideoBench | `{"start": "00:00:01.200", "end": "00:00:04.000", "line": "and then"}` |
| recognisers | `{"start": 1.2, "end": 4.0, "text": "and then"}`, in a list under `segments` |

The end may be `None` or missing: then a line lasts until the next begins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sage_env.errors import DatasetError
from sage_env.subtitles.cue_text import plain_rows, read_time
from sage_env.subtitles.line import Cue

LONGEST_LINE = 80
"""Characters after which words begin a new line."""
LONGEST_PAUSE = 1.0
"""Seconds of silence after which they do."""
LAST = 2.0
"""Seconds that the last line lasts, where its end is not given."""
_STARTS, _ENDS = ("start", "start_time"), ("end", "end_time")
_TEXTS = ("text", "line", "word", "caption")
_WORD_KEYS = ("start_time", "word")
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")
_UNSPACED = 0x2E80  # from here on: scripts without blanks between words, but for Hangul


def read_json_lines(text: str, place: str) -> list[Cue]:
    """Return what a `.jsonl` file says, one object a line.

    Raises:
        DatasetError: naming the file, the line, and what was expected.
    """
    rows = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{place}, line {number}"
            try:
                rows[where] = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"{where}: not JSON: {error}") from error
    return _cues(rows)


def read_json_cues(text: str, place: str) -> list[Cue]:
    """Return what a `.json` file says: a list of objects, or an object with one list of them.

    Raises:
        DatasetError: naming the file, the place in the list, and what was expected.
    """
    try:
        data = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place} is not JSON: {error}") from error
    if isinstance(data, dict):
        lists = [value for value in data.values() if _is_list_of_objects(value)]
        data = lists[0] if len(lists) == 1 else data
    if not isinstance(data, list):
        raise DatasetError(f"{place} must hold a list of objects, got {type(data).__name__}")
    return _cues({f"{place}, entry {number}": row for number, row in enumerate(data, 1)})


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _cues(rows: Mapping[str, Any]) -> list[Cue]:
    """Return the cues of rows by place; words are gathered into lines."""
    read = [(*_times(row, place), *_said(row, place)) for place, row in rows.items()]
    read.sort(key=lambda row: row[0])
    starts: list[float | None] = [*(row[0] for row in read), None]
    cues = []
    for (start, end, text), after in zip(read, starts[1:], strict=True):
        shown = plain_rows(text)
        if shown:
            known = (start + LAST if after is None else after) if end is None else end
            cues.append(Cue(start, max(start, known), shown))
    words = any(key in row for row in rows.values() for key in _WORD_KEYS)
    return gathered(cues) if words else cues


def _times(row: Any, place: str) -> tuple[float, float | None]:
    if not isinstance(row, dict):
        raise DatasetError(f"{place}: expected an object, got {type(row).__name__}")
    pair = row.get("timestamp")
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        pair = _first(row, _STARTS), _first(row, _ENDS)
    start, end = read_time(pair[0]), read_time(pair[1])
    if start is None or (end is None and pair[1] is not None):
        raise DatasetError(
            f"{place}: expected start and end (start_time and end_time, or timestamp: [start, "
            f"end]) in seconds or as HH:MM:SS.mmm, got {row!r:.200}"
        )
    return start, end


def _said(row: Mapping[str, Any], place: str) -> tuple[str]:
    text = _first(row, _TEXTS)
    if not isinstance(text, str):
        raise DatasetError(f"{place}: expected a text under {' or '.join(_TEXTS)}, got {text!r}")
    return (text,)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def gathered(words: Sequence[Cue]) -> list[Cue]:
    """Return words as lines, which end with a sentence, at a pause, or when they are long."""
    lines: list[Cue] = []
    for start, end, rows in words:
        word = " ".join(rows)
        line = lines[-1] if lines else None
        if line is None or _is_over(line, start, word):
            lines.append(Cue(start, end, (word,)))
        else:
            text = f"{line.rows[0]}{_between(line.rows[0], word)}{word}"
            lines[-1] = Cue(line.start, max(line.end, end), (text,))
    return lines


def _is_over(line: Cue, start: float, word: str) -> bool:
    text = line.rows[0]
    return (
        text.endswith(_SENTENCE_ENDS)
        or start - line.end > LONGEST_PAUSE
        or len(text) + 1 + len(word) > LONGEST_LINE
    )


def _between(text: str, word: str) -> str:
    """Return what stands between two words: nothing in Chinese, Japanese and before marks."""
    unspaced = _is_unspaced(text[-1]) and _is_unspaced(word[0])
    return "" if unspaced or word[0] in ",.?!;:%)" else " "


def _is_unspaced(character: str) -> bool:
    return ord(character) >= _UNSPACED and not 0xAC00 <= ord(character) <= 0xD7A3
