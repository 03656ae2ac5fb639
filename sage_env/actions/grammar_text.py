"""The instructions of a language model: the task, and the actions as they are written in JSON.

One wording for every model that is told in words: `SAGE-MM` (style `full`), served models,
`ChatObservations`. Checkpoints were trained on it, letter for letter. The examples are written by
`format_action`, so `parse_action` reads them. Tools are told by `sage_env.tools.tool_prompt`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sage_env.actions.action import Action, Answer, Sample, Skip, Zoom
from sage_env.actions.action_text import format_action

ELLIPSIS = "..."
"""The stand-in for a model's own words in an example."""

TASK = """\
You answer a question about a video that you can only see in part. You work in turns. Each turn \
shows you frames with their times in seconds, and what is left of your budget: turns (every reply \
costs one) and frames. Look only as much as the question needs; when the turns are used up \
without an answer, the question counts as failed."""
"""The task, which every model is told first, whatever form its replies have."""

EXAMPLES: Sequence[tuple[Action, str]] = (
    (Skip(95.0), "moves the cursor ahead without looking"),
    (Sample(0.0, 60.0, 8), "shows evenly spaced frames of a stretch"),
    (
        Zoom(31.0, 34.0, 4, (0.5, 0.0, 1.0, 0.5)),
        "shows frames of a short window; the optional box [x0, y0, x1, y1], in fractions of the "
        "picture, enlarges a region",
    ),
    (Answer(ELLIPSIS), "ends the task; with choices, give the chosen one"),
)
"""An example of every action but `UseTool`, and what it does."""


def reply_rule(form: str) -> str:
    """Return what one reply must be, where `form` names it: "JSON object", "function call"."""
    return (
        f"Reply with exactly one {form} and nothing else. Times are seconds from the start of the "
        "video, and `thought` says in a few words what you look for and why"
    )


def action_lines(written: str, does: str) -> str:
    """Return the JSON of an action, and on a line of its own what it does."""
    return f"{written}\n    {does}"


JSON_INSTRUCTIONS = "\n".join(
    [
        f"{TASK}\n\n{reply_rule('JSON object')}:",
        *(action_lines(format_action(action, ELLIPSIS), does) for action, does in EXAMPLES),
    ]
)
"""The system message of models that reply with an action's JSON as text."""
CALL_INSTRUCTIONS = f"{TASK}\n\n{reply_rule('function call')}."
"""The system message of models that call functions, which `function_schemas` describes to them."""
