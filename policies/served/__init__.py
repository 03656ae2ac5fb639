"""Models behind an API: Gemini, and every server that speaks OpenAI's chat completions.

Importing this loads no client package; what needs one says which extra to install.
"""

from policies.served.gemini import GeminiPolicy
from policies.served.openai_compatible import OpenAIPolicy
from policies.served.retries import Patience
from policies.served.usage import Prices, Usage

__all__ = ["GeminiPolicy", "OpenAIPolicy", "Patience", "Prices", "Usage"]
