"""A dataset of one's own: a folder of video files and a JSONL file of questions.

    python examples/own_dataset.py              # makes a demo folder first; seconds, offline
    python examples/own_dataset.py --folder F   # plays F/questions.jsonl

One line of `questions.jsonl` is one question, an object with the attributes of `sage_env.QAItem`:

    {"id": "0-last", "video": "0.mp4", "question": "Which colour comes last?",
     "choices": ["red", "green", "blue"], "answer": "blue", "evidence": [[9, 12]],
     "group": {"family": "last"}}

`id`, `video`, `question` and `answer` are needed; `video` is relative to the folder. The command
line plays the same file: `sage-vqa eval --dataset F/questions.jsonl --policy random`.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import tyro

import sage_env
from algos.evaluation import MeasureRow, evaluate, measure
from policies.base import Observation
from sage_env.testing import check_dataset

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
SECONDS, FPS = 12, 5  # of every demo clip


def write_demo(folder: Path, clips: int = 8) -> None:
    """Write clips that show three colours for 1 to 6 seconds each, with two questions a clip."""
    folder.mkdir(parents=True, exist_ok=True)
    random, rows = np.random.default_rng(0), []
    for number in range(clips):
        colours = [str(name) for name in random.permutation(list(COLOURS))]
        cuts = 0, int(random.integers(1, 7)), SECONDS - int(random.integers(1, 7)), SECONDS
        write_clip(folder / f"{number}.mp4", colours, cuts)
        for family, part in (("first", 0), ("last", 2)):
            row: dict[str, Any] = {"id": f"{number}-{family}", "video": f"{number}.mp4"}
            row |= {"question": f"Which colour comes {family}?", "choices": list(COLOURS)}
            # The last two are optional. With evidence, [start, end) in seconds, the environment
            # says whether a look met it; tables have a line for every family.
            row |= {"answer": colours[part], "evidence": [cuts[part : part + 2]]}
            rows.append(row | {"group": {"family": family}})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(lines, encoding="utf-8")


def write_clip(path: Path, colours: list[str], cuts: tuple[int, ...]) -> None:
    """Write an H.264 file; colour k is on screen from second `cuts[k]` to `cuts[k + 1]`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(SECONDS * FPS):
            colour = colours[int(np.searchsorted(cuts, number / FPS, side="right")) - 1]
            picture = np.full((64, 64, 3), COLOURS[colour], np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class EdgeFrame:
    """Answers at once with the colour of the first or the last frame of the overview."""

    def reset(self, *, seed: int | None = None) -> None:
        """Forget nothing: there is nothing to remember."""

    def act(self, observation: Observation) -> sage_env.Answer:
        """Name the choice whose colour is nearest to the mean of the frame."""
        shown = observation["frames"][: observation["num_frames"]]  # uint8 (n, H, W, 3), RGB
        frame = shown[0 if "first" in observation["question"] else -1]
        choices = str(observation["choices"]).split("\n")  # one a line; "" if it is open-ended
        known = [choice for choice in choices if choice in COLOURS]
        if not known:  # another dataset than the demo
            return sage_env.Answer(choices[0] or "unknown")
        mean = frame.mean(axis=(0, 1))
        return sage_env.Answer(min(known, key=lambda c: float(np.abs(mean - COLOURS[c]).sum())))


def main(folder: Path | None = None, overview_frames: int = 3) -> list[MeasureRow]:
    """Check the dataset of a folder, play all of it and print the accuracy.

    Args:
        folder: has `questions.jsonl` and the videos; without it a demo is written.
        overview_frames: evenly spaced frames that the policy sees; with 16 it misses no colour.

    Returns:
        The rows of the table: all questions, then by length of the video and by family.
    """
    if folder is None:
        folder = Path("runs/own-dataset")
        write_demo(folder)
    # Says which line is wrong and what to change, and opens up to ten of the videos.
    check_dataset(folder / "questions.jsonl", videos=10)

    items = sage_env.load_dataset(folder / "questions.jsonl")
    env = gym.make("SageVideoQA-v0", dataset=items, overview_frames=overview_frames)
    result = evaluate([env], EdgeFrame(), items)
    env.close()
    rows = measure(result.items, result.trajectories)
    for row in rows:
        found = row.measures
        line = f"{row.section:7} {row.name:9} {found.questions:3} questions"
        line += f"  accuracy {found.accuracy:.2f}" if found.accuracy is not None else ""
        if found.interval is not None:  # 95 %, over videos; None for fewer than five
            line += " [{:.2f}, {:.2f}]".format(*found.interval)
        print(line)
    return rows


if __name__ == "__main__":
    tyro.cli(main)
