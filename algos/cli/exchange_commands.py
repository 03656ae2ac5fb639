"""`sage-vqa export` and `sage-vqa data import`: evaluations in other projects' formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.exchange.atif_documents import DOCUMENTS, write_atif
from algos.exchange.chat_examples import PARQUET, PICTURES, ROWS, write_chat_examples
from algos.exchange.foreign_rows import ForeignQuestion
from algos.exchange.imported_run import write_run
from algos.exchange.lmms_import import read_lmms_samples
from algos.exchange.lmms_plugin.task_folder import write_task
from algos.exchange.lmms_samples import write_lmms_samples
from algos.exchange.minari_dataset import write_minari
from algos.exchange.picture_files import Encoding, PictureFolder
from algos.exchange.played_entry import OUTCOMES, PlayedEntry, PlayedQuestion, read_entry
from algos.exchange.question_match import matched
from algos.exchange.sage_results import read_sage_results
from algos.runs.run_folder import RunFolder
from algos.viewer.reading.run_folders import read_run
from algos.viewer.sharing.inspect_log import write_inspect_log
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a finished evaluation in another project's format; the run itself is left as it is.

    Failed questions and answers that were not judged stay apart in each, and are counted.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder that `sage-vqa eval` wrote."""
    format: Literal["lmms-eval", "atif", "messages", "minari", "inspect"]
    """lmms-eval: sample files; atif: documents of ATIF v1.8; messages: conversations with pictures
    for Hugging Face's trainers; minari: a dataset of every observation; inspect: a log that
    inspect_ai's viewer opens."""
    out: Path
    """Folder for the files; made if it is missing."""
    entry: str | None = None
    """Which entry, where the run has several."""
    images: bool = False
    """Write the pictures that were shown too (atif, messages); they are decoded again from the
    videos. Without, atif needs no video, and messages refer to frames of the videos."""
    image_format: Encoding = "png"
    """png (exact) or jpeg (smaller)."""
    parquet: bool = False
    """Write messages as Parquet instead of JSON lines, with the pictures inside."""
    root: Path | None = None
    """Folder of the videos, if they are not where the run had them."""
    call_tools: bool = False
    """Call the tools again that were called, to show what they said: it may cost money."""

    def run(self) -> None:
        """Write the files, and say what is in them.

        Raises:
            CommandError: if an option does nothing for this format.
        """
        self._require_used()
        entry = read_entry(self.run_folder, self.entry)
        say(f"{self._write(entry)}; of {_told(entry.questions)}")

    def _require_used(self) -> None:
        if self.images and self.format not in ("atif", "messages"):
            raise CommandError(f"--images does nothing with --format {self.format}: leave it out")
        if self.parquet and self.format != "messages":
            raise CommandError("--parquet is of --format messages: leave it out")

    def _write(self, entry: PlayedEntry) -> str:
        pictures = None
        if self.images:
            pictures = PictureFolder(self.out / PICTURES, self.image_format, self.out)
        if self.format == "lmms-eval":
            return " and ".join(str(path) for path in write_lmms_samples(entry, self.out))
        if self.format == "inspect":
            path = self.out / f"{entry.name}.json"
            count = write_inspect_log(read_run(entry.folder), path)
            return f"{count} samples in {path}: `inspect view --log-dir {self.out}` shows them"
        if self.format == "minari":
            name = write_minari(entry, self.out, root=self.root, call_tools=self.call_tools)
            return f"dataset {name}: MINARI_DATASETS_PATH={self.out} finds it"
        if self.format == "atif":
            count = write_atif(
                entry,
                self.out,
                pictures_as=pictures,
                root=self.root,
                call_tools=self.call_tools,
            )
            return f"{count} documents in {self.out / DOCUMENTS}"
        count = write_chat_examples(
            entry,
            self.out,
            pictures_as=pictures,
            parquet=self.parquet,
            root=self.root,
            call_tools=self.call_tools,
        )
        return f"{count} conversations in {self.out / (PARQUET if self.parquet else ROWS)}"


