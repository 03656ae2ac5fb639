"""Which episodes an update plays: its questions, each so many times from one start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from algos.ppo.config import PPOConfig
from algos.recipe.questions import draw_questions
from algos.rollout.playing import EpisodeSpec


def draw_specs(
    config: PPOConfig,
    items: Sequence[str],
    update: int,
    durations: Mapping[str, float | None] | None = None,
) -> list[EpisodeSpec]:
    """Return the episodes of one update (1, 2, ...), by question.

    A question's episodes share the environment's seed and budget, so that they start from the same
    state.

    Args:
        config: the settings.
        items: ids of all questions.
        update: 1, 2, ...
        durations: seconds of each item's video; read by a curriculum only.

    Raises:
        ValueError: if there are no items.
    """
    if not items:
        raise ValueError("training needs at least one item, got none")
    count, known = config.questions_per_update, durations or {}
    questions = draw_questions(config.recipe, items, known, count, seed=config.seed, update=update)
    return [spec for spec in questions for _ in range(config.episodes_per_question)]
