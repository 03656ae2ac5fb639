"""The folder of a score: written verdict by verdict, gone on with, and a run folder in the end.

```
OUT/
verdicts.jsonl   one line per answer that was scored, written as it is
manifest.json    kind "scores": the settings of the play, the judges, and where the answers are from
samples.jsonl    the rows of the play with the new verdicts; `played_verdict` is the old one
results.json     the measures, how many are not judged, and how far several judges agree
```

So `sage-vqa compare` takes it like the folder of a play. What was played is not touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algos.evaluation.measures import MeasureRow, measure_episodes
from algos.evaluation.row_results import result_of_row
from algos.runs.append_log import AppendLog, read_log
from algos.runs.evaluation_run import plain
from algos.runs.json_files import RunFolderError, read_json, write_json
from algos.runs.run_folder import RunFolder
from algos.scoring.judge_agreement import Agreement, agreement
from algos.scoring.row_scoring import (
    NamedJudge,
    Row,
    Score,
    left_unjudged,
    score_answer,
    score_from_json,
    score_to_json,
    scored_row,
    to_be_scored,
)
from algos.scoring.stored_answers import StoredAnswers
from sage_env.storage.atomic_file import atomic_write

KIND = "scores"
"""What `manifest.json` says of the folder."""


@dataclass(frozen=True)
class ScoredRun:
    """The outcome of a score.

    Attributes:
        rows: all rows of the play, in its order.
        scored: ids of those that have a new verdict, or were to have one.
        changed: ids of those whose verdict is another one than when they were played.
        unjudged: ids of answers without a verdict.
        measures: of all rows.
        agreement: of the judges, over the answers that they were asked about; `None` for fewer
            than two judges.
        played: whether the answers are a run's, which has verdicts of its own.
    """

    rows: Sequence[Row]
    scored: tuple[str, ...]
    changed: tuple[str, ...]
    unjudged: tuple[str, ...]
    measures: Sequence[MeasureRow]
    agreement: Agreement | None
    played: bool = True


def score_into(
    path: Path,
    answers: StoredAnswers,
    judges: Sequence[NamedJudge],
    *,
    everything: bool = False,
    workers: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> ScoredRun:
    """Score stored answers into a folder; the same call goes on with those that are not judged.

    Args:
        path: of the folder; no one else may write there meanwhile.
        answers: what is scored.
        judges: who is asked what no rule can decide; several: their majority decides.
        everything: also what a rule or another judge has decided.
        workers: how many answers are judged at the same time.
        progress: called with how many are scored, and of how many.

    Raises:
        RunFolderError: if the folder holds anything else.
        LogError: if it cannot be written.
    """
    folder, names = RunFolder(path), [one.name for one in judges]
    waiting = [row for row in answers.rows if to_be_scored(row, everything)]
    source = {"from": str(answers.source), "judges": names, "everything": everything}
    _require_same(folder, source)
    log_path = path / "verdicts.jsonl"
    scores = _known(log_path, {row["id"]: row["prediction"] for row in waiting})
    left = [row for row in waiting if row["id"] not in scores]
    _tell(folder, answers, source)
    log = AppendLog(log_path)
    try:
        for row, score in _scored(left, answers, judges, workers):
            log.append({"id": row["id"], "prediction": row["prediction"], **score_to_json(score)})
            scores[row["id"]] = score
            if progress is not None:
                progress(len(scores), len(waiting))
    finally:
        log.close()
    return _finish(folder, answers, scores, names)


def _scored(
    rows: Sequence[Row], answers: StoredAnswers, judges: Sequence[NamedJudge], workers: int
) -> Iterator[tuple[Row, Score]]:
    """Yield rows with their new verdicts, as they come; what waits is dropped at an exception."""

    def score(row: Row) -> tuple[Row, Score]:
        claimed = [(span[0], span[1]) for span in row.get("answer_spans") or ()]
        item = answers.items[row["id"]]
        found = score_answer(item, row["prediction"], judges, claimed)
        return row, left_unjudged(row, found) if answers.played else found

    if not judges:  # rules are quicker than threads
        yield from map(score, rows)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(score, rows)
    finally:
        pool.shutdown(cancel_futures=True)


def _finish(
    folder: RunFolder, answers: StoredAnswers, scores: Mapping[str, Score], names: Sequence[str]
) -> ScoredRun:
    """Write the rows and the measures."""
    rows = [
        scored_row(row, scores[row["id"]]) if row["id"] in scores else row for row in answers.rows
    ]
    found = [result_of_row(row) for row in rows]
    asked = {
        name: [one.verdict for one in score.judged]
        for name, score in scores.items()
        if score.judged
    }
    outcome = ScoredRun(
        rows=rows,
        scored=tuple(scores),
        changed=tuple(row["id"] for row in rows if row["verdict"] != _played(row)),
        unjudged=tuple(one.item_id for one in found if one.correct is None and one.error is None),
        measures=measure_episodes(found),
        agreement=agreement(asked, names) if len(names) > 1 else None,
        played=answers.source.is_dir(),
    )
    atomic_write(folder.samples, "".join(json.dumps(row) + "\n" for row in rows))
    summary = {
        "name": answers.name,
        "questions": len(rows),
        "failed": [{"id": one.item_id, "error": one.error} for one in found if one.error],
        "not judged": outcome.unjudged,
        "verdicts changed": outcome.changed,
        "agreement": outcome.agreement and asdict(outcome.agreement),
        "measures": [asdict(row) for row in outcome.measures],
    }
    write_json(folder.summary, summary)
    return outcome


def _played(row: Mapping[str, Any]) -> Any:
    return row.get("played_verdict", row["verdict"])


def _known(path: Path, predictions: Mapping[str, str]) -> dict[str, Score]:
    """Return the whole verdicts that a folder has on these answers; the last of each counts."""
    known = {}
    for line in read_log(path):
        try:
            score = score_from_json(line)
            if score.whole and predictions.get(line["id"]) == line["prediction"]:
                known[line["id"]] = score
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunFolderError(f"{path} holds a line that is no verdict: {error!r}") from error
    return known


def _require_same(folder: RunFolder, source: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else."""
    if folder.manifest.exists():
        data = read_json(folder.manifest)
        then = data.get("scored") if isinstance(data, dict) else None
        if data.get("kind") == KIND and then == plain(source):
            return
        raise RunFolderError(
            f"{folder.path} holds something else ({then or 'no scores'}): give another folder with "
            "--out"
        )
    if found := [
        name for name in ("samples.jsonl", "config.json") if (folder.path / name).exists()
    ]:
        raise RunFolderError(
            f"{folder.path / found[0]} is of another command: give another folder with --out"
        )


def _tell(folder: RunFolder, answers: StoredAnswers, source: Mapping[str, Any]) -> None:
    """Write the manifest, with this process added to those that scored."""
    scorings = read_json(folder.manifest)["scorings"] if folder.manifest.exists() else []
    scorings.append(datetime.now(UTC).isoformat(timespec="seconds"))
    data = {
        "kind": KIND,
        "settings": dict(answers.settings),
        "scored": plain(source),
        "scorings": scorings,
        "sessions": list(answers.sessions),
    }
    write_json(folder.manifest, data)
