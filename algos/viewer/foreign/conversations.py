"""A conversation as an episode: what was asked, and a turn for each call and for the answer.

| a message | becomes |
|---|---|
| before the first of the assistant's | the question, and the overview: pictures that it brings |
| of the assistant, with calls | a turn for each call |
| of the assistant, the last one without a call | the answer |
| a reply of a tool, or of the user with pictures | what the turn was shown |
| another of the user's | the prompt of the next turn |

A picture is on the time axis where the text before it says its time, or the record does; so is a
time that a text marks as `<12.0 seconds>` without a picture. Where only
the call says a stretch, its pictures are spread over it evenly, and the turn says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from algos.viewer.foreign.carried_files import CarriedPictures
from algos.viewer.foreign.chat_messages import Call, Message, Part, Picture, read_text
from algos.viewer.foreign.loose_values import mapping, seconds, text
from algos.viewer.foreign.times_told import call_times, marked_times, picture_times
from algos.viewer.view_data import FrameView, Span, StepView

ANSWERS = ("answer", "finish", "final_answer", "submit")
"""Names of calls that give the answer."""
SPREAD = "spread over the stretch: the trace does not say them"
MOST_FRAMES = 4096  # of one turn


@dataclass
class Conversation:
    """What a list of messages tells.

    Attributes:
        asked: the text of the question, as it was put.
        system: what the system message says.
        steps: the overview and the turns.
        prediction: the answer; `None` where there is none.
    """

    asked: str = ""
    system: str = ""
    steps: list[StepView] = field(default_factory=list)
    prediction: str | None = None


@dataclass(frozen=True)
class _Seen:
    """What a message shows: its text, and its pictures with their times."""

    told: str
    frames: Sequence[FrameView]
    without_time: Sequence[bytes | None]


def conversation_of(
    messages: Sequence[Message], pictures: CarriedPictures, duration: float | None = None
) -> Conversation:
    """Return what messages tell, in their order.

    Args:
        messages: of one episode.
        pictures: that its trace carries.
        duration: of the video in seconds, where the trace says it.
    """
    told = Conversation()
    begun = next((k for k, m in enumerate(messages) if m.role == "assistant"), len(messages))
    told.system = "\n".join(m.text for m in messages[:begun] if m.role == "system")
    shown = [message for message in messages[:begun] if message.role != "system"]
    told.asked = "\n".join(filter(None, (_without_times(message) for message in shown)))
    told.steps.append(_overview(shown, pictures, told.system))
    waiting: list[tuple[str, int]] = []  # calls that no message has replied to, and their turns
    prompt: list[str] = []
    for message in messages[begun:]:
        if message.role == "assistant":
            steps, calls = _turns(message, len(told.steps), "\n".join(prompt) or None)
            waiting += [(name, len(told.steps) + place) for place, name in enumerate(calls)]
            told.steps += steps
            prompt = []
        elif not _reply(told.steps, waiting, message, pictures):
            prompt.append(message.text)
    told.steps = [_said_once(step) for step in _thoughts_joined(told.steps)]
    _end(told)
    return told


def step_of_call(call: Call, turn: int, **more: Any) -> StepView:
    """Return a call as a turn, with the stretch that it asks for."""
    times = call_times(call.arguments)
    extra = {}
    if times.ranges:
        extra["stretches"] = ", ".join(f"{start:g} to {end:g} s" for start, end in times.ranges)
    written = text(call.arguments)
    answer = answer_in(call)
    action = "answer" if answer is not None else call.name
    fields: dict[str, Any] = {
        "turn": turn,
        "action": action[:80],
        "span": times.span,
        "box": times.box,
        "frames": [FrameView(second) for second in times.points[:MOST_FRAMES]],
        "call": answer or (f"{call.name}({written})" if written else call.name),
        "extra": extra,
    }
    return StepView(**{**fields, **more})


def answer_in(call: Call) -> str | None:
    """Return the answer that a call gives; `None` for a call that gives none."""
    if call.name not in ANSWERS:
        return None
    if isinstance(call.arguments, str):
        return call.arguments
    values = list(mapping(call.arguments).values())
    said = mapping(call.arguments).get("answer", values[0] if len(values) == 1 else None)
    return None if said is None else text(said)


def _overview(shown: Sequence[Message], pictures: CarriedPictures, system: str) -> StepView:
    seen = [_seen(message.parts, pictures) for message in shown]
    frames = [frame for one in seen for frame in one.frames][:MOST_FRAMES]
    lost = sum(len(one.without_time) for one in seen)
    extra = {"pictures without a time": str(lost)} if lost else {}
    prompt = "\n".join([system, *(message.text for message in shown)]).strip()
    return StepView(turn=0, action="overview", frames=frames, prompt=prompt or None, extra=extra)


def _turns(message: Message, number: int, prompt: str | None) -> tuple[list[StepView], list[str]]:
    """Return the turns of an assistant's message, and the ids of its calls."""
    thought, tagged, said, rest = read_text(message.text)
    calls = [*message.calls, *tagged]
    thought = "\n".join(filter(None, (message.thought, thought))) or None
    raw = message.text or None
    if not calls:
        kind = "answer" if said is not None else "message"
        words = rest if said is None else said
        step = StepView(
            turn=number, action=kind, call=words, thought=thought, raw=raw, prompt=prompt
        )
        return [step], []
    steps = []
    for place, call in enumerate(calls):
        opening = {"thought": thought or rest or None, "raw": raw, "prompt": prompt}
        steps.append(step_of_call(call, number + place, **(opening if place == 0 else {})))
    if said is not None:
        steps.append(StepView(turn=number + len(steps), action="answer", call=said))
    return steps, [call.id or call.name for call in calls]


