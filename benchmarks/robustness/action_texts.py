"""Texts of actions: whole, drafted, damaged, random, hostile. Each is an action or has a reason.

| kind | the text | must be |
|---|---|---|
| whole | an action with words around it | that action |
| drafted | another action in thoughts, then the action | that action |
| unfinished | an action in thoughts that do not end | `Invalid` |
| damaged | an action with a few characters changed | an action that reads back, or `Invalid` |
| random | pieces of JSON and words | the same |
| hostile | nested, long, repeated, not Unicode | the same |

Every fourth text is also read as an answer, by the rules of two questions: it may be right or not,
but there has to be a ruling.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome
from sage_env import Answer, Invalid, Sample, Skip, UseTool, Zoom, format_action, read_action
from sage_env.actions.action import Action
from sage_env.datasets import QAItem, rule_answer

BATCH = 2_500
"""Texts that one process reads before it answers."""
SLOW = 2.0
"""Seconds of processor time that no text may take."""

_WORDS = [
    "I",
    "see",
    "a",
    "red",
    "ball",
    "{",
    "}",
    "think",
    "answer",
    "é",
    "汉",
    "😀",
    "\n",
    '"',
    "B",
]
_PIECES = ['"', "{", "}", "[", "]", ",", ":", "\\", "\n", "9", "-", ".", "e", "null", "true", "NaN"]
_PIECES += ["\ud800", "\\ud800", "</think>", "<think>", "```", '{"a": ', '"action": ', "'", "to"]
_PIECES += ['{"action": "skip", "to": 5}', '"answer"', "arguments", "1e999", "9" * 40, "\x00", "😀"]
_OPEN = ["<think>", "<thinking>", "<THINK>", "[THINK]", "◁think▷", "<reasoning>", "< think >"]
_CLOSE = ["</think>", "</thinking>", "</THINK>", "[/THINK]", "◁/think▷", "</reasoning>"]
_ITEMS = [
    QAItem("m", Path("v.mp4"), "Which?", ("red", "blue", "green"), "blue", "mcq"),
    QAItem("o", Path("v.mp4"), "When?", (), "12", tolerance=1.0),
]


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Read `tries` texts, in processes of their own; `folder` is not used."""
    starts = range(0, tries, BATCH)
    batches = [(seed, start, min(BATCH, tries - start)) for start in starts]
    return run_isolated(read_batch, batches, seconds=120.0)


def read_batch(batch: tuple[int, int, int]) -> Outcome:
    """Read the texts of a batch, given as the seed, the number of the first text, and how many."""
    seed, first, count = batch
    outcome = Outcome()
    for number in range(first, first + count):
        rng = random.Random(f"{seed}-{number}")
        kind = rng.choices(list(_KINDS), weights=[2, 1, 1, 4, 4, 0.02])[0]
        text, wanted = _KINDS[kind](rng)
        start = time.process_time()
        try:
            end, problem = _read(text, wanted)
            problem = problem or (_rule(text) if number % 4 == 0 else "")
        except Exception as error:
            end, problem = "raised", f"{type(error).__name__}: {str(error)[:100]}"
        if time.process_time() - start > SLOW:
            problem = problem or f"took {time.process_time() - start:.1f} s of processor time"
        about = f"text {number} of seed {seed} ({kind}): {problem}"
        outcome.add(f"{kind}: {end}", fault=about if problem else "")
    return outcome


def _read(text: str, wanted: Action | type[Invalid] | None) -> tuple[str, str]:
    """Return how a text was read, and what is wrong with that."""
    reading = read_action(text)
    action = reading.action
    if isinstance(action, Invalid):
        problem = "" if wanted in (None, Invalid) and action.reason else f"Invalid, not {wanted}"
        return "invalid", problem if action.text == text else "the text of Invalid is another"
    if wanted is Invalid or (wanted is not None and action != wanted):
        return "action", f"read as {action!r:.80}, not {wanted!r:.80}"
    again = read_action(format_action(action, reading.thought)).action
    return "action", "" if again == action else f"{action!r:.80} reads back as {again!r:.80}"


def _rule(text: str) -> str:
    """Return what is wrong with the rulings on a text as an answer."""
    rulings = [rule_answer(item, text) for item in _ITEMS]
    odd = [r for r in rulings if not (isinstance(r.verdict, bool | None) and r.rule)]
    return f"the rulings are {odd!r:.100}" if odd else ""


def _action(rng: random.Random) -> Action:
    start = round(rng.uniform(0, 7000), rng.randrange(4))
    end = start + rng.choice([0.5, 10.0, 3600.0])
    match rng.randrange(5):
        case 0:
            return Skip(start)
        case 1:
            return Sample(start, end, rng.randint(1, 64))
        case 2:
            box = rng.choice([None, (0.0, 0.25, 0.5, 1.0)])
            return Zoom(start, end, rng.randint(1, 64), box)
        case 3:
            return Answer("B " + _words(rng), ((start, end),) * rng.randrange(3))
    return UseTool("search", {"query": _words(rng), "deep": [[start], {"k": None}]})


def _words(rng: random.Random, most: int = 8) -> str:
    return " ".join(rng.choices(_WORDS, k=rng.randrange(most)))


def _prose(rng: random.Random) -> str:
    """Return words without a brace, which a reader would have to look into."""
    return _words(rng).replace("{", "").replace("}", "")


def _whole(rng: random.Random) -> tuple[str, Action]:
    action = _action(rng)
    fence = rng.choice(["{}", "```json\n{}\n```", "<tool_call>{}</tool_call>", "**{}**"])
    written = fence.replace("{}", format_action(action, _words(rng) or None))
    return f"{_prose(rng)} {written} {_prose(rng)}", action


def _drafted(rng: random.Random) -> tuple[str, Action]:
    text, action = _whole(rng)
    drafts = " ".join(format_action(_action(rng)) for _ in range(rng.randrange(4)))
    opening = rng.choice([*_OPEN, ""])
    return f"{opening}{_prose(rng)} {drafts} {rng.choice(_CLOSE)}{text}", action


def _unfinished(rng: random.Random) -> tuple[str, type[Invalid]]:
    before = rng.choice(["", _prose(rng), f"<think>{_prose(rng)}</think>"])
    return f"{before} {rng.choice(_OPEN)} {_whole(rng)[0]}", Invalid


def _damaged(rng: random.Random) -> tuple[str, None]:
    text = format_action(_action(rng), _words(rng))
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 1, 2, 8]))
        text = text[:start] + rng.choice(["", text[start:end] * 2, *_PIECES]) + text[end:]
    return text[: rng.choice([len(text), rng.randrange(len(text) + 1)])], None


def _random(rng: random.Random) -> tuple[str, None]:
    return "".join(rng.choices([*_PIECES, *_WORDS], k=rng.randrange(60))), None


def _hostile(rng: random.Random) -> tuple[str, None]:
    size = rng.choice([500, 5_000, 60_000, 200_000])
    piece = rng.choice(["{", "[", '{"a":', '{"a":[', "<think>", "</think>", "{}", "9", "B ", '"\\'])
    inside = piece * (size // len(piece))
    form = rng.choice(["{}", '{"action": "skip", "to": {}}', '{"action": "answer", "text": "{}"}'])
    return form.replace("{}", inside) + rng.choice(["", "}" * size, "]" * size])[:size], None


_KINDS = {
    "whole": _whole,
    "drafted": _drafted,
    "unfinished": _unfinished,
    "damaged": _damaged,
    "random": _random,
    "hostile": _hostile,
}
