"""Models behind an API: Gemini, and every server that speaks OpenAI's chat completions.

Importing this loads no client package; what needs one says which extra to install.

May not: read a key from anywhere but the environment, or show it; give an action for a reply that a
provider withheld.

Read in this order: `policy` (one chat per episode, whoever answers), `prompt` (what is sent),
`retries` (back-off and rate), `server_errors`, `usage` (tokens and dollars), `api_key`,
`token_record`; then the protocols: `gemini`, `openai_compatible`.
"""

from policies.served.gemini import GeminiPolicy
from policies.served.openai_compatible import OpenAIPolicy
from policies.served.retries import RetrySettings
from policies.served.usage import Prices, Usage

__all__ = ["GeminiPolicy", "OpenAIPolicy", "Prices", "RetrySettings", "Usage"]
