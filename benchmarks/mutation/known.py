"""Known survivors: mutants that no test sees, each with the reason.

Names are those of `sites.Mutant.name`. The reasons are of three kinds: the mutant computes the same
(`same`); it differs in time or memory only (`cost`); it differs where nothing can tell (`words`: a
message, a name in a log, a guard that another guard repeats).
"""

from __future__ import annotations

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {}
"""Reason by name; the first word is the kind."""
