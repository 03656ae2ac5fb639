"""`sage-vqa score RUN`: new verdicts on stored answers, without playing; others' answers too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from algos.cli.options import CommandError, require_split
from algos.cli.terminal import say
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import ended_by_signals
from algos.scoring.row_scoring import NamedJudge
from algos.scoring.score_tables import score_text
from algos.scoring.scored_folder import ScoredRun, score_into
from algos.scoring.stored_answers import StoredAnswers, answers_of_file, answers_of_run
from policies.judges.named_judge import judge_title
from sage_env.datasets.item import QAItem
from sage_env.datasets.judges import find_judge
from sage_env.datasets.loading import load_dataset


@dataclass(frozen=True, kw_only=True)
class Score:
    """Give stored answers new verdicts, without playing: by another judge, or by today's rules.

    Into a folder of its own, which `sage-vqa compare` takes like that of a play; the verdicts of
    the play stay beside the new ones. Every verdict is saved as soon as it is there, and the same
    command goes on with what is not judged. Without --all, only answers that nothing has decided
    are scored: those not judged, and those wrong because no rule could tell and no judge was asked.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder of an evaluation, or a .jsonl file of others' answers with lines of `{"id": ...,
    "prediction": ...}`, which needs --dataset."""
    judge: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Who decides what no rule can: rule, gemini[:MODEL], openai:MODEL or package.module:function.
    Given twice or more, all are asked, the majority decides, and their agreement is printed."""
    everything: Annotated[bool, tyro.conf.arg(name="all")] = False
    """Score every answer anew, also what a rule or another judge has decided."""
    entry: str | None = None
    """The entry to score, of a folder that joins several."""
    out: Path | None = None
    """Folder for the scores; by default `scores/JUDGE` in the run's, or `runs/score` for a file."""
    dataset: str | None = None
    """Dataset that was answered; a run that has ended knows its own questions."""
    root: Path | None = None
    """Folder of the videos; none is opened."""
    split: str = "test"
    """Split that was answered."""
    partial: bool = False
    """Leave out questions that a file does not answer; else they count as wrong."""
    workers: int = 8
    """Answers that are judged at the same time."""

    def run(self) -> None:
        """Score, print, and say where it is.

        Raises:
            CommandError: if nothing could be judged, or an option cannot be used.
        """
        if self.workers < 1:
            raise CommandError(f"--workers must be at least 1, got {self.workers}")
        judges = named_judges(self.judge)
        answers = self._answers()
        folder = RunFolder(self._folder(answers.source))
        with ended_by_signals(), folder.alone("--out"):
            found = self._scored(folder.path, answers, judges)
        say(score_text(found))
        say(f"\nsaved in {folder.path}")
        self._tell_unjudged(found)

    def _answers(self) -> StoredAnswers:
        items: Sequence[QAItem] | None = None
        if self.dataset is not None:
            require_split(self.dataset, self.split)
            items = load_dataset(self.dataset, root=self.root, split=self.split)
        if self.source.is_dir():
            return answers_of_run(self.source, items, self.entry)
        if not self.source.exists():
            raise CommandError(f"{self.source} is not there: give a run's folder or a .jsonl file")
        if items is None:
            raise CommandError(f"{self.source} is a file: say with --dataset what it answers")
        return answers_of_file(self.source, items, str(self.dataset), partial=self.partial)

    def _folder(self, source: Path) -> Path:
        if self.out is not None:
            return self.out
        names = re.sub(
            r"[^A-Za-z0-9.=-]+", "-", "+".join(map(judge_title, self.judge)) or "rule"
        ).strip("-.")[:100]
        base = source / "scores" if source.is_dir() else Path("runs/score")
        return base / names

    def _scored(
        self, path: Path, answers: StoredAnswers, judges: Sequence[NamedJudge]
    ) -> ScoredRun:
        with tqdm(desc="scored", unit="answer") as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            return score_into(
                path,
                answers,
                judges,
                everything=self.everything,
                workers=self.workers,
                progress=progress,
            )

    def _tell_unjudged(self, found: ScoredRun) -> None:
        asked = [row for row in found.rows if row["id"] in set(found.unjudged)]
        if not asked:
            return
        why = next((row["judge_words"] for row in asked if row.get("judge_words")), "no majority")
        if len(asked) == len(found.scored):
            raise CommandError(f"nothing could be judged, the first because: {why}")
        say(f"{len(asked)} answers are not judged, the first because: {why}; run this again")


def named_judges(names: Sequence[str]) -> list[NamedJudge]:
    """Return the judges of these names, without `rule`, which is none.

    Raises:
        CommandError: if a name is none of a judge, or stands twice.
    """
    if len(set(names)) < len(names):
        raise CommandError(f"--judge has a name twice: {', '.join(names)}")
    found = []
    for name in names:
        try:
            judge = find_judge(name)
        except ValueError as error:
            raise CommandError(f"--judge: {error}") from None
        if judge is not None:
            found.append(NamedJudge(judge_title(name), judge))
    return found
