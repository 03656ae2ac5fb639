"""The released SAGE-MM checkpoints: their two-stage JSON format, and a policy that speaks it.

What differs from the released code, on purpose: one rule decides between an answer and a tool call
at every stage; JSON is read or refused, never repaired; no time is reinterpreted; past results stay
in the order in which they came; and an episode without an answer has none, rather than a sentence
in its place.

May not: be trained: each stage is read in a context of its own.

Read in this order: `protocol` (one reply), `media` (names of what is extracted), `arguments` (of a
call, as ours), `results` (of our tools, as theirs), `tools` (calls as our actions), `prompts` (what
the checkpoint reads) — the format itself, without torch — then `policy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from policies.sage_released.policy import SageReleased

__all__ = ["SageReleased"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"SageReleased": "policies.sage_released.policy"}, extra="sage"
)
