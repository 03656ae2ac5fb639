"""Where the thoughts of a reply end: what a model writes between `<think>` and `</think>`.

Whatever stands in thoughts is a draft, and never an action or an answer. The opening mark may be
missing (a chat template can write it into the prompt), the closing one too (the reply was cut, or
the model forgot it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = "think|thinking|thoughts?|reasoning|reflection|scratchpad"
# `<think>` is Qwen's and DeepSeek's, `[THINK]` Mistral's, `◁think▷` Kimi's; the others are usual in
# prompts.
_MARK = re.compile(
    rf"<\s*(?:{_NAMES})\s*>|\[THINK\]|◁think▷|(?P<end><\s*/\s*(?:{_NAMES})\s*>|\[/THINK\]|◁/think▷)",
    re.IGNORECASE,
)


def after_thoughts(text: str) -> str | None:
    """Return what follows the thoughts; `None` if the text ends inside them.

    >>> after_thoughts("red? blue? </think> blue")
    ' blue'
    """
    start, inside = 0, False
    for mark in _MARK.finditer(text):
        inside = mark["end"] is None
        if not inside:
            start = mark.end()
    return None if inside else text[start:]


def usable_spans(
    text: str, spans: Sequence[tuple[int, int]], *, thinking: bool = False
) -> tuple[range, bool]:
    """Return which of some pieces of a text stand outside its thoughts.

    Marks inside a piece do not count: `{"thought": "</think>"}` ends nothing. Pieces before the
    last closing mark are in thoughts, whether or not an opening mark is seen; so are those behind
    an opening mark that nothing closes.

        {a} </think> {b} {c}         b, c
        <think> {a} </think> {b}     b
        {a} <think> {b}              a
        <think> {a}                  none

    Args:
        text: what the model wrote.
        spans: `(start, end)` of the pieces, in order.
        thinking: whether the prompt has already opened the thoughts.

    Returns:
        the indices of the pieces outside, which follow each other; and whether the text ends
        inside its thoughts.
    """
    first, last, inside = 0, None if not thinking else 0, thinking
    place = 0
    for index, (start, end) in enumerate([*spans, (len(text), len(text))]):
        for mark in _MARK.finditer(text, place, start):
            if mark["end"] is not None:
                first, last, inside = index, None, False
            elif not inside:
                last, inside = index, True
        place = end
    return range(first, len(spans) if last is None else last), inside
