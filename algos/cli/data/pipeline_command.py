"""`sage-vqa data pipeline`: the whole line, from videos to a report, in one command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro

from algos.cli.terminal import say
from algos.data_pipeline.line.settings import LineSettings
from algos.runs.stopping import stop_on_sigterm
from sage_env.lazy_exports import needs_extra


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Run the whole line: videos, questions, checks, episodes, SFT, PPO, evaluation, report.

    By default it is offline: videos are made, and a server on this machine stands in for Gemini
    and errs. With --videos FOLDER --service gemini it is the real service, and a key is needed.
    Interrupted at any moment, the same command goes on.
    """

    line: Annotated[LineSettings, tyro.conf.arg(name="")] = field(default_factory=LineSettings)
    """Settings of the line."""

    def run(self) -> None:
        """Run what has not been run yet, and say where the report is.

        Raises:
            SageEnvError: if a stage fails; the same command goes on with it.
        """
        with needs_extra("`sage-vqa data pipeline`", "sage"):
            from algos.data_pipeline.line.whole_line import run_line
        with stop_on_sigterm():
            run_line(self.line, say)
