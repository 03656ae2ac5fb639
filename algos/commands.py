"""The commands of `sage-vqa`: one dataclass each, which is its whole configuration."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from algos.evaluate import EvalResult, evaluate, measure_episodes
from algos.report import ReportData, load_report, save_report, write_report
from algos.rollout import Trajectory, play
from algos.run_folder import RunFolder
from algos.tables import (
    BREAKDOWN_HEADER,
    SUMMARY_HEADER,
    breakdown_cells,
    format_table,
    summary_cells,
)
from algos.transcript import transcript
from policies.base import BatchPolicy, Policy
from policies.named import load_policy
from sage_env.datasets import QAItem, find_item, load_dataset
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError
from sage_env.video import open_video

AnyPolicy = Policy | BatchPolicy


class CommandError(SageEnvError):
    """A command was given something that it cannot work with."""


@dataclass(frozen=True, kw_only=True)
class _Playing:
    """What all commands that play have in common."""

    policy: str = "sage-mm-tiny"
    """random, uniform[:FRAMES], scripted, sage-mm-tiny, sage-mm:FOLDER, package.module:Class."""
    adapter: Path | None = None
    """Folder of a trained LoRA adapter, for the sage-mm policies."""
    temperature: float = 0.0
    """Sampling temperature of policies that have one; 0 is greedy."""
    seed: int = 0
    """Seeds the policy and the environment."""
    max_turns: int | None = None
    """Most turns, the answer included. By default, here and below, what the policy asks for."""
    max_frames: int | None = None
    """Most frames per question, the overview included."""
    frames_per_turn: int | None = None
    """Most frames that one action is shown."""
    overview_frames: int | None = None
    """Evenly spaced frames shown at the start; 0 starts blind."""
    frame_size: tuple[int, int] | None = None
    """Height and width of the frames, multiples of 32."""

    def load_policy(self) -> AnyPolicy:
        """Return the policy."""
        if not 0 <= self.temperature < float("inf"):
            raise CommandError(f"--temperature must be 0 or more, got {self.temperature}")
        sys.path.append("")  # so that package.module:Class is found in the working directory
        return load_policy(self.policy, adapter=self.adapter, temperature=self.temperature)

    def env_options(self, policy: AnyPolicy) -> dict[str, Any]:
        """Return what the environment is made with."""
        if self.frame_size is not None and any(n < 32 or n % 32 for n in self.frame_size):
            raise CommandError(f"--frame-size must be two multiples of 32, got {self.frame_size}")
        names = ("max_turns", "max_frames", "frames_per_turn", "overview_frames", "frame_size")
        given = {name: getattr(self, name) for name in names}
        options: dict[str, Any] = dict(getattr(policy, "env_options", {}))
        return options | {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class _OnDataset(_Playing):
    """What the commands that play a dataset have in common."""

    dataset: str = "sage-synth"
    """Name of a dataset, or path of a .jsonl file."""
    root: Path | None = None
    """Folder of the videos; each dataset has its own default."""
    split: str = "test"
    """train, validation or test."""


@dataclass(frozen=True, kw_only=True)
class Ask(_Playing):
    """Ask a question about any video file, and print what the policy does."""

    video: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEO")]
    """The video file."""
    question: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="QUESTION")]
    """The question."""
    choices: tuple[str, ...] = ()
    """Answers to choose from; without them the question is open."""

    def run(self) -> None:
        """Play one episode and print it."""
        if not self.question.strip():
            raise CommandError("the question is empty: ask something about the video")
        if len(self.choices) == 1 or len(set(self.choices)) < len(self.choices):
            raise CommandError(f"--choices needs two or more different answers, got {self.choices}")
        open_video(self.video).close()  # a wrong path should not wait for a model to load
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
        if self.policy in ("sage-mm-tiny", "uniform"):
            print(
                "Note: sage-mm-tiny was trained on small synthetic clips only. It plays real video "
                "end to end,\nbut its answers will be poor; for good ones name a real checkpoint "
                "with --policy sage-mm:FOLDER.\n"
            )
        env = make_envs([item], 1, self.env_options(policy))[0]
        trajectory = play(env, policy, seed=self.seed, item_id=item.id)
        env.close()
        print(transcript(item, trajectory, judged=False))
        if trajectory.error is not None:
            raise CommandError(trajectory.error)


@dataclass(frozen=True, kw_only=True)
class Play(_OnDataset):
    """Play some questions of a dataset and print every turn."""

    item_id: str | None = None
    """The question to play; by default, some of the dataset."""
    limit: int = 3
    """How many questions to play, evenly spaced over the dataset."""

    def run(self) -> None:
        """Play and print."""
        items = load_dataset(self.dataset, root=self.root, split=self.split)
        if self.item_id is None:
            chosen = evenly(items, self.limit)
        else:
            index = {item.id: k for k, item in enumerate(items)}
            chosen = [items[find_item(index, self.item_id)]]
        policy = self.load_policy()
        env = make_envs(items, 1, self.env_options(policy))[0]
        for item in chosen:
            trajectory = play(env, policy, seed=self.seed, item_id=item.id)
            print(transcript(item, trajectory), end="\n\n", flush=True)
            if trajectory.error is not None:
                raise CommandError(trajectory.error)
        env.close()


@dataclass(frozen=True, kw_only=True)
class Eval(_OnDataset):
    """Measure a policy on a dataset; print tables, and save them with all episodes."""

    limit: int | None = None
    """How many questions to play, evenly spaced over the dataset; by default all."""
    envs: int = 8
    """Questions that are played at the same time; changes the speed, not the result."""
    out: Path = Path("runs/eval")
    """Folder for the evaluation, the episodes and a report."""

    def run(self) -> None:
        """Play, print, save."""
        items = load_dataset(self.dataset, root=self.root, split=self.split)
        chosen = evenly(items, self.limit)
        policy = self.load_policy()
        options = self.env_options(policy)
        envs = make_envs(items, self.envs, options)
        with tqdm(total=len(chosen), desc=self.policy, unit="question") as bar:

            def progress(_: Trajectory) -> None:
                bar.update()

            result = evaluate(
                envs,
                policy,
                chosen,
                seed=self.seed,
                name=self.policy,
                decoding=decoding_of(policy),
                progress=progress,
            )
        for env in envs:
            env.close()
        folder = RunFolder(self.out)
        folder.save_config(self)
        report = save_report(folder, self._report(result, items, options))
        print_tables(result)
        print(f"\nsaved in {self.out}; report: {report}")
        errors = [t.error for t in result.trajectories if t.error is not None]
        if len(errors) == len(chosen):
            raise CommandError(f"every question failed, the first with: {errors[0]}")

    def _report(
        self, result: EvalResult, items: Sequence[QAItem], options: dict[str, Any]
    ) -> ReportData:
        default = getattr(items, "frame_size", (224, 224))
        height, width = options.get("frame_size", default)
        words = [result.name, *([result.decoding] if result.decoding else [])]
        name = re.sub(r"[^A-Za-z0-9.=-]+", "-", " ".join(words)).strip("-.") or "policy"
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


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the report of a run anew from the files in its folder."""

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The folder of the run."""

    def run(self) -> None:
        """Write the report and print where it is."""
        folder = RunFolder(self.run_folder)
        write_report(folder.report, load_report(folder))
        print(folder.report)


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
        """Build with a progress bar."""
        from sage_env.synth.build import build

        build(self.root, self.splits, self.workers, progress=True)


def make_envs(items: Sequence[QAItem], count: int, options: dict[str, Any]) -> list[VideoQAEnv]:
    """Return environments that are alike.

    Raises:
        CommandError: if an option has an illegal value.
    """
    if count < 1:
        raise CommandError(f"--envs must be at least 1, got {count}")
    try:
        return [VideoQAEnv(dataset=items, **options) for _ in range(count)]
    except ValueError as error:
        raise CommandError(str(error)) from error


def evenly(items: Sequence[QAItem], limit: int | None) -> list[QAItem]:
    """Return `limit` items evenly spaced over all, since neighbours often share a video."""
    if limit is not None and limit < 1:
        raise CommandError(f"--limit must be at least 1, got {limit}")
    count = len(items) if limit is None else min(limit, len(items))
    return [items[k * len(items) // count] for k in range(count)]


def decoding_of(policy: AnyPolicy) -> str:
    """Return how a policy chooses: `greedy`, `T = 1`, or "" where it does not sample."""
    temperature = getattr(policy, "temperature", None)
    if temperature is None:
        return ""
    return "greedy" if temperature == 0 else f"T = {temperature:g}"


def print_tables(result: EvalResult) -> None:
    """Print the summary of one evaluation, and its groups."""
    print(format_table(SUMMARY_HEADER, summary_cells([result])))
    print()
    print(format_table(BREAKDOWN_HEADER, breakdown_cells(measure_episodes(result.episodes()))))
