"""Which episodes are learned from, and why each other one is not: every loss has a reason.

The rules are applied in the order of `REASONS`; an episode is left out by the first that it meets.
Nothing is drawn: where some of many are left out, an order decides that depends on the seed and
the names of the episodes alone.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts, same_actions
from algos.data_pipeline.distilling.settings import EpisodeFilter
from algos.seeds import subseed

REASONS = (
    "failed on our side",
    "not played to its end",
    "of a held-out video",
    "not judged",
    "the same as another try",
    "wrong",
    "evidence not seen",
    "right by luck",
    "more frames than the quantile",
    "more turns than the quantile",
    "dearer than the cheapest",
    "beyond the most of its video",
    "beyond the share of direct ones",
    "beyond the share of longer ones",
)
"""Why an episode is left out, in the order of the rules."""
_Rule = Callable[[EpisodeFacts], str]


@dataclass(frozen=True)
class Filtered:
    """What is left, and what became of the others.

    Attributes:
        kept: episodes to learn from, in the order in which they were given.
        comparable: those that ended, were judged and differ from each other: pairs are among them.
        lost: why each other one was left out, by its name.
        notes: what could not be done as asked, a sentence each.
    """

    kept: Sequence[EpisodeFacts]
    comparable: Sequence[EpisodeFacts]
    lost: Mapping[str, str]
    notes: Sequence[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many were left out for each reason, in the order of the rules."""
        found = Counter(self.lost.values())
        return {reason: found[reason] for reason in REASONS if found[reason]}


def filter_episodes(
    episodes: Sequence[EpisodeFacts],
    how: EpisodeFilter,
    videos: Mapping[str, str],
    *,
    held_out: Collection[str] = (),
    seed: int = 0,
) -> Filtered:
    """Choose the episodes to learn from.

    Args:
        episodes: of all policies and tries.
        how: the rules.
        videos: name of the video of each question.
        held_out: ids of questions that nothing may be learned of.
        seed: of what is left out by chance.
    """
    lost: dict[str, str] = {}
    sound = _without(episodes, lambda e: _unsound(e, held_out), lost)
    distinct = _distinct(sound, how.seconds_tolerance, lost)
    sure = _sureness(sound)
    chosen = _without(distinct, lambda e: _unfit(e, how, sure[_way(e)]), lost)
    for name, share, reason in (
        ("frames", how.frames_quantile, "more frames than the quantile"),
        ("turns", how.turns_quantile, "more turns than the quantile"),
    ):
        chosen = _within_quantile(chosen, name, share, reason, lost)
    chosen = _cheapest(chosen, how.cheapest, lost)
    chosen = _per_video(chosen, how.per_video, videos, seed, lost)
    chosen, notes = _balanced(chosen, how.direct_share, seed, lost)
    return Filtered(chosen, distinct, lost, notes)


def _without(
    episodes: Iterable[EpisodeFacts], rule: _Rule, lost: dict[str, str]
) -> list[EpisodeFacts]:
    """Return the episodes that a rule has nothing against; "" is nothing."""
    kept = []
    for episode in episodes:
        if reason := rule(episode):
            lost[episode.name] = reason
        else:
            kept.append(episode)
    return kept


def _unsound(episode: EpisodeFacts, held_out: Collection[str]) -> str:
    if episode.error is not None:
        return "failed on our side"
    if not episode.ended:
        return "not played to its end"
    if episode.item_id in held_out:
        return "of a held-out video"
    return "not judged" if episode.right is None else ""


def _unfit(episode: EpisodeFacts, how: EpisodeFilter, sure: float) -> str:
    if how.outcome == "right" and not episode.right:
        return "wrong"
    if how.grounded and episode.evidence_seen is False:
        return "evidence not seen"
    return "right by luck" if episode.right and sure < how.least_sure else ""


def _way(episode: EpisodeFacts) -> tuple[str, str, bool]:
    """Return who played what, and whether at once: what tries have in common."""
    return episode.policy, episode.item_id, episode.direct


def _sureness(judged: Iterable[EpisodeFacts]) -> dict[tuple[str, str, bool], float]:
    """Return the share of right tries of each way."""
    verdicts: dict[tuple[str, str, bool], list[bool]] = defaultdict(list)
    for one in judged:
        verdicts[_way(one)].append(bool(one.right))
    return {way: sum(found) / len(found) for way, found in verdicts.items()}


