"""Long-video question answering as a Gymnasium environment; importing it registers the id."""

import gymnasium as gym

from sage_env.action_text import format_action, parse_action, parse_thought
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
    VideoError,
)
from sage_env.frames import FrameBatch
from sage_env.history import History, Look, Spent
from sage_env.matching import match_answer
from sage_env.rewards import Reward, efficient
from sage_env.spaces import ActionSpace, UnicodeText

__all__ = [
    "Action",
    "ActionSpace",
    "Answer",
    "DatasetError",
    "FrameBatch",
    "History",
    "Invalid",
    "JudgeError",
    "Look",
    "MissingExtra",
    "QAItem",
    "ResetNeeded",
    "Reward",
    "RewardError",
    "SageEnvError",
    "Sample",
    "Skip",
    "Spent",
    "ToolError",
    "UnicodeText",
    "UseTool",
    "VideoError",
    "VideoQAEnv",
    "Zoom",
    "efficient",
    "format_action",
    "load_dataset",
    "match_answer",
    "parse_action",
    "parse_thought",
    "validate",
]

gym.register(id="SageVideoQA-v0", entry_point="sage_env.env:VideoQAEnv")
