"""`sage-vqa data verify`: check generated questions, and write which are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from algos.cli.data.generate_command import require_generated
from algos.cli.terminal import say
from algos.data_pipeline.checking.check_estimate import estimate_checks
from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.check_plays import Answering
from algos.data_pipeline.checking.check_settings import PLAYED, CheckSettings
from algos.data_pipeline.checking.near_duplicates import AUTO, find_similarity
from algos.data_pipeline.checking.planned_plays import plan_passes
from algos.data_pipeline.checking.question_check import check_questions, plan_folder
from algos.evaluation.tables import format_table
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import ended_by_signals
from algos.suite.estimating import ESTIMATE_HEADER, estimate_cells


@dataclass(frozen=True, kw_only=True)
class VerifyData:
    """Check the questions of `sage-vqa data generate`, and write which are kept.

    A question is kept if an answerer can answer it from its evidence span alone, and cannot without
    the video, from what is said, without the span, or from a few even frames; and if it is no
    near-duplicate, and not told by how its choices are written. What is not kept stands in
    rejected.jsonl, with numbers. A play that failed on our side rejects nothing: the question stays
    unchecked, and the same command tries it again.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of `sage-vqa data generate`; gets questions.jsonl, rejected.jsonl, checks.jsonl,
    hold_out.json, check_report.json, datasheet.md and manifest.json."""
    answerer: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A policy that answers, as --policy of `eval` names it; given several times, all are asked,
    and one that can is enough. Without any nothing is played, and nothing can be kept."""
    answerer_tools: tuple[str, ...] = ()
    """Tools that answerers may use where they play as agents."""
    root: Path | None = None
    """Folder of the videos; by default FOLDER."""
    listen: bool = True
    """Recognise what is said where a question is about it and the video has no subtitles."""
    judge: str = "rule"
    """Who decides on open answers that no rule can decide."""
    checks: tuple[str, ...] = PLAYED
    """Which checks are played."""
    label: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A check that is played and told, and rejects nothing; as often as needed."""
    tries: int = CheckSettings.tries
    """Least plays of a question for each check and answerer, each with its choices in another
    order."""
    level: float = CheckSettings.level
    """Most probability that guesses count as an answer, for each question and check."""
    temperature: float = CheckSettings.temperature
    """Of the answerers."""
    outside_frames: int | None = None
    """Even frames of what is not evidence that are shown at once; by default the answerer looks
    where it likes."""
    similar: float | None = None
    """Cosine from which two texts of questions are near; by default 0.8, of letters 0.6."""
    embedding: str = AUTO
    """What texts are compared by: auto, letters, or a folder or hub id of a text encoder."""
    orders: bool = True
    """Reject questions that hold an order to whoever reads them."""
    length_ratio: float | None = CheckSettings.length_ratio
    """A right choice this many times as long as all others is rejected."""
    per_video: int | None = CheckSettings.per_video
    """Most questions of one video."""
    held_out: float = CheckSettings.held_out
    """Share of the videos that are held out."""
    rl_policy: str | None = None
    """A policy that plays each kept question: rl.json names those that it gets right sometimes."""
    rl_tries: int = CheckSettings.rl_tries
    """How often it does."""
    seed: int = 0
    """Of everything that is drawn."""
    envs: int = CheckSettings.envs
    """Questions that are played side by side; changes the speed, not the result."""
    budget: float | None = None
    """Dollars after which the checks stop, by the ledger, which counts what was paid before."""
    dry_run: bool = False
    """Say what would be played and what it costs at most, and play nothing."""

    def run(self) -> None:
        """Check, print the report, and say where it is."""
        settings = self.settings()
        require_generated(self.folder)
        similarity = find_similarity(self.embedding)
        if self.dry_run:
            found = plan_folder(self.folder, settings, root=self.root, similarity=similarity)
            plays = [*found.plan.plays, *plan_passes(found.subjects, settings).plays]
            say(f"{len(found.questions)} questions, {len(found.written)} rejected by their words")
            lines = estimate_checks(self.folder, plays, settings)
            say(format_table(ESTIMATE_HEADER, estimate_cells(lines)) if lines else "none to play")
            return
        with (
            ended_by_signals(),
            RunFolder(self.folder).alone("FOLDER"),
            tqdm(desc="checking", unit="play") as bar,
        ):

            def progress(play: CheckPlay) -> None:
                bar.set_postfix_str(play.check, refresh=False)
                bar.update()

            report = check_questions(
                self.folder,
                settings,
                root=self.root,
                how=Answering(progress=progress),
                similarity=similarity,
            )
        say(report.text())
        root = f" --root {self.root}" if self.root else ""
        say(f"\nsaved in {self.folder}; a person's look at a sample:")
        say(f"  sage-vqa data audit {self.folder}{root}")

    def settings(self) -> CheckSettings:
        """Return the settings of the checks.

        Raises:
            CheckError: naming an option that nothing can be checked with.
        """
        return CheckSettings(
            answerers=self.answerer,
            tools=self.answerer_tools,
            listen=self.listen,
            judge=self.judge,
            checks=self.checks,
            labels=self.label,
            tries=self.tries,
            level=self.level,
            temperature=self.temperature,
            outside_frames=self.outside_frames,
            similar=self.similar,
            orders=self.orders,
            length_ratio=self.length_ratio,
            per_video=self.per_video,
            held_out=self.held_out,
            rl_policy=self.rl_policy,
            rl_tries=self.rl_tries,
            seed=self.seed,
            envs=self.envs,
            budget=self.budget,
        )
