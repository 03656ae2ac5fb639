"""Is this answer right? Exact rules first; what they cannot decide is left to a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sage_env.actions.thoughts import after_thoughts
from sage_env.datasets.answer_text import final_part, normalise, without_markup
from sage_env.datasets.choice_claims import said_answer
from sage_env.datasets.choice_naming import WRONG_RULES, name_choice
from sage_env.datasets.grounding import GROUNDED_IOU, answer_spans, gold_spans, overlap
from sage_env.datasets.item import QAItem
from sage_env.datasets.written_numbers import read_number, same_number
from sage_env.errors import JudgeError, boundary
from sage_env.timeline import Span


class Judged(NamedTuple):
    """What a judge says of an answer, and how it came to say so.

    Attributes:
        verdict: whether the answer is right; `None` where the judge gave no verdict, as in an
            outage: *not judged*, which is not the same as wrong.
        words: the judge's own, or why there is no verdict.
        record: plain JSON data that pin the verdict, such as the judge's name and model.
    """

    verdict: bool | None
    words: str = ""
    record: Mapping[str, Any] = {}


Judge: TypeAlias = Callable[[QAItem, str], bool | None]
"""Says whether an answer is right; `None`: not judged. One with a method `judged(item, text)` is
asked by that, which returns a `Judged`: the words of the judge beside its verdict."""


class Ruling(NamedTuple):
    """The verdict on an answer, and what decided it.

    Attributes:
        verdict: whether the answer is right; `None` where no rule could tell and no judge was
            asked.
        rule: what decided.

    | rule | the answer |
    |---|---|
    | `text` | is the gold answer, or a choice, up to case, spaces, articles, markup |
    | `alias` | is one of the item's aliases |
    | `number` | is a number or time, and so is the gold answer |
    | `letter`, `letter_and_text` | is the label of a choice, alone or beside the choice's text |
    | `claim` | is a sentence that claims one choice, or the gold answer |
    | `empty`, `thought` | says nothing, or nothing outside its thoughts |
    | `iou`, `no_span` | names a stretch of time, or none where one is asked for |
    | `several_choices`, `no_choice`, `no_such_letter` | names several, none, one there is not |
    | `contradiction` | has the label of one choice and the text of another |
    | `judge` | was judged |
    | `undecided` | is none of these |
    """

    verdict: bool | None
    rule: str


class Decided(NamedTuple):
    """The verdict on an answer by the rules and a judge together.

    Attributes:
        verdict: whether the answer is right; `None`: not judged.
        rule: what decided, as `Ruling.rule`; `None` where nothing did.
        judged: what the judge said; `None` where none was asked.
    """

    verdict: bool | None
    rule: str | None
    judged: Judged | None = None


NO_ANSWER = Decided(False, None)
"""Of an episode that ended without an answer."""
NOT_JUDGED = Decided(None, None)
"""Of an answer that nothing has decided yet."""


def rule_answer(item: QAItem, text: str, evidence: Sequence[Span] = ()) -> Ruling:
    """Return the verdict of the rules alone, and which of them decided.

    With choices: the text of a choice, its letter, both, or a sentence that claims one
    (`choice_naming` has the whole grammar). Choices are told apart by the strictest comparison
    that can: `Will` and `will` are two, `0:15` and `00:15` one. Open-ended: the same text up to
    case, spaces, markup, outer punctuation and a leading article, also behind `the answer is`; the
    same number up to `item.tolerance`, where times may be `MM:SS` or have a unit; or an alias. An
    open answer that matches none of these is `undecided`, unless both sides are numbers. A question
    for a stretch of time (`grounding.gold_spans`): one whose intersection over union with the gold
    one is at least `GROUNDED_IOU`, in the text or, where that names none, as `evidence`.
    """
    gold = gold_spans(item)
    if gold:
        named = answer_spans(item, text, evidence)
        right = bool(named) and overlap(named, gold).iou >= GROUNDED_IOU
        return Ruling(right, "iou" if named else "no_span")
    if not text.strip():
        return Ruling(False, "empty")
    if any(text.strip() == alias.strip() for alias in item.aliases):
        return Ruling(True, "alias")
    if item.choices:
        index, rule = name_choice(item.choices, text)
        if index is not None:
            return Ruling(item.choices[index] == item.answer, rule)
        if rule != "undecided" or not item.aliases:
            return Ruling(False if rule in WRONG_RULES else None, rule)
    return _open(item, text)


def match_answer(item: QAItem, text: str) -> bool | None:
    """Return whether `text` answers `item`, by the rules; `None` where only a judge can tell."""
    return rule_answer(item, text).verdict


def decide_answer(
    item: QAItem, text: str, judge: Judge | None = None, evidence: Sequence[Span] = ()
) -> Decided:
    """Return the verdict on an answer: by the rules, else by `judge`; without one it is wrong.

    Args:
        item: the question.
        text: the answer.
        judge: asked where no rule can tell.
        evidence: the stretches that the answer rests on, in seconds.

    Raises:
        JudgeError: if the judge raises an exception, returns something else than a verdict, or
            gives none.
    """
    found = decide_or_leave(item, text, judge, evidence)
    if found.verdict is None:
        name, words = "the judge", ""
        if found.judged is not None:
            name = str(found.judged.record.get("judge", name))
            words = f": {found.judged.words}" if found.judged.words else ""
        raise JudgeError(f"{name} gave no verdict on item {item.id!r}{words}")
    return found


def decide_or_leave(
    item: QAItem, text: str, judge: Judge | None, evidence: Sequence[Span] = ()
) -> Decided:
    """Return the verdict likewise, which is `None` where the judge was asked and gave none.

    A place or stretch of the video is never a judge's to decide: it is right by its numbers.

    Args:
        item: the question.
        text: the answer.
        judge: asked where no rule can tell.
        evidence: the stretches that the answer rests on, in seconds.

    Raises:
        JudgeError: if the judge raises an exception, or returns something else than a verdict.
    """
    ruling = rule_answer(item, text, evidence)
    if ruling.verdict is not None:
        return Decided(*ruling)
    if judge is None or item.kind == "ground":
        return Decided(False, ruling.rule)
    judged = ask_judge(judge, item, text)
    return Decided(judged.verdict, "judge", judged)


def ask_judge(judge: Judge, item: QAItem, text: str) -> Judged:
    """Return what a judge says of an answer, whatever the rules would say.

    Raises:
        JudgeError: if the judge raises an exception, or returns something else than a verdict.
    """
    ask = getattr(judge, "judged", judge)
    with boundary(JudgeError, f"the judge failed on item {item.id!r}", passes=(JudgeError,)):
        said: object = ask(item, text)
    judged = said if isinstance(said, Judged) else Judged(said)  # type: ignore[arg-type]
    if not isinstance(judged.verdict, bool | None):
        raise JudgeError(f"a judge must return True, False or None, got {judged.verdict!r}")
    return judged


def judge_answer(item: QAItem, text: str, judge: Judge | None = None) -> bool:
    """Return whether `text` answers `item`, as `decide_answer` does."""
    return bool(decide_answer(item, text, judge).verdict)


def _open(item: QAItem, text: str) -> Ruling:
    """Rule on an answer to an open-ended question."""
    if not (after_thoughts(text) or "").strip():
        return Ruling(False, "thought")
    given = _readings(text)
    golds = [(alias, "alias") for alias in item.aliases]
    if not item.choices:
        golds.insert(0, (item.answer, "text"))
    for gold, rule in golds:
        wanted = normalise(gold)
        for depth, reading in enumerate(given):
            if normalise(reading) == wanted and _asks(gold) >= _asks(reading):
                return Ruling(True, rule if depth < 2 else "claim")
    gold_number = None if item.choices else read_number(normalise(item.answer))
    for reading in given:
        number = None if _asks(reading) else read_number(normalise(reading))
        if number is not None and gold_number is not None:
            tolerance = item.tolerance or 0.0
            return Ruling(same_number(number.value, gold_number.value, tolerance), "number")
    return Ruling(None, "undecided")


def _readings(text: str) -> list[str]:
    """Return a text as it is, without what surrounds it, and what it says the answer is."""
    final, _ = final_part(text)
    if final is None:  # two different ones
        return [text]
    plain = without_markup(final)
    said = said_answer(plain)
    return [text, plain] if said is None else [text, plain, said]


def _asks(text: str) -> bool:
    return text.rstrip().endswith("?")
