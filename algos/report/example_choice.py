"""Which episodes the report shows: short and long, right and wrong, won and lost by learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from algos.evaluation.measures import EvalResult
from algos.evaluation.row_results import EpisodeResult
from algos.report.episode_view import ShownQuestion
from algos.rollout.trajectory import Trajectory

_Pick = tuple[str, Callable[[EpisodeResult, EpisodeResult | None], bool]]


def choose_examples(
    result: EvalResult, before: EvalResult | None = None, limit: int = 12
) -> list[ShownQuestion]:
    """Return up to `limit` examples, a turn for each kind, families varied within a kind.

    Args:
        result: whose episodes are shown.
        before: the same questions before learning; shown too where the verdict changed.
        limit: most examples.
    """
    earlier = {e.item_id: e for e in before.episodes()} if before else {}
    queues = [
        (heading, _varied([e for e in result.episodes() if wanted(e, earlier.get(e.item_id))]))
        for heading, wanted in _KINDS
    ]
    chosen: dict[str, str] = {}
    while len(chosen) < limit and any(queue for _, queue in queues):
        for heading, queue in queues:
            while queue and queue[0].item_id in chosen:
                queue.pop(0)
            if queue and len(chosen) < limit:
                chosen[queue.pop(0).item_id] = heading
    order = [heading for heading, _ in _KINDS]
    ranked = sorted(chosen, key=lambda item_id: order.index(chosen[item_id]))
    return [_example(item_id, chosen[item_id], result, before) for item_id in ranked]


def _long(e: EpisodeResult) -> bool:
    return e.duration is not None and e.duration > 600


def _short(e: EpisodeResult) -> bool:
    return e.duration is not None and e.duration <= 180


# A question of several kinds is shown as the first of them.
_KINDS: tuple[_Pick, ...] = (
    (
        "Wrong before learning, right after",
        lambda e, old: old is not None and old.correct is False and e.correct is True,
    ),
    (
        "Right before learning, wrong after",
        lambda e, old: old is not None and old.correct is True and e.correct is False,
    ),
    ("Short video, right", lambda e, _: _short(e) and e.correct is True),
    ("Short video, wrong", lambda e, _: _short(e) and e.correct is False),
    ("Long video, right", lambda e, _: _long(e) and e.correct is True),
    ("Long video, wrong", lambda e, _: _long(e) and e.correct is False),
    (
        "Video of middle or unknown length",
        lambda e, _: not _short(e) and not _long(e) and e.correct is not None,
    ),
)


def _varied(episodes: Sequence[EpisodeResult]) -> list[EpisodeResult]:
    """Return the episodes so that families take turns, most looked-at first within a family."""
    seen: dict[str, int] = {}
    ranked = []
    for e in sorted(episodes, key=lambda e: (-e.turns, e.item_id)):
        family = e.group.get("family", "")
        seen[family] = seen.get(family, 0) + 1
        ranked.append((seen[family], family, e))
    return [e for _, _, e in sorted(ranked, key=lambda entry: entry[:2])]


def _example(
    item_id: str, heading: str, result: EvalResult, before: EvalResult | None
) -> ShownQuestion:
    episodes = [(result.title, _played(result, item_id))]
    if before is not None and "before" in heading:
        episodes.insert(0, (before.title, _played(before, item_id)))
    return ShownQuestion(heading, result.items[_place(result, item_id)], episodes)


def _played(result: EvalResult, item_id: str) -> Trajectory:
    return result.trajectories[_place(result, item_id)]


def _place(result: EvalResult, item_id: str) -> int:
    return next(k for k, item in enumerate(result.items) if item.id == item_id)
