"""A question that another project asked, with what came of it, as a row and an episode of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from algos.evaluation.sample_rows import sample_row
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision
from sage_env.actions.action import MAX_TEXT, Action, Answer, Invalid
from sage_env.datasets.item import QAItem

IMPORTED = "imported"
"""The `rule` of a verdict that came with the file."""
UNKNOWN_VIDEO = Path("unknown")
"""Video of a question whose file does not say it."""


@dataclass(frozen=True)
class ForeignStep:
    """One decision before the answer.

    Attributes:
        action: as ours.
        text: what the model wrote.
        reply: what came back, as text.
    """

    action: Action | Invalid
    text: str = ""
    reply: str = ""


@dataclass(frozen=True)
class ForeignQuestion:
    """One question of another project's file.

    Attributes:
        item: the question.
        prediction: the answer; `None` where there is none.
        verdict: theirs; `None` where it was not judged. No answer is a wrong one, whatever it says.
        error: why their side failed.
        text: what the model wrote to answer; the answer alone where no more is known.
        steps: what it did before.
        known: keys of the row that the file says, above those that follow from the episode.
    """

    item: QAItem
    prediction: str | None
    verdict: bool | None = None
    error: str | None = None
    text: str = ""
    steps: Sequence[ForeignStep] = ()
    known: Mapping[str, Any] = field(default_factory=dict)

    def asked(self, item: QAItem) -> ForeignQuestion:
        """Return the same answer to the same question as our dataset has it."""
        return replace(self, item=item)

    def trajectory(self) -> Trajectory:
        """Return the episode, as far as the file tells it.

        Its rewards are those of the environment's default: 1 for a right answer, else 0.
        """
        turns = [_step_turn(step) for step in self.steps]
        failed = None
        if self.prediction is not None:
            decision = Decision(_answer(self.prediction), self.text or self.prediction)
            if self.error is None:
                turns.append(Turn(decision, float(self.verdict is True), self._end("answered")))
            else:
                failed = decision
        elif turns and self.error is None:
            turns[-1] = replace(turns[-1], info=turns[-1].info | self._end("out_of_turns"))
        ended = self.error is None
        start = {"item_id": self.item.id}
        if ended and not turns:
            start |= self._end("out_of_turns")
        return Trajectory(
            item_id=self.item.id,
            turns=turns,
            start_info=start,
            terminated=ended,
            error=self.error,
            failed=failed,
            # Which frames were seen is not known: then they are not counted as none.
            conditions=Conditions(whole_video=True),
        )

    def row(self) -> dict[str, Any]:
        """Return the row of `samples.jsonl`; `None` stands for what the file does not say."""
        row = sample_row(self.item, self.trajectory())
        row |= {"prediction": self.prediction, "reward_terms": {}}
        return row | dict(self.known)

    def _end(self, reason: str) -> dict[str, Any]:
        return {
            "item_id": self.item.id,
            "stop_reason": reason,
            "correct": self.verdict,
            "rule": None if self.verdict is None else IMPORTED,
        }


def _step_turn(step: ForeignStep) -> Turn:
    return Turn(Decision(step.action, step.text), 0.0, {"stop_reason": None, "reply": step.reply})


def _answer(text: str) -> Answer:
    """Return an answer as actions can hold it; the row has all of it."""
    return Answer(text.encode("utf-8", "replace").decode()[:MAX_TEXT])
