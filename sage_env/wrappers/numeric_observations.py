"""Observations as arrays of fixed sizes, for networks that take nothing else."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from sage_env.wrappers.numeric_features import NumericFeatures

ENV_OPTIONS = ("max_turns", "max_frames", "frames_per_turn", "overview_frames", "frame_size")
"""Arguments of the environment that shape its observations."""


class NumericObservations(
    gym.ObservationWrapper[dict[str, Any], Any, dict[str, Any]],
    gym.utils.RecordConstructorArgs,
):
    """Shows a `Dict` of fixed-size boxes; `NumericFeatures` says what is in it.

    Stable-Baselines3 trains on it as it is, with discrete actions inside:

        env = NumericObservations(DiscreteActions(gym.make("SageVideoQA-v0")))
        stable_baselines3.PPO("MultiInputPolicy", env).learn(10_000)

    The frames are tiles of one picture, because its image networks share their weights over the
    picture but not over channels. An observation shows this turn only; for policies without a
    memory, `stable_baselines3.common.vec_env.VecFrameStack` stacks the last few.

    Attributes:
        features: how observations are encoded.
    """

    def __init__(
        self,
        env: gym.Env[dict[str, Any], Any],
        *,
        tile: tuple[int, int] | None = None,
        max_choices: int = 4,
        hash_size: int = 128,
    ) -> None:
        """Wrap an environment with the observations of `VideoQAEnv`.

        Args:
            env: the environment.
            tile: (h, w) of a frame on the sheet; (32, 32), or more where the sheet needs it.
            max_choices: choices that are encoded.
            hash_size: places of a word hash.

        Raises:
            ValueError: if the observations are others, or a value is out of range.
        """
        gym.utils.RecordConstructorArgs.__init__(
            self, tile=tile, max_choices=max_choices, hash_size=hash_size
        )
        gym.ObservationWrapper.__init__(self, env)
        self.features = NumericFeatures.of(
            env.observation_space, tile=tile, max_choices=max_choices, hash_size=hash_size
        )
        self.observation_space = self.features.space()

    @property
    def env_options(self) -> dict[str, Any]:
        """Return the arguments of `gym.make` that shape observations, as far as they were given."""
        spec = self.unwrapped.spec
        given = {} if spec is None else spec.kwargs
        return {name: given[name] for name in ENV_OPTIONS if name in given}

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Return the observation as arrays."""
        return self.features.encode(observation)
