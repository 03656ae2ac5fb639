"""`sage-vqa data`: videos and questions as files: made, checked, written out."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from algos.cli.options import CommandError
from algos.cli.terminal import say
from policies.terminal_text import visible
from sage_env.datasets.exporting import QUESTIONS, export_questions
from sage_env.datasets.loading import has_splits, load_dataset
from sage_env.datasets.preparing import prepare_videos
from sage_env.storage.cache_folder import cache_folder
from sage_env.video.health import VIDEO_SUFFIXES, check_health


@dataclass(frozen=True, kw_only=True)
class BuildData:
    """Render the videos of the embedded dataset; what is there already is kept."""

    root: Path | None = None
    """Folder for the videos; by default the one that the dataset is read from."""
    splits: tuple[str, ...] = ("train", "validation", "test")
    """What to build."""
    workers: int | None = None
    """Processes; by default one per core."""

    def run(self) -> None:
        """Build with a progress bar, and say where the videos are."""
        from sage_env.synth.build import build

        if self.workers is not None and self.workers < 1:
            raise CommandError(f"--workers must be at least 1, got {self.workers}")
        if not self.splits:
            raise CommandError("--splits needs at least one of train, validation, test")
        written = build(self.root, self.splits, self.workers, progress=True)
        say(f"{written} videos written, all are in {self.root or cache_folder()}")


@dataclass(frozen=True, kw_only=True)
class CheckData:
    """Decode every video of a folder, and say what is wrong with those that are broken."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """The folder, with all that are in it; or one file."""
    quick: bool = False
    """Try the keyframes only: a hundred times faster, but finds less."""
    timeout: float | None = None
    """Seconds for each video; by default no limit."""

    def run(self) -> None:
        """Print one line per video and a summary.

        Raises:
            CommandError: if there is no video, or one is broken.
        """
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise CommandError(f"--timeout must be seconds above 0, got {self.timeout}")
        paths = [self.folder] if self.folder.is_file() else sorted(self.folder.rglob("*"))
        paths = [p for p in paths if p.suffix.lower() in VIDEO_SUFFIXES and not p.is_dir()]
        if not paths:
            kinds = " ".join(sorted(VIDEO_SUFFIXES))
            raise CommandError(f"{self.folder}: no video here: name a folder with files of {kinds}")
        broken, seconds = 0, 0.0
        for path in tqdm(paths, desc="checking", unit="video"):
            health = check_health(path, quick=self.quick, timeout=self.timeout)
            broken, seconds = broken + (not health.sound), seconds + health.duration
            tqdm.write(visible(str(health)), file=sys.stdout)
        videos = "1 video" if len(paths) == 1 else f"{len(paths)} videos"
        say(f"{videos}, {seconds / 3600:.2f} hours, {broken} broken")
        if broken:
            raise CommandError(f"{broken} of {len(paths)} videos are broken: see above")


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
    """What to write; a dataset without splits is written as one."""
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
        names: tuple[str | None, ...] = self.splits if has_splits(self.dataset) else (None,)
        parts = {
            name: load_dataset(
                self.dataset,
                root=self.root,
                split=name or "train",
                allow_outside=self.allow_outside,
            )
            for name in names
        }
        prepare_videos(parts.values())
        count = export_questions(parts, self.folder, link=self.link)
        say(f"{count} questions written, all are in {self.folder / QUESTIONS}")
