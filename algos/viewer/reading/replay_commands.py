"""Commands that play a recorded question again with something changed, for the page to offer.

`{turn}` and the other places of a command are filled in on the page, quoted there; braces of the
texts around them are doubled.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

# Pasted into a terminal, these are keys of the terminal: they could end the quoted text and run it.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CHANGES = (
    ("Another budget", "--turn {turn} --max-frames {frames} --max-turns {turns}"),
    ("Another policy", "--turn {turn} --policy={policy}"),
    ("Without the frames of this turn", "--drop {drop}"),
    ("Another temperature or seed", "--turn {turn} --temperature {temperature} --seed {seed}"),
    ("As it was recorded", "--turn {turn}"),
)


def what_if_commands(run: Sequence[str], question: str) -> list[tuple[str, str]]:
    """Return labels and commands that replay a question of a run.

    Places: `{turn}`, the first turn that is chosen anew; `{drop}`, the turn whose frames are kept
    back; `{frames}`, `{turns}`, `{policy}`, `{temperature}`, `{seed}`, as the reader types them.

    Args:
        run: arguments of `sage-vqa replay` that name the run: its folder, `--entry` and a name
            where it has several; () where it can replay none.
        question: its id.

    Returns:
        None at all for a text with control characters, which no one should paste.
    """
    if not run or any(_CONTROL.search(text) for text in (*run, question)):
        return []
    folder, *others = run
    folder = f"./{folder}" if folder.startswith("-") else folder
    words = [folder, *_joined(others), f"--question={question}"]
    fixed = " ".join(shlex.quote(word) for word in words).replace("{", "{{").replace("}", "}}")
    return [(label, f"sage-vqa replay {fixed} {change} --html") for label, change in _CHANGES]


def _joined(options: Sequence[str]) -> list[str]:
    """Return options with their values joined by `=`: one that begins with a dash stays a value."""
    found: list[str] = []
    for word in options:
        if found and found[-1].startswith("--") and "=" not in found[-1]:
            found[-1] = f"{found[-1]}={word}"
        else:
            found.append(word)
    return found
