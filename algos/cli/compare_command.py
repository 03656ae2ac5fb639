"""`sage-vqa compare A B`: two evaluations, paired by question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.comparison.compared_runs import ComparedRun, read_run
from algos.comparison.comparing import COSTS, compare
from algos.comparison.comparison_tables import comparison_json, comparison_text
from algos.runs.joint_folder import entry_names, is_joint
from algos.runs.json_files import write_json
from algos.runs.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare two evaluations on the questions that both were asked, from their rows.

    Prints the difference by group with intervals over videos, right or wrong by cheaper or dearer,
    which questions flipped, and what differs between the two manifests.
    """

    a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")]
    """The folder of an evaluation, of one entry of it, or of a score."""
    b: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="B")] = None
    """The other one; left out, two entries of A are compared."""
    entry: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Twice, without B: the entries of A to compare."""
    cost: str = "frames"
    """What a question costs: frames, turns, tokens, seconds, cost, frames_decoded, frames_unique,
    visual_tokens, visual_tokens_billed or prompt_tokens."""
    flips: int = 5
    """Questions that are listed of those that only A, and only B, has right."""
    out: Path | None = None
    """File for all of it as JSON."""
    html: Path | None = None
    """File for a page of both, A and B given: their episodes side by side, flips as lists."""

    def run(self) -> None:
        """Compare, print, save.

        Raises:
            CommandError: if an option cannot be used.
            ComparisonError: if the two share no question.
        """
        if self.cost not in COSTS:
            raise CommandError(f"--cost takes {', '.join(COSTS)}, got {self.cost!r}")
        if self.flips < 0:
            raise CommandError(f"--flips must be 0 or more, got {self.flips}")
        if self.html is not None and self.b is None:
            raise CommandError(
                "--html makes one page of two runs, A and B; one with all entries of A is made by "
                f"`sage-vqa view {self.a}`"
            )
        a, b = self._runs()
        found = compare(a, b, cost=self.cost)
        say(comparison_text(found, self.flips))
        if self.out is not None:
            write_json(self.out, comparison_json(found))
            say(f"\nsaved in {self.out}")
        if self.html is not None and self.b is not None:
            self._save_page(self.html, self.b)

    def _save_page(self, html: Path, other: Path) -> None:
        from algos.viewer.reading.joined import joined
        from algos.viewer.reading.run_folders import read_run
        from algos.viewer.writing.view_file import write_view

        names = self.a.resolve().name, other.resolve().name
        written = write_view(joined(read_run(self.a), read_run(other), names), html)
        for note in written.notes:
            say(note)
        say(f"page: {written.path}")

    def _runs(self) -> tuple[ComparedRun, ComparedRun]:
        if self.b is not None:
            if self.entry:
                raise CommandError("--entry names two entries of A: leave B out, or give A/ENTRY")
            return read_run(self.a), read_run(self.b)
        folder = RunFolder(self.a)
        names = entry_names(folder) if is_joint(folder) else []
        first, *others = self.entry or names or [""]
        if len(others) != 1:
            raise CommandError(
                f"two runs are compared: give B, or two entries of {self.a} with --entry (it has "
                f"{', '.join(names) or 'none'})"
            )
        return read_run(self.a, first), read_run(self.a, others[0])
