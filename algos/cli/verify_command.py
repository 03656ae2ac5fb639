"""`sage-vqa verify RUN`: check the exactness of a stored run, and print a table of verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.evaluation.tables import format_table
from algos.exactness.check_result import CheckResult
from algos.runs.joint_folder import entry_folder, entry_names, is_joint
from algos.runs.run_folder import RunFolder
from algos.verify.verify_evaluation import verify_evaluation
from sage_env.lazy_exports import needs_extra

HEADER = ("what", "check", "verdict", "measured")


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Play a sample of a run's episodes again, and look whether its files agree.

    The episodes of a training are scored again too, with the weights that sampled them. Those of an
    evaluation are stored without tokens: their actions are played again, frames, verdicts and
    rewards compared; the policy is not asked again.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder of the run, written by `sage-vqa train` or `sage-vqa eval`."""
    root: Path | None = None
    """Folder of the video files, if it is not where the run had it."""

    def run(self) -> None:
        """Print one line per check, then every problem.

        Raises:
            CommandError: if a check failed.
        """
        folder = RunFolder(self.run_folder)
        if folder.manifest.exists() and is_joint(folder):
            found = [
                (f"{name}/{what}", check)
                for name in entry_names(folder)
                for what, check in verify_evaluation(
                    entry_folder(folder.path, name), root=self.root
                )
            ]
        elif folder.manifest.exists():
            found = list(verify_evaluation(folder, root=self.root))
        else:
            found = self._training(folder)
        lines = [(what, f.name, f.verdict, f.measured) for what, f in found]
        say(format_table(HEADER, lines, text_columns=len(HEADER)))
        problems = [f"{what}, {f.name}: {f.problem}" for what, f in found if f.problem]
        for problem in problems:
            say(f"\n{problem}")
        if problems:
            raise CommandError(f"{len(problems)} of {len(found)} checks failed: see above")

    def _training(self, folder: RunFolder) -> list[tuple[str, CheckResult]]:
        """Return what was found of a training."""
        from algos.experiment.settings import load_config

        config = load_config(folder, root=self.root)
        with needs_extra("`sage-vqa verify`", "sage"):
            from algos.experiment.building import load_policy, training_env
            from algos.verify.verify_run import verify
        policy = load_policy(config)
        with training_env(config, policy) as env:
            return list(verify(folder, policy, env))
