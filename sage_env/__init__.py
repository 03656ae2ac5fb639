"""Long-video question answering as a Gymnasium environment; importing it registers the id."""

import gymnasium as gym

from sage_env.action_schema import action_schema, function_schemas
from sage_env.action_text import (
    ActionText,
    format_action,
    parse_action,
    parse_thought,
    read_action,
)
from sage_env.actions import Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.datasets import QAItem, load_dataset, validate
from sage_env.env import VideoQAEnv
from sage_env.errors import (
    DatasetError,
    JudgeError,
    MissingExtra,
    ResetNeeded,
    RewardError,
    SageEnvError,
    ToolError,
    ToolInputError,
    VideoError,
)
from sage_env.frames import FrameBatch
from sage_env.history import History, Look, Spent
from sage_env.matching import match_answer
from sage_env.release import __version__
from sage_env.rewards import Reward, efficient, sage
from sage_env.spaces import ActionSpace, UnicodeText
from sage_env.tools import MAX_TOOL_TEXT, Tool, ToolContext
from sage_env.vector import VideoQAVectorEnv

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
    "read_action",
    "sage",
    "validate",
]

gym.register(
    id="SageVideoQA-v0",
    entry_point="sage_env.env:VideoQAEnv",
    vector_entry_point="sage_env.vector:VideoQAVectorEnv",
)
