"""Tools of the environment that a served model does: it looks where a text-only agent cannot.

    env = gym.make("SageVideoQA-v0", tools=["analyze?model=gemini:gemini-3.6-flash"])

They live above `sage_env` because they ask models behind an API; `sage_env.tools` names them by
reference. Keys are read from the environment, as `policies.served` does.

May not: see more of an episode than `ToolContext` has, keep a key in a setting, take what a model
writes for anything but text, or give a text where no reply came.

Read in this order: `seeing_model` (a model behind an API that is shown frames and replies in text),
`shown_frames` (frames as it is shown them), `analyze` (the tool that answers a question about a
stretch or about frames), `ground_by_server` (the tool `ground`, by a model that looks).
"""

from policies.tools.analyze import Analyze

__all__ = ["Analyze"]
