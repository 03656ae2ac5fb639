"""Which episodes an update plays, its questions so many times each, and which it learns from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from algos.ppo.config import PPOConfig
from algos.recipe.questions import draw_questions
from algos.recipe.rewards import group_of
from algos.rollout.playing import EpisodeSpec
from algos.rollout.trajectory import Trajectory
from sage_env.errors import SageEnvError


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


def learned_from(
    specs: Sequence[EpisodeSpec], played: Sequence[Trajectory], update: int
) -> tuple[list[Trajectory], list[Hashable]]:
    """Return the episodes that are learned from, and the group of each.

    Args:
        specs: the episodes of the update, as they were asked for.
        played: what came of each.
        update: its number.

    Raises:
        SageEnvError: if our side failed all of them, or was late with a tool's reply.
    """
    pairs = [(t, group_of(spec)) for spec, t in zip(specs, played, strict=True) if not t.hindered]
    if not pairs:
        told = f"all {len(played)} episodes of update {update} failed"
        raise SageEnvError(f"{told}; first: {played[0].error or 'a tool was late'}")
    return [episode for episode, _ in pairs], [group for _, group in pairs]
