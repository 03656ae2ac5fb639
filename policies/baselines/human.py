"""A person at the terminal: reads what the environment shows, and types actions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from PIL import Image

from policies.base import Decision, Observation
from policies.errors import InputEnded
from policies.terminal_text import visible
from sage_env.actions.action import Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import parse_action
from sage_env.actions.json_objects import read_object
from sage_env.datasets.choice_labels import label_choices
from sage_env.framing.picture_region import pictures
from sage_env.storage.atomic_file import atomic_path
from sage_env.timeline import clock, parse_seconds
from sage_env.tools.quoting import told_notes
from sage_env.tools.tool import Tool
from sage_env.tools.tool_prompt import describe_tools

FOLDER = Path("runs/human")
"""Where frames are saved unless another folder is given."""
HELP = """\
  skip TO                          move the cursor ahead; shows nothing
  sample START END [FRAMES]        even frames of a stretch
  zoom START END [FRAMES] [X0 Y0 X1 Y1]
                                   frames of a short window; the box, in fractions, enlarges a part
  tool NAME [{"key": "value"}]     call a tool
  answer TEXT                      ends the question; the letter of a choice will do
or an action as JSON. Times are seconds or MM:SS; FRAMES is 8 unless given."""
FRAMES = 8
"""Frames of a look that names no number."""


class Human:
    """Asks a person what to do, and saves the frames of each turn as PNG files.

    What is typed is one action per line: a short command, see `HELP`, or the JSON that
    `parse_action` reads. What cannot be read is explained and asked for again, and costs nothing.

    Args:
        folder: for the frames, `FOLDER/episode-N/turn-N/NN-at-TIME.png`; N goes on after those that
            are there.
        tools: of the environment, which the person is told of.
        stdin: where lines come from; by default the process's own.
        stdout: where the turns are printed; by default the process's own.

    Attributes:
        env_options: frames that are large enough to look at.
    """

    env_options = {"frame_size": (352, 640)}

    def __init__(
        self,
        folder: str | Path = FOLDER,
        *,
        tools: Sequence[Tool] = (),
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> None:
        """Start with no episode."""
        self.folder = Path(folder)
        self._tools = describe_tools(tools)
        self._stdin, self._stdout = stdin, stdout
        self.reset()

    def reset(self, *, seed: int | None = None) -> None:
        """Begin a new episode at the next observation; a person has no seed."""
        self._episode: Path | None = None
        self._turn = 0

    def act(self, observation: Observation) -> Decision:
        """Print what there is to see, and ask until an action is typed.

        Raises:
            InputEnded: if there is no more input.
        """
        if self._episode is None:
            self._episode = self._new_episode()
            self._say(_question(observation))
            if self._tools:
                self._say(f"The tools:\n{self._tools}")
        for note in told_notes(str(observation["message"]), str(observation["text"])):
            self._say(note)
        self._say("\n".join([*self._frames(observation), _budget(observation)]))
        self._turn += 1
        while True:
            line = self._read()
            action = read_command(line)
            if not isinstance(action, Invalid):
                return Decision(action, line)
            self._say(action.reason)

    def _new_episode(self) -> Path:
        """Return the first folder that is not taken."""
        number = 1
        while (path := self.folder / f"episode-{number}").exists():
            number += 1
        return path

    def _frames(self, observation: Observation) -> list[str]:
        """Save the frames of this turn; return a line for each."""
        if not int(observation["num_frames"]) or self._episode is None:
            return []
        shown = pictures(observation, multiple=1)
        folder = self._episode / f"turn-{self._turn}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{len(shown)} frames:"]
        for k, picture in enumerate(shown):
            second = float(observation["seconds"][k])
            path = folder / f"{k:02d}-at-{second:.1f}s.png"
            with atomic_path(path) as partial:
                Image.fromarray(np.ascontiguousarray(picture)).save(partial, "PNG")
            lines.append(f"  {clock(second)}  {path}")
        return lines

    def _read(self) -> str:
        """Return the next line that is not empty."""
        while True:
            print("> ", end="", file=self._stdout or sys.stdout, flush=True)
            line = (self._stdin or sys.stdin).readline()
            if not line:
                self._say("")
                raise InputEnded(
                    "the input ended before the question was answered: type or pipe one action per "
                    "line, the last of them an answer"
                )
            if line.strip():
                return line.strip()

    def _say(self, text: str) -> None:
        print(visible(text), file=self._stdout or sys.stdout, flush=True)


def read_command(line: str) -> Action | Invalid:
    """Read one typed line, a short command or JSON; never raises."""
    word, _, rest = line.strip().partition(" ")
    read = _COMMANDS.get(word.lower())
    if read is None:
        if "{" in line:
            return parse_action(line)
        lead = "" if word.lower() == "help" else f"There is no command {word!r}.\n"
        return Invalid(line, f"{lead}{HELP}")
    try:
        return read(rest.strip())
    except (ValueError, TypeError) as error:
        return Invalid(line, f"{word}: {error}. Type help for the commands.")


def _skip(rest: str) -> Action:
    words = _words(rest, (1,), "TO")
    return Skip(_second(words[0]))


def _sample(rest: str) -> Action:
    words = _words(rest, (2, 3), "START END [FRAMES]")
    return Sample(_second(words[0]), _second(words[1]), _count(words[2:]))


def _zoom(rest: str) -> Action:
    words = _words(rest, (2, 3, 6, 7), "START END [FRAMES] [X0 Y0 X1 Y1]")
    box = None
    if len(words) > 3:
        x0, y0, x1, y1 = (float(word) for word in words[-4:])
        box, words = (x0, y0, x1, y1), words[:-4]
    return Zoom(_second(words[0]), _second(words[1]), _count(words[2:]), box)


def _tool(rest: str) -> Action:
    name, _, arguments = rest.partition(" ")
    return UseTool(name, read_object(arguments) if arguments.strip() else {})


def _answer(rest: str) -> Action:
    if not rest:
        raise ValueError("expected the text of the answer")
    return Answer(rest)


_COMMANDS: dict[str, Callable[[str], Action]] = {
    "skip": _skip,
    "sample": _sample,
    "zoom": _zoom,
    "tool": _tool,
    "answer": _answer,
}


def _words(rest: str, counts: Sequence[int], expected: str) -> list[str]:
    words = rest.split()
    if len(words) not in counts:
        raise ValueError(f"expected {expected}, got {rest!r}")
    return words


def _second(word: str) -> float:
    second = parse_seconds(word)
    if second is None:
        raise ValueError(f"expected a time in seconds or MM:SS, got {word!r}")
    return second


def _count(words: Sequence[str]) -> int:
    if not words:
        return FRAMES
    if not words[0].isdecimal():
        raise ValueError(f"expected a whole number of frames, got {words[0]!r}")
    return int(words[0])


def _question(observation: Observation) -> str:
    duration = clock(float(observation["duration"]))
    lines = ["", f"A video of {duration}. {observation['question']}"]
    if observation["choices"]:
        choices = label_choices(str(observation["choices"]).split("\n"))
        lines += [f"  {choice.label}) {choice.text}" for choice in choices]
    return "\n".join([*lines, "Type help for the commands."])


def _budget(observation: Observation) -> str:
    return (
        f"turns left {int(observation['turns_left'])}, frames left "
        f"{int(observation['frames_left'])}, cursor at {clock(float(observation['cursor']))}"
    )
