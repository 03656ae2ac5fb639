"""A model of Stable-Baselines3 as a policy: numbers in, the index of an action out.

The model sees what `NumericObservations(DiscreteActions(env))` shows, which is made here of the
observation itself, so that it plays wherever other policies play. Beside the model's own file
(`NAME.zip`) stands what it was trained with (`NAME.json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from policies.base import Observation
from sage_env.actions.action import Action, Invalid
from sage_env.errors import MissingExtra
from sage_env.storage.atomic_file import atomic_path, atomic_write
from sage_env.wrappers import ActionGrid, NumericFeatures

_FORMAT = 1
"""Version of the settings' file (`NAME.json`): raise it with any change to the names in it, or to
what they mean. A file of another version is refused, because its model would silently be shown
other numbers than it was trained on."""


class SB3Policy:
    """Plays with a trained model of Stable-Baselines3.

    Args:
        model: e.g. a `stable_baselines3.PPO`, trained on wrappers with these settings.
        features: of its `NumericObservations`.
        grid: of its `DiscreteActions`.
        env_options: what the environment was made with, as far as known.

    Attributes:
        temperature: 0 (default) takes the model's best action, as `model.predict` with
            `deterministic=True`; above that, actions are drawn, for actor-critic models only.

    Raises:
        ValueError: if the model was trained on other observations or actions.
    """

    def __init__(
        self,
        model: Any,
        features: NumericFeatures,
        grid: ActionGrid,
        env_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Start with no episode running."""
        _check_spaces(model, features, grid)
        self.model, self.features, self.grid = model, features, grid
        self.env_options: Mapping[str, Any] = dict(env_options or {})
        self.temperature = 0.0
        self._random = np.random.default_rng()

    @classmethod
    def load(cls, path: Path | str) -> SB3Policy:
        """Load what `save_sb3` wrote; the model may be on any device, and plays on the CPU.

        A model file can run code when it is read: load only what you trust.

        Args:
            path: of the model, with or without `.zip`.

        Raises:
            FileNotFoundError: if one of the two files is missing.
            ValueError: if they cannot be read, or do not fit each other.
            MissingExtra: if Stable-Baselines3 is not installed.
        """
        model_file, settings_file = _files(path)
        for file, what in ((model_file, "the model"), (settings_file, "its settings")):
            if not file.is_file():
                raise FileNotFoundError(
                    f"{file}, {what}, is missing: save models with policies.sb3.save_sb3"
                )
        settings = _settings(settings_file)
        try:
            features = NumericFeatures(**settings["features"])
            grid = ActionGrid(**settings["grid"])
            options = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in settings["env_options"].items()
            }
            name = str(settings["algorithm"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{settings_file} lacks a setting, or has one more: {error}"
            ) from error
        algorithm = getattr(_stable_baselines3(), name, None)
        if algorithm is None:
            raise ValueError(f"{settings_file}: Stable-Baselines3 has no algorithm {name!r}")
        return cls(algorithm.load(model_file, device="cpu"), features, grid, options)

    def reset(self, *, seed: int | None = None) -> None:
        """Seed the draws; there is nothing to forget."""
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Action | Invalid:
        """Choose the next action from what this turn shows.

        Raises:
            ValueError: if the frames have another number or size than the model was trained on.
        """
        numbers = self.features.encode(observation)
        if self.temperature == 0:
            index = int(self.model.predict(numbers, deterministic=True)[0])
        else:
            index = self._drawn(numbers)
        return self.grid.action(index, observation)

    def _drawn(self, numbers: dict[str, Any]) -> int:
        """Draw an action with this policy's own generator, not with torch's global one."""
        policy = self.model.policy
        if not hasattr(policy, "get_distribution"):
            raise ValueError(
                f"{type(self.model).__name__} models have no distribution to draw from: set "
                "temperature to 0"
            )
        policy.set_training_mode(False)
        batch, _ = policy.obs_to_tensor(numbers)
        logits = policy.get_distribution(batch).distribution.logits[0]
        scaled = logits.detach().cpu().double().numpy() / self.temperature
        weights = np.exp(scaled - scaled.max())
        return int(self._random.choice(len(weights), p=weights / weights.sum()))


def save_sb3(model: Any, path: Path | str) -> Path:
    """Save a trained model, and beside it the settings that `SB3Policy.load` needs.

    Args:
        model: whose environment is wrapped in `NumericObservations(DiscreteActions(…))`.
        path: of the model, with or without `.zip`; its folder is made.

    Returns:
        The model's file.

    Raises:
        ValueError: if the model has no environment, or one without these wrappers.
    """
    model_file, settings_file = _files(path)
    env = model.get_env()
    try:
        if env is None:
            raise AttributeError("it has none: give it one with set_env")
        features: NumericFeatures = env.get_attr("features")[0]
        grid: ActionGrid = env.get_attr("grid")[0]
        env_options: dict[str, Any] = env.get_attr("env_options")[0]
    except AttributeError as error:
        raise ValueError(
            "the model's environment must be wrapped in NumericObservations(DiscreteActions(env)): "
            f"{error}"
        ) from error
    _check_spaces(model, features, grid)
    settings = {
        "format": _FORMAT,
        "algorithm": type(model).__name__,
        "features": asdict(features),
        "grid": asdict(grid),
        "env_options": env_options,
    }
    model_file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(model_file) as partial:
        model.save(partial)
    atomic_write(settings_file, json.dumps(settings, indent=2) + "\n")
    return model_file


def _files(path: Path | str) -> tuple[Path, Path]:
    """Return the files of the model and of its settings."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix == ".zip" else path
    return stem.with_name(f"{stem.name}.zip"), stem.with_name(f"{stem.name}.json")


def _settings(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
        raise ValueError(f"{file} is not a file of save_sb3 in format {_FORMAT}")
    return settings


def _stable_baselines3() -> Any:
    try:
        return import_module("stable_baselines3")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"SB3Policy needs the package {error.name!r}: pip install 'sage-video-qa[sb3]'"
        ) from error


def _check_spaces(model: Any, features: NumericFeatures, grid: ActionGrid) -> None:
    """Refuse a model whose networks do not fit the settings."""
    expected = {key: box.shape or () for key, box in features.space().spaces.items()}
    spaces = getattr(model.observation_space, "spaces", {})
    got = {key: space.shape for key, space in spaces.items()}
    pictures = {expected["frames"], expected["frames"][2:] + expected["frames"][:2]}
    if got.get("frames") not in pictures or got | {"frames": None} != expected | {"frames": None}:
        raise ValueError(
            f"the model sees {got}, and the settings make {expected}: give it the settings that it "
            "was trained with, and no stacked frames"
        )
    if getattr(model.action_space, "n", None) != len(grid):
        raise ValueError(f"the model has {model.action_space}, and the grid {len(grid)} actions")
