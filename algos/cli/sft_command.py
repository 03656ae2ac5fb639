"""`sage-vqa sft`: supervised fine-tuning from trajectories, into a folder that it can go on in."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from algos.cli.options import CommandError, evenly, require_split
from algos.cli.terminal import say
from algos.runs.run_folder import RunFolder, read_json
from algos.sft.settings import SFTConfig
from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode, read_episodes
from policies.registry import load_policy
from policies.served.named_options import refuse_keys_in
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.question_sets import SET_SUFFIX, read_question_sets
from sage_env.lazy_exports import needs_extra
from sage_env.tools.naming import find_tools

if TYPE_CHECKING:
    from algos.sft.cloning import Lessons
    from algos.sft.fitting import Fitted
    from policies.sage_mm.policy import SageMM

LORA_RANK = 16
# Settings that change no result beyond rounding, or that only say where things lie.
_MAY_DIFFER = {"out", "root", "envs", "checkpointing", "feature_gib", "feature_folder", "played"}
_MAY_DIFFER |= {f"sft.{name}" for name in ("micro_batch", "micro_tokens", "workers")}
_MAY_DIFFER |= {"sft.checkpoint_every", "sft.keep_last"}


@dataclass(frozen=True, kw_only=True)
class Sft:
    """Fine-tune a checkpoint's LoRA adapter on episodes: what the assistant writes, nothing else.

    The episodes are a demonstrator's, which plays first, or stored ones of any policy, service or
    person. Their actions are played again, so that tokens and frames are the checkpoint's own.
    Stopped at any moment, the same command goes on.
    """

    episodes: tuple[Path, ...] = ()
    """Trajectories to learn from: .jsonl files, sets of `sage-vqa data distill` (.parquet), folders
    of `sage-vqa eval` or `sage-vqa ask`."""
    demonstrator: str | None = None
    """Policy that plays the questions and is then learned from, named as for `--policy`."""
    temperature: float | None = None
    """Sampling temperature of the demonstrator, if it has one."""
    repeats: int = 1
    """Episodes of the demonstrator for each question."""
    questions: int | None = None
    """How many questions the demonstrator plays, evenly spaced; by default all."""
    filter: Literal["all", "right"] = "all"
    """Which episodes are learned from: `all`, or those whose answer is `right`."""
    min_reward: float | None = None
    """Least sum of an episode's rewards to be learned from."""
    limit: int | None = None
    """Most episodes to learn from, evenly spaced over those that are left."""
    validation_episodes: tuple[Path, ...] = ()
    """Episodes of other videos to validate on."""
    validation_share: float | None = None
    """Share of the videos to validate on; by default 0.1 where no episodes are given for it."""
    played: bool = False
    """Play the validation questions greedily at the end, and print the accuracy."""
    dataset: str | None = None
    """Dataset of the episodes: a name, the path of a .jsonl or .parquet file, or
    package.module:function. By default sage-synth, or what stands in the sets of --episodes."""
    root: Path | None = None
    """Folder of the videos; each dataset has its own default."""
    split: str = "train"
    """Part of the dataset."""
    allow_outside: bool = False
    """Whether a file may name videos that do not lie under the root."""
    frame_size: tuple[int, int] | None = None
    """Height and width of the frames; by default what the checkpoint wants, or the dataset."""
    tools: tuple[str, ...] = ()
    """Tools that the episodes use, as in eval."""
    checkpoint: str | None = None
    """Folder or hub id of the Qwen3-VL checkpoint to train; by default the shipped small one."""
    adapter: Path | None = None
    """Adapter to go on from; it brings its rank."""
    lora_rank: int | None = None
    """Rank of a new adapter; by default 16."""
    device: str = "auto"
    """Where the model runs: `cpu`, `cuda`, …; `auto` is the GPU if there is one."""
    dtype: str = "auto"
    """Of the frozen base; `auto` is the checkpoint's own on a GPU and float32 on a CPU."""
    four_bit: bool = False
    """Hold the frozen language model in 4 bits (QLoRA)."""
    checkpointing: bool = False
    """Compute layers again in the backward pass instead of keeping them: for larger models."""
    feature_gib: float = 2.0
    """GiB of frame features in memory; what is dropped is decoded and encoded again."""
    feature_folder: Path | None = None
    """Folder for frame features on disk, which later runs find again."""
    skip_too_long: bool = False
    """Leave out episodes that are longer than the model's context, and say so."""
    skip_broken: bool = False
    """Leave out episodes whose video cannot be read, and say so."""
    envs: int = 8
    """Episodes that are played at the same time; changes the speed, not the result."""
    out: Path = Path("runs/sft")
    """Folder of the run; an unfinished run in it is continued."""
    sft: Annotated[SFTConfig, tyro.conf.arg(name="")] = field(default_factory=SFTConfig)
    """Settings of the training."""

    def run(self) -> None:
        """Read or play the episodes, train, print.

        Raises:
            CommandError: if options contradict each other.
            SageEnvError: if the episodes, the checkpoint or the folder cannot be used.
        """
        self._check()
        folder = RunFolder(self.out)
        given = read_episodes(self.episodes) if self.episodes else []
        others = read_episodes(self.validation_episodes) if self.validation_episodes else []
        items = self._items()
        with folder.alone("--out"):
            folder.require_no_other("a fine-tuning", "--out")
            self._check_folder(folder)
            with needs_extra("`sage-vqa sft`", "sage"):
                from algos.sft.cloning import learn
            student = self._load()
            if self.demonstrator is not None:
                given = self._demonstrate(folder, student, items)
            _tell_failures([*given, *others])
            lessons = self._prepare(student, given, others, items)
            _tell_lessons(lessons)
            folder.save_config(self)
            fitted = learn(student, lessons, self.out, self.sft, progress=True)
            self._tell(folder, fitted)
            if self.played:
                self._play(student, lessons, items)

    def _items(self) -> Sequence[QAItem]:
        """Return the questions of the episodes."""
        sets = [*self.episodes, *self.validation_episodes]
        if self.dataset is None and sets and all(path.suffix == SET_SUFFIX for path in sets):
            return read_question_sets(sets, self.root, allow_outside=self.allow_outside)
        dataset = self.dataset or "sage-synth"
        require_split(dataset, self.split)
        return load_dataset(
            dataset, root=self.root, split=self.split, allow_outside=self.allow_outside
        )

    def _check(self) -> None:
        """Refuse options that contradict each other, or that would silently do nothing."""
        if bool(self.episodes) == (self.demonstrator is not None):
            raise CommandError(
                "sft learns from --episodes FILE|FOLDER …, or from --demonstrator POLICY: give one"
            )
        played = {"temperature": None, "repeats": 1, "questions": None}
        told = [name for name, value in played.items() if getattr(self, name) != value]
        if told and self.demonstrator is None:
            raise CommandError(f"--{told[0]} is of a demonstrator, and none is given")
        if self.adapter is not None and self.lora_rank is not None:
            raise CommandError(
                f"--lora-rank is of a new adapter, and {self.adapter} brings its own: leave it out"
            )
        if self.adapter is not None and not self.adapter.is_dir():
            raise CommandError(f"{self.adapter} is not a folder with a LoRA adapter")
        if self.validation_episodes and self.validation_share is not None:
            raise CommandError("give --validation-episodes or --validation-share, not both")
        least_of = {"repeats": 1, "envs": 1, "lora_rank": 1, "limit": 1, "questions": 1}
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise CommandError(f"--{option} must be at least {least}, got {value}")
        self._check_numbers()
        if self.frame_size is not None and any(n < 32 or n % 32 for n in self.frame_size):
            raise CommandError(f"--frame-size must be two multiples of 32, got {self.frame_size}")
        if self.played and self.validation_share == 0:
            raise CommandError("--played needs held-out videos, got --validation-share 0")

    def _check_numbers(self) -> None:
        """Refuse what is no number, before a demonstrator plays for hours."""
        ranges: dict[str, tuple[float, str]] = {"temperature": (0, "0 or more")}
        ranges |= {"feature_gib": (0, "0 or more"), "min_reward": (-math.inf, "a number")}
        for name, (least, words) in ranges.items():
            value = getattr(self, name)
            if value is not None and not (least <= value and math.isfinite(value)):
                raise CommandError(f"--{name.replace('_', '-')} must be {words}, got {value}")
        if self.validation_share is not None and not 0 <= self.validation_share < 1:
            raise CommandError(f"--validation-share must be in [0, 1), got {self.validation_share}")

    def _check_folder(self, folder: RunFolder) -> None:
        """Refuse a folder whose episodes or checkpoints were made with other settings."""
        if folder.config.exists() and (folder.has_results() or folder.demonstrations.exists()):
            from algos.runs.checkpoint import require_same
            from algos.sft.fitting import ELSEWHERE

            now = json.loads(json.dumps(asdict(self), default=str))
            require_same(read_json(folder.config), now, may_differ=_MAY_DIFFER, elsewhere=ELSEWHERE)

    def _load(self) -> SageMM:
        """Return the student."""
        import torch

        from policies.sage_mm.model.adapters import LoraSettings
        from policies.sage_mm.policy import SageMM
        from policies.sage_mm.vision.feature_cache import CacheSizes

        try:
            refuse_keys_in(self.tools)
            tools = tuple(find_tools(self.tools).values())
        except ValueError as error:
            raise CommandError(f"--tools cannot be used: {error}") from error
        torch.set_num_threads(1 if self.sft.workers > 1 else torch.get_num_threads())
        rank = self.lora_rank or LORA_RANK
        return SageMM.load(
            self.checkpoint,
            adapter=self.adapter,
            lora=LoraSettings(r=rank, alpha=2 * rank, seed=self.sft.seed),
            device=self.device,
            dtype=self.dtype,
            four_bit=self.four_bit,
            checkpointing=self.checkpointing,
            cache=CacheSizes(cpu=int(self.feature_gib * 2**30), folder=self.feature_folder),
            workers=self.sft.workers,
            tools=tools,
        )

    def _demonstrate(
        self, folder: RunFolder, student: SageMM, items: Sequence[QAItem]
    ) -> list[StoredEpisode]:
        """Let the demonstrator play, in the student's budget."""
        from algos.sft.demonstrating import demonstrate

        assert self.demonstrator is not None
        teacher = load_policy(self.demonstrator, temperature=self.temperature)
        folder.save_config(self)  # right before the first result
        return demonstrate(
            teacher,
            items,
            folder.demonstrations,
            asked=evenly(items, self.questions),
            env_options={**student.env_options, **self._env_options()},
            repeats=self.repeats,
            seed=self.sft.seed,
            envs=self.envs,
            progress=True,
        )

    def _env_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"tools": self.tools} if self.tools else {}
        return options if self.frame_size is None else {**options, "frame_size": self.frame_size}

    def _prepare(
        self,
        student: SageMM,
        given: Sequence[StoredEpisode],
        others: Sequence[StoredEpisode],
        items: Sequence[QAItem],
    ) -> Lessons:
        from algos.sft.cloning import prepare
        from algos.sft.replaying import ReplaySettings

        share = 0.1 if self.validation_share is None else self.validation_share
        return prepare(
            student,
            given,
            items,
            validation=others or share,
            seed=self.sft.seed,
            choice=EpisodeChoice(
                right_only=self.filter == "right", min_reward=self.min_reward, limit=self.limit
            ),
            env_options=self._env_options(),
            settings=ReplaySettings(
                envs=self.envs, skip_broken=self.skip_broken, skip_too_long=self.skip_too_long
            ),
            progress=True,
        )

    def _tell(self, folder: RunFolder, fitted: Fitted) -> None:
        from algos.runs.metrics import read_metrics

        ended = "" if fitted.last == fitted.steps else f", ended early after step {fitted.last}"
        say(f"step {fitted.step} of {fitted.steps} is kept{ended}")
        rows = {row["update"]: row for row in read_metrics(folder.metrics)}
        for name, step in (("before", 0), ("kept", fitted.step)):
            row = rows.get(step, {})
            if "eval/loss" in row:
                say(
                    f"  {name + ':':8}validation loss {row['eval/loss']:.4f} nats per token, "
                    f"token accuracy {row['eval/token_accuracy']:.3f}"
                )
        model = f"sage-mm:{self.checkpoint}" if self.checkpoint else "sage-mm-tiny"
        say(f"adapter: {fitted.adapter}")
        say(f"plays with: sage-vqa eval --policy {model} --adapter {fitted.adapter}")

    def _play(self, student: SageMM, lessons: Lessons, items: Sequence[QAItem]) -> None:
        from algos.sft.cloning import play_held_out

        found = play_held_out(
            student, lessons, items, self.out, env_options=self._env_options(), envs=self.envs
        )
        right = "not judged" if found.accuracy is None else f"{found.accuracy:.1%} right"
        say(f"played {found.questions} validation questions greedily: {right}")


def _tell_failures(episodes: Sequence[StoredEpisode]) -> None:
    """Print how many episodes failed, and why the first did: nothing is learned from them."""
    failed = [e.trajectory.error for e in episodes if e.trajectory.error is not None]
    if failed:
        say(f"{len(failed)} of {len(episodes)} episodes failed, the first with: {failed[0]}")


def _tell_lessons(lessons: Lessons) -> None:
    """Print what is learned from, and what was left out."""
    for name, pairs in (("training", lessons.training), ("validation", lessons.validation)):
        videos = {episode.item_id for episode, _ in pairs}
        learned = sum(int(example.loss_mask.sum()) for _, example in pairs)
        tokens = sum(len(example.ids) for _, example in pairs)
        say(
            f"{name}: {len(pairs)} episodes of {len(videos)} questions, "
            f"{learned:,} learned tokens of {tokens:,}"
        )
    for reason, count in lessons.left_out.items():
        say(f"left out: {count} {reason}")
