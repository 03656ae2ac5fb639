"""What a student is taught to write for a decision of another policy. No torch."""

from __future__ import annotations

from policies.base import Decision
from sage_env.actions.action import Invalid
from sage_env.actions.action_text import format_action, parse_action, parse_thought


def words_of(decision: Decision, *, thinking: bool = False) -> str:
    """Return the text that a student writes to decide likewise, thought included.

    It is the decision's own text where the student would be understood so. A policy that has no
    text, or writes in a format of its own, gets its action as text, with the thought that its text
    had:

    | the text | and the student | is taught |
    |---|---|---|
    | spells the action | reads it so | the text |
    | is of another format, or none | does not think first | the action, its thought in it |
    | has no end of thoughts | thinks first | thought, end of thoughts, action |
    | is no action at all (`Invalid`) | - | the text; nobody learns it, see `replaying` |

    Args:
        decision: of any policy.
        thinking: whether the student's prompts end inside thoughts.
    """
    action, text = decision.action, decision.text
    if isinstance(action, Invalid):
        return text or action.text
    if text and parse_action(text, thinking=thinking) == action:
        return text
    thought = parse_thought(text) if text else None
    if not thinking:
        return format_action(action, thought)
    return f"{thought or ''}\n</think>\n\n{format_action(action)}"
