"""A policy that never looks at a picture: the floor of a dataset, and what a tool's text adds.

    python examples/text_only_policy.py                 # about five seconds, offline

How many of the questions can be answered from their words alone? A benchmark is worth as much as it
is above that. Here a policy by rules plays SageSynth twice, with `overview_frames=0` and without
one look: first from the question alone, then with a tool that tells it in words which colours the
video shows when. Put a language model where the rules are: all that it may read is text.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import tyro

from algos.evaluation import Measures, evaluate, measure
from policies.base import Observation
from sage_env import Action, Answer, Tool, ToolContext, UseTool
from sage_env.synth import open_rendered, sage_synth

HUES = {"red": 0, "orange": 30, "yellow": 54, "green": 131, "cyan": 183, "blue": 229}
HUES |= {"purple": 278, "pink": 331}  # degrees


class Backdrops:
    """A tool: it names the colour around the picture at even times of the video."""

    name = "backdrops"
    description = "Names the colour around the picture at `count` even times of the whole video."
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {"count": {"type": "integer", "minimum": 1, "maximum": 64}},
        "required": ["count"],
    }

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return a line per time, such as `12.5 s: orange`."""
        steps = (np.arange(arguments["count"]) + 0.5) / arguments["count"]
        batch = context.video.frames_at((steps * context.duration).tolist(), size=(32, 32))
        edges = np.median(batch.pixels[:, [0, -1]].reshape(len(batch), -1, 3), axis=1)
        pairs = zip(batch.seconds.tolist(), edges.tolist(), strict=True)
        return "\n".join(f"{second:.2f} s: {colour_name(*rgb)}" for second, rgb in pairs)


def colour_name(red: float, green: float, blue: float) -> str:
    """Return the name of the nearest hue, or `grey`."""
    hue, saturation, _ = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    if saturation < 0.25:
        return "grey"
    return min(HUES, key=lambda name: abs((360 * hue - HUES[name] + 180) % 360 - 180))


class TextOnly:
    """Answers by the words of the question; asks the tool first if it may."""

    def __init__(self, *, with_tool: bool = False) -> None:
        """Say whether the environment was made with the tool `backdrops`."""
        self.with_tool = with_tool
        self.asked = False

    def reset(self, *, seed: int | None = None) -> None:
        """Begin a new episode."""
        self.asked = False

    def act(self, observation: Observation) -> Action:
        """Choose by `question`, `choices`, `duration` and `text`; `frames` is never touched."""
        question = str(observation["question"])
        if self.with_tool and not self.asked and question.startswith(("When", "At which")):
            self.asked = True
            return UseTool(Backdrops.name, {"count": 48})
        if observation["choices"]:
            return Answer(str(observation["choices"]).split("\n")[0])
        if question.startswith(("When", "At which")):
            return Answer(f"{self._when(observation):.2f}")
        return Answer("3" if question.startswith("How many") else "star")

    def _when(self, observation: Observation) -> float:
        """Return the middle of the backdrop that is asked about, else that of the video."""
        told = re.findall(r"([0-9.]+) s: (\w+)", observation["text"])  # the tool's reply
        asked = [float(s) for s, colour in told if f" {colour} " in str(observation["question"])]
        return float(np.mean(asked)) if asked else float(observation["duration"]) / 2


def main(videos: int = 42) -> dict[str, dict[str, Measures]]:
    """Play all questions about the first test videos, without and with the tool.

    Returns:
        The measures of both, by the questions' family.
    """
    # A list, and a video that is drawn when it is read: SageSynth writes no file for this.
    dataset = sage_synth(split="test", count=videos)
    items, results = list(dataset), {}
    tools: list[Tool] = [Backdrops()]
    for name, given in (("question alone", []), ("with a tool", tools)):
        # The budget of frames must be one at least; nothing forces an agent to spend it.
        options: dict[str, Any] = {"overview_frames": 0, "max_frames": 1, "max_turns": 2}
        env = gym.make(
            "sage_env:SageVideoQA-v0", dataset=items, tools=given, opener=open_rendered, **options
        )
        played = evaluate([env], TextOnly(with_tool=bool(given)), items)
        env.close()
        rows = [row for row in measure(items, played.trajectories) if row.section == "family"]
        results[name] = {row.name: row.measures for row in rows}
    print(f"{'family':8}  questions" + "".join(f"{name:>16}" for name in results))
    for family, alone in results["question alone"].items():
        accuracies = [100 * (found[family].accuracy or 0) for found in results.values()]
        print(f"{family:8}  {alone.questions:9}" + "".join(f"{a:14.1f} %" for a in accuracies))
    return results


if __name__ == "__main__":
    tyro.cli(main)
