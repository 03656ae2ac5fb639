"""What an agent can do, and how it is written and read as JSON and as text.

May not: call a tool, open a video, know an episode.

Read in this order: `action` (the dataclasses), `json_objects` (JSON objects inside free text),
`function_name` (`functions.zoom` is `zoom`), `action_json` (an object to an action and back),
`thoughts` (where they end), `action_text` (a whole reply), `action_record` (JSON data for files),
`grammar_text` (the instructions of a language model).
"""

from sage_env.actions.action import (
    Action,
    Answer,
    Invalid,
    Sample,
    Skip,
    UseTool,
    Zoom,
)
from sage_env.actions.action_text import (
    ActionText,
    format_action,
    parse_action,
    parse_thought,
    read_action,
)

__all__ = [
    "Action",
    "ActionText",
    "Answer",
    "Invalid",
    "Sample",
    "Skip",
    "UseTool",
    "Zoom",
    "format_action",
    "parse_action",
    "parse_thought",
    "read_action",
]
