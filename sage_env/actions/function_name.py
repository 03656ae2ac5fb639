"""The name of a function as models write it: with a namespace before it, or a number behind it.

Chat templates declare functions inside a namespace, and models keep it in their calls:

| written | means |
|---|---|
| `functions.zoom`, `default_api.zoom`, `tools:zoom`, `a.b/zoom` | `zoom`, where there is one |
| `functions.zoom:0` | the same: the number of the call in its reply |
| `zoom.functions`, `functions.fly` | itself, which is then no function |

Names of actions and of tools hold no joints, so such a name can mean nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_JOINTS = re.compile(r"[.:/]")
_NUMBER = re.compile(r":\d+\s*$", re.ASCII)


def bare_name(name: str, known: Collection[str]) -> str:
    """Return the function that a name means: itself, or its last part where that is a function.

    Args:
        name: as it was written.
        known: the names of functions.
    """
    if name in known:
        return name
    last = _JOINTS.split(_NUMBER.sub("", name))[-1].strip()
    return last if last in known else name