def _reply(
    steps: list[StepView],
    waiting: list[tuple[str, int]],
    message: Message,
    pictures: CarriedPictures,
) -> bool:
    """Give a turn what came back; return whether the message is such a reply."""
    shows = any(isinstance(part, Picture) for part in message.parts)
    if message.role == "user" and not shows and "<tool_response>" not in message.text:
        return False
    if len(steps) < 2:
        return False
    named = (k for k, (name, _) in enumerate(waiting) if name == message.answers)
    place = next(named, 0 if waiting else None)
    turn = len(steps) - 1 if place is None else waiting.pop(place)[1]
    steps[turn] = _shown(steps[turn], _seen(message.parts, pictures))
    return True


def _shown(step: StepView, seen: _Seen) -> StepView:
    """Return a turn with what came back in it."""
    extra = dict(step.extra)
    frames = [*seen.frames]
    lost = seen.without_time
    if frames or lost:
        extra["pictures"] = str(len(frames) + len(lost))
    if lost and step.span is not None and not frames:
        frames, lost = _spread(step.span, lost), ()
        extra["times of the frames"] = SPREAD
    elif lost and len(step.frames) == len(lost) and not frames:
        asked = [frame.second for frame in step.frames]
        frames, lost = [FrameView(s, p) for s, p in zip(asked, lost, strict=True)], ()
    if lost:
        extra["pictures without a time"] = str(len(lost))
    told = "\n".join(filter(None, (step.told, seen.told)))
    shown = frames or step.frames
    return replace(step, frames=list(shown)[:MOST_FRAMES], told=told, extra=extra)


def _spread(span: Span, pictures: Sequence[bytes | None]) -> list[FrameView]:
    width = (span[1] - span[0]) / len(pictures)
    middles = [span[0] + (place + 0.5) * width for place in range(len(pictures))]
    return [FrameView(second, one) for second, one in zip(middles, pictures, strict=True)]


def _seen(parts: Sequence[Part], pictures: CarriedPictures) -> _Seen:
    """Return the text and the pictures of a message, with the times that the text says."""
    told: list[str] = []
    frames: list[FrameView] = []
    lost: list[bytes | None] = []
    for before, run in _runs(parts):
        if before and not run:
            told.append(before)
            frames += [FrameView(second) for second in marked_times(before)]
            continue
        times = picture_times(before, len(run))
        if before and None in times:
            told.append(before)
        for one, second in zip(run, times, strict=True):
            source = pictures.next_image() if one.source is None else one.source
            said = seconds(mapping(source).get("seconds")) if second is None else second
            data = pictures.bytes_of(source)
            if said is None:
                lost.append(data)
            else:
                frames.append(FrameView(said, data))
    return _Seen("\n".join(told).strip(), frames, lost)


def _runs(parts: Sequence[Part]) -> Iterator[tuple[str, list[Picture]]]:
    """Yield each text with the pictures that stand right behind it."""
    before, run = "", list[Picture]()
    for part in parts:
        if isinstance(part, Picture):
            run.append(part)
            continue
        if run:
            yield before, run
            before, run = part, []
        else:
            before = f"{before}\n{part}".strip() if before else part
    if before or run:
        yield before, run


def _without_times(message: Message) -> str:
    """Return the text of a message without those that only say when a picture is on screen."""
    told = []
    for before, run in _runs(message.parts):
        if not run or None in picture_times(before, len(run)):
            told.append(before)
    return "\n".join(told).strip()


def _thoughts_joined(steps: list[StepView]) -> Iterator[StepView]:
    """Yield the turns; one that only thinks (an item of its own) goes into the next."""
    thought: list[str] = []
    turn = 0
    for step in steps:
        if step.turn and step.action == "message" and not step.call and not step.told:
            thought.append(step.thought or "")
            continue
        joined = "\n".join(filter(None, (*thought, step.thought or ""))) or None
        yield replace(step, turn=turn, thought=joined)
        thought, turn = [], turn + 1
    if any(thought):
        yield StepView(turn=turn, action="message", thought="\n".join(thought))


def _said_once(step: StepView) -> StepView:
    """Return a turn whose raw text is left out where thought and call say all of it."""
    if step.raw is None:
        return step
    thought, _, said, rest = read_text(step.raw)
    known = thought in (None, step.thought) and said in (None, step.call)
    return replace(step, raw=None) if known and rest in ("", step.call, step.thought) else step


def _end(told: Conversation) -> None:
    """Find the answer: that of the last turn, by its call, its tag, or all that it says."""
    last = told.steps[-1]
    if last.turn == 0:
        return
    if last.action == "message" and last.call:
        told.steps[-1] = last = replace(last, action="answer")
    if last.action == "answer":
        told.prediction = last.call or None
