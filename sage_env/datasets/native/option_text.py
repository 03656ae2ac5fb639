"""Options and gold answers as annotations write them, made texts without letters.

A list or one text of several lines; inside the question; with `A. `, `(A) ` or without; the gold
answer as a letter, an index or a text. Letters stay where two options have the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from sage_env.datasets.answer_text import normalise
from sage_env.datasets.choice_labels import label_choices
from sage_env.datasets.native.rows import literal
from sage_env.errors import DatasetError

_AT_LINE = r"(?:\(({0})\)|\[({0})\]|({0})[.):：、])[ \t]*"
_LABELLED = re.compile(r"\s*" + _AT_LINE.format("[A-Z]") + r"(.*)", re.DOTALL)
_INLINE = re.compile(r"\(([A-Z])\)\s*")
_INTRODUCTION = re.compile(
    r"(?:please )?(?:answer|select|choose)\b.*\boptions?\b.*:|(?:options|choices) ?:", re.IGNORECASE
)
_LONGEST_INTRODUCTION = 200  # characters
_LISTS = 8  # lines that may be the first option, from the last one on


def split_options(options: object) -> tuple[str, ...]:
    """Return the texts of options, in order and without their letters, each on one line.

    Args:
        options: a list of texts, an object of texts by letter, either of them spelled as one text,
            or a text with an option a line.

    Raises:
        DatasetError: if there is none, or one is empty.
    """
    if isinstance(options, str) and options.lstrip().startswith(("[", "{")):
        options = literal(options)
    if isinstance(options, str):
        _, texts = _labelled_lines(options.split("\n"))
        options = texts or [line for line in options.split("\n") if line.strip()]
    if isinstance(options, Mapping):
        options = list(options.values())
    if not isinstance(options, list | tuple):
        raise DatasetError(f"options must be a list of texts, got {options!r:.80}")
    lines = [" ".join(str(option).split()) for option in options]
    texts = _told_apart(_without_letters(lines))
    if not texts or not all(texts):
        raise DatasetError(f"an option is empty, or there is none: {list(options)!r}")
    return tuple(texts)


def _told_apart(texts: list[str]) -> list[str]:
    """Put letters before all texts where two are the same: an answer has to name one of them."""
    if len(set(texts)) == len(texts) or len(texts) > len(ascii_uppercase) or not all(texts):
        return texts
    return [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, texts, strict=False)]


def _without_letters(lines: list[str]) -> list[str]:
    """Take letters off where all options have theirs, or most have that of their own place."""
    labelled = [one.text for one in label_choices(lines)]
    if labelled != lines:
        return labelled
    found = [_LABELLED.fullmatch(line) for line in lines]
    own = [
        match is not None and _letter(match) == ascii_uppercase[place]
        for place, match in enumerate(found[:26])
    ]
    if 2 * sum(own) <= len(lines):
        return lines
    return [
        match[4].strip() if match is not None and place < len(own) and own[place] else line
        for place, (match, line) in enumerate(zip(found, lines, strict=True))
    ]


def split_question(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a question without the options that stand behind it, and these without letters.

    Options begin with `(A)`, `A.`, `A)` or `A:` at the start of a line, A first and then in order;
    an option may go on over several lines. Where no line begins so, `(A) … (B) …` within a line
    counts. A sentence such as `Answer the question based on the following options:` is left out. A
    question without at least two options is returned as it is, with `()`.
    """
    lines = text.split("\n")
    before, options = _labelled_lines(lines)
    if len(options) < 2:
        before, options = _inline(text)
    if len(options) < 2:
        return text.strip(), ()
    return _without_introduction(before) or before.strip(), tuple(_told_apart(options))


def _without_introduction(text: str) -> str:
    """Take off a last sentence that only says that options follow."""
    text = text.strip()
    first = 1 + max(text.rfind(mark) for mark in ".?!\n")
    last = " ".join(text[first:].split())
    introduces = len(last) <= _LONGEST_INTRODUCTION and _INTRODUCTION.fullmatch(last)
    return text[:first].strip() if introduces else text


