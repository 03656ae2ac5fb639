"""Models behind an API: Gemini, and every server that speaks OpenAI's chat completions.

The packages `openai` and `google-genai` speak to the providers, through a transport of ours.
Importing this loads neither of them; what needs one says which extra to install.

May not: read a key from anywhere but the environment, or show it, or send it to another address
than the one given; give an action for a reply that a provider withheld; let an odd reply cost more
than its episode.

Read in this order: `policy` (one chat per episode, whoever answers), `prompt` (what is sent),
`retries` (back-off and rate), `usage` (tokens and dollars), `api_key`; how a server is heard:
`wire` (what the packages send through, bounded), `reply_json`, `server_errors`, `function_calls`,
`token_record`; then the protocols: `gemini` and `gemini_replies`; `gemini_files` and `gemini_video`
(the whole video at once), `gemini_json` (JSON of a given form),
`gemini_batch` (for half the price); `openai_compatible`,
`openai_replies` and `request_fields` (what a server takes); `named_options` (settings for the
command line).
"""

from policies.served.gemini import GeminiPolicy
from policies.served.gemini_video import GeminiVideoPolicy
from policies.served.openai_compatible import OpenAIPolicy
from policies.served.retries import RetrySettings
from policies.served.usage import Prices, Usage

__all__ = [
    "GeminiPolicy",
    "GeminiVideoPolicy",
    "OpenAIPolicy",
    "Prices",
    "RetrySettings",
    "Usage",
]
