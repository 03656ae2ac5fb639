"""Text as a terminal may show it: no escape code in it is carried out.

Questions, answers, file names and messages of servers are written by others. A terminal would take
control characters in them for commands (ECMA-48): move the cursor, clear lines, set the title, fill
the clipboard (OSC 52). The bidirectional controls of Unicode (UAX #9) show text in another order
than it has, and a lone surrogate cannot be written at all.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return the text with controls as escapes, e.g. `\x1b`; newlines and tabs stay."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
