"""What an answer says, without what surrounds it: thoughts, tags, markup, disguised letters."""

from __future__ import annotations

import re
import unicodedata

from sage_env.actions.thoughts import after_thoughts

_ARTICLE = re.compile(r"(?:a|an|the)\s+(?=\S)")
_INVISIBLE = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\ufeff]"
)
_CHECKED = re.compile("[\u2705\u2611\u2713\u2714\u27a4\u25b6\u2022\u25cf]")  # ✅ B, • B
_FINAL_TAG = re.compile(
    r"<\s*(?P<tag>final_answer|answer|final|ans|choice|option|result|output)\s*>"
    r"(?P<said>.*?)(?:<\s*/\s*(?P=tag)\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_COMMAND = re.compile(r"\\[A-Za-z]+\s*\{([^{}]*)\}")
_TAG = re.compile(r"<[/|]{0,2}[A-Za-z][\w|\- ]{0,30}/?>")
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}\s+|>\s+|[-*+]\s+(?=[^\W\d])|```\w*\s*$)", re.MULTILINE)
_MARKUP = re.compile(
    r"\*+|__+|`+|~~|\$|\\[()\[\]]|[\"“”„«»「」『』【】{}]|(?<!\w)[_'‘’]|[_'‘’](?!\w)"
)


def _folded_letters() -> dict[int, str]:
    """Return the plain form of letters and signs in disguise: full-width, styled, circled.

    Compatibility normalisation (Unicode NFKC) would also make `10²` into `102`, so only the ranges
    of letters and of full-width signs are folded.
    """
    ranges = [(0xFF01, 0xFF5F), (0x1D400, 0x1D800), (0x24B6, 0x24EA), (0x249C, 0x24B6)]
    ranges += [(0x1F110, 0x1F12A), (0x1F130, 0x1F14A)]
    folded = {c: unicodedata.normalize("NFKC", chr(c)) for r in ranges for c in range(*r)}
    for first in (0x1F150, 0x1F170):  # white on black: Unicode gives no plain form
        folded |= {first + k: chr(ord("A") + k) for k in range(26)}
    return folded | {0x3000: " ", ord("。"): ".", ord("、"): ",", ord("−"): "-"}


_FOLDED = _folded_letters()


def fold(text: str) -> str:
    """Return the text in NFC, without invisible characters, with plain letters for styled ones."""
    return _INVISIBLE.sub("", unicodedata.normalize("NFC", text).translate(_FOLDED))


def normalise(text: str) -> str:
    """Drop what does not matter: case, spacing, outer quotes and stops, a leading article."""
    folded = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    # A leading dot may be a decimal point, so stops are dropped at the end only.
    bare = folded.lstrip(" \"'`“‘").rstrip(" .,;:!?\"'`”’")
    return _ARTICLE.sub("", bare, count=1) if _ARTICLE.match(bare) else bare or folded


def without_markup(text: str) -> str:
    """Return the text without Markdown, LaTeX, tags, quotes, check marks; its lines stay.

    >>> without_markup("**B**"), without_markup("__B__"), without_markup("<b>B</b>")
    ('B', 'B', 'B')
    """
    text = _TAG.sub(" ", _CHECKED.sub(" ", fold(text)))
    for _ in range(3):  # \textbf{\text{B}}
        text = _COMMAND.sub(r"\1", text)
    text = _MARKUP.sub("", _LINE_MARK.sub("", text))
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def final_part(text: str) -> tuple[str | None, bool]:
    """Return what a text says in the end, and whether it marks that as final itself.

    Thoughts are left out. Text in `<answer>…</answer>` or a LaTeX box is final, whatever stands
    around it.

    Args:
        text: an answer that does not end inside its thoughts.

    Returns:
        the text, `None` if several different ones are marked; and whether it was marked.
    """
    said = after_thoughts(text) or ""
    marked = [match["said"] for match in _FINAL_TAG.finditer(said)] or _BOXED.findall(said)
    if not marked:
        return said, False
    different = {" ".join(without_markup(one).split()).casefold() for one in marked}
    return (marked[-1] if len(different) == 1 else None), True
