"""What stands between an environment and a model of Stable-Baselines3: `VecNormalize` and others.

A model that was trained on normalised observations plays on them: the running means and variances
are saved with it. Wrappers that do something else to observations are refused, since a model saved
without them would silently see other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.storage.atomic_file import atomic_path

_NEUTRAL = {"DummyVecEnv", "SubprocVecEnv", "VecTransposeImage", "VecMonitor", "VecCheckNan"}
_NEUTRAL |= {"VecVideoRecorder", "VecNormalize"}
"""Classes of `stable_baselines3.common.vec_env` that leave observations as they are, or are saved.

The transposition of pictures is done by the model itself when it predicts.
"""


@dataclass(frozen=True)
class Normalisation:
    """The statistics of a `VecNormalize`, as it has them when the model is saved.

    Attributes:
        mean: by key of the observation, float64, of its shape; keys that are not normalised are
            missing.
        var: variances likewise.
        epsilon: added to the variance.
        clip: normalised numbers are clipped to ± this.
    """

    mean: Mapping[str, NDArray[np.float64]]
    var: Mapping[str, NDArray[np.float64]]
    epsilon: float
    clip: float

    def apply(self, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Return an observation normalised, in float32, as `VecNormalize.normalize_obs` does it."""
        normalised = dict(numbers)
        for key, mean in self.mean.items():
            scaled = (normalised[key] - mean) / np.sqrt(self.var[key] + self.epsilon)
            normalised[key] = np.clip(scaled, -self.clip, self.clip).astype(np.float32)
        return normalised

    def save(self, file: Path) -> None:
        """Write the statistics as an `.npz` file."""
        arrays = {f"mean/{key}": x for key, x in self.mean.items()}
        arrays |= {f"var/{key}": x for key, x in self.var.items()}
        with atomic_path(file) as partial, partial.open("wb") as stream:
            np.savez(stream, limits=np.array([self.epsilon, self.clip]), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, file: Path) -> Normalisation:
        """Read what `save` wrote.

        Raises:
            ValueError: if the file cannot be read, or holds something else.
        """
        try:
            with np.load(file, allow_pickle=False) as found:
                arrays = {name: np.asarray(found[name], np.float64) for name in found.files}
            epsilon, clip = (float(x) for x in arrays.pop("limits"))
        except Exception as error:  # zip, numpy and the file system each have their own
            raise ValueError(f"{file} holds no statistics of save_sb3: {error}") from error
        parts = {
            part: {n.partition("/")[2]: x for n, x in arrays.items() if n.startswith(f"{part}/")}
            for part in ("mean", "var")
        }
        if {n: x.shape for n, x in parts["mean"].items()} != {
            n: x.shape for n, x in parts["var"].items()
        }:
            raise ValueError(f"{file} holds no statistics of save_sb3: means without variances")
        return cls(parts["mean"], parts["var"], epsilon, clip)


def normalisation_of(env: Any) -> Normalisation | None:
    """Return how a vector environment normalises its observations; `None` if it does not.

    Raises:
        ValueError: if one of its wrappers may change observations in another way.
    """
    found: Normalisation | None = None
    while env is not None:
        kind = type(env)
        if kind.__name__ not in _NEUTRAL or not kind.__module__.startswith("stable_baselines3."):
            raise ValueError(
                f"{kind.__name__} stands between the model and NumericObservations, and may change "
                "what the model sees: a saved model cannot be shown the same. Train without it"
            )
        if kind.__name__ == "VecNormalize" and env.norm_obs:
            if found is not None:
                raise ValueError("the observations are normalised twice: use one VecNormalize")
            found = _statistics(env)
        env = getattr(env, "venv", None)
    return found


def _statistics(env: Any) -> Normalisation:
    running = {key: env.obs_rms[key] for key in env.norm_obs_keys}
    return Normalisation(
        {key: np.array(one.mean, np.float64) for key, one in running.items()},
        {key: np.array(one.var, np.float64) for key, one in running.items()},
        float(env.epsilon),
        float(env.clip_obs),
    )
