"""Judges by name: who decides on answers that no rule can decide."""

from __future__ import annotations

from sage_env.datasets.matching import Judge
from sage_env.deadlines.timed_call import timed_judge
from sage_env.errors import JudgeError, boundary
from sage_env.object_reference import is_reference, load_object

RULE = "rule"
"""The name of no judge: what the rules cannot decide is wrong."""


def find_judge(judge: str | Judge | None) -> Judge | None:
    """Return the judge of that name, or the function itself; `None` where rules decide alone.

    Args:
        judge: `"rule"`, `"package.module:function"`, a function `(item, text) -> bool`, or `None`.

    Raises:
        ValueError: if it is none of these.
        JudgeError: if the module or the function in it is not there.
    """
    if judge is None or judge == RULE:
        return None
    if isinstance(judge, str) and is_reference(judge):
        with boundary(JudgeError, f"the judge {judge} cannot be imported"):
            judge = load_object(judge, "the judge", JudgeError)
    if isinstance(judge, str | type) or not callable(judge):
        raise ValueError(
            f"judge must be '{RULE}', a function (item, text) -> bool or its "
            f"'package.module:name', got {judge!r}"
        )
    return judge


def judge_in_time(judge: str | Judge | None, seconds: float | None) -> Judge | None:
    """Return the judge that `find_judge` finds, with a deadline for each call; `None` for none.

    Raises:
        ValueError, JudgeError: as `find_judge`.
    """
    return timed_judge(find_judge(judge), seconds)
