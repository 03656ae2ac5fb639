"""Shared options of the commands that play, and the policies, datasets and environments of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from algos.rollout.environment_options import FRAMES, EnvironmentOptions
from policies.registry import NAMES, AnyPolicy, load_policy
from policies.served.named_options import read_options, refuse_keys
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import FILE_SUFFIXES, has_splits, load_dataset
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError
from sage_env.framing.frame_area import frame_limits

POLICY_HELP = "Who plays:\n" + "\n".join(f"{usage}: {about}." for usage, about in NAMES.items())
"""Help of `--policy`, from the table of the policies itself."""


SPLITS = ("train", "validation", "test")
MAX_OBSERVATION = 1 << 30
"""Bytes of the frames of one observation: Gymnasium makes arrays of this size for every space."""


class CommandError(SageEnvError):
    """A command was given something that it cannot work with."""


@dataclass(frozen=True, kw_only=True)
class PolicySettings(EnvironmentOptions):
    """What policies are made with, their seed and their environment."""

    adapter: Path | None = None
    """Folder of a trained LoRA adapter, for the sage-mm policies."""
    policy_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, as often as needed: a setting of the hf, gemini, gemini-video and openai policies
    (replies=json, max_tokens=512, base_url=URL, timeout=60), or of served ones any field of the
    request (seed=null leaves it out)."""
    temperature: float = 0.0
    """Sampling temperature of policies that have one; 0 is greedy."""
    seed: int = 0
    """Seeds the policy and the environment."""

    def require_sound(self) -> dict[str, Any]:
        """Return the policies' options by name.

        Raises:
            CommandError: if one of these settings is none, before anything is loaded.
        """
        if self.seed < 0:
            raise CommandError(f"--seed must be 0 or more, got {self.seed}")
        if not 0 <= self.temperature < float("inf"):
            raise CommandError(f"--temperature must be 0 or more, got {self.temperature}")
        try:
            options = read_options(self.policy_option)
            refuse_keys(options)
            return options
        except ValueError as error:
            raise CommandError(f"--policy-option {error}") from None

    def make_policy(self, name: str) -> AnyPolicy:
        """Return the policy of that name."""
        return load_policy(
            name,
            adapter=self.adapter,
            temperature=self.temperature,
            options=self.require_sound(),
            tools=self.tools,
        )


@dataclass(frozen=True, kw_only=True)
class Playing(PolicySettings):
    """Options of all commands that play with one policy: who it is, its seed, its environment."""

    policy: Annotated[str, tyro.conf.arg(help=POLICY_HELP)] = "sage-mm-tiny"

    def load_policy(self) -> AnyPolicy:
        """Return the policy."""
        return self.make_policy(self.policy)


@dataclass(frozen=True, kw_only=True)
class OnDataset:
    """Options of the commands that play a dataset: which one, and which part of it."""

    dataset: str = "sage-synth"
    """Name of a dataset, path of a .jsonl or .parquet file, or package.module:function."""
    root: Path | None = None
    """Folder of the videos, and of a benchmark's annotations; some datasets have a default."""
    annotations: Path | None = None
    """Annotation file of a benchmark, or the folder of several, where it does not lie below the
    root or has another name."""
    split: str = "test"
    """train, validation or test; a function or a .jsonl file may have others. A .jsonl file whose
    lines name no split is one."""
    allow_outside: bool = False
    """Whether a file may name videos that do not lie under the root."""

    def load_items(self) -> Sequence[QAItem]:
        """Return the questions of the dataset.

        Raises:
            DatasetError: if they cannot be asked.
        """
        require_split(self.dataset, self.split)
        return load_dataset(
            self.dataset,
            root=self.root,
            split=self.split,
            annotations=self.annotations,
            allow_outside=self.allow_outside,
        )


def require_split(dataset: str, split: str) -> None:
    """Refuse a split that a file without splits would stand for, whatever it is called.

    Raises:
        CommandError: naming the splits, and the one that is nearest.
    """
    in_file = Path(dataset).suffix in FILE_SUFFIXES
    if in_file and split not in SPLITS and not has_splits(dataset):
        near = difflib.get_close_matches(split, SPLITS, n=1)
        meant = f": did you mean {near[0]!r}?" if near else ""
        raise CommandError(f"--split takes {', '.join(SPLITS)}, got {split!r}{meant}")


def make_envs(items: Sequence[QAItem], count: int, options: dict[str, Any]) -> list[VideoQAEnv]:
    """Return environments that are alike.

    Raises:
        CommandError: if an option has an illegal value.
    """
    if count < 1:
        raise CommandError(f"--envs must be at least 1, got {count}")
    try:
        frames = max(options.get(name, FRAMES) for name in ("frames_per_turn", "overview_frames"))
        sizes = options.get("frame_size"), options.get("frame_pixels")
        (height, width), _ = frame_limits(*sizes, None)
        if (size := 3 * frames * height * width) > MAX_OBSERVATION:
            raise CommandError(
                f"{frames} frames of {height}x{width} are {size / 2**30:.1f} GiB, and one "
                "observation may have 1 GiB: give fewer --frames-per-turn and --overview-frames, "
                "or a smaller --frame-size"
            )
        return [VideoQAEnv(dataset=items, **options) for _ in range(min(count, len(items)))]
    except (ValueError, OverflowError, TypeError) as error:
        told = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise CommandError(f"no environment can be made with {told}: {error}") from error


def evenly(items: Sequence[QAItem], limit: int | None) -> list[QAItem]:
    """Return `limit` items evenly spaced over all, since neighbours often share a video."""
    if limit is not None and limit < 1:
        raise CommandError(f"--limit must be at least 1, got {limit}")
    count = len(items) if limit is None else min(limit, len(items))
    return [items[k * len(items) // count] for k in range(count)]
