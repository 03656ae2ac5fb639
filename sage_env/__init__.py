"""Long-video question answering as a Gymnasium environment; importing it registers the id.

Importing it loads no decoder, no picture library and no model. May not: know a policy, a reward
from outside, or torch.

In the order of imports: `errors`, `release` (the version), `shadowing` (folders of the user's that
hide ours), `frames` (pictures with their times), `timeline` (spans of seconds), `argument_checks`,
`object_reference` (objects by `package.module:name`), `lazy_exports` (names imported when asked
for), `picture_geometry`, `framing/` (pictures in frames of one size); `storage/`, `deadlines/`
(calls that end in time), `actions/`, `datasets/`, `subtitles/` (what is said), `video/`; `history`
(the record of an episode), `openers` (who opens a video), `tools/`; `unicode_text` (the space of
texts), `spaces` and `observation`; `rendering/`, `synth/` (the embedded dataset); `rewards`,
`viewer` (an episode's looks and what they cost), `episode` (one episode's state), `reset_options`,
`states/` (an episode as JSON data), `env` (the environment; its docstring is the manual);
`vector/` (many at once), `wrappers/`, `testing/`.
"""

import gymnasium as gym

from sage_env.actions.action import Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import (
    ActionText,
    format_action,
    parse_action,
    parse_thought,
    read_action,
)
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.matching import match_answer
from sage_env.datasets.validation import validate
from sage_env.env import VideoQAEnv
from sage_env.errors import (
    DatasetError,
    JudgeError,
    MissingExtra,
    ResetNeeded,
    RewardError,
    SageEnvError,
    StateError,
    ToolError,
    ToolInputError,
    VideoError,
)
from sage_env.frames import FrameBatch
from sage_env.framing.picture_region import pictures
from sage_env.history import History, Look, Spent
from sage_env.release import __version__
from sage_env.rewards import Reward, efficient, sage
from sage_env.spaces import ActionSpace, UnicodeText
from sage_env.tools.reply_schema import action_schema, function_schemas
from sage_env.tools.tool import MAX_TOOL_TEXT, Tool, ToolContext
from sage_env.vector.vector_env import VideoQAVectorEnv

__all__ = [
    "Action",
    "ActionSpace",
    "ActionText",
    "Answer",
    "DatasetError",
    "FrameBatch",
    "History",
    "Invalid",
    "JudgeError",
    "Look",
    "MAX_TOOL_TEXT",
    "MissingExtra",
    "QAItem",
    "ResetNeeded",
    "Reward",
    "RewardError",
    "SageEnvError",
    "Sample",
    "Skip",
    "Spent",
    "StateError",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolInputError",
    "UnicodeText",
    "UseTool",
    "VideoError",
    "VideoQAEnv",
    "VideoQAVectorEnv",
    "Zoom",
    "__version__",
    "action_schema",
    "efficient",
    "format_action",
    "function_schemas",
    "load_dataset",
    "match_answer",
    "parse_action",
    "parse_thought",
    "pictures",
    "read_action",
    "sage",
    "validate",
]

gym.register(
    id="SageVideoQA-v0",
    entry_point="sage_env.env:VideoQAEnv",
    vector_entry_point="sage_env.vector:VideoQAVectorEnv",
)
