"""Episodes held out by video: what is validated on was never seen. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from algos.seeds import subseed
from algos.sft.settings import FineTuningError


def hold_out(videos: Sequence[str], share: float, seed: int) -> list[bool]:
    """Choose the episodes to validate on: all those of a share of the videos, drawn at random.

    Args:
        videos: of each episode.
        share: of the videos, in [0, 1); rounded to a whole number of them, at least one. 0 holds
            nothing out.
        seed: of the draw.

    Returns:
        For each episode, whether it is held out.

    Raises:
        FineTuningError: if there are not two videos to divide.
    """
    if not 0 <= share < 1:
        raise FineTuningError(f"the share of held-out videos must be in [0, 1), got {share}")
    if share == 0:
        return [False] * len(videos)
    distinct = sorted(set(videos))
    if len(distinct) < 2:
        raise FineTuningError(
            f"the episodes are all of one video, {distinct[0]}, so that none can be held out: give "
            "--validation-episodes, or --validation-share 0 to train without validation"
        )
    count = min(len(distinct) - 1, max(1, round(share * len(distinct))))
    rng = np.random.default_rng(subseed(seed, "validation"))
    held = {distinct[number] for number in rng.permutation(len(distinct))[:count]}
    return [video in held for video in videos]


def require_disjoint(training: Mapping[str, str], validation: Mapping[str, str]) -> None:
    """Refuse a video that is in both; each maps the ids of questions to videos.

    Raises:
        FineTuningError: names a video, and a question of each side.
    """
    seen = {video: item for item, video in training.items()}
    for item, video in validation.items():
        if video in seen:
            raise FineTuningError(
                f"the video {video} is in training (item {seen[video]!r}) and in validation (item "
                f"{item!r}): give validation episodes of other videos"
            )
