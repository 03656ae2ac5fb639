"""Text tools that an agent may call, the JSON Schema of their arguments, and that of a whole reply.

May not: hold a tool that ships (those have rooms of their own in here), know an episode.

Read in this order: `json_schema` (which keywords are checked), `tool` (the protocol, and what a
tool may know), `spans` (the stretch that a tool is asked about), `naming` (tools by name),
`quoting` (text from outside as data), `reply_cache` (replies on disk), `paid_text` (what a reply
took), `calling` (one call, its limits and its outcome), `tool_prompt` (tools in words),
`reply_schema` (what an agent may write, for constrained decoding and function calling); `speech/`
(what is said), `grounding/` (when something happens), `web/` (search and pages).
"""

from sage_env.tools.reply_schema import action_schema, function_schemas
from sage_env.tools.tool import MAX_TOOL_TEXT, Tool, ToolContext

__all__ = ["MAX_TOOL_TEXT", "Tool", "ToolContext", "action_schema", "function_schemas"]
