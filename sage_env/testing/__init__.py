"""Checks for whoever plugs in a reward, a dataset, a video or a tool: its contract, as laws.

Each raises `AssertionError` with the law that is broken and what broke it, and returns nothing if
all hold. `policies.check.check_policy` and `gymnasium.utils.env_checker.check_env` are their
siblings. `MemoryVideo` is a video for tests that need none in a file.

May not: know a plug-in of the project; what holds for ours holds for everyone's.

Read in this order: `laws` (how a broken law is told), `memory_video`, `episodes` (what plug-ins are
tried in), then the checks: `reward_check`, `dataset_check`, `video_check`, `tool_check`.
"""

from sage_env.testing.dataset_check import check_dataset
from sage_env.testing.memory_video import MemoryVideo, open_memory
from sage_env.testing.reward_check import check_reward
from sage_env.testing.tool_check import check_tool
from sage_env.testing.video_check import check_video

__all__ = [
    "MemoryVideo",
    "check_dataset",
    "check_reward",
    "check_tool",
    "check_video",
    "open_memory",
]
