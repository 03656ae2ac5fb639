"""`sage-vqa data audit`: kept questions as a page, and a person's verdicts on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.data_pipeline.auditing.audit_page import write_audit
from algos.data_pipeline.auditing.audit_verdicts import (
    acceptance_of,
    apply_verdicts,
    read_verdicts,
)
from algos.runs.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class AuditData:
    """Write a random sample of the kept questions as one page; read what a person says of it.

    The page shows each question with frames of its evidence, and has buttons to accept, reject or
    edit it, and one that saves the verdicts as a file. With --verdicts FILE the share that was
    accepted is printed, with its interval; what was not accepted leaves the set, and edited
    questions are written as new ones, which `sage-vqa data verify` checks.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of `sage-vqa data generate`, after `sage-vqa data verify`."""
    size: int = 50
    """Questions of the sample."""
    seed: int = 0
    """Of the sample; a larger one of the same seed holds a smaller one."""
    root: Path | None = None
    """Folder of the videos; by default FOLDER."""
    verdicts: Path | None = None
    """File that the page has saved."""

    def run(self) -> None:
        """Write the page, or read verdicts."""
        if self.size < 1 or self.seed < 0:
            raise CommandError(
                f"--size must be at least 1 and --seed at least 0, got {self.size} and {self.seed}"
            )
        if not self.folder.is_dir():
            raise CommandError(
                f"{self.folder} is no folder: give a folder that `sage-vqa data generate` wrote"
            )
        with RunFolder(self.folder).alone("FOLDER"):
            if self.verdicts is None:
                path = write_audit(self.folder, self.size, self.seed, root=self.root)
                say(f"{path}: open it in a browser, then give the saved file to --verdicts")
                return
            verdicts = read_verdicts(self.folder, self.verdicts)
            say(acceptance_of(self.folder, verdicts).text())
            if edits := apply_verdicts(self.folder, verdicts):
                say(f"{edits} edited questions are new: run `sage-vqa data verify` to check them")
