"""The record of one episode so far: what a reward function reads, and what `info` is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sage_env.actions.action import ACTION_NAMES, Action, Answer, Invalid
from sage_env.datasets.grounding import Overlap, answer_spans, gold_spans, overlap
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import Judged
from sage_env.frames import Box
from sage_env.timeline import Span


@dataclass(frozen=True)
class Spent(Mapping[str, float | None]):
    """The cost of an episode so far; also a mapping, so `spent["turns"]` is `spent.turns`.

    What the machine spent depends on caches and clocks, so it does not count in comparisons: equal
    seeds and actions give equal records.

    Attributes:
        turns: actions taken, illegal ones included.
        frames_shown: frames in all observations, the overview included: what the budget counts.
        frames_unique: different times among them.
        seconds_covered: length of the union of the spans of which frames were shown.
        frames_decoded: pictures decoded for it, by tools as well; `None` where the video does not
            say.
        decode_seconds: wall time spent in the video.
        frames_cached: pictures that came from a cache, or from another's decoding, instead; `None`
            where the video does not say.
    """

    turns: int
    frames_shown: int
    frames_unique: int
    seconds_covered: float
    frames_decoded: int | None = field(default=None, compare=False)
    decode_seconds: float = field(default=0.0, compare=False)
    frames_cached: int | None = field(default=None, compare=False)

    def __getitem__(self, name: str) -> float | None:
        """Return one of the attributes by name."""
        if name not in list(self):
            raise KeyError(name)
        value: float | None = getattr(self, name)
        return value

    def __iter__(self) -> Iterator[str]:
        """Iterate over the attributes' names."""
        return (attribute.name for attribute in fields(self))

    def __len__(self) -> int:
        """Return the number of attributes."""
        return len(fields(self))


@dataclass(frozen=True)
class Look:
    """The record of one turn's frames and text.

    Attributes:
        span: the stretch that was served (after clamping) or skipped; `None` when there was none.
        box: the region that was shown; `None` for the whole picture.
        seconds: presentation times of the frames shown, increasing; `()` for a skip.
        text: a tool's reply.
        refused: whether nothing came of it by the agent's own mistake: no valid action, no such
            tool, arguments that do not suit it, a stretch beyond the video, or no frames left.
        outcome: of a tool's call, see `sage_env.tools.calling`; `None` where none was called.
        usage: what the models that the tool asked took, see `sage_env.tools.paid_text`; `None` for
            none.
    """

    span: Span | None = None
    box: Box | None = None
    seconds: tuple[float, ...] = ()
    text: str = ""
    refused: bool = False
    outcome: str | None = None
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class History:
    """An episode so far, read-only.

    Attributes:
        item: the question.
        actions: the actions so far, the newest last.
        looks: what came of them: `looks[0]` is the overview, `looks[k]` came of `actions[k - 1]`.
        spent: what it has cost.
        max_turns: the budget of turns of this episode.
        max_frames: the budget of frames of this episode.
        stop_reason: `answered`, `out_of_turns`, or `None` while the episode goes on.
        verdict: whether the answer is right, once the episode has ended; `None` before that, and
            where the judge failed.
        rule: what decided the verdict (`sage_env.datasets.Ruling`); `None` where nothing did.
        env_turns: the environment's budget of turns, which `reset` may have lowered to
            `max_turns`; `None` for the same.
        env_frames: likewise of frames. What prices a frame by a share of the budget takes the
            share of this, or the same look would cost more in an episode that allows less.
        judged: what the judge said of the answer; `None` where none was asked.
    """

    item: QAItem
    actions: tuple[Action | Invalid, ...]
    looks: tuple[Look, ...]
    spent: Spent
    max_turns: int
    max_frames: int
    stop_reason: str | None = None
    verdict: bool | None = None
    rule: str | None = None
    env_turns: int | None = None
    env_frames: int | None = None
    judged: Judged | None = None

    @property
    def ended(self) -> bool:
        """Return whether the newest action ended the episode."""
        return self.stop_reason is not None

    @property
    def spans(self) -> tuple[Span, ...]:
        """Return the stretches of which frames were shown, in order."""
        return tuple(look.span for look in self.looks if look.span and look.seconds)

    @property
    def seconds(self) -> tuple[float, ...]:
        """Return the times of all frames shown, in the order in which they were shown."""
        return tuple(second for look in self.looks for second in look.seconds)

    @property
    def tool_calls(self) -> dict[str, int]:
        """Return how many calls of tools had which outcome; those that none had are left out."""
        return dict(Counter(look.outcome for look in self.looks if look.outcome is not None))

    @property
    def evidence_recall(self) -> float | None:
        """Return the share of evidence spans that a shown frame falls in; `None` without spans."""
        evidence = self.item.evidence
        if not evidence:
            return None
        seen = sum(any(start <= t < end for t in self.seconds) for start, end in evidence)
        return seen / len(evidence)

    @property
    def evidence_hit_turn(self) -> int | None:
        """Return the first turn that showed evidence, 0 for the overview; `None` if none did."""
        for turn, look in enumerate(self.looks):
            if any(start <= t < end for t in look.seconds for start, end in self.item.evidence):
                return turn
        return None

    @property
    def named_spans(self) -> tuple[Span, ...]:
        """Return the stretches that the answer names; see `datasets.grounding.answer_spans`."""
        last = self.actions[-1] if self.actions else None
        if not isinstance(last, Answer):
            return ()
        return answer_spans(self.item, last.text, last.evidence)

    @property
    def answer_overlap(self) -> Overlap | None:
        """Return how well the stretches that the answer names meet the item's evidence.

        `None` without evidence, and where none is named and none was asked for: a question for a
        stretch of time that names none counts 0.
        """
        gold, named = gold_spans(self.item), self.named_spans
        asked = bool(gold)
        gold = gold or self.item.evidence
        return overlap(named, gold) if gold and (named or asked) else None


def episode_info(history: History, terms: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the `info` of the newest turn: what `VideoQAEnv` lists under Information."""
    look = history.looks[-1]
    info: dict[str, Any] = {
        "item_id": history.item.id,
        "action": ACTION_NAMES[type(history.actions[-1])] if history.actions else None,
        "stop_reason": history.stop_reason,
        "reward_terms": dict(terms or {}),
        "frame_seconds": list(look.seconds),
        "span": look.span,
        "box": look.box,
        "spent": history.spent,
        "tool_calls": history.tool_calls,
    }
    if look.usage is not None:
        info["tool_usage"] = dict(look.usage)
    if history.ended:
        info["correct"] = history.verdict
        info["rule"] = history.rule
        if history.judged is not None:
            info["judge"] = dict(history.judged.record)
            info["judge_words"] = history.judged.words
        info["evidence_recall"] = history.evidence_recall
        info["evidence_hit_turn"] = history.evidence_hit_turn
        met = history.answer_overlap
        info["answer_spans"] = len(history.named_spans)
        info["answer_iou"] = met and met.iou
        info["answer_iop"] = met and met.iop
    return info