def _labelled_lines(lines: Sequence[str]) -> tuple[str, list[str]]:
    """Return what stands before the first option, and the options of a text, line by line."""
    starts = [k for k, line in enumerate(lines) if _begins(line, 0)]
    for first in starts[: -_LISTS - 1 : -1]:  # a list within the question comes before the options
        options: list[list[str]] = []
        for line in lines[first:]:
            match = _begins(line, len(options))
            if match is not None:
                options.append([match[4]])
            else:
                options[-1].append(line)
        if len(options) >= 2:
            texts = [" ".join(" ".join(option).split()) for option in options]
            return "\n".join(lines[:first]), texts
    return "\n".join(lines), []


def _begins(line: str, place: int) -> re.Match[str] | None:
    """Return the match of a line that begins with the letter of a place; `None` if it does not."""
    match = _LABELLED.fullmatch(line)
    suits = match is not None and place < 26 and _letter(match) == ascii_uppercase[place]
    return match if suits else None


def _letter(match: re.Match[str]) -> str:
    return str(match[1] or match[2] or match[3])


def _inline(text: str) -> tuple[str, list[str]]:
    """Return what stands before `(A) …`, and the options that follow each other in a line."""
    marks: list[re.Match[str]] = []
    for match in _INLINE.finditer(text):
        if match[1] == "A":
            marks = [match]
        elif marks and match[1] == ascii_uppercase[len(marks) % 26]:
            marks.append(match)
    if len(marks) < 2:
        return text, []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    pieces = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    return text[: marks[0].start()], [" ".join(piece.split()) for piece in pieces]


def by_letter(options: Sequence[str], answer: object) -> str:
    """Return the option that a letter names: `B`, `(b)`, `B.`, or `B. its text`.

    Raises:
        DatasetError: if no option has it, or it stands before the text of another.
    """
    text = " ".join(str(answer).split())
    match = re.fullmatch(r"[(\[]?([A-Za-z])[)\].:、]?", text) or _LABELLED.fullmatch(text)
    letter = "" if match is None else str(next(filter(None, match.groups()))).upper()
    place = ascii_uppercase.find(letter) if letter else -1
    if not 0 <= place < len(options):
        raise DatasetError(
            f"the answer must be one of the first {len(options)} letters, got {text!r}"
        )
    said = match[4] if match is not None and match.re is _LABELLED else None
    if said and normalise(options[place]) not in (normalise(said), normalise(text)):
        raise DatasetError(f"the answer {text!r} has the letter of {options[place]!r}")
    return options[place]


def by_index(options: Sequence[str], answer: object, *, first: int = 0) -> str:
    """Return the option that an index names, a number or the text of one; `first` is that of A.

    Raises:
        DatasetError: if no option has it.
    """
    text = str(answer).strip().removesuffix(".0")
    place = int(text) - first if re.fullmatch(r"-?[0-9]+", text) else -1
    if not 0 <= place < len(options):
        last = first + len(options) - 1
        raise DatasetError(f"the answer must be an index from {first} to {last}, got {answer!r}")
    return options[place]


def by_text(options: Sequence[str], answer: object) -> str:
    """Return the option that is the text: to the letter, else up to case, marks and articles.

    A letter before the text, `(B) the text`, is taken off.

    Raises:
        DatasetError: if none is, or several.
    """
    text = " ".join(str(answer).split())
    match = _LABELLED.fullmatch(text)
    for wanted in [text] if match is None else [text, match[4].strip()]:
        if wanted in options:
            return wanted
        near = [option for option in options if normalise(option) == normalise(wanted)]
        if len(set(near)) == 1:
            return near[0]
    raise DatasetError(f"the answer {text!r} is none of the options {list(options)}")


def gold_option(options: Sequence[str], answer: object) -> str:
    """Return the option that an answer names, whichever way: as a text, a letter or an index.

    For formats whose copies differ; where one is certain, use its own function.

    Raises:
        DatasetError: if none of them finds one.
    """
    for named in (by_text, by_letter, by_index):
        try:
            return named(options, answer)
        except DatasetError:
            continue
    raise DatasetError(f"the answer {str(answer)!r} is no text, letter or index of {list(options)}")


def numbered_options(values: Mapping[str, object], prefix: str) -> dict[int, str]:
    """Return the options of columns such as `option0`, `option1`, …, by their numbers.

    Columns that are missing, blank or `N/A` are no options.
    """
    found = {}
    for number in range(27):
        value = values.get(f"{prefix}{number}")
        text = "" if value is None else " ".join(str(value).split())
        if text and text.upper() != "N/A":
            found[number] = text
    texts = _told_apart(_without_letters(list(found.values())))
    return dict(zip(found, texts, strict=True))
