"""Films of episodes, made of what the environment renders."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

import gymnasium as gym
import numpy as np

from sage_env.argument_checks import is_finite

if TYPE_CHECKING:
    from sage_env.rendering.film import Film

_UNSAFE = re.compile(r"[^\w.-]+")
SLOWEST = 0.001  # pictures per second: a picture for a quarter of an hour
_LONGEST_ID = 40  # characters of an item's id in a file name, which may have 255 bytes


class RecordRendering(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Writes each episode as an MP4 of what `render` draws: at reset, and after every step.

    It does what `gymnasium.wrappers.RecordVideo` does, without MoviePy: PyAV, which reads the
    videos, also writes the film (H.264, `yuv420p`). It is not called `RecordVideo` so that one
    program may use both, and because "video" is here what a question is about.

        env = gym.make("SageVideoQA-v0", render_mode="rgb_array")
        env = RecordRendering(env, "films", episode_trigger=lambda episode: episode % 100 == 0)

    The file is `PREFIX-NUMBER-ITEM.mp4`: the number counts episodes from 0, and ITEM is the
    question's id with a dash for whatever file names had better not hold. No film is ever
    overwritten: a name that is taken, by another run or another copy of the environment, gets `-2`,
    `-3`, and so on. An episode's film can be played once it has ended, has been cut off by another
    `reset`, by `close` or by an exception, which goes on to the caller.

    Attributes:
        folder: of the films.
        paths: the films so far, in order, the running one included.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        folder: str | Path,
        *,
        episode_trigger: Callable[[int], bool] | None = None,
        name_prefix: str = "episode",
        fps: float | None = None,
    ) -> None:
        """Wrap an environment; the folder is made when the first film is.

        Args:
            env: made with `render_mode="rgb_array"`.
            folder: of the films.
            episode_trigger: whether to record the episode of that number; by default all are.
            name_prefix: of the names of the files.
            fps: pictures per second; by default `metadata["render_fps"]`, 1 for `VideoQAEnv`.

        Raises:
            ValueError: if the environment renders no arrays, the prefix is no plain name, or `fps`
                is no number of at least 0.001.
        """
        gym.utils.RecordConstructorArgs.__init__(
            self,
            folder=str(folder),
            episode_trigger=episode_trigger,
            name_prefix=name_prefix,
            fps=fps,
        )
        gym.Wrapper.__init__(self, env)
        if env.render_mode != "rgb_array":
            raise ValueError(
                f"RecordRendering needs pictures, and the environment has render_mode "
                f"{env.render_mode!r}: make it with render_mode='rgb_array'"
            )
        if not name_prefix or _UNSAFE.search(name_prefix) or name_prefix.startswith("."):
            raise ValueError(
                f"name_prefix must be letters, digits, '_', '.' or '-', got {name_prefix!r}: put "
                "folders into folder"
            )
        rate = env.metadata.get("render_fps", 30) if fps is None else fps
        if not is_finite(rate) or rate < SLOWEST:
            raise ValueError(
                f"fps must be pictures per second, a number of at least {SLOWEST}, got {rate!r}: "
                "give it as fps=, or in the environment's metadata['render_fps']"
            )
        self.folder, self.paths = Path(folder), list[Path]()
        self._trigger, self._prefix, self._fps = episode_trigger, name_prefix, float(rate)
        self._episode = -1
        self._film: Film | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, and its film."""
        self._finish()
        observation, info = self.env.reset(seed=seed, options=options)
        self._episode += 1
        if self._trigger is None or self._trigger(self._episode):
            picture = self._drawn()
            self._film = self._begin(str(info.get("item_id", "")), picture.shape[:2])
            self._write(picture)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take an action, and record what has come of it."""
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
            if self._film is not None:
                self._write(self._drawn())
        except BaseException:
            self._finish()
            raise
        if terminated or truncated:
            self._finish()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finish the film that is running, and close the environment."""
        self._finish()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the running film: a copy of the environment records from its next reset."""
        return {**self.__dict__, "_film": None}

    def _drawn(self) -> Any:
        picture = self.env.render()
        if not isinstance(picture, np.ndarray):
            raise ValueError(
                f"RecordRendering needs an array from render(), got {type(picture).__name__}"
            )
        return picture

    def _begin(self, item_id: str, size: tuple[int, int]) -> Film:
        """Begin a film under the first name that is free."""
        from sage_env.rendering.film import Film  # PyAV

        self.folder.mkdir(parents=True, exist_ok=True)
        item = _UNSAFE.sub("-", item_id)[:_LONGEST_ID].strip("-.")
        name = f"{self._prefix}-{self._episode:06d}" + (f"-{item}" if item else "")
        number, path = 1, self.folder / f"{name}.mp4"
        while True:
            try:
                film = Film(path, size, self._fps)
            except FileExistsError:
                number += 1
                path = self.folder / f"{name}-{number}.mp4"
            else:
                self.paths.append(path)
                return film

    def _write(self, picture: Any) -> None:
        assert self._film is not None
        try:
            self._film.write(picture)
        except BaseException:
            self._finish()
            raise

    def _finish(self) -> None:
        film, self._film = self._film, None
        if film is not None:
            film.close()