def by_question(episodes: Iterable[EpisodeFacts]) -> dict[str, list[EpisodeFacts]]:
    """Return the episodes of each question, in order."""
    found: dict[str, list[EpisodeFacts]] = defaultdict(list)
    for episode in episodes:
        found[episode.item_id].append(episode)
    return dict(found)


def _distinct(
    episodes: Sequence[EpisodeFacts], seconds: float, lost: dict[str, str]
) -> list[EpisodeFacts]:
    """Keep the first of those that did the same."""
    kept: dict[str, list[EpisodeFacts]] = defaultdict(list)

    def rule(episode: EpisodeFacts) -> str:
        own = kept[episode.item_id]
        if any(same_actions(episode, other, seconds) for other in own):
            return "the same as another try"
        own.append(episode)
        return ""

    return _without(episodes, rule, lost)


def _within_quantile(
    episodes: Sequence[EpisodeFacts],
    name: str,
    share: float | None,
    reason: str,
    lost: dict[str, str],
) -> list[EpisodeFacts]:
    """Keep the episodes up to a quantile of their question's: the smallest value that suffices."""
    if share is None:
        return list(episodes)
    limits = {}
    for item_id, own in by_question(episodes).items():
        values = sorted(getattr(one, name) for one in own)
        limits[item_id] = values[max(0, math.ceil(share * len(values)) - 1)]
    return _without(
        episodes, lambda e: reason if getattr(e, name) > limits[e.item_id] else "", lost
    )


def _cheapest(
    episodes: Sequence[EpisodeFacts], count: int | None, lost: dict[str, str]
) -> list[EpisodeFacts]:
    if count is None:
        return list(episodes)
    kept = {
        one.name
        for own in by_question(episodes).values()
        for one in sorted(own, key=lambda e: e.cost)[:count]
    }
    return _without(episodes, lambda e: "" if e.name in kept else "dearer than the cheapest", lost)


def _per_video(
    episodes: Sequence[EpisodeFacts],
    most: int | None,
    videos: Mapping[str, str],
    seed: int,
    lost: dict[str, str],
) -> list[EpisodeFacts]:
    if most is None:
        return list(episodes)
    groups: dict[str, list[EpisodeFacts]] = defaultdict(list)
    for episode in episodes:
        groups[videos[episode.item_id]].append(episode)
    kept = {one.name for own in groups.values() for one in in_turns(own, seed)[:most]}
    return _without(
        episodes, lambda e: "" if e.name in kept else "beyond the most of its video", lost
    )


def _balanced(
    episodes: Sequence[EpisodeFacts], share: float | None, seed: int, lost: dict[str, str]
) -> tuple[list[EpisodeFacts], list[str]]:
    """Leave out what is too many of direct or of longer episodes."""
    if share is None or not episodes:
        return list(episodes), []
    direct = [one for one in episodes if one.direct]
    longer = [one for one in episodes if not one.direct]
    if not direct or not longer:
        there = "direct" if direct else "of several turns"
        return list(episodes), [f"not balanced: all {len(episodes)} episodes are {there}"]
    most_direct = max(1, math.floor(len(longer) * share / (1 - share)))
    most_longer = max(1, math.floor(len(direct) * (1 - share) / share))
    kept = {one.name for one in in_turns(direct, seed)[:most_direct]}
    kept |= {one.name for one in in_turns(longer, seed)[:most_longer]}

    def rule(episode: EpisodeFacts) -> str:
        if episode.name in kept:
            return ""
        whose = "direct" if episode.direct else "longer"
        return f"beyond the share of {whose} ones"

    return _without(episodes, rule, lost), []


def in_turns(episodes: Sequence[EpisodeFacts], seed: int) -> list[EpisodeFacts]:
    """Return episodes in the order in which they are kept: questions take turns.

    The first of every question come before any second one; the rest is up to the seed and the
    names.
    """

    def draw(episode: EpisodeFacts) -> int:
        return subseed(seed, "order", episode.name)

    ranked = []
    for own in by_question(episodes).values():
        ranked += [(rank, draw(one), one) for rank, one in enumerate(sorted(own, key=draw))]
    return [one for *_, one in sorted(ranked, key=lambda entry: (*entry[:2], entry[2].name))]
