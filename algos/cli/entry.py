"""The command line, `sage-vqa`."""

from __future__ import annotations

import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tyro

from algos.cli.commands import Ask, BuildData, CheckData, Eval, Play, Report
from algos.cli.verify_command import Verify
from algos.runs.stopping import Stopped, stop_on_sigterm
from sage_env.errors import SageEnvError
from sage_env.lazy_exports import needs_extra
from sage_env.release import __version__

ABOUT = (
    "Long-video question answering: ask, play, train, evaluate, report, verify. "
    "`sage-vqa --version` says which release this is."
)


@dataclass(frozen=True)
class _Train:
    """Train the small model, measure it on held-out videos, and write the report."""


@dataclass(frozen=True)
class _Data:
    """Make the videos of the embedded dataset, check any: `sage-vqa data build|check`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: of the command line; by default the process's own.

    Returns:
        0, also when a signal stopped a training that can go on later; 2 after input that cannot be
        worked with, which is said in one sentence; 130 after an interrupt.
    """
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except SageEnvError as error:
        print(f"sage-vqa: {error}", file=sys.stderr)
        return 2
    except Stopped as stopped:
        print(f"sage-vqa: {stopped}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            "\nsage-vqa: interrupted; `train` and `data build` go on from here when run again",
            file=sys.stderr,
        )
        return 130
    return 0


def _run(arguments: list[str]) -> None:
    """Run the command that the arguments describe; tyro exits with 2 where they describe none."""
    if arguments == ["--version"]:
        print(f"sage-vqa {__version__}")
        return
    if arguments[:1] == ["data"]:
        about = "Make the videos of the embedded dataset, or check the videos of a folder."
        data = {"build": BuildData, "check": CheckData}
        _parse(data, arguments[1:], "sage-vqa data", about).run()
        return
    commands = {
        "ask": Ask,
        "play": Play,
        "train": _Train,
        "eval": Eval,
        "report": Report,
        "verify": Verify,
        "data": _Data,
    }
    if arguments[:1] == ["train"]:
        _train(arguments[1:])
    else:
        _parse(commands, arguments, "sage-vqa", ABOUT).run()


def _train(arguments: list[str]) -> None:
    """Run the training; a preset moves the defaults, so that what is given by hand still holds."""
    # Here, not above: the other commands should not wait for these imports.
    with needs_extra("`sage-vqa train`", "sage"):
        from algos.experiment.settings import FirstLight, with_preset
        from algos.experiment.stages import run
        from algos.presets import PRESETS

    scout = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    scout.add_argument("--preset")
    try:
        name = scout.parse_known_args(arguments)[0].preset
    except ArgumentError:  # tyro says what is wrong
        name = None
    default = with_preset(name) if name in PRESETS else FirstLight()
    with stop_on_sigterm():
        run(tyro.cli(FirstLight, prog="sage-vqa train", args=arguments, default=default))


def _parse(commands: dict[str, Any], arguments: list[str], program: str, about: str) -> Any:
    return tyro.extras.subcommand_cli_from_dict(
        commands, prog=program, description=about, args=arguments
    )
