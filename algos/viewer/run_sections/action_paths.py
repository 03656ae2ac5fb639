"""How episodes went, counted: from the overview over the actions to the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult
from algos.viewer.run_sections.run_plays import RunPlays

RIGHT, WRONG, OPEN = "right", "wrong", "not judged"
MOST_TURNS = 4
"""Actions of an episode that have a column of their own; later ones share the last, as `later`."""
MOST_NAMES = 5
"""Actions of a column that have a name; rarer ones are `other`."""
Node = tuple[int, str]
"""Column, and what stands there: an action or a verdict."""


@dataclass(frozen=True)
class Flow:
    """What episodes went from and to.

    Attributes:
        columns: nodes from the left to the right, with how many episodes pass each; in a column the
            most frequent first, verdicts in their own order.
        links: how many went from one node to the next.
        episodes: how many were followed.
    """

    columns: Sequence[dict[str, int]]
    links: dict[tuple[Node, Node], int]
    episodes: int


@dataclass(frozen=True)
class PathCount:
    """One whole path, how many episodes took it, and how many of these are right."""

    actions: tuple[str, ...]
    episodes: int
    right: int
    judged: int


def walked(plays: RunPlays) -> list[tuple[tuple[str, ...], EpisodeResult]]:
    """Return the actions of each episode of the entry that is shown, where they are known."""
    return [
        (tuple(plays.paths[e.item_id]), e)
        for e in plays.lines[plays.shown].episodes
        if e.item_id in plays.paths and e.error is None
    ]


def flow_of(walks: Iterable[tuple[Sequence[str], EpisodeResult]]) -> Flow:
    """Return the flow of some episodes.

    An episode that answered early goes straight from there to the last column, its verdict. The
    first column is the first thing that happened, mostly the overview.
    """
    rows = [(_shortened(actions), verdict_of(e)) for actions, e in walks]
    depth = max((len(actions) for actions, _ in rows), default=0)
    named = [_common(actions[k] for actions, _ in rows if k < len(actions)) for k in range(depth)]
    links: Counter[tuple[Node, Node]] = Counter()
    counts: list[Counter[str]] = [Counter() for _ in range(depth + 1)]
    for actions, verdict in rows:
        nodes = [(k, one if one in named[k] else "other") for k, one in enumerate(actions)]
        nodes.append((depth, verdict))
        links.update(zip(nodes, nodes[1:], strict=False))
        for column, name in nodes:
            counts[column][name] += 1
    columns = [dict(count.most_common()) for count in counts[:-1]]
    last = {name: counts[-1][name] for name in (RIGHT, WRONG, OPEN) if counts and counts[-1][name]}
    return Flow([*columns, last], dict(links), len(rows))


def common_paths(
    walks: Iterable[tuple[Sequence[str], EpisodeResult]], most: int = 10
) -> list[PathCount]:
    """Return the paths that most episodes took, whole, the most frequent first.

    Args:
        walks: actions and result of each episode.
        most: how many paths.
    """
    found: dict[tuple[str, ...], list[EpisodeResult]] = {}
    for actions, e in walks:
        found.setdefault(tuple(actions), []).append(e)
    counts = [
        PathCount(
            path,
            len(episodes),
            sum(e.correct is True for e in episodes),
            sum(e.correct is not None for e in episodes),
        )
        for path, episodes in found.items()
    ]
    return sorted(counts, key=lambda one: (-one.episodes, one.actions))[:most]


def verdict_of(e: EpisodeResult) -> str:
    """Return the last node of an episode."""
    return OPEN if e.correct is None else RIGHT if e.correct else WRONG


def _shortened(actions: Sequence[str]) -> tuple[str, ...]:
    """Return the actions with those after the overview and `MOST_TURNS` more as one."""
    kept = MOST_TURNS + (tuple(actions[:1]) == ("overview",))
    return tuple(actions) if len(actions) <= kept else (*actions[:kept], "later")


def _common(names: Iterable[str]) -> set[str]:
    return {name for name, _ in Counter(names).most_common(MOST_NAMES)}
