"""One running episode: serves the agent's actions from the video, the tools and the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from sage_env.actions.action import Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.argument_checks import whole_number
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import NO_ANSWER, NOT_JUDGED, Decided, Judge, decide_answer
from sage_env.errors import DatasetError
from sage_env.frames import Box, FrameBatch, Tolerance
from sage_env.history import History, Look, Spent
from sage_env.observation import Observation, observe
from sage_env.timeline import Span, clamp, covered
from sage_env.tools.calling import agent_message, call_tool
from sage_env.tools.tool import Tool
from sage_env.viewer import Viewer

# Seconds by which a request may go beyond the video without being told: prompts write the duration
# with one decimal, so an agent that asks for all of it may be off by up to half of this.
_UNSAID = 0.1


@dataclass(frozen=True)
class Budget:
    """The budget of an episode.

    Attributes:
        turns: actions, the answer included.
        frames: frames shown, the overview included.
        frames_per_turn: most frames that one action is shown.
    """

    turns: int
    frames: int
    frames_per_turn: int

    def info(self, overview_frames: int) -> dict[str, dict[str, int]]:
        """Return what the `info` of `reset` says of it, under the names of `gym.make`."""
        budget = {"max_turns": self.turns, "max_frames": self.frames}
        budget |= {"frames_per_turn": self.frames_per_turn, "overview_frames": overview_frames}
        return {"budget": budget}


def checked_budget(turns: int, frames: int, frames_per_turn: int) -> Budget:
    """Return the budget of an environment.

    Raises:
        ValueError: if one of them is no whole number, or too small: only frames may be 0.
    """
    return Budget(
        whole_number("max_turns", turns, 1),
        whole_number("max_frames", frames, 0),
        whole_number("frames_per_turn", frames_per_turn, 1),
    )


class TurnResult(NamedTuple):
    """The outcome of one turn: what is recorded, shown and told.

    Attributes:
        look: for the record.
        batch: the frames to show; `None` for none.
        message: what the agent is told about its request, or `""`.
    """

    look: Look
    batch: FrameBatch | None = None
    message: str = ""


class Episode:
    """The state of one question while it is being answered.

    Attributes:
        history: what has happened so far.
        cursor: seconds.
        frames_left: what remains of the budget of frames.
        message: what the agent was told last.
    """

    def __init__(
        self,
        item: QAItem,
        viewer: Viewer,
        budget: Budget,
        tools: Mapping[str, Tool],
        *,
        whole: Budget | None = None,
    ) -> None:
        """Open the item's video.

        Args:
            item: the question.
            viewer: opens the video and shows its frames; its `timeout` holds for tools too.
            budget: what this episode may use.
            tools: by name.
            whole: the environment's budget, where this episode's is a part of it.

        Raises:
            VideoError: if it cannot be opened.
            DatasetError: if it ends before the item's evidence begins.
        """
        whole = whole or budget
        self.history = History(
            item,
            (),
            (),
            Spent(0, 0, 0, 0.0),
            budget.turns,
            budget.frames,
            env_turns=whole.turns,
            env_frames=whole.frames,
        )
        self.cursor = 0.0
        self.frames_left = budget.frames
        self.message = ""
        self._before = Spent(0, 0, 0, 0.0, 0, 0.0, 0)  # elsewhere, by an episode that goes on here
        self._viewer, self._budget, self._tools = viewer, budget, tools
        self._seen: set[float] = set()  # times of the frames shown
        self._spans: list[Span] = []  # stretches of which frames were shown
        viewer.open(item.video)
        certain = item.group.get("evidence") != "weak"  # read out of prose, as MINERVA's is
        for start, end in item.evidence:
            if start >= viewer.duration and certain:
                raise DatasetError(
                    f"item {item.id!r}: its evidence ({start}, {end}) lies behind the end of "
                    f"{item.video}, which has {viewer.duration:.2f} s: correct one of them"
                )

    @property
    def duration(self) -> float:
        """Return the seconds of the video."""
        return self._viewer.duration

    @property
    def native_size(self) -> tuple[int, int] | None:
        """Return `(H, W)` of the video's own pictures; `None` where it does not say."""
        return self._viewer.native_size

    @property
    def budget(self) -> Budget:
        """Return what this episode may use."""
        return self._budget

    def go_on(self, history: History, cursor: float, frames_left: int, message: str) -> None:
        """Take over where an episode with the same question and budget was; nothing is decoded.

        Args:
            history: of that episode.
            cursor: seconds.
            frames_left: what remained of the budget of frames.
            message: what the agent was told last.
        """
        self.history, self._before = history, history.spent
        self.cursor, self.frames_left, self.message = cursor, frames_left, message
        self._seen, self._spans = set(history.seconds), list(history.spans)

    def shown_again(self, look: Look) -> TurnResult:
        """Return what a recorded look showed, decoded anew.

        Raises:
            VideoError: if it cannot be decoded.
        """
        if not look.seconds:
            return TurnResult(look, None, self.message)
        size = self._viewer.look_size(look.box)
        return TurnResult(look, self._viewer.read(look.seconds, size, look.box), self.message)

    @property
    def turns_left(self) -> int:
        """Return what remains of the budget of turns."""
        return self._budget.turns - self.history.spent.turns

    def overview(self, num_frames: int, tolerance: Tolerance = 0.0) -> TurnResult:
        """Show evenly spaced frames of the whole video, or near ones, and record them."""
        result = TurnResult(Look())
        if num_frames:
            result = self._show((0.0, self.duration), num_frames, None, tolerance)
        self._record((), result)
        return result

    def serve(self, action: Action | Invalid) -> TurnResult:
        """Do what the action asks for, and record it.

        Raises:
            VideoError, ToolError: if it cannot be done, through no fault of the agent.
        """
        result = self._serve(action)
        self._record((*self.history.actions, action), result)
        return result

    def end(self, stop_reason: str, decided: Decided) -> None:
        """Record why the episode ended, whether the answer is right, and what decided that."""
        verdict, rule, judged = decided
        self.history = replace(
            self.history, stop_reason=stop_reason, verdict=verdict, rule=rule, judged=judged
        )

    def conclude(self, action: Action | Invalid, judge: Judge | None) -> None:
        """End the episode if the action answers, or was the last that the budget allows.

        Raises:
            JudgeError: if the judge fails; the answer is kept as not judged.
        """
        if isinstance(action, Answer):
            self.end("answered", NOT_JUDGED)
            item, said = self.history.item, action
            self.end("answered", decide_answer(item, said.text, judge, said.evidence))
        elif not self.turns_left:
            self.end("out_of_turns", NO_ANSWER)

    def observe(self, served: TurnResult, shape: tuple[int, ...]) -> Observation:
        """Return what the agent is shown of a turn that was just served; `shape` is (F, H, W, 3).

        Raises:
            VideoError: if the size of the video's pictures cannot be read.
        """
        return observe(
            self.history.item,
            served.batch,
            shape=shape,
            cursor=self.cursor,
            duration=self.duration,
            turns_left=self.turns_left,
            frames_left=self.frames_left,
            message=served.message,
            text=served.look.text,
            native=self._viewer.native_size,
            box=served.look.box,
        )

    def _serve(self, action: Action | Invalid) -> TurnResult:
        match action:
            case Skip(to):
                return self._skip(to)
            case Sample(start, end, num_frames):
                result = self._look((start, end), num_frames, None)
                self.cursor = min(end, self.duration)
                return result
            case Zoom(start, end, num_frames, box):
                return self._look((start, end), num_frames, box)
            case UseTool():
                with self._viewer.lending() as view:
                    tools, history, timeout = self._tools, self.history, self._viewer.timeout
                    reply = call_tool(tools, action, history, view, self.cursor, timeout=timeout)
                look = Look(None, None, (), reply.text, reply.refused, reply.outcome, reply.usage)
                return TurnResult(look, None, reply.message)
            case Invalid(_, reason):
                told = f"Not a valid action: {agent_message(reason)}"
                return TurnResult(Look(refused=True), None, told)
            case Answer():
                return TurnResult(Look())

    def _skip(self, to: float) -> TurnResult:
        before, self.cursor = self.cursor, min(to, self.duration)
        beyond = to > self.duration + _UNSAID
        message = f"The video ends at {self.duration:.2f} s: skipped to there." if beyond else ""
        skipped = (before, self.cursor) if before < self.cursor else None
        return TurnResult(Look(skipped), None, message)

    def _look(self, asked: Span, num_frames: int, box: Box | None) -> TurnResult:
        """Show as much of a request as the video and the budget allow, and say what was cut."""
        notes, span = [], clamp(asked, self.duration)
        if span[0] >= span[1]:
            told = f"Nothing is shown: the video ends at {self.duration:.2f} s."
            return TurnResult(Look(refused=True), None, told)
        if asked[1] > self.duration + _UNSAID:
            notes.append(f"The video ends at {self.duration:.2f} s: the stretch was cut there.")
        if self.frames_left == 0:
            told = " ".join([*notes, "Nothing is shown: no frames are left."])
            return TurnResult(Look(refused=True), None, told)
        count = min(num_frames, self._budget.frames_per_turn, self.frames_left)
        if count < num_frames:
            limit = "are left" if count == self.frames_left else "are shown in one turn"
            notes.append(f"Only {count} frames {limit}.")
        result = self._show(span, count, box)
        return result._replace(message=" ".join([*notes, result.message]).rstrip())

    def _show(
        self, span: Span, count: int, box: Box | None, tolerance: Tolerance = 0.0
    ) -> TurnResult:
        """Show the distinct frames of a stretch, and take them off the budget."""
        batch = self._viewer.look(span, count, box, tolerance)
        self.frames_left -= len(batch)
        note = ""
        if len(batch) < count:
            note = f"The stretch has only {len(batch)} distinct frames for {count} times."
        return TurnResult(Look(span, box, tuple(batch.seconds.tolist())), batch, note)

    def _record(self, actions: tuple[Action | Invalid, ...], result: TurnResult) -> None:
        """Record one more look, and what the episode has cost by now."""
        history, viewer, before = self.history, self._viewer, self._before
        look, self.message = result.look, result.message
        self._seen.update(look.seconds)
        if look.span and look.seconds:
            self._spans.append(look.span)
        spent = Spent(
            turns=len(actions),
            frames_shown=history.spent.frames_shown + len(look.seconds),
            frames_unique=len(self._seen),
            seconds_covered=covered(self._spans),
            frames_decoded=_sum(before.frames_decoded, viewer.frames_decoded),
            decode_seconds=before.decode_seconds + viewer.decode_seconds,
            frames_cached=_sum(before.frames_cached, viewer.frames_cached),
        )
        self.history = replace(history, actions=actions, looks=(*history.looks, look), spent=spent)


def _sum(one: int | None, other: int | None) -> int | None:
    """Return the sum of two counts; `None` where one of them is not known."""
    return None if one is None or other is None else one + other
