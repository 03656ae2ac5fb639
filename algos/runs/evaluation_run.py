"""The folder of one evaluation: written as it is played, and gone on with by question id.

    with folder.alone("--out"), EvaluationRun(folder, "random", items, settings) as run:
        collect(envs, policy, evaluation_specs(run.waiting, seed), progress=run.record, keep=False)
        run.finish("random")

Killed at any moment, the folder holds every episode that had ended, and the same call plays the
others: those that are missing, and those that failed on our side, which may have been an outage.
`manifest.json` says what the episodes depend on; with anything else, the folder is refused.

No trajectory is held in memory: the tables and the report are made of the rows, which are read
once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from algos.evaluation.measures import EvalResult, failures
from algos.evaluation.row_types import check_row
from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.runs.evaluation_manifest import KIND as KIND
from algos.runs.evaluation_manifest import plain as plain
from algos.runs.evaluation_manifest import questions_digest as questions_digest
from algos.runs.evaluation_manifest import read_settings as read_settings
from algos.runs.evaluation_manifest import require_settings as require_settings
from algos.runs.evaluation_manifest import write_manifest
from algos.runs.line_index import LineIndex
from algos.runs.run_folder import RunFolder, json_text, result_text, write_changed
from algos.runs.running_totals import RunningTotals
from algos.runs.stored_result import ROW, TRAJECTORY, result_of_rows
from algos.runs.stored_result import read_rows as read_rows
from algos.runs.token_log import MOST_QUESTIONS, TokenLog, kept_questions
from sage_env.datasets.item import QAItem


class EvaluationRun:
    """An evaluation that is being played into a folder; see the module.

    Args:
        folder: of the run; no one else may write there meanwhile (`RunFolder.alone`).
        name: of the result's files.
        items: the questions.
        settings: what the episodes depend on, see `require_settings`.
        facts: what the manifest has beside them, plain JSON data.
        entry: values of `sample_rows.ENTRY_KEYS` for each row.
        retry_errors: whether questions that failed on our side are played again.
        policy: who plays, if its sampled tokens are to be kept.
        record_tokens: of how many questions they are, as text and numbers (`token_log`).

    Attributes:
        done: ids of the questions that are not played again.
        totals: of all rows so far, for a live line.
        settings: plain JSON data.

    Raises:
        RunFolderError: if the folder holds something else.
        LogError: if a file of it cannot be read or written.
    """

    def __init__(
        self,
        folder: RunFolder,
        name: str,
        items: Sequence[QAItem],
        settings: Mapping[str, Any],
        *,
        facts: Mapping[str, Any] | None = None,
        entry: Mapping[str, Any] | None = None,
        retry_errors: bool = True,
        policy: Any = None,
        record_tokens: int = MOST_QUESTIONS,
    ) -> None:
        """Read what is there, and open the files."""
        require_settings(folder, settings)
        self.folder, self.name, self.settings = folder, name, plain(settings)
        self.totals = RunningTotals()
        self.items = list(items)
        self._facts, self._entry = dict(facts or {}), entry
        self._asked = {item.id: item for item in self.items}
        self._told = False
        self._tokens: TokenLog | None = None
        self._token_reader = policy, record_tokens
        self.done = self._read(retry_errors)
        with ExitStack() as stack:
            self._log = stack.enter_context(folder.play_log(name))
            self._samples = AppendLog(folder.samples)
            stack.callback(self._samples.close)
            self._files = stack.pop_all()

    def __enter__(self) -> EvaluationRun:
        """Return itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close the files."""
        self._files.close()

    @property
    def waiting(self) -> list[str]:
        """Return the ids of the questions that are to be played, in order."""
        return [item.id for item in self.items if item.id not in self.done]

    def record(self, trajectory: Trajectory) -> None:
        """Write an episode that has ended.

        The row comes before the trajectory, which alone makes the question count as played: a kill
        between them leaves a row that is written again.

        Raises:
            LogError: if it cannot be written.
        """
        if not self._told:  # not before: a run that failed at its start leaves nothing behind
            self._tell(session=True)
        row = sample_row(self._asked[str(trajectory.item_id)], trajectory, self._entry)
        self._samples.append(row)
        self._log_of_tokens().record(trajectory)
        self._log(trajectory)
        self.totals.add(row)
        if row["error"] is None:
            self.done.add(row["id"])

    def finish(
        self, title: str, decoding: str = "", summary: Mapping[str, Any] | None = None
    ) -> EvalResult:
        """Write the files in the order of the items, and the measures; return the result.

        Args:
            title: name of the result in tables.
            decoding: how the policy chose.
            summary: what `results.json` has beside the measures.

        Raises:
            LogError: if a question has no row or no trajectory.
        """
        if not self._told:
            self._tell(session=not self.folder.manifest.exists())
        names = [item.id for item in self.items]
        path = self.folder.result_path(self.name)
        rows, played = row_index(self.folder), trajectory_index(self.folder, self.name)
        if not (rows.holds(names) and played.holds(names)):
            path.unlink(missing_ok=True)  # until its end it is not finished, rather than wrong
        rows.put_in_order(names)
        played.put_in_order(names)
        result = result_of_rows(title, self.items, self.folder.samples, path, decoding)
        write_changed(path, result_text(result))
        write_changed(self.folder.summary, json_text(summary_of(result, summary)).encode())
        return result

    def leave_out(self, names: Collection[str]) -> None:
        """Do not play these questions, unless they are played already: they are in no result."""
        self.items = [x for x in self.items if x.id not in names or x.id in self.done]

    def _read(self, retry_errors: bool) -> set[str]:
        """Return the questions that are done, and sum up the rows of all that were played."""
        failed: dict[str, bool] = {}

        def seen(name: str, row: Any) -> None:
            failed[name] = row.get("error") is not None

        rows, played = row_index(self.folder, seen), trajectory_index(self.folder, self.name)
        done = {
            name
            for name in self._asked
            if name in rows and name in played and not (retry_errors and failed[name])
        }
        for row in rows.contents([item.id for item in self.items if item.id in done]):
            self.totals.add(row)
        return done

    def _log_of_tokens(self) -> TokenLog:
        """Return the log of sampled tokens; by now it is known which questions are played."""
        if self._tokens is None:
            policy, most = self._token_reader
            ids = kept_questions([item.id for item in self.items], most)
            path = self.folder.result_path(self.name).with_suffix(".jsonl")
            self._tokens = TokenLog(path, policy, ids)
            self._files.callback(self._tokens.close)
        return self._tokens

    def _tell(self, *, session: bool) -> None:
        """Write the manifest, with this process added to those that played if it plays."""
        write_manifest(self.folder, self.settings, self._facts, session=session)
        self._told = True


def summary_of(result: EvalResult, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what `results.json` holds: who played, what failed and why, and the measures."""
    return {
        "name": result.name,
        "decoding": result.decoding,
        "questions": len(result.items),
        **(more or {}),
        "failed": [{"id": i, "error": error} for i, error in failures(result)],
        "measures": [asdict(row) for row in result.measured],
    }


def row_index(folder: RunFolder, seen: Callable[[str, Any], None] | None = None) -> LineIndex:
    """Return where the row of each question is; `seen` is given each with its id.

    Raises:
        LogError: if the file cannot be read, or a line is no row; names it.
    """
    return LineIndex(folder.samples, _row_name, ROW, seen)


def trajectory_index(folder: RunFolder, name: str) -> LineIndex:
    """Return where the trajectory of each question is, of the evaluation of that name.

    Raises:
        LogError: if the file cannot be read, or a line is no trajectory; names it.
    """
    path = folder.result_path(name).with_suffix(".jsonl")
    return LineIndex(path, _trajectory_name, TRAJECTORY)


def _row_name(row: Any) -> str:
    return str(check_row(row)["id"])


def _trajectory_name(row: Any) -> str | None:
    if not (isinstance(row, dict) and isinstance(row.get("turns"), list)):
        return None
    name = row.get("item_id")
    return name if isinstance(name, str) else None
