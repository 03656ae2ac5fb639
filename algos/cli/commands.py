"""The commands of `sage-vqa`: one dataclass each, which is its whole configuration."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro
from tqdm import tqdm

from algos.cli.options import CommandError, OnDataset, Playing, evenly, make_envs
from algos.cli.terminal import say
from algos.report.report import load_report, write_report
from algos.rollout.playing import play
from algos.rollout.trajectory import save_trajectories
from algos.rollout.transcript import spent_in_words, transcript, unjudged
from algos.runs.run_folder import RunFolder
from policies.base import PrivilegedPolicy
from policies.terminal_text import visible
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import find_item
from sage_env.storage.cache_folder import cache_folder
from sage_env.video.health import VIDEO_SUFFIXES, check_health
from sage_env.video.video_file import open_video


@dataclass(frozen=True, kw_only=True)
class Ask(Playing):
    """Ask a question about any video file, and print what the policy does."""

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """The video file."""
    question: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTION")]
    """The question."""
    choices: tuple[str, ...] = ()
    """Answers to choose from; without them the question is open."""
    out: Path = Path("runs/ask")
    """Folder for the settings and the trajectory, tokens included."""

    def run(self) -> None:
        """Play one episode, print it and save it."""
        if not self.question.strip():
            raise CommandError("the question is empty: ask something about the video")
        if len(self.choices) == 1 or len(set(self.choices)) < len(self.choices):
            raise CommandError(f"--choices needs two or more different answers, got {self.choices}")
        open_video(self.video).close()  # a wrong path should not wait for a model to load
        folder = RunFolder(self.out)
        with folder.alone("--out"):
            folder.require_no_other("a question that was asked", "--out")
            self._ask(folder)

    def _ask(self, folder: RunFolder) -> None:
        # The gold answer is not known: the verdict on this one is not printed.
        item = QAItem(
            id="question",
            video=self.video,
            question=self.question,
            choices=self.choices,
            answer=self.choices[0] if self.choices else "unknown",
            kind="mcq" if self.choices else "open",
        )
        policy = self.load_policy()
        if isinstance(policy, PrivilegedPolicy):
            raise CommandError(
                f"{self.policy!r} looks at the gold evidence of a dataset's question, and your own "
                "question has none: use it with `sage-vqa play` or `sage-vqa eval`"
            )
        if self.policy in ("sage-mm-tiny", "uniform"):
            say(
                "Note: sage-mm-tiny was trained on small synthetic clips only. It plays real video "
                "end to end,\nbut its answers will be poor; for good ones name a real checkpoint "
                "with --policy sage-mm:FOLDER.\n"
            )
        env = make_envs([item], 1, self.env_options(policy))[0]
        began = perf_counter()
        trajectory = play(env, policy, seed=self.seed, item_id=item.id, isolate=True)
        seconds = perf_counter() - began
        env.close()
        say(transcript(item, unjudged(trajectory), judged=False))
        say(f"spent:    {spent_in_words(trajectory, seconds)}")
        folder.save_config(self)
        save_trajectories(folder.trajectory, [unjudged(trajectory)])
        say(f"saved in {folder.trajectory}")
        if trajectory.error is not None:
            raise CommandError(trajectory.error)


@dataclass(frozen=True, kw_only=True)
class Play(OnDataset):
    """Play some questions of a dataset and print every turn."""

    item_id: str | None = None
    """The question to play; by default, some of the dataset."""
    limit: int = 3
    """How many questions to play, evenly spaced over the dataset."""

    def run(self) -> None:
        """Play and print."""
        items = self.load_items()
        if self.item_id is None:
            chosen = evenly(items, self.limit)
        else:
            index = {item.id: k for k, item in enumerate(items)}
            chosen = [items[find_item(index, self.item_id)]]
        policy = self.load_policy()
        env = make_envs(items, 1, self.env_options(policy))[0]
        for item in chosen:
            trajectory = play(env, policy, seed=self.seed, item_id=item.id, isolate=True)
            say(transcript(item, trajectory), end="\n\n")
            if trajectory.error is not None:
                raise CommandError(trajectory.error)
        env.close()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the report of a run anew from the files in its folder."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder of the run."""

    def run(self) -> None:
        """Write the report and print where it is."""
        folder = RunFolder(self.run_folder)
        write_report(folder.report, load_report(folder))
        say(folder.report)


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
