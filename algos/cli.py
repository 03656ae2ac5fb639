"""The command line, `sage-vqa`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tyro

from algos.commands import Ask, BuildData, Eval, Play, Report
from sage_env.errors import SageEnvError


@dataclass(frozen=True)
class _Train:
    """Train the small model by reinforcement learning, measure it on held-out videos, report."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0; 2 after input that cannot be worked with, which is said in one sentence; 130 after an
        interrupt.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _parse(given).run()
    except SageEnvError as error:
        print(f"sage-vqa: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nsage-vqa: interrupted; what was finished is saved, and `train` and `data build` go "
            "on from there when run again",
            file=sys.stderr,
        )
        return 130
    return 0


def _parse(arguments: list[str]) -> Any:
    """Return the command, with its `run`, that the arguments describe; tyro exits where they describe none."""
    if arguments[:1] == ["data"]:
        commands: dict[str, Any] = {"build": BuildData}
        return _choose(commands, arguments[1:], "sage-vqa data", "The embedded dataset.")
    train: Any = _Train
    if arguments[:1] == ["train"]:  # what it imports, the other commands can do without
        from algos.first_light import FirstLight

        train = FirstLight
    commands = {
        "ask": Ask,
        "play": Play,
        "train": train,
        "eval": Eval,
        "report": Report,
        "data": _Data,
    }
    about = "Long-video question answering: ask, play, train, evaluate, report."
    command = _choose(commands, arguments, "sage-vqa", about)
    return _Run(command) if arguments[:1] == ["train"] else command


@dataclass(frozen=True)
class _Data:
    """Build the videos of the embedded dataset: `sage-vqa data build`."""


@dataclass(frozen=True)
class _Run:
    """Training, whose configuration is run by a function."""

    config: Any

    def run(self) -> None:
        """Train."""
        from algos.first_light import run

        run(self.config)


def _choose(commands: dict[str, Any], arguments: list[str], program: str, about: str) -> Any:
    return tyro.extras.subcommand_cli_from_dict(
        commands, prog=program, description=about, args=arguments
    )
