"""Whether a reward tells episodes apart, seen before anything is trained on it."""

from __future__ import annotations

from typing import Any

from gymnasium import Env

from sage_env.env import VideoQAEnv
from sage_env.errors import RewardError
from sage_env.testing.episodes import ways


def require_differences(env: Env[Any, Any], item_id: str, name: str) -> None:
    """Refuse a reward that pays the same for every way to end a question.

    Played are a right answer at once, a wrong one, both after looks, mistakes, and no answer at
    all. A reward that is constant over these has nothing to teach.

    Args:
        env: as the training uses it.
        item_id: of the question.
        name: of the reward, for the message.

    Raises:
        RewardError: if all episodes earn the same.
    """
    played = env.unwrapped
    assert isinstance(played, VideoQAEnv)
    options = {"options": {"item_id": item_id}}
    observation, _ = played.reset(seed=0, **options)
    item, turns = played.history.item, played.history.max_turns
    earned = []
    for actions in ways(item, float(observation["duration"]), turns):
        played.reset(seed=0, **options)
        total = 0.0
        for action in actions:
            _, reward, ended, *_ = played.step(action)
            total += float(reward)
            if ended:
                break
        earned.append(total)
    if max(earned) == min(earned):
        raise RewardError(
            f"the reward {name} gave {earned[0]:g} in each of {len(earned)} episodes of question "
            f"{item_id!r} that ended rightly, wrongly and without an answer: nothing can be "
            "learned from a constant; give another with --reward"
        )
