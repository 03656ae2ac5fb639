"""Judges by name: who decides on answers that no rule can decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sage_env.datasets.matching import Judge
from sage_env.deadlines.timed_call import timed_judge
from sage_env.errors import JudgeError, boundary
from sage_env.object_reference import is_reference, load_object

RULE = "rule"
"""The name of no judge: what the rules cannot decide is wrong."""
SERVED: Mapping[str, str] = {
    "gemini": "policies.judges.named_judge:named_judge",
    "openai": "policies.judges.named_judge:named_judge",
}
"""Judges that are models behind an API, by the first part of the name: where the function is that
makes one of the whole name. References, as a user's are: nothing here imports what stands above."""
JUDGE_NAMES = "'rule', 'gemini[:MODEL]', 'openai:MODEL'"
"""How judges are named, for messages."""


def find_judge(judge: str | Judge | None) -> Judge | None:
    """Return the judge of that name, or the function itself; `None` where rules decide alone.

    Args:
        judge: `"rule"`, `"gemini[:MODEL]"`, `"openai:MODEL"` (options after a `?`, see
            `policies.judges`), `"package.module:function"`, a function `(item, text) -> True, False
            or None`, or `None`.

    Raises:
        ValueError: if it is none of these, or an option of a served judge cannot be used.
        JudgeError: if the module or the function in it is not there.
        SageEnvError: if a served judge has no key, no package or no server.
    """
    if judge is None or judge == RULE:
        return None
    if isinstance(judge, str) and (maker := SERVED.get(re.split("[:?]", judge)[0])):
        make: Callable[[str], Judge] = load_object(maker, "the judge", JudgeError)
        return make(judge)
    if isinstance(judge, str) and is_reference(judge):
        with boundary(JudgeError, f"the judge {judge} cannot be imported"):
            judge = load_object(judge, "the judge", JudgeError)
    if isinstance(judge, str | type) or not callable(judge):
        raise ValueError(
            f"judge must be {JUDGE_NAMES}, a function (item, text) -> bool or its "
            f"'package.module:name', got {judge!r}"
        )
    return judge


def judge_in_time(judge: str | Judge | None, seconds: float | None) -> Judge | None:
    """Return the judge that `find_judge` finds, with a deadline for each call; `None` for none.

    Raises:
        ValueError, JudgeError: as `find_judge`.
    """
    found = find_judge(judge)
    return timed_judge(getattr(found, "judged", found), seconds)
