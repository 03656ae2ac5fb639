"""`sage-vqa train`: where its settings start from, and what is given over them."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.cli.usage import told_in_one_sentence
from algos.experiment.settings import Training, default_training, read_training
from algos.presets import PRESETS
from algos.runs.stopping import stop_on_sigterm
from sage_env.lazy_exports import needs_extra

PROGRAM = "sage-vqa train"
ESTIMATE = "--estimate"


def train(arguments: Sequence[str]) -> None:
    """Run a training.

    A file of settings, a preset and a checkpoint move the defaults, so that what is given by hand
    still holds.

    Raises:
        CommandError: if the settings to start from cannot be had.
    """
    with needs_extra("`sage-vqa train`", "sage"):
        from algos.experiment.building import find_splits
        from algos.experiment.estimate import estimate
        from algos.experiment.stages import run

    only_estimate = ESTIMATE in arguments
    default, rest = starting_point([one for one in arguments if one != ESTIMATE])
    with told_in_one_sentence(list(rest)):
        config = tyro.cli(
            Training, prog=PROGRAM, args=list(rest), default=default, description=_ABOUT
        )
    if only_estimate:
        found = estimate(config, getattr(find_splits(config).train, "frame_size", None))
        say(str(found))
        found.require_room()
        return
    with stop_on_sigterm():
        run(config)


_ABOUT = (
    f"{Training.__doc__}\n\n--config FILE starts from the settings of another run, its "
    "config.json; what is given beside it holds over them.\n\n--estimate says what it would take "
    "(memory by part, tokens, seconds of an update), and loads and plays nothing."
)


def starting_point(arguments: Sequence[str]) -> tuple[Training, list[str]]:
    """Return the settings that a command line starts from, and the arguments without `--config`.

    Raises:
        CommandError: if there are both a file and a preset.
        RunFolderError: if the file cannot be read.
    """
    scout = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in ("--preset", "--config", "--checkpoint"):
        scout.add_argument(name)
    try:
        found = scout.parse_known_args(list(arguments))[0]
    except ArgumentError:  # tyro says what is wrong
        return default_training(), list(arguments)
    if found.config is None:
        preset = found.preset if found.preset in PRESETS else None
        return default_training(preset, found.checkpoint), list(arguments)
    if found.preset is not None:
        raise CommandError(
            "--config and --preset both say what the settings start from: give one of them"
        )
    only_config = ArgumentParser(add_help=False, allow_abbrev=False)
    only_config.add_argument("--config")
    config = read_training(Path(found.config))
    return replace(config, run=Training().run), only_config.parse_known_args(list(arguments))[1]
