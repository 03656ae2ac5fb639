"""`sage-vqa eval`: measure a policy on a dataset, into a folder that it can go on in."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from algos.cli.options import CommandError, OnDataset, Playing, decoding_of, evenly, make_envs
from algos.cli.terminal import say
from algos.evaluation.measures import (
    EvalResult,
    evaluate,
    failures,
    measure_episodes,
)
from algos.evaluation.outcomes import failure_lines
from algos.evaluation.tables import (
    BREAKDOWN_HEADER,
    SUMMARY_HEADER,
    breakdown_cells,
    format_table,
    summary_cells,
)
from algos.report.report import save_report
from algos.report.report_data import ReportData
from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_run import EvaluationRun, questions_digest, require_settings
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import ended_by_signals
from policies.introspection import FingerprintedPolicy
from policies.registry import AnyPolicy
from policies.served.named_options import answering_options
from policies.terminal_text import visible
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError
from sage_env.framing.frame_area import frame_limits
from sage_env.release import __version__

SHOWN = 10
"""Failed questions that are listed on the terminal; `results.json` and the report have them all."""


@dataclass(frozen=True, kw_only=True)
class Eval(OnDataset, Playing):
    """Measure a policy on a dataset; print tables, and save them with all episodes.

    Every episode is saved as soon as it ends. Run again, the same command plays the questions that
    are missing or failed, and refuses a folder that holds anything else.
    """

    limit: int | None = None
    """How many questions to play, evenly spaced over the dataset; by default all."""
    envs: int = 8
    """Questions that are played at the same time; changes the speed, not the result."""
    out: Path = Path("runs/eval")
    """Folder for the evaluation, the episodes and a report; an unfinished one in it goes on."""

    def run(self) -> None:
        """Play what is missing, print, save.

        Raises:
            CommandError: if the play ended early, saying how much is saved; or all of it failed.
        """
        items = self.load_items()
        chosen = evenly(items, self.limit)
        folder = RunFolder(self.out)
        with ended_by_signals(), folder.alone("--out"):
            settings = self._settings(chosen)
            require_settings(folder, settings)  # before a large model is loaded
            policy = self.load_policy()
            options = self.env_options(policy)
            # A play that ended at a call's deadline may go on with a later one.
            environment = {k: v for k, v in options.items() if k != "call_timeout"}
            settings |= {"environment": environment, "weights": _weights(policy)}
            # Not before `load_policy` has refused a key among them.
            settings |= {"policy options": answering_options(self.policy_option) or None}
            name = _file_name(self.policy, decoding_of(policy))
            with EvaluationRun(folder, name, chosen, settings) as run:
                result = self._play(run, items, chosen, policy, options)
                folder.save_config(self)
                run.finish(result)
            report = save_report(folder, self._report(name, result, items, options))
        print_tables(result)
        say(f"\nsaved in {self.out}; report: {report}")
        self._tell_failures(result)

    def _play(
        self,
        run: EvaluationRun,
        items: Sequence[QAItem],
        chosen: Sequence[QAItem],
        policy: AnyPolicy,
        options: dict[str, Any],
    ) -> EvalResult:
        """Play the questions that are not done, and say what is saved if that ends early."""
        envs = make_envs(items, self.envs, options)
        if run.done:
            say(f"{len(run.done)} of {len(chosen)} questions are played already", error=True)
        shown = visible(self.policy)
        with tqdm(total=len(chosen), initial=len(run.done), desc=shown, unit="question") as bar:

            def progress(trajectory: Trajectory) -> None:
                run.record(trajectory)
                bar.update()

            try:
                return evaluate(
                    envs,
                    policy,
                    chosen,
                    seed=self.seed,
                    name=self.policy,
                    decoding=decoding_of(policy),
                    progress=progress,
                    done=dict(run.done),
                    isolate=True,
                )
            except BaseException as error:
                kept = (
                    f"{len(run.done)} of {len(chosen)} questions are saved in {self.out}, and the "
                    "same command goes on with the others"
                )
                if isinstance(error, SageEnvError):
                    raise CommandError(f"{error}; {kept}") from error
                bar.close()
                say(kept, error=True)
                raise
            finally:
                for env in envs:
                    env.close()

    def _settings(self, chosen: Sequence[QAItem]) -> dict[str, Any]:
        """Return what the episodes depend on and the command line says, by its words."""
        dataset = Path(self.dataset)
        names = ["policy", "temperature", "seed", "split", "limit", "max_turns", "max_frames"]
        names += ["frames_per_turn", "overview_frames", "frame_size"]
        return {
            **{name: getattr(self, name) for name in names},
            "adapter": None if self.adapter is None else self.adapter.resolve(),
            "dataset": dataset.name if dataset.suffix == ".jsonl" else self.dataset,
            "digest of the questions": questions_digest(chosen),
            "version of sage-video-qa": __version__,
        }

    def _report(
        self, name: str, result: EvalResult, items: Sequence[QAItem], options: Mapping[str, Any]
    ) -> ReportData:
        sizes = options.get("frame_size"), options.get("frame_pixels")
        (height, width), _ = frame_limits(*sizes, getattr(items, "frame_size", None))
        about = {
            "policy": result.title,
            "dataset": f"{self.dataset}, {self.split}, {len(result.items)} questions",
            "environment": ", ".join(f"{k}={v}" for k, v in options.items()) or "defaults",
            "seed": str(self.seed),
            "command": shlex.join(["sage-vqa", *sys.argv[1:]]),
        }
        return ReportData(
            f"{self.policy} on {self.dataset}", about, {name: result}, frame_size=(height, width)
        )

    def _tell_failures(self, result: EvalResult) -> None:
        failed = failures(result)
        if not failed:
            return
        say("\n" + "\n".join(failure_lines(result, SHOWN)))
        if len(failed) > SHOWN:
            say(f"  all are in {self.out / 'results.json'}")
        if len(failed) == len(result.items):
            raise CommandError(f"every question failed, the first with: {failed[0][1]}")
        say("the same command plays these again")


def print_tables(result: EvalResult) -> None:
    """Print the summary of one evaluation, and its groups."""
    say(format_table(SUMMARY_HEADER, summary_cells([result])))
    say()
    say(format_table(BREAKDOWN_HEADER, breakdown_cells(measure_episodes(result.episodes()))))


def _file_name(policy: str, decoding: str) -> str:
    """Return the name of the result's files."""
    words = [policy, *([decoding] if decoding else [])]
    return re.sub(r"[^A-Za-z0-9.=-]+", "-", " ".join(words)).strip("-.")[:100] or "policy"


def _weights(policy: AnyPolicy) -> str | None:
    """Return the fingerprint of the trained weights; `None` for a policy that has none to tell."""
    acting = getattr(policy, "answerer", policy)  # `uniform` lets another policy answer
    return acting.fingerprint() if isinstance(acting, FingerprintedPolicy) else None
