"""The commands of `sage-vqa`: one dataclass each, which is its whole configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

import tyro

from algos.cli.options import CommandError, OnDataset, Playing, evenly, make_envs
from algos.cli.terminal import say
from algos.rollout.playing import play
from algos.rollout.trajectory import save_trajectories
from algos.rollout.transcript import spent_in_words, transcript, unjudged
from algos.runs.run_folder import RunFolder
from algos.runs.token_log import save_tokens
from algos.viewer.reading.run_folders import write_page
from policies.base import PrivilegedPolicy
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import find_item
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
        save_tokens(folder.trajectory, policy, unjudged(trajectory))
        say(f"saved in {folder.trajectory}")
        if trajectory.error is not None:
            raise CommandError(trajectory.error)


@dataclass(frozen=True, kw_only=True)
class Play(OnDataset, Playing):
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
        say(write_page(self.run_folder))
