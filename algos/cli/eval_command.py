"""`sage-vqa eval`: measure policies on a dataset, into a folder that it can go on in."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from algos.cli.options import POLICY_HELP, CommandError, OnDataset, PolicySettings, make_envs
from algos.cli.terminal import say
from algos.evaluation.measures import EvalResult, failures
from algos.evaluation.outcomes import failure_lines, tool_lines
from algos.evaluation.tables import (
    BREAKDOWN_HEADER,
    SUMMARY_HEADER,
    breakdown_cells,
    format_table,
    summary_cells,
)
from algos.metrics.measure_texts import measure_text
from algos.runs.joint_folder import is_joint, read_entries
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import ended_by_signals
from algos.runs.token_log import MOST_QUESTIONS
from algos.suite.dataset_questions import Questions
from algos.suite.estimating import ESTIMATE_HEADER, estimate_cells, estimate_entry
from algos.suite.evaluating import (
    Plan,
    SuiteResult,
    frame_size_of,
    make_plan,
    play_entries,
    unique_names,
)
from algos.suite.manifest_settings import file_digest
from algos.suite.playing_entries import Playing
from algos.suite.question_choice import Shard, listed, stratified
from algos.viewer.reading.report_files import opening
from policies.registry import AnyPolicy
from policies.served.named_options import answering_options
from sage_env.datasets.access.coverage import coverage_line, coverage_of
from sage_env.datasets.item import QAItem
from sage_env.datasets.judges import RULE
from sage_env.datasets.loading import FILE_SUFFIXES
from sage_env.release import __version__

SHOWN = 10
"""Failed questions that are listed on the terminal; `results.json` and the report have them all."""
DEFAULT_POLICY = "sage-mm-tiny"
_TAKE_ADAPTERS = ("uniform", "sage-mm", "sage-mm-tiny", "sage-released")
_TAKE_OPTIONS = ("hf", "gemini", "gemini-video", "openai")


@dataclass(frozen=True, kw_only=True)
class Eval(OnDataset, PolicySettings):
    """Measure policies on a dataset; print tables, and save them with all episodes.

    Every episode is saved as soon as it ends. Run again, the same command plays the questions that
    are missing or failed, and refuses a folder that holds anything else.
    """

    policy: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(help=f"As often as needed, {DEFAULT_POLICY} by default. {POLICY_HELP}"),
    ] = ()
    controls: tuple[str, ...] | None = None
    """Floors and ceilings beside the policies: names, or none for all that suit the questions."""
    budgets: tuple[int, ...] = ()
    """Most frames per question: every policy is played at each of them, as in 8 16 32."""
    direct: bool = False
    """Whether every policy also answers at once from each budget of evenly spaced frames."""
    repeat: int = 1
    """How often every policy is played, each time with other seeds."""
    limit: int | None = None
    """How many questions to play, of every duration as large a share as it has; by default all."""
    ids: Path | None = None
    """File of the ids of the questions to play, one per line."""
    shard: str | None = None
    """i/n: play every n-th video, from the i-th; `sage-vqa merge` makes one folder of all n."""
    retry_errors: bool = True
    """Whether questions that failed on our side are played again."""
    estimate: bool = False
    """Only say what it takes: frames, tokens, seconds, dollars. Nothing is loaded or played."""
    measures: bool = False
    """Also print what the report has beyond accuracy: the dataset's own rule, counts, when a policy
    stops, what it saw, accuracy against frames."""
    max_failed: float = 0.1
    """Share of failed questions of a policy above which the command ends with an error."""
    beliefs: bool = False
    """Whether rows also say how likely each choice was after each turn, of policies with log-probs:
    one more pass over each episode, which stays the same."""
    record_tokens: int = MOST_QUESTIONS
    """Questions of which every sampled token is kept with its text, log-prob and entropy, for the
    report; 0 for none."""
    envs: int = 8
    """Questions that are played at the same time; changes the speed, not the result."""
    out: Path = Path("runs/eval")
    """Folder for the evaluation, the episodes and a report; an unfinished one in it goes on."""

    def run(self) -> None:
        """Play what is missing, print, save.

        Raises:
            CommandError: if the play ended early, saying how much is saved; or too much failed.
        """
        self._check()
        questions = self.questions()
        plan = self.plan(questions)
        for sentence in [*plan.left_out, *self._warnings(questions)]:
            say(sentence, error=True)
        if self.estimate:
            self._estimate(plan, questions)
            return
        folder, how = RunFolder(self.out), self._playing(questions, plan)
        try:
            with ended_by_signals(), folder.alone("--out"):
                found = play_entries(plan.entries, how, folder, self._about(), self._save)
        except BaseException as error:
            for note in getattr(error, "__notes__", ()):  # of an interrupt: how much is saved
                say(note, error=True)
            raise
        if found.results:
            print_table(list(found.results.values()), groups=not found.joint)
            if self.measures:
                say(f"\n{measure_text(self.dataset, found.lines(), questions.official)}")
            self._tell_coverage(found, questions)
            say(f"\nsaved in {self.out}; report: {folder.report}")
            say(f"open it with: {opening(folder)}")
        self._tell_failures(found)

    def questions(self) -> Questions:
        """Return what is asked: the dataset, and what was chosen of it.

        Raises:
            SageEnvError: if the dataset cannot be read, or an option chooses nothing.
        """
        items = self.load_items()
        chosen = list(items) if self.ids is None else listed(items, self.ids)
        shard = None if self.shard is None else Shard.parse(self.shard)
        dataset = Path(self.dataset)
        settings = {
            "dataset": dataset.name if dataset.suffix in FILE_SUFFIXES else self.dataset,
            "split": self.split,
            "limit": self.limit,
            "ids": None if self.ids is None else self.ids.name,
            "annotations": self._annotations(items),
        }
        whole = self.limit is None and self.ids is None and shard is None
        covered = coverage_of(items, items)
        official = covered.of_questions if whole and covered.official else None
        asked = stratified(chosen, self.limit)
        questions = Questions(items, asked, self.dataset, shard, settings, official)
        questions.positions()  # a shard of nothing should not wait for a model to load
        return questions

    def plan(self, questions: Questions) -> Plan:
        """Return the lines of the table."""
        return make_plan(
            self.policies,
            questions.chosen,
            self.controls,
            self.budgets,
            direct=self.direct,
            repeats=self.repeat,
        )

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the names of the policies."""
        return self.policy or (DEFAULT_POLICY,)

    def _warnings(self, questions: Questions) -> list[str]:
        """Return what should be known before the play: who decides on open answers."""
        benchmark = getattr(questions.dataset, "benchmark", None)
        count = sum(item.kind == "open" for item in questions.chosen)
        if not count or benchmark is None or benchmark.rule != "judge" or self.judge != RULE:
            return []
        told = f"{count} of the questions are open, and a judge decides on them in {self.dataset}"
        return [f"{told}: without --judge, what no rule can tell counts as wrong"]

    def _estimate(self, plan: Plan, questions: Questions) -> None:
        """Print what each entry takes."""
        options = self.env_options(None)
        options["frame_size"] = frame_size_of(options, questions.dataset)
        count = len(questions.positions())
        folder = RunFolder(self.out)
        joint = len(plan.entries) > 1 or is_joint(folder)
        there = read_entries(folder) if is_joint(folder) else ()
        found = [
            estimate_entry(
                entry,
                None if entry.control is None else plan.controls[entry.control],
                options,
                count,
                RunFolder(self.out / name if joint else self.out),
                self.envs,
            )
            for name, entry in unique_names(plan.entries, there).items()
        ]
        say(format_table(ESTIMATE_HEADER, estimate_cells(found)))

    def _check(self) -> None:
        """Refuse numbers that ask for nothing, before anything is read."""
        self.require_sound()
        if self.repeat < 1:
            raise CommandError(f"--repeat must be at least 1, got {self.repeat}")
        if not 0 <= self.max_failed <= 1:
            raise CommandError(f"--max-failed is a share from 0 to 1, got {self.max_failed}")
        if self.record_tokens < 0:
            raise CommandError(f"--record-tokens must be at least 0, got {self.record_tokens}")
        if any(budget < 1 for budget in self.budgets):
            raise CommandError(f"--budgets must be at least 1, got {self.budgets}")
        if self.budgets and self.max_frames is not None:
            raise CommandError("--budgets stand in for --max-frames: leave out one of them")
        if self.direct and not self.budgets:
            raise CommandError("--direct answers from the frames of --budgets: name some")

    def _annotations(self, items: Sequence[QAItem]) -> dict[str, str]:
        """Return the digests of the files that the questions were read from, by name."""
        own = Path(self.dataset)
        files = [own] if own.suffix in FILE_SUFFIXES else list(getattr(items, "annotations", ()))
        return {path.name: file_digest(path) for path in files}

    def _playing(self, questions: Questions, plan: Plan) -> Playing:
        """Return how the entries are played."""
        names = ["temperature", "max_turns", "max_frames"]
        names += ["frames_per_turn", "overview_frames", "frame_size"]
        settings = {
            **{name: getattr(self, name) for name in names},
            "adapter": None if self.adapter is None else self.adapter.resolve(),
            "version of sage-video-qa": __version__,
        }
        return Playing(
            questions,
            make_policy=self._make_policy,
            make_envs=lambda items, options: make_envs(items, self.envs, options),
            env_options=self._env_options,
            controls=plan.controls,
            seed=self.seed,
            settings=settings,
            policy_settings={"policy options": answering_options(self.policy_option) or None},
            retry_errors=self.retry_errors,
            beliefs=self.beliefs,
            record_tokens=self.record_tokens,
            tell=lambda text: say(text, error=True),
        )

    def _make_policy(self, name: str) -> AnyPolicy:
        """Return a policy, given the adapter and the options if it takes them."""
        if len(self.policies) == 1 and name == self.policies[0]:
            return self.make_policy(name)
        kinds = set(name.split(":"))
        own = self
        if not kinds & set(_TAKE_ADAPTERS):
            own = replace(own, adapter=None)
        if not kinds & set(_TAKE_OPTIONS):
            own = replace(own, policy_option=())
        return own.make_policy(name)

    def _env_options(self, policy: AnyPolicy, budget: int | None) -> dict[str, Any]:
        own = self if budget is None else replace(self, max_frames=budget)
        return own.env_options(policy)

    def _about(self) -> dict[str, str]:
        """Return what the reports say at their top."""
        return {
            "dataset": f"{self.dataset}, {self.split}",
            "seed": str(self.seed),
            "command": shlex.join(["sage-vqa", *sys.argv[1:]]),
        }

    def _save(self, folder: RunFolder) -> None:
        folder.save_config(self)

    def _tell_coverage(self, found: SuiteResult, questions: Questions) -> None:
        """Say which entries are not finished, and how much of the dataset was asked."""
        if found.unfinished:
            say(f"\nnot finished: {', '.join(found.unfinished)}")
        result = next(iter(found.results.values()))
        coverage = coverage_of(questions.dataset, result.items)
        missing = any(done.missing for done in found.played.values())
        if coverage.official or missing:  # else what is left out was not asked for
            right = sum(episode.correct is True for episode in result.episodes())
            whole = questions.official is not None
            say(f"\n{coverage_line(coverage, right if whole else None)}")

    def _tell_failures(self, found: SuiteResult) -> None:
        """Say what failed and what ended early, and end with an error if that is too much."""
        problems = [str(error) for error in found.ended.values()]
        for name, done in found.played.items():
            if lines := tool_lines(done.result):
                say("\n".join(["", *([f"{name}:"] if found.joint else []), *lines]))
            if failed := failures(done.result):
                problems += self._told(name if found.joint else "", done.result, failed)
        if problems:
            raise CommandError("; ".join(dict.fromkeys(problems)))

    def _told(self, entry: str, result: EvalResult, failed: Sequence[tuple[str, str]]) -> list[str]:
        """List failed questions; return what is too much of them."""
        where = f"{entry}: " if entry else ""
        place = (self.out / entry if entry else self.out) / "results.json"
        say(f"\n{where}" + "\n".join(failure_lines(result, SHOWN)))
        if len(failed) > SHOWN:
            say(f"  all are in {place}")
        if self.retry_errors:
            say("the same command plays these again")
        count, whole = len(failed), len(result.items)
        if count == whole:
            return [f"{where}every question failed, the first with: {failed[0][1]}"]
        if count > self.max_failed * whole:
            return [
                f"{where}{count} of {whole} questions failed, more than --max-failed "
                f"{self.max_failed:g} allows; what was played is saved"
            ]
        return []


def print_table(results: Sequence[EvalResult], *, groups: bool) -> None:
    """Print one line for each result and, where asked, the groups of the first."""
    say(format_table(SUMMARY_HEADER, summary_cells(results)))
    if groups:
        say()
        say(format_table(BREAKDOWN_HEADER, breakdown_cells(results[0].measured)))
