"""Trains the toy policy in a process of its own, which may kill itself at a chosen moment.

Moments are `rolled-out`, `learned` and `half-written`; `slowly` leaves time for signals.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # the first optimiser imports it: here once for all processes

import algos.cli.entry
from algos.cli.entry import main
from algos.ppo import training
from algos.ppo.training import train
from algos.runs import checkpoint
from tests.helpers.toy import ITEMS, TOY_PPO, ToyPolicy, envs

CONFIG = replace(
    TOY_PPO,
    questions_per_update=2,
    episodes_per_question=2,
    micro_batch=3,
    critic_warmup=1,
    checkpoint_every=1,
)


def run(folder: Path, updates: int) -> None:
    """Train, or go on training."""
    torch.set_num_threads(1)
    config = replace(CONFIG, updates=updates)
    train(config, ToyPolicy(0), envs(4), ITEMS, folder, progress=False)


def kill_at(moment: str, call: int) -> None:
    """Arrange the end: kill -9 cannot be caught, and nothing is flushed or closed."""
    calls = 0

    def die_before(function: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == call:
                if moment == "half-written":
                    Path(args[1]).write_bytes(bytes(1000))
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return dying

    if moment == "rolled-out":
        training.make_targets = die_before(training.make_targets)
    elif moment == "learned":
        training.Metrics.write = die_before(training.Metrics.write)  # type: ignore[method-assign]
    elif moment == "half-written":
        checkpoint.save_file = die_before(checkpoint.save_file)
    elif moment == "slowly":
        straight = training.make_targets

        def slow(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.2)
            return straight(*args, **kwargs)

        training.make_targets = slow


def process(folder: Path, updates: int, moment: str = "none", call: int = 1) -> None:
    """Be `sage-vqa train` of the toy policy; what it says is in `FOLDER/said.txt`."""
    with (folder / "said.txt").open("w") as said:
        os.dup2(said.fileno(), 2)
    sys.stderr = os.fdopen(2, "w")
    kill_at(moment, call)
    algos.cli.entry._run = lambda _: run(folder, updates)
    sys.exit(main(["train"]))
