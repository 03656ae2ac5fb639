"""A run that nobody played, for what draws runs: any size, and every field of the page in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from algos.viewer.view_data import (
    Column,
    EntryView,
    EpisodeView,
    FrameView,
    QuestionView,
    RunView,
    StepView,
    TokenView,
)

HOSTILE = (
    "</script><script>window.planted=1</script><img src=x onerror='window.planted=1'>"
    "<svg onload='window.planted=1'>\"'`&amp;{{7*7}}${1}\u2028\u202e\x00"
    "\ud800javascript:planted=1//"
)
"""Stands in every text of a hostile run. A page that carried any of it out has `window.planted`."""
COLUMNS = (
    Column(key="question", title="Question", kind="text"),
    Column(key="group.family", title="Family", kind="category"),
    Column(key="duration", title="Length", kind="seconds"),
    Column(key="verdict", title="Verdict", kind="verdict"),
    Column(key="prediction", title="Answer", kind="text"),
    Column(key="gold", title="Gold", kind="text"),
    Column(key="turns", title="Turns", kind="number"),
    Column(key="frames", title="Frames", kind="number"),
    Column(key="evidence_recall", title="Evidence", kind="number"),
    Column(key="cost", title="Cost", kind="number", shown=False),
    Column(key="error", title="Error", kind="text", shown=False),
)
CHOICES = ("red", "green", "blue", "gold")
FAMILIES = ("glance", "needle", "count", "order")


def made_up_run(
    questions: int = 12,
    entries: int = 2,
    updates: int = 0,
    *,
    seed: int = 0,
    hostile: bool = False,
    pictures: bool = True,
) -> RunView:
    """Return a run of so many questions; the same arguments give the same run.

    Args:
        questions: how many; their ids are `q0`, `q1` and so on.
        entries: policies that played all of them: `policy-0` and so on.
        updates: of a training: as many more entries, `update-1` and so on.
        seed: of the draws.
        hostile: whether every text is `HOSTILE`.
        pictures: whether frames bring a picture with them (small, plain, of a colour by time).
    """
    words = _Words(hostile)
    told = [EntryView(key=f"policy-{k}", title=words(f"Policy {k}")) for k in range(entries)]
    told += [
        EntryView(key=f"update-{k}", title=words(f"After update {k}"), update=k)
        for k in range(1, updates + 1)
    ]

    def question(name: str) -> QuestionView:
        number = int(name.removeprefix("q"))
        if name != f"q{number}" or not 0 <= number < questions:
            raise KeyError(name)
        return _question(number, told, seed, words, pictures)

    def rows() -> Iterator[Mapping[str, Any]]:
        for number in range(questions):
            for entry in told:
                yield _row(number, entry, seed, words)

    return RunView(
        title=words("A made-up run"),
        about={words("policy"): words("made up"), "dataset": words("none"), "commit": "0000000"},
        entries=told,
        shown=told[min(1, len(told) - 1)].key,
        before=told[0].key if len(told) > 1 else None,
        columns=COLUMNS,
        rows=rows,
        count=questions * len(told),
        order=[f"q{k}" for k in range(questions)],
        question=question,
        notes=[words("Nothing of this was played.")],
        sections=[("summary", "Summary", "<p>A table would stand here.</p>")],
        curves=[{"update": k, "rollout/accuracy": 0.5 + k / 100} for k in range(updates)],
    )


class _Words:
    def __init__(self, hostile: bool) -> None:
        self._hostile = hostile

    def __call__(self, text: str) -> str:
        return f"{text} {HOSTILE}" if self._hostile else text


def _draws(*what: object) -> random.Random:
    return random.Random(repr(what))


def _duration(number: int, seed: int) -> float:
    return round(10 * 720 ** _draws("duration", number, seed).random(), 3)  # 10 s to 2 h


def _outcome(number: int, entry: EntryView, seed: int) -> tuple[bool | None, int, random.Random]:
    draws = _draws("episode", number, entry.key, seed)
    verdict = draws.choice((True, True, True, False, False, None))
    return verdict, draws.randint(1, 5), draws


def _gold(number: int) -> int:
    return number % len(CHOICES)


def _predicted(number: int, verdict: bool | None) -> str | None:
    if verdict is None:
        return None
    return CHOICES[_gold(number) if verdict else (_gold(number) + 1) % len(CHOICES)]


def _row(number: int, entry: EntryView, seed: int, words: _Words) -> dict[str, Any]:
    verdict, turns, draws = _outcome(number, entry, seed)
    predicted = _predicted(number, verdict)
    return {
        "id": f"q{number}",
        "entry": entry.key,
        "question": words(f"Which colour has the needle {number}?"),
        "group.family": words(FAMILIES[number % len(FAMILIES)]),
        "duration": _duration(number, seed),
        "verdict": verdict,
        "prediction": predicted and words(predicted),
        "gold": words(CHOICES[_gold(number)]),
        "turns": turns,
        "frames": 8 * turns,
        "evidence_recall": draws.choice((0.0, 0.5, 1.0, None)),
        "cost": draws.choice((None, draws.random() / 100)),
        "error": words("VideoError: gone") if verdict is None else None,
    }


def _question(
    number: int, entries: list[EntryView], seed: int, words: _Words, pictures: bool
) -> QuestionView:
    duration = _duration(number, seed)
    start = round(0.4 * duration, 3)
    return QuestionView(
        id=f"q{number}",
        question=words(f"Which colour has the needle {number}?"),
        choices=[words(choice) for choice in CHOICES],
        gold=words(CHOICES[_gold(number)]),
        gold_choice=_gold(number),
        kind="mcq",
        group={words("family"): words(FAMILIES[number % len(FAMILIES)])},
        evidence=[(start, round(start + 0.05 * duration, 3))],
        duration=duration,
        frame_size=(32, 32),
        episodes=[_episode(number, entry, seed, words, pictures) for entry in entries],
    )


def _episode(
    number: int, entry: EntryView, seed: int, words: _Words, pictures: bool
) -> EpisodeView:
    verdict, turns, draws = _outcome(number, entry, seed)
    duration, predicted = _duration(number, seed), _predicted(number, verdict)
    steps = [StepView(turn=0, action="overview", frames=_frames(0, duration, pictures))]
    for turn in range(1, turns + 1):
        kind = "answer" if turn == turns else draws.choice(("skip", "sample", "zoom", "invalid"))
        steps.append(_step(turn, kind, duration, predicted, words, pictures, draws))
    return EpisodeView(
        entry=entry.key,
        steps=steps,
        verdict=verdict,
        rule=words("exact"),
        prediction=predicted and words(predicted),
        stop_reason=None if verdict is None else "answered",
        error=words("VideoError: gone") if verdict is None else None,
        row=_row(number, entry, seed, words),
        commands=[
            ("Another budget", f"sage-vqa replay runs/x --question q{number} --turn {{turn}}")
        ],
    )


def _step(
    turn: int,
    kind: str,
    duration: float,
    predicted: str | None,
    words: _Words,
    pictures: bool,
    draws: random.Random,
) -> StepView:
    """Return one turn with every field that a turn of its kind can have."""
    start = round(draws.random() * 0.8 * duration, 3)
    span = (start, round(start + 0.1 * duration, 3)) if kind in ("skip", "sample", "zoom") else None
    shown = span is not None and kind != "skip"
    text = ["I", " look", "\n", "<|im_end|>"]
    numbers = [draws.uniform(-2, 0) for _ in text]
    return StepView(
        turn=turn,
        action=kind,
        span=span,
        box=(0.25, 0.25, 0.75, 0.75) if kind == "zoom" else None,
        frame_size=(32, 32),
        frames=_frames(*span, pictures) if span and shown else (),
        call=words(f'{{"action": "{kind}"}}' if kind != "answer" else f"answer {predicted}"),
        thought=words(f"thought of turn {turn}"),
        raw=words("I look"),
        reason=words("no action that there is") if kind == "invalid" else "",
        told=words("a tool said this") if turn == 2 else "",
        prompt=words(f"turns left: {5 - turn}\nframes left: {64 - 8 * turn}\nquestion"),
        tokens=len(text),
        prompt_tokens=100 * turn,
        seconds=0.5 * turn,
        cost=0.001 * turn,
        reward=1.0 if kind == "answer" else -0.01,
        reward_terms={words("answer"): 1.0, words("frames"): -0.01},
        credit=draws.uniform(-0.1, 1) if shown else None,
        beliefs=[0.1 * turn, 0.2, 0.3, 0.5 - 0.1 * turn],
        value=draws.random(),
        advantage=draws.uniform(-1, 1),
        pieces=TokenView(
            text=[words(piece) for piece in text],
            logprob=numbers,
            entropy=[-number for number in numbers],
            ratio=[1 + number / 10 for number in numbers],
            advantage=[number + 1 for number in numbers],
            value=[0.5] * len(text),
            in_loss=[True, True, False, True],
        ),
        claimed=[(start, start + 1.0)] if kind == "answer" else (),
        extra={words("note"): words("more")},
    )


def _frames(start: float, end: float, pictures: bool) -> list[FrameView]:
    seconds = [round(start + (end - start) * k / 8, 3) for k in range(8)]
    return [FrameView(second, _picture(int(second)) if pictures else None) for second in seconds]


@cache
def _picture(second: int) -> bytes:
    file = BytesIO()
    colour = (second % 256, second // 256 % 256, 128)
    Image.new("RGB", (32, 32), colour).save(file, "PNG")
    return file.getvalue()
