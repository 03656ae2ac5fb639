"""The reply of a judge, read strictly: a grade and its reason, or it is asked for again."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from policies.errors import ReplyUnusable
from policies.judges.grading_prompt import GRADES
from policies.served.server_errors import one_line
from sage_env.actions.thoughts import after_thoughts

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL)


class Grade(NamedTuple):
    """One grade of `grading_prompt.GRADES`, and the judge's reason in one line."""

    grade: str
    reason: str


def read_grade(reply: str, model: str) -> Grade:
    """Read a reply: the JSON object that was asked for, and nothing beside it.

    Thoughts before it and a code fence around it are left out. A grade is never looked for in other
    text: an answer that is quoted there may hold any word.

    Args:
        reply: the text.
        model: whose it is, for the message.

    Raises:
        ReplyUnusable: if it is anything else.
    """
    text = (after_thoughts(reply) or "").strip()
    fenced = _FENCED.fullmatch(text)
    try:
        data = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and set(data) == {"reason", "grade"}:
        grade, reason = data["grade"], data["reason"]
        if isinstance(grade, str) and grade in GRADES and isinstance(reason, str):
            return Grade(grade, one_line(reason))
    raise ReplyUnusable(f"{model} did not grade: it replied {one_line(reply)[:80]!r}")
