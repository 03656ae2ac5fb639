"""Which choice an answer names: by its text, its letter, or a sentence that claims one of them.

Nothing is guessed. An answer names a choice only if all of it can be read: two letters, a letter
beside another choice's text, a negation or a hedge name none. How that was decided is said by a
rule; `undecided` is what a judge is for.

    B   (b)   **B**   `B`   Option B   B. blue   blue (B)   Answer: B        named
    The answer is B because the ball is blue.   B is correct, since A is red.       named
    A or B   B. red   E (of four)   none of the above                               wrong
    not B   maybe B   B?   B, but C is right too   The ball is blue.                undecided
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sage_env.actions.thoughts import after_thoughts
from sage_env.datasets.answer_text import final_part, fold, normalise, without_markup
from sage_env.datasets.choice_claims import claimed, label_alone, label_with_text, several
from sage_env.datasets.choice_options import UNDECIDED, Named, Options, is_question, options_of

WRONG_RULES = frozenset(
    {"empty", "several_choices", "no_such_letter", "contradiction", "no_choice", "thought"}
)
"""Rules that decide that an answer names no choice, so that it is wrong without a judge."""
_LONGEST = 80  # characters beside a choice's text in an answer without a sentence
_NONE = re.compile(
    r"(?:it'?s |it is |the answer is |answer: )?(?:none|neither|all|both|any|either)"
    r"(?: of)?(?: the| these| those| them)?(?: above| below| choices| options| answers)?"
)


def name_choice(choices: Sequence[str], text: str) -> Named:
    """Return the choice that `text` names, and the rule that decided."""
    if not text.strip():
        return Named(None, "empty")
    options = options_of(tuple(choices))
    outside = after_thoughts(text)
    if text not in choices and not (outside or "").strip():
        return Named(None, "thought")
    if found := options.by_text(text if text in choices else outside or text):
        return found
    said, _ = final_part(text)
    if said is None:
        return Named(None, "several_choices")
    plain = without_markup(said)
    return (
        _short(options, fold(said))
        or options.by_text(plain)
        or _short(options, plain)
        or claimed(options, plain)
    )


def _short(options: Options, text: str) -> Named | None:
    """Return what a text names that has no sentence around it: `B`, `(b) blue`, `A or B`."""
    text = " ".join(text.split())
    if is_question(text):
        return UNDECIDED
    if len(text) > _LONGEST + max(len(choice) for choice in options.choices):
        return None
    if _NONE.fullmatch(normalise(text)):
        return Named(None, "no_choice")
    return label_alone(options, text) or several(options, text) or label_with_text(options, text)
