"""Questions whose texts are hard to carry: every script, NUL, and the longest that fits."""

from __future__ import annotations

from pathlib import Path

from sage_env.datasets import QAItem
from sage_env.unicode_text import MAX_TEXT

TEXTS = {
    "nul": "before\0after\0",
    "emoji": "who is 👩‍👩‍👧‍👦 with 🏳️‍🌈?",
    "right-to-left": "מה קורה כאן? \u202eماذا يحدث هنا؟\u202c",
    "blanks": "\u00a0Où\u2003?\u200b ",
    "last": "\U0010ffff\ud7ff\ue000",
    "longest": "🦊" * MAX_TEXT,
    "longer": "x" * (MAX_TEXT + 7),
}


def items() -> list[QAItem]:
    """Return one question for each of `TEXTS`, about videos of `sage_env.testing.open_memory`."""
    video = Path("60.memory")
    return [
        QAItem(name, video, text, ("a\0b", text), "a\0b", "mcq") for name, text in TEXTS.items()
    ]
