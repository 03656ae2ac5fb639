"""`sage-vqa data`: videos and questions as files: made, checked, written out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from algos.cli.data.dataset_check import check_dataset, find_benchmark, is_dataset
from algos.cli.options import CommandError
from algos.cli.terminal import say
from policies.terminal_text import visible
from sage_env.datasets.access.downloading import download
from sage_env.datasets.exporting import QUESTIONS, export_questions
from sage_env.datasets.item import QAItem
from sage_env.datasets.json_lines import read_jsonl
from sage_env.datasets.loading import SEEDED, has_splits, load_dataset
from sage_env.datasets.preparing import prepare_videos
from sage_env.datasets.splits import NAMES, load_splits
from sage_env.storage.cache_folder import cache_folder
from sage_env.video.health import VIDEO_SUFFIXES, check_health

QUESTIONS_SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class BuildData:
    """Render the videos of a generated dataset; what is there already is kept."""

    dataset: str = "sage-synth"
    """sage-synth, sage-synth-spoken, or sage-synth-bench (its only split is test); :SEED behind it
    gives others."""
    root: Path | None = None
    """Folder for the videos; by default the one that the dataset is read from."""
    splits: tuple[str, ...] = ("train", "validation", "test")
    """What to build."""
    workers: int | None = None
    """Processes; by default one per core."""

    def run(self) -> None:
        """Build with a progress bar, and say where the videos are."""
        if self.workers is not None and self.workers < 1:
            raise CommandError(f"--workers must be at least 1, got {self.workers}")
        if not self.splits:
            raise CommandError("--splits needs at least one of train, validation, test")
        if self.dataset.partition(":")[0] not in SEEDED:
            known = " or ".join(SEEDED)
            raise CommandError(f"--dataset must be {known}, got {self.dataset!r}")
        splits = ("test",) if self.dataset.startswith("sage-synth-bench") else self.splits
        parts = [load_dataset(self.dataset, root=self.root, split=split) for split in splits]
        written = prepare_videos(parts, workers=self.workers)
        say(f"{written} videos written, all are in {self.root or cache_folder()}")


@dataclass(frozen=True, kw_only=True)
class CheckData:
    """Decode every video of a folder or a dataset, and say what is wrong with the broken ones.

    Of a .jsonl file of questions, it is the videos that the lines name; they are read first, and
    the first that cannot be asked is named. Of a dataset, such as video-mme, it is those of its
    questions: found, missing and undecodable ones are counted against the official numbers, and a
    manifest says it of each.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER|DATASET")]
    """A folder, with all that are in it; one video; a .jsonl file of questions; or a dataset, by
    its name or as package.module:function (a folder of that name is then ./NAME)."""
    root: Path | None = None
    """Folder of the videos of a .jsonl file, by default the one that it lies in; of a dataset,
    where it lies."""
    annotations: Path | None = None
    """Annotation file of a dataset, where it does not lie below the root."""
    split: str | None = None
    """Split of a dataset; by default test, or the only one it has."""
    out: Path | None = None
    """File for the manifest of a dataset; by default runs/availability/DATASET-SPLIT.json."""
    allow_outside: bool = False
    """Whether a .jsonl file may name videos that do not lie under the root."""
    quick: bool = False
    """Try the keyframes only: a hundred times faster, but finds less."""
    timeout: float | None = None
    """Seconds for each video; by default no limit."""

    def run(self) -> None:
        """Print one line per video and a summary.

        Raises:
            CommandError: if there is no video, or one is broken.
            DatasetError: if a line of a file of questions cannot be asked.
        """
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise CommandError(f"--timeout must be seconds above 0, got {self.timeout}")
        if is_dataset(str(self.folder)):
            self._check_dataset()
            return
        if self.annotations is not None or self.split is not None or self.out is not None:
            raise CommandError(
                f"--annotations, --split and --out are of a dataset, and {self.folder} is none"
            )
        paths = self._asked_about() if self.folder.suffix == QUESTIONS_SUFFIX else self._found()
        broken, seconds = 0, 0.0
        for path in tqdm(paths, desc="checking", unit="video"):
            health = check_health(path, quick=self.quick, timeout=self.timeout)
            broken, seconds = broken + (not health.sound), seconds + health.duration
            tqdm.write(visible(str(health)), file=sys.stdout)
        videos = "1 video" if len(paths) == 1 else f"{len(paths)} videos"
        say(f"{videos}, {seconds / 3600:.2f} hours, {broken} broken")
        if broken:
            raise CommandError(f"{broken} of {len(paths)} videos are broken: see above")

    def _check_dataset(self) -> None:
        """Check the videos of a dataset's questions."""
        if self.allow_outside:
            raise CommandError("--allow-outside is of a .jsonl file of questions: leave it out")
        check_dataset(
            str(self.folder),
            root=self.root,
            annotations=self.annotations,
            split=self.split,
            out=self.out,
            check=partial(check_health, quick=self.quick, timeout=self.timeout),
        )

    def _asked_about(self) -> list[Path]:
        """Return the videos that a file of questions names, in its order."""
        items = read_jsonl(self.folder, self.root, allow_outside=self.allow_outside)
        say(f"{self.folder}: {len(items)} questions, all of which can be asked")
        return list(dict.fromkeys(item.video for item in items))

    def _found(self) -> list[Path]:
        """Return the videos of a folder, or the one video that is named."""
        if self.root is not None or self.allow_outside:
            raise CommandError(
                f"--root and --allow-outside are of a {QUESTIONS_SUFFIX} file of questions, and "
                f"{self.folder} is none: leave them out"
            )
        paths = [self.folder] if self.folder.is_file() else sorted(self.folder.rglob("*"))
        paths = [p for p in paths if p.suffix.lower() in VIDEO_SUFFIXES and not p.is_dir()]
        if not paths:
            kinds = " ".join(sorted(VIDEO_SUFFIXES))
            raise CommandError(
                f"{self.folder}: no video here: name a folder with files of {kinds}, or a "
                f"{QUESTIONS_SUFFIX} file of questions"
            )
        return paths


