"""`sage-vqa merge SHARD…`: one folder of an evaluation whose shards were played apart."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from algos.cli.eval_command import print_table
from algos.cli.terminal import say
from algos.runs.run_folder import RunFolder
from algos.suite.merging import merge_shards
from algos.viewer.reading.report_files import opening


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Make one folder of the shards of an evaluation, as if one process had played it all."""

    shards: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="SHARD...")]
    """The folders that `sage-vqa eval --shard 1/n` to `--shard n/n` wrote, in any order."""
    out: Path
    """Folder for the whole."""

    def run(self) -> None:
        """Merge and print."""
        folder = RunFolder(self.out)
        about = {"command": shlex.join(["sage-vqa", *sys.argv[1:]])}
        with folder.alone("--out"):
            results = merge_shards(self.shards, folder, about)
        print_table(list(results.values()), groups=len(results) == 1)
        say(f"\nsaved in {self.out}; report: {folder.report}")
        say(f"open it with: {opening(folder)}")
