"""`sage-vqa judge check NAME`: how good a judge is, on 200 pairs whose verdict is known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from algos.cli.options import CommandError
from algos.cli.score_command import named_judges
from algos.cli.terminal import say
from algos.runs.json_files import write_json
from algos.scoring.calibration import (
    Calibration,
    CheckedPair,
    calibration_pairs,
    calibrations,
    check_judge,
)
from algos.scoring.score_tables import calibration_text


@dataclass(frozen=True, kw_only=True)
class CheckJudge:
    """Ask a judge about 200 pairs of gold answer and answer, and print how often it is mistaken.

    The rules decide first, as everywhere; --alone asks the judge about every pair.
    """

    judge: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="JUDGE")]
    """rule, gemini[:MODEL], openai:MODEL or package.module:function."""
    alone: bool = False
    """Ask the judge about every pair, also where a rule can tell."""
    workers: int = 8
    """Pairs that are judged at the same time."""
    shown: int = 10
    """Mistakes that are listed."""
    out: Path | None = None
    """File for all of it as JSON."""

    def run(self) -> None:
        """Ask, print, save.

        Raises:
            CommandError: if the judge gave no verdict at all.
        """
        if self.workers < 1:
            raise CommandError(f"--workers must be at least 1, got {self.workers}")
        judges = named_judges([self.judge])
        checked = check_judge(judges[0] if judges else None, alone=self.alone, workers=self.workers)
        found = calibrations(checked)
        say(calibration_text(self.judge, found, checked, self.shown))
        if self.out is not None:
            self._save(self.out, found, checked)
            say(f"\nsaved in {self.out}")
        if judges and all(one.verdict is None for one in checked if one.rule == "judge"):
            words = next((one.words for one in checked if one.words), "it said nothing")
            raise CommandError(f"{self.judge} gave no verdict: {words}")

    def _save(self, path: Path, found: list[Calibration], checked: list[CheckedPair]) -> None:
        data = {
            "judge": self.judge,
            "alone": self.alone,
            "calibrations": [asdict(one) for one in found],
            "pairs": [asdict(one) for one in checked],
        }
        write_json(path, data)


@dataclass(frozen=True, kw_only=True)
class ShowPairs:
    """Print the pairs that `judge check` asks about, as JSON lines."""

    category: str | None = None
    """Of one category alone."""

    def run(self) -> None:
        """Print.

        Raises:
            CommandError: if there is no such category.
        """
        pairs = calibration_pairs()
        chosen = [one for one in pairs if self.category in (None, one.category)]
        if not chosen:
            there = ", ".join(dict.fromkeys(one.category for one in pairs))
            raise CommandError(f"--category takes {there}, got {self.category!r}")
        for one in chosen:
            say(json.dumps(asdict(one), ensure_ascii=False))