@dataclass(frozen=True, kw_only=True)
class DownloadData:
    """Download a benchmark's annotation files from the Hugging Face hub, where it may be done.

    Videos come with --videos, where the hub has them; else a sentence says where they are. Where
    terms have to be accepted first, it says so.
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATASET")]
    """Name of the benchmark, such as video-mme."""
    root: Path
    """Folder for it."""
    videos: bool = False
    """Download the archives of its videos too; they are not unpacked."""
    hub: str | None = None
    """Another page of the hub, OWNER/NAME, such as a mirror's."""
    revision: str | None = None
    """A branch, tag or commit of that page; by default the newest, which is written down."""

    def run(self) -> None:
        """Download, and say where the files are and how to get the rest."""
        benchmark = find_benchmark(self.name)
        files = download(
            benchmark, self.root, videos=self.videos, hub=self.hub, revision=self.revision
        )
        say(f"{len(files)} files of {benchmark.title} ({benchmark.licence}) are in {self.root}")
        say(benchmark.access)
        say(f"then: sage-vqa data check {self.name} --root {self.root}")


@dataclass(frozen=True, kw_only=True)
class ExportData:
    """Write a dataset out as plain files: its videos, and its questions in one .jsonl file.

    `sage-vqa train --dataset FOLDER/questions.jsonl` then trains on it, and any other tool reads
    it. Run again, it copies what is missing.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Gets `questions.jsonl` and a folder of videos for each split."""
    dataset: str = "sage-synth"
    """Name of a dataset, path of a .jsonl file, or package.module:function."""
    root: Path | None = None
    """Folder of the dataset's videos; each dataset has its own default."""
    splits: tuple[str, ...] = ("train", "validation", "test")
    """What to write; a dataset without splits is written as one, unless some are held out."""
    hold_out: tuple[float, float] | None = None
    """Shares of the videos held out for validation and test, as `sage-vqa train` does it, of a
    dataset without splits; every line then names its split."""
    split_seed: int = 0
    """Seeds which videos are held out."""
    link: bool = False
    """Give the videos second names (hard links) instead of copying them, on one disk."""
    allow_outside: bool = False
    """Whether a .jsonl file may name videos that do not lie under the root."""

    def run(self) -> None:
        """Write the files, and say where they are."""
        if not self.splits:
            raise CommandError("--splits needs at least one split, such as test")
        target = self.folder / QUESTIONS
        if target.exists() and Path(self.dataset).exists() and target.samefile(self.dataset):
            raise CommandError(
                f"{target} is the dataset itself, and would be written over: give another folder"
            )
        parts = self._parts() if self.hold_out is None else self._held_out(self.hold_out)
        prepare_videos(parts.values())
        count = export_questions(parts, self.folder, link=self.link)
        say(f"{count} questions written, all are in {self.folder / QUESTIONS}")

    def _parts(self) -> dict[str | None, Sequence[QAItem]]:
        """Return the questions by split, as the dataset has them."""
        if self.split_seed != 0:
            raise CommandError("--split-seed does nothing without --hold-out: leave it out")
        names: tuple[str | None, ...] = self.splits
        if not has_splits(self.dataset):
            self._require_known_splits()
            names = (None,)
        return {
            name: load_dataset(
                self.dataset,
                root=self.root,
                split=name or "train",
                allow_outside=self.allow_outside,
            )
            for name in names
        }

    def _held_out(self, shares: tuple[float, float]) -> dict[str | None, Sequence[QAItem]]:
        """Return the questions by split, held out by video."""
        if has_splits(self.dataset):
            raise CommandError(f"{self.dataset} has splits of its own: leave out --hold-out")
        self._require_known_splits()
        found = load_splits(
            self.dataset,
            root=self.root,
            hold_out=shares,
            seed=self.split_seed,
            allow_outside=self.allow_outside,
        )
        return {name: part for name, part in found.parts().items() if name in self.splits}

    def _require_known_splits(self) -> None:
        """Refuse names that a dataset without splits of its own cannot have meant."""
        if unknown := [name for name in self.splits if name not in NAMES]:
            raise CommandError(f"--splits: {unknown[0]!r} is none of {', '.join(NAMES)}")
