"""Builders of a training's objects from its settings: the policy, the questions, environments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from gymnasium import Env as GymEnv

from algos.experiment.settings import Training
from algos.recipe.settings import Recipe
from algos.rollout.environment_options import SIZES, OptionError
from algos.rollout.trajectory import Trajectory
from algos.runs.run_folder import RunFolder
from algos.runs.token_log import played_and_kept
from policies.served.named_options import refuse_keys_in
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import Judge
from sage_env.datasets.splits import HOLD_OUT, Splits, load_splits
from sage_env.env import VideoQAEnv
from sage_env.rewards import Reward, efficient
from sage_env.storage.byte_size import parse_bytes
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool

if TYPE_CHECKING:
    from policies.sage_mm import SageMM

Env: TypeAlias = GymEnv[Any, Any]
GIVEN = "(questions given in Python)"
"""The name of a dataset that has none; `sage-vqa verify` cannot find it again."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Objects that take the place of what the settings name; `None`: as the settings say.

    Attributes:
        splits: the questions.
        reward: of the training.
        judge: of all environments.
        tools: of all environments.
        policy: that is trained.
    """

    splits: Splits | None = None
    reward: Reward | None = None
    judge: Judge | None = None
    tools: Sequence[Tool] | None = None
    policy: SageMM | None = None

    def named_in(self, config: Training) -> Training:
        """Return the settings with the names of what is given here, as `module:name`."""
        named: dict[str, Any] = {}
        if self.splits is not None:
            named["dataset"] = GIVEN
        if self.reward is not None:
            named["reward"] = name_of(self.reward)
        if self.judge is not None:
            named["judge"] = name_of(self.judge)
        if self.tools is not None:
            named["tools"] = tuple(name_of(tool) for tool in self.tools)
        return replace(config, **named)


def name_of(part: object) -> str:
    """Return `module:name` of a function or class, of another object that of its class."""
    named = part if hasattr(part, "__qualname__") else type(part)
    return f"{named.__module__}:{named.__qualname__}"


def load_policy(config: Training, tools: Sequence[Tool] | None = None) -> SageMM:
    """Return the policy as it is before any training.

    Args:
        config: the settings.
        tools: those of the environment, where they are objects.

    Raises:
        SageEnvError: if the checkpoint or a setting of it cannot be used.
    """
    from policies.sage_mm import SageMM
    from policies.sage_mm.model.sage_model import LoraSettings

    settings: dict[str, Any] = {"workers": config.workers, "checkpointing": config.checkpointing}
    settings |= {"device": config.device, "constrained": config.constrained}
    if config.max_new_tokens is not None:
        settings["max_new_tokens"] = config.max_new_tokens
    settings["tools"] = _tools(config.tools if tools is None else tools)
    try:
        settings |= _sizes(config)
        if config.train == "full":
            settings |= {"train": "full", "seed": config.ppo.seed, "four_bit": config.four_bit}
            settings |= {"dtype": "float32" if config.dtype == "auto" else config.dtype}
            settings |= {"adapter": config.adapter, "critic": config.critic}
        else:
            rank = config.lora_rank
            lora = LoraSettings(r=rank, alpha=2 * rank, seed=config.ppo.seed)
            settings |= {"dtype": config.dtype, "four_bit": config.four_bit, "lora": lora}
            settings |= {"cut_bars": config.cut_bars, "adapter": config.adapter}
            settings |= {"critic": config.critic}
        policy = SageMM.load(config.checkpoint, **settings)
    except (ValueError, OSError) as error:  # sizes that are none, a folder that is not there
        raise OptionError(f"the model cannot be loaded: {error}") from error
    policy.answers_only = config.answers_only  # whoever scores its replies again needs it too
    return policy


def _tools(given: Sequence[Tool | str]) -> tuple[Tool, ...]:
    try:
        refuse_keys_in(given)
        return tuple(find_tools(given).values())
    except (ValueError, TypeError) as error:
        raise OptionError(f"--tools cannot be used: {error}") from error


def _sizes(config: Training) -> dict[str, Any]:
    """Return the bytes that the settings give to caches, where they give any.

    Raises:
        ValueError: if they are no numbers of bytes.
    """
    from policies.sage_mm.vision.feature_cache import CacheSizes

    found: dict[str, Any] = {}
    if config.kv_bytes is not None:
        found["kv_bytes"] = parse_bytes(config.kv_bytes)
    if config.feature_cache:
        pairs = [one.partition("=") for one in config.feature_cache]
        found["cache"] = CacheSizes.from_words({level: size for level, _, size in pairs})
    return found


def find_splits(config: Training) -> Splits:
    """Return the questions of a training, of its validation and of its test.

    Raises:
        DatasetError: if a split is missing or cannot be asked, or two share a video.
        OptionError: if nothing is held out, and the settings say how.
    """
    splits = load_splits(
        config.dataset,
        root=config.root,
        validation=config.validation,
        test=config.test,
        hold_out=config.hold_out,
        seed=config.split_seed,
        allow_outside=config.allow_outside,
    )
    if (config.hold_out, config.split_seed) != (HOLD_OUT, 0) and set(splits.how.values()) == {
        "given"
    }:
        raise OptionError(
            "hold_out and split_seed are of a dataset without splits, and all three are given: "
            "leave them out"
        )
    return splits


def headline(config: Training, splits: Splits) -> dict[str, str]:
    """Return the report keys of the questions that are learned from.

    Raises:
        OptionError: if no question of the training or the validation has them.
    """
    only = config.asked
    if only is None:
        only = dict(getattr(splits.train, "headline", {}))
    for name, items in (("training", splits.train), ("validation", splits.validation)):
        if not any(all(item.group.get(k) == v for k, v in only.items()) for item in items):
            there = sorted({f"{k}={v}" for item in items for k, v in item.group.items()})
            told = ", ".join(there[:10]) or "none"
            asked = ", ".join(f"{key}={value}" for key, value in only.items())
            raise OptionError(
                f"no question of the {name} has {asked}: --only takes report keys that they have "
                f"({told})"
            )
    return only


def env_options(config: Training, policy: object, parts: Parts) -> dict[str, Any]:
    """Return what every environment of the run is made with, but for the reward of training."""
    options = config.env_options(policy)
    if parts.judge is not None:
        options["judge"] = parts.judge
    if parts.tools is not None:
        options["tools"] = list(parts.tools)
    return options


def training_options(config: Training, policy: object, parts: Parts) -> dict[str, Any]:
    """Return what the environment of the training is made with."""
    reward: str | Reward = config.reward if parts.reward is None else parts.reward
    if reward == "efficient":
        reward = efficient(config.frames_weight, config.turns_weight)
    return {**env_options(config, policy, parts), "reward": reward}


def row_options(config: Training, policy: object, player: object, parts: Parts) -> dict[str, Any]:
    """Return what the environment of a row of the tables is made with.

    Args:
        config: the settings.
        policy: that is trained.
        player: of the row. Another policy keeps the budget that it asks for; frames have the size
            that the settings give, so that all rows see the same pictures.
        parts: objects that take the place of what the settings name.
    """
    options = env_options(config, policy, parts)
    if player is policy:
        return options
    own = dict(getattr(player, "env_options", {}))
    given = any(getattr(config, name) is not None for name in SIZES)
    if given or getattr(player, "answerer", None) is policy:
        own = {name: value for name, value in own.items() if name not in SIZES}
    elif any(name in own for name in SIZES):
        options = {name: value for name, value in options.items() if name not in SIZES}
    return {**options, **own}


def require_budget(recipe: Recipe, env: Env) -> None:
    """Refuse a recipe whose budgets of turns and frames are none of the environment's.

    Raises:
        OptionError: naming the setting, and what the environment has.
    """
    played = env.unwrapped
    assert isinstance(played, VideoQAEnv)
    limits = played.budget_limits
    asked = {
        "first_turns": ("max_turns", (recipe.first_turns,)),
        "frame_budget": ("max_frames", recipe.frame_budget or (None,)),
    }
    for name, (limit, values) in asked.items():
        least, most = limits[limit]
        if any(value is not None and not least <= value <= most for value in values):
            raise OptionError(
                f"ppo.recipe.{name} must be from {least} to {most}, which is what the environment "
                f"allows ({limit}, and the frames of the overview), got {getattr(recipe, name)}"
            )


@contextmanager
def training_env(config: Training, policy: SageMM) -> Iterator[Env]:
    """Make one environment as the training uses it."""
    options = training_options(config, policy, Parts())
    with open_envs(find_splits(config).train, options, 1) as envs:
        yield envs[0]


@contextmanager
def open_envs(
    items: Sequence[QAItem], options: Mapping[str, Any], count: int
) -> Iterator[list[Env]]:
    """Make environments that are alike, and close them at the end of the block.

    Raises:
        OptionError: if an option has a value that no environment can be made with.
    """
    try:
        first = VideoQAEnv(dataset=items, **options)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        told = ", ".join(f"{name}={_told(value)}" for name, value in options.items())
        raise OptionError(f"no environment can be made with {told}: {error}") from error
    # Copies share questions and plug-ins, which are checked once and run in one process each.
    envs: list[Env] = [first, *(copy(first) for _ in range(count - 1))]
    try:
        yield envs
    finally:
        for env in envs:
            env.close()


def evaluation_log(
    config: Training,
    folder: RunFolder,
    key: str,
    policy: object,
    items: Sequence[QAItem],
    credited: bool,
) -> AbstractContextManager[Callable[[Trajectory], None]]:
    """Return what stores the episodes of an evaluation as they end.

    Args:
        config: of how many questions the sampled tokens are kept as text.
        folder: of the run.
        key: of the evaluation.
        policy: who plays.
        items: the questions.
        credited: whether token ids stay until credit has been read off them.
    """
    ids = [item.id for item in items]
    return played_and_kept(folder, key, policy, ids, config.record_tokens, tokens=credited)


def keep_best(config: Training, policy: SageMM, folder: RunFolder) -> int:
    """Load the best update of a training into the policy, and save its weights.

    Args:
        config: which weights were trained.
        policy: that was trained.
        folder: of the run.

    Returns:
        The update; 0 is before any.
    """
    from algos.runs import checkpoint

    best = checkpoint.load_best(folder.checkpoints)
    if best is not None:
        policy.load_state(best.policy)
    if config.train == "full":
        policy.save_checkpoint(folder.path / "checkpoint")
    else:
        policy.save_adapter(folder.path / "adapter")
    return 0 if best is None else best.update


def _told(value: object) -> str:
    """Return an option's value as a message has it: a function by its name."""
    return name_of(getattr(value, "func", value)) if callable(value) else repr(value)
