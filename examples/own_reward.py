"""A reward of one's own, in named terms: pay for finding the evidence, charge for frames.

    python examples/own_reward.py                       # a second, offline

A reward is any function `(item, action, history) -> {name: value}`. It is called once after every
step; the environment's reward is the sum, and `info["reward_terms"]` keeps the terms apart, so that
a report can say which of them an agent lives on. `gym.make(..., reward=...)` takes it for playing
and for training alike (see `train_in_python.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import tyro

from sage_env import Action, Answer, History, Invalid, QAItem, Sample, Zoom
from sage_env.synth import open_rendered, sage_synth
from sage_env.testing import check_reward


@dataclass(frozen=True)  # a class for the weights; a plain function is a reward as well
class Grounded:
    """A right answer pays 1, the first frame inside the evidence `found`, every frame costs.

    Attributes:
        found: for the first look that shows a frame of an evidence span, if the overview did not.
        frame: price of one frame that the agent asked for.
        guess: price of a wrong answer without any look.
    """

    found: float = 0.3
    frame: float = 0.01
    guess: float = 0.2

    def __call__(
        self, item: QAItem, action: Action | Invalid, history: History
    ) -> dict[str, float]:
        """Return the terms of the newest step.

        `history` is read-only and ends with `action`: `history.looks[-1]` is what came of it, and
        `history.looks[0]` the overview. `item` has the gold answer; the verdict on the agent's own
        is `history.verdict`, set once `history.ended`.
        """
        turn = len(history.actions)
        guessed = turn == 1 and history.ended and not history.verdict
        return {
            "answer": 1.0 if history.ended and history.verdict else 0.0,
            "found": self.found if history.evidence_hit_turn == turn else 0.0,
            "frames": -self.frame * len(history.looks[-1].seconds),
            "guess": -self.guess if guessed else 0.0,
        }


def ways(item: QAItem, duration: float) -> dict[str, Sequence[Action]]:
    """Return a few ways to go about a question."""
    (start, end), *_ = item.evidence
    return {
        "answers at once, by luck": [Answer(item.answer)],
        "answers at once, wrongly": [Answer("no idea")],
        "looks at the evidence": [Zoom(start, end, 4), Answer(item.answer)],
        "looks elsewhere, in vain": [Sample(0.0, start / 2, 8), Answer("no idea")],
        "looks elsewhere first": [
            Sample(0.0, start / 2, 8),
            Sample(start, duration, 16),
            Answer(item.answer),
        ],
    }


def main(found: float = 0.3, frame: float = 0.01, guess: float = 0.2) -> dict[str, float]:
    """Check the reward, and print its terms for a few ways to answer one question.

    Returns:
        The return of each way.
    """
    reward = Grounded(found, frame, guess)
    # Plays episodes that end in every way there is: illegal actions, no answer, no frames left. It
    # names the step after which a term is missing, not finite, or differs when asked again.
    check_reward(reward)

    # A question about a flash that three frames of the overview miss. The items as a list: with
    # `open_rendered` frames are drawn when they are looked at, so no video file is needed.
    items = [item for item in sage_synth(split="test", count=7) if item.group["family"] == "needle"]
    env = gym.make(
        "sage_env:SageVideoQA-v0",
        dataset=items,
        opener=open_rendered,
        overview_frames=3,
        reward=reward,
    )
    item, returns = items[-1], {}
    print(f"{item.question} Evidence: {item.evidence} of {item.duration:.0f} s")
    for name, actions in ways(item, float(item.duration or 0.0)).items():
        env.reset(options={"item_id": item.id})
        returns[name] = 0.0
        print(name)
        for action in actions:
            _, value, _, _, info = env.step(action)
            returns[name] += float(value)
            terms = {term: round(x, 3) for term, x in info["reward_terms"].items() if x}
            print(f"    {info['action']:8} {value:+.2f}  {terms}")
        print(f"    return   {returns[name]:+.2f}")
    env.close()
    return returns


if __name__ == "__main__":
    tyro.cli(main)
