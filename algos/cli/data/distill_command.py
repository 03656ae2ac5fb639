"""`sage-vqa data distill`: policies play each question several times, and sets are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from algos.cli.options import POLICY_HELP, CommandError, OnDataset, PolicySettings
from algos.cli.terminal import say
from algos.data_pipeline.distilling.hold_out import held_out_questions
from algos.data_pipeline.distilling.making_sets import Sets, distill
from algos.data_pipeline.distilling.parquet_sets import FILES
from algos.data_pipeline.distilling.playing_tries import Teacher
from algos.data_pipeline.distilling.preference_chats import CHATS, write_preference_chats
from algos.data_pipeline.distilling.settings import TRIES, DistillSettings
from algos.data_pipeline.questions.question_files import HOLD_OUT
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import ended_by_signals
from algos.suite.dataset_questions import missing_videos
from algos.suite.question_choice import stratified
from policies.base import PrivilegedPolicy
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import FILE_SUFFIXES
from sage_env.lazy_exports import needs_extra

DEFAULT_POLICY = "sage-mm-tiny"


@dataclass(frozen=True, kw_only=True)
class Distill(OnDataset, PolicySettings):
    """Let policies play each question several times, and make sets to learn from.

    Three Parquet files come out, which `sage-vqa sft --episodes` and `sage-vqa train --dataset`
    take: episodes to imitate, pairs for DPO, questions for RL. No pixels are in them. Every episode
    is saved as soon as it ends; the same command goes on, and with other filters it makes the sets
    anew without playing again.
    """

    policy: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(help=f"As often as needed, {DEFAULT_POLICY} by default. {POLICY_HELP}"),
    ] = ()
    tries: tuple[int, ...] = (TRIES,)
    """Episodes of each question: one number, or one for each policy. What always plays in the same
    way (temperature 0) plays once."""
    split: str = "train"
    """train, validation or test; a function or a .jsonl file may have others."""
    temperature: float = 1.0
    """Sampling temperature of policies that have one."""
    limit: int | None = None
    """How many questions to play, of every duration as large a share as it has; by default all."""
    hold_out: Path | None = None
    """File of the videos and questions of which nothing may get into a set; by default the
    hold_out.json beside a dataset in a file, where there is one."""
    trl: bool = False
    """Also write the pairs as conversations for TRL's preference trainers."""
    envs: int = 8
    """Episodes that are played at the same time; changes the speed, not the result."""
    out: Path = Path("runs/distill")
    """Folder of the episodes and the sets; an unfinished one in it goes on."""
    distill: Annotated[DistillSettings, tyro.conf.arg(name="")] = field(
        default_factory=DistillSettings
    )
    """Settings of the sets."""

    def run(self) -> None:
        """Play what is missing, filter, write, and say what came out.

        Raises:
            CommandError: if an option cannot be used.
            SageEnvError: if the questions cannot be played, or the files not be written.
        """
        self._check()
        with needs_extra("`sage-vqa data distill`", "data"):
            import pyarrow  # noqa: F401  (before hours of play, not after)
        items = self.load_items()
        asked = stratified(items, self.limit)
        if missing := missing_videos(asked, items):
            say(f"{len(missing)} questions are left out: their video is not there", error=True)
            asked = [item for item in asked if item.id not in missing]
        held_out = self._held_out(items)
        folder = RunFolder(self.out)
        with ended_by_signals(), folder.alone("--out"):
            found = distill(
                items,
                self._teachers(),
                self.out,
                self.distill,
                asked=asked,
                root=self.root,
                held_out=held_out,
                seed=self.seed,
                envs=self.envs,
                progress=True,
            )
            if self.trl:
                write_preference_chats(self.out / FILES["dpo"], self.out / CHATS)
        self._tell(found, asked)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.policy or (DEFAULT_POLICY,)

    def _check(self) -> None:
        """Refuse options that contradict each other, before anything is loaded."""
        self.require_sound()
        if len(self.tries) not in (1, len(self._names)) or any(k < 1 for k in self.tries):
            raise CommandError(
                f"--tries takes one number of at least 1, or one for each of the "
                f"{len(self._names)} policies, got {self.tries}"
            )
        if self.envs < 1:
            raise CommandError(f"--envs must be at least 1, got {self.envs}")

    def _held_out(self, items: Sequence[QAItem]) -> frozenset[str]:
        """Return the questions of which nothing may get into a set."""
        if self.hold_out is not None:
            return held_out_questions(self.hold_out, items, required=True)
        file = Path(self.dataset)
        if file.suffix not in FILE_SUFFIXES:
            return frozenset()
        return held_out_questions(file.with_name(HOLD_OUT), items)

    def _teachers(self) -> list[Teacher]:
        tries = self.tries if len(self.tries) > 1 else self.tries * len(self._names)
        found = []
        for name, count in zip(self._names, tries, strict=True):
            policy = self.make_policy(name)
            if isinstance(policy, PrivilegedPolicy):
                say(f"{name} is told the gold evidence: what it looks at is no lesson", error=True)
            found.append(Teacher(name, policy, count, self.env_options(policy)))
        return found

    def _tell(self, found: Sets, asked: Sequence[QAItem]) -> None:
        counts: Any = found.counts
        say(f"{counts['episodes played']} episodes of {len(asked)} questions")
        for name, told in counts["by policy"].items():
            words = ", ".join(f"{number} {word}" for word, number in told.items())
            say(f"  {name}: {words}")
        sft = counts["sft"]
        say(
            f"SFT: {sft['episodes']} episodes ({sft['direct']} direct), "
            f"{sft['state-action pairs']} state-action pairs"
        )
        for reason, number in sft["left out"].items():
            say(f"  left out: {number} {reason}")
        for note in sft["notes"]:
            say(f"  {note}")
        pairs = ", ".join(f"{n} {rule}" for rule, n in counts["dpo"].items()) or "none"
        say(f"DPO: pairs: {pairs}")
        rl = counts["rl"]
        say(f"RL: {rl['questions']} questions ({rl['direct']} direct)")
        for reason, number in rl["left out"].items():
            say(f"  left out: {number} {reason}")
        root = "" if found.root.resolve() == self.out.resolve() else f" --root {found.root}"
        say(f"saved in {self.out}; next:")
        say(f"  sage-vqa sft --episodes {self.out / FILES['sft']}{root}")
        say(f"  sage-vqa train --dataset {self.out / FILES['rl']}{root}")
