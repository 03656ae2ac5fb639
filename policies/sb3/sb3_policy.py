"""A model of Stable-Baselines3 as a policy: numbers in, the index of an action out.

The model sees what `NumericObservations(DiscreteActions(env))` shows, which is made here of the
observation itself, so that it plays wherever other policies play. Beside the model's own file
(`NAME.zip`) stands what it was trained with (`NAME.json`), and, if its observations were
normalised, by which means and variances (`NAME.npz`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from policies.base import Observation
from policies.saved_env_options import saved_env_options
from policies.sb3.normalisation import Normalisation, normalisation_of
from policies.sb3.saved_files import (
    FORMAT,
    check_digests,
    find_algorithm,
    importable_name,
    model_files,
    read_settings,
    sha256,
)
from sage_env.actions.action import Action, Invalid
from sage_env.storage.atomic_file import atomic_path, atomic_write
from sage_env.wrappers import ActionGrid, NumericFeatures


class SB3Policy:
    """Plays with a trained model of Stable-Baselines3.

    Args:
        model: e.g. a `stable_baselines3.PPO`, trained on wrappers with these settings.
        features: of its `NumericObservations`.
        grid: of its `DiscreteActions`.
        env_options: what the environment was made with, as far as known.
        normalisation: of its `VecNormalize`; by default that of the model's environment, if it has
            one.

    Attributes:
        temperature: 0 (default) takes the model's best action, as `model.predict` with
            `deterministic=True`; above that, actions are drawn, for actor-critic models only.

    Raises:
        ValueError: if the model was trained on other observations or actions, or remembers what
            it saw before (a recurrent model), which is not done here.
    """

    def __init__(
        self,
        model: Any,
        features: NumericFeatures,
        grid: ActionGrid,
        env_options: Mapping[str, Any] | None = None,
        normalisation: Normalisation | None = None,
    ) -> None:
        """Start with no episode running."""
        if normalisation is None:
            normalisation = normalisation_of(model.get_env())
        _check_spaces(model, features, grid, normalisation)
        self.model, self.features, self.grid = model, features, grid
        self.normalisation = normalisation
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
            FileNotFoundError: if one of the files is missing.
            ValueError: if they cannot be read, or do not fit each other.
            MissingExtra: if Stable-Baselines3 is not installed.
        """
        model_file, settings_file = model_files(path)
        for file, what in ((model_file, "the model"), (settings_file, "its settings")):
            if not file.is_file():
                raise FileNotFoundError(
                    f"{file}, {what}, is missing: save models with policies.sb3.save_sb3"
                )
        settings = read_settings(settings_file)
        try:
            features = NumericFeatures(**settings["features"])
            grid = ActionGrid(**settings["grid"])
            options = saved_env_options(settings["env_options"], settings_file)
            name = str(settings["algorithm"])
            digests: Mapping[str, str] = settings.get("sha256", {})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{settings_file} lacks a setting, or has one more: {error}"
            ) from error
        check_digests(model_file, digests)
        algorithm = find_algorithm(name, settings_file)
        statistics = model_file.with_suffix(".npz")
        normalisation = Normalisation.load(statistics) if ".npz" in digests else None
        return cls(algorithm.load(model_file, device="cpu"), features, grid, options, normalisation)

    def reset(self, *, seed: int | None = None) -> None:
        """Seed the draws; there is nothing to forget."""
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Action | Invalid:
        """Choose the next action from what this turn shows.

        Raises:
            ValueError: if the frames have another number or size than the model was trained on.
        """
        numbers: dict[str, Any] = dict(self.features.encode(observation))
        if self.normalisation is not None:
            numbers = self.normalisation.apply(numbers)
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
        ValueError: if the model has no environment, one without these wrappers, or one with others
            that may change what it sees; if it is recurrent; if its class predicts in its own way
            and cannot be imported by name, so that `load` could not find it.
    """
    model_file, settings_file = model_files(path)
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
    normalisation = normalisation_of(env)
    _check_spaces(model, features, grid, normalisation)
    algorithm = importable_name(type(model))
    settings: dict[str, Any] = {
        "format": FORMAT,
        "algorithm": algorithm,
        "features": asdict(features),
        "grid": asdict(grid),
        "env_options": env_options,
    }
    model_file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(model_file) as partial:
        model.save(partial)
    settings["sha256"] = {".zip": sha256(model_file)}
    if normalisation is not None:
        normalisation.save(model_file.with_suffix(".npz"))
        settings["sha256"][".npz"] = sha256(model_file.with_suffix(".npz"))
    atomic_write(settings_file, json.dumps(settings, indent=2) + "\n")
    return model_file


def _check_spaces(
    model: Any, features: NumericFeatures, grid: ActionGrid, normalisation: Normalisation | None
) -> None:
    """Refuse a model whose networks do not fit the settings, or that needs what is not there."""
    if hasattr(model.policy, "lstm_actor"):
        raise ValueError(
            f"{type(model).__name__} remembers what it saw before, and this policy shows it one "
            "observation at a time: train a model that is not recurrent"
        )
    expected = {key: box.shape or () for key, box in features.space().spaces.items()}
    spaces = getattr(model.observation_space, "spaces", {})
    got = {key: space.shape for key, space in spaces.items()}
    pictures = {expected["frames"], expected["frames"][2:] + expected["frames"][:2]}
    if got.get("frames") not in pictures or got | {"frames": None} != expected | {"frames": None}:
        raise ValueError(
            f"the model sees {got}, and the settings make {expected}: give it the settings that it "
            "was trained with, and no stacked frames"
        )
    normalised = set() if normalisation is None else set(normalisation.mean)
    for key, box in features.space().spaces.items():
        if key not in normalised and spaces[key].dtype != box.dtype:
            raise ValueError(
                f"the model saw {key!r} as {spaces[key].dtype}, and is shown {box.dtype}: it was "
                "trained behind a wrapper that changes observations, and is saved without it"
            )
    if getattr(model.action_space, "n", None) != len(grid):
        raise ValueError(f"the model has {model.action_space}, and the grid {len(grid)} actions")
