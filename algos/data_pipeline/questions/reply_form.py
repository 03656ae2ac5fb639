"""The form of a reply with questions: its JSON Schema, which the service is told and held to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

MIN_OPTIONS, MAX_OPTIONS = 2, 6
"""Of a multiple-choice question; SAGE's prompt asks for at most six."""
MODALITIES = ("visual", "verbal", "both")
DIFFICULTIES = ("easy", "medium", "hard")
_TEXT = {"type": "string"}
_SPAN = {
    "type": "object",
    "properties": {"start": _TEXT, "end": _TEXT},
    "required": ["start", "end"],
}
_QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "question": _TEXT,
        "type": {"type": "string", "enum": ["mcq", "open"]},
        "options": {"type": "array", "items": _TEXT, "maxItems": MAX_OPTIONS},
        "answer": _TEXT,
        "other_answers": {"type": "array", "items": _TEXT},
        "answer_tolerance": {"type": ["number", "null"]},
        "modality": {"type": "string", "enum": list(MODALITIES)},
        "modality_reason": _TEXT,
        "difficulty": {"type": "string", "enum": list(DIFFICULTIES)},
        "difficulty_reason": _TEXT,
        "evidence": {"type": "array", "items": _SPAN, "minItems": 1},
        "percent_video_parsed": {"type": "number"},
    },
}
_OPTIONAL = ("other_answers", "answer_tolerance")
REPLY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "facts": {"type": "array", "items": _TEXT},
        "questions": {
            "type": "array",
            "items": {
                **_QUESTION,
                "required": [name for name in _QUESTION["properties"] if name not in _OPTIONAL],
            },
        },
    },
    "required": ["facts", "questions"],
}
"""What a reply holds: facts of the video first, then the questions; times as HH:MM:SS.mmm."""
QUESTION_FIELDS = tuple(_QUESTION["properties"])
NEEDED_FIELDS = tuple(name for name in QUESTION_FIELDS if name not in _OPTIONAL)


def form_hash(*texts: str) -> str:
    """Return 12 hexadecimal digits for the form of the reply and the texts of a prompt."""
    whole = json.dumps([REPLY_SCHEMA, *texts], sort_keys=True)
    return hashlib.blake2b(whole.encode(), digest_size=6).hexdigest()