@dataclass(frozen=True, kw_only=True)
class ImportData:
    """Make a run folder of another project's results, for `report`, `compare` and `score`.

    What a file does not say is unknown there, and nothing is scored anew.
    """

    files: tyro.conf.Positional[tuple[Path, ...]]
    """The files, of one model: SAGE's traces (.jsonl), its judged results (.json), or both; or one
    sample file of lmms-eval."""
    format: Literal["sage", "lmms-eval"]
    """sage: results of github.com/allenai/SAGE; lmms-eval: `DATE_samples_TASK.jsonl`."""
    out: Path
    """The run folder; it may be there from the same files."""
    name: str | None = None
    """Of who answered; by default as the first file is called."""
    metric: str | None = None
    """Which score of lmms-eval's decides whether an answer is right, where several could."""
    dataset: str | None = None
    """Dataset of ours that has the questions: they then carry our ids, choices, evidence and
    groups, so that `compare` pairs them with evaluations of ours."""
    root: Path | None = None
    """Folder of its videos."""
    split: str = "test"
    """Of it."""
    allow_outside: bool = False
    """Whether a .jsonl file may name videos that do not lie under the root."""

    def run(self) -> None:
        """Write the run folder, and say what is in it.

        Raises:
            CommandError: if no question is one of the dataset.
        """
        questions = self._read()
        about, lost = {}, 0
        if self.dataset is not None:
            questions, missing = matched(questions, self._items(self.dataset))
            lost = len(missing)
            if not questions:
                raise CommandError(
                    f"none of the {lost} questions is one of {self.dataset}, {self.split}: name "
                    "their dataset, or leave out --dataset"
                )
            about = {"split": self.split, "not in the dataset": missing}
        name = self.name or self.files[0].stem
        folder = RunFolder(self.out)
        with folder.alone("--out"):
            write_run(
                folder,
                questions,
                name=name,
                dataset=self.dataset or self.files[0].stem,
                sources=self.files,
                kind=self.format,
                about=about,
            )
        rows = [PlayedQuestion(q.item, q.row(), None) for q in questions]
        say(f"{self.out}: {name}, {_told(rows)}")
        if lost:
            say(f"{lost} questions are none of {self.dataset}, {self.split}: left out")

    def _read(self) -> list[ForeignQuestion]:
        if not self.files:
            raise CommandError("data import needs at least one file")
        if self.format == "sage":
            if self.metric is not None:
                raise CommandError("--metric is of --format lmms-eval: leave it out")
            return read_sage_results(self.files)
        if len(self.files) > 1:
            raise CommandError("--format lmms-eval takes one file of samples: give one")
        return read_lmms_samples(self.files[0], metric=self.metric)

    def _items(self, dataset: str) -> Sequence[QAItem]:
        return load_dataset(
            dataset, root=self.root, split=self.split, allow_outside=self.allow_outside
        )


@dataclass(frozen=True, kw_only=True)
class LmmsTask:
    """Write a dataset as a task of lmms-eval, for any of its models or for policies of ours.

    `lmms-eval --include_path FOLDER --tasks NAME --model sage-vqa --model_args policy=scripted`
    then plays it; the videos stay where they are.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Gets `NAME.yaml` and `NAME.jsonl`."""
    dataset: str = "sage-synth"
    """Name of a dataset, path of a .jsonl file, or package.module:function."""
    root: Path | None = None
    """Folder of the dataset's videos; each dataset has its own default."""
    split: str = "test"
    """Which part of it."""
    name: str | None = None
    """Of the task; by default that of dataset and split."""
    allow_outside: bool = False
    """Whether a .jsonl file may name videos that do not lie under the root."""

    def run(self) -> None:
        """Write the files, and say how the task is called."""
        items = load_dataset(
            self.dataset, root=self.root, split=self.split, allow_outside=self.allow_outside
        )
        name = self.name or f"{Path(self.dataset).stem}-{self.split}".replace("-", "_")
        path = write_task(items, self.folder, name)
        say(f"{path}: {len(items)} questions")
        say(f"lmms-eval --include_path {self.folder} --tasks {name}")


def _told(questions: Sequence[PlayedQuestion]) -> str:
    """Return how many questions there are, and what became of them."""
    found = [question.outcome for question in questions]
    counts = ", ".join(f"{found.count(name)} {name}" for name in OUTCOMES if name in found)
    return f"{len(questions)} questions ({counts})"
