"""Many environments at once: what `gym.make_vec("SageVideoQA-v0", num_envs=N)` makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from gymnasium.core import RenderFrame
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from sage_env.argument_checks import whole_number
from sage_env.datasets.loading import DatasetSource, load_dataset
from sage_env.deadlines.timed_call import CALL_TIMEOUT, call_seconds
from sage_env.env import VideoQAEnv
from sage_env.errors import ResetNeeded
from sage_env.observation import Observation
from sage_env.openers import Opener, find_opener
from sage_env.vector.failures import AnyAction, FailureAsTruncation
from sage_env.vector.infos import Infos, add_info
from sage_env.vector.options import ResetOptions, Seeds, check_actions, read_options, read_seeds
from sage_env.vector.sharing import SharedDataset, SharedOpener

Array: TypeAlias = NDArray[Any]


class StepResult(NamedTuple):
    """The five values of one environment's `step`; of a `reset`, with the reward 0."""

    observation: Observation
    reward: float
    terminated: bool
    truncated: bool
    info: Infos


class VideoQAVectorEnv(VectorEnv[Observation, Sequence[AnyAction], Array]):
    """N environments `VideoQAEnv` that reset and step side by side, each in a thread.

    ## Description
    `gym.make_vec("sage_env:SageVideoQA-v0", num_envs=N, **arguments)` makes it; the arguments are
    those of `VideoQAEnv`, and those below. Decoding releases the interpreter, so that it uses as
    many cores as there are. The dataset is loaded once, a video file is made and scanned once,
    pictures are kept in the one cache of the process, and equal requests of several environments at
    the same time are coalesced: the first decodes (single-flight).

    For the same seeds and actions it gives exactly what N environments of `gym.make` give.

    ## Action Space
    A `Tuple` of N action spaces: `step` takes a sequence of N actions. The action of an environment
    that this `step` resets is ignored.

    ## Observation Space
    That of `VideoQAEnv`, batched by Gymnasium: `frames` is uint8 (N, F, H, W, 3), `seconds` float32
    (N, F), the numbers are (N,), and each text is a tuple of N strings.

    ## Starting State
    `reset(seed=s)` seeds environment i with s + i; a sequence holds one seed, or `None`, each.
    `options` may have

    | key | is |
    |---|---|
    | `item_id` or `index` | one for all, or a sequence of N, where `None` lets the seed pick |
    | `max_turns`, `max_frames` | likewise, where `None` leaves the whole budget |
    | `reset_mask` | bool (N,): whom to reset; the others keep their episode and observation |

    ## Episode End
    `autoreset_mode`, an `AutoresetMode` or its value, says who resets an environment whose episode
    has ended: the next `step` (`"NextStep"`, reward 0 then), the same `step` (`"SameStep"`, with
    `final_obs` and `final_info` in the information), or the caller with a `reset_mask`
    (`"Disabled"`; a `step` that lacks it raises `ResetNeeded`). Questions that are chosen by
    `options` need `"Disabled"`: resets on their own let the seed pick.

    ## Failures
    A broken video, a dead judge and every other `SageEnvError` ends the episode of its environment,
    and the others go on. The last step of such an episode has the **reward NaN**, `truncated`, and
    `infos["error"]` (in `final_info` when the same step resets); `np.isnan(rewards)` finds them. It
    says nothing about the agent: **leave the whole episode out** of losses, baselines and means,
    which are NaN with it in. When it is the reset that fails, it gives the empty observation (no
    frames, no question) and `infos["error"]`, and the next step ends that episode as above.

    ## Information
    `infos[key][i]` is what environment i gave, where `infos["_" + key][i]`, and else `None`. All
    arrays are of objects: `None`, not measured, stays `None`. `reward_terms` and `final_info` are
    such mappings again. `gymnasium.wrappers.vector.DictInfoToList` gives N separate ones.

    ## Arguments
    All but `render_mode="human"` of what `VideoQAEnv` takes, and the first three below. `opener`,
    `reward`, `judge`, `tools` and the dataset's `prepare` are called from several threads at once;
    `prepare` and `opener` for one video by one at a time. `vector_kwargs` and `wrappers` of
    `make_vec` are for its `vectorization_mode="sync"` and `"async"`.

    Args:
        num_envs: N, and the number of threads.
        autoreset_mode: see Episode End.
        copy: whether observations last; else each call overwrites those before it.
        dataset: what `VideoQAEnv` takes, loaded once for all.
        root: as of `VideoQAEnv`.
        split: as of `VideoQAEnv`.
        opener: as of `VideoQAEnv`; its videos are shared.
        frame_store: as of `VideoQAEnv`.
        **arguments: the others of `VideoQAEnv`.

    ## Errors
    Those of `VideoQAEnv` that are mistakes of the caller, and whatever is not a `SageEnvError`,
    once all environments have finished the call. After an exception all must be reset; but wrong
    actions and options are found before anything happens.

    ## Version History
    * v0: first version.

    Attributes:
        num_envs: N.
        envs: the N environments; `envs[i].unwrapped` is a `VideoQAEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        dataset: DatasetSource = "sage-synth",
        root: str | Path | None = None,
        split: str = "train",
        opener: Opener | None = None,
        frame_store: str | Path | None = None,
        **arguments: Any,
    ) -> None:
        """Load the dataset; no video is opened yet."""
        super().__init__()
        self.num_envs = num_envs = whole_number("num_envs", num_envs, 1)
        if arguments.get("render_mode") == "human":
            raise ValueError(
                "windows cannot be drawn from threads: make them with render_mode='rgb_array' and "
                "wrap them in gymnasium.wrappers.vector.HumanRendering"
            )
        modes = [mode.value for mode in AutoresetMode]
        if autoreset_mode not in [*modes, *AutoresetMode]:
            raise ValueError(f"autoreset_mode must be one of {modes}, got {autoreset_mode!r}")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        outside = arguments.get("allow_outside", False)
        items = SharedDataset(load_dataset(dataset, root=root, split=split, allow_outside=outside))
        self._index = {item.id: index for index, item in enumerate(items)}
        arguments |= {"dataset": items, "root": root, "split": split}
        limit = call_seconds(arguments.get("call_timeout", CALL_TIMEOUT))
        snap = arguments.get("snap", False)
        opens = find_opener(opener, frame_store, snap=snap, timeout=limit)
        arguments |= {"opener": SharedOpener(opens)}
        self.envs = [FailureAsTruncation(VideoQAEnv(**arguments)) for _ in range(num_envs)]
        first = self.envs[0]
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_action_space = first.action_space
        self.single_observation_space = first.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._copy = copy
        self._arrays = self._new_arrays()
        self._latest: list[Observation] = [{}] * num_envs  # the last observation of each
        self._ended = np.zeros(num_envs, np.bool_)
        self._ready = False  # whether every environment has an episode, running or ended
        self._pool = ThreadPoolExecutor(num_envs, thread_name_prefix="sage-env")

    @property  # type: ignore[misc]  # one for each cannot be set
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Return the generator of each environment."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """Return the seed of each environment."""
        return self.get_attr("np_random_seed")

    def reset(
        self, *, seed: Seeds = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Infos]:
        """Ask all environments, or those of a `reset_mask`, a question.

        Raises:
            ValueError, DatasetError: if seeds or options are not as the class describes.
            ResetNeeded: if a `reset_mask` leaves out an environment without an episode.
        """
        seeds = read_seeds(seed, self.num_envs)
        limits = self.envs[0].get_wrapper_attr("budget_limits")
        mask, options_of_each = read_options(options, self.num_envs, self._index, limits)
        if not mask.all():
            self._check_ready()
        rows: list[int] = np.flatnonzero(mask).tolist()
        results = self._run(lambda i: self._reset(i, seeds[i], options_of_each[i]), rows)
        self._ended[mask] = False
        return self._observe(rows, results), self._infos(rows, results)

    def step(self, actions: Sequence[AnyAction]) -> tuple[Observation, Array, Array, Array, Infos]:
        """Take one action in each environment.

        Returns:
            The observations, then `(N,)` each: rewards float64, terminated bool, truncated bool;
            and the information. See the class.

        Raises:
            ResetNeeded: if environments have no episode, or ended and are not reset by `step`.
            ValueError, TypeError: unless `actions` are N actions; nothing has happened then.
        """
        self._check_ready()
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            raise ResetNeeded(
                f"the episodes of environments {np.flatnonzero(self._ended).tolist()} have ended: "
                "call reset(options={'reset_mask': terminated | truncated})"
            )
        check_actions(actions, self._ended)
        rows = range(self.num_envs)
        results = self._run(lambda i: self._advance(i, actions[i]), rows)
        terminated = np.array([result.terminated for result in results], np.bool_)
        truncated = np.array([result.truncated for result in results], np.bool_)
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._ended = terminated | truncated
        rewards = np.array([result.reward for result in results], np.float64)
        infos = self._infos(rows, results)
        return self._observe(rows, results), rewards, terminated, truncated, infos

    def render(self) -> tuple[RenderFrame, ...] | None:
        """Return what each environment draws; `None` without a `render_mode`.

        It is also `None` for an environment whose reset has failed.

        Raises:
            ResetNeeded: before the first `reset`, and after an exception.
        """
        if self.render_mode is None:
            return None
        self._check_ready()
        return self.call("render")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return what a method of each environment returns, or the value of an attribute."""
        found = [env.get_wrapper_attr(name) for env in self.envs]
        return tuple(each(*args, **kwargs) if callable(each) else each for each in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of each environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of each environment: a list or tuple has one value for each.

        Raises:
            ValueError: if it has another length.
        """
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(f"set_attr takes one value or {self.num_envs}, got {len(each)}")
        for env, value in zip(self.envs, each, strict=True):
            env.set_wrapper_attr(name, value)

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and close the environments."""
        self._pool.shutdown()
        for env in self.envs:
            env.close()

    def _check_ready(self) -> None:
        if not self._ready:
            raise ResetNeeded("there are environments without an episode: call reset() for all")

    def _run(self, call: Callable[[int], StepResult], rows: Iterable[int]) -> list[StepResult]:
        """Call for each of the environments `rows`, side by side, and return what each gave."""
        if self.closed:
            raise ClosedEnvironmentError("the environments are closed: make new ones")

        def named(i: int) -> StepResult:
            try:
                return call(i)
            except Exception as error:
                error.add_note(f"raised in environment {i} of {self.num_envs}")
                raise

        self._ready = False  # stays so if anything below fails
        futures = [self._pool.submit(named, i) for i in rows]
        try:
            results = [future.result() for future in futures]
        finally:
            wait(futures)  # whatever was raised, no thread is at work in an environment any more
        self._ready = True
        return results

    def _reset(self, i: int, seed: int | None = None, options: ResetOptions = None) -> StepResult:
        observation, info = self.envs[i].reset(seed=seed, options=options)
        return StepResult(observation, 0.0, False, False, info)

    def _advance(self, i: int, action: AnyAction) -> StepResult:
        """Let environment i take the action, and reset it where that is due."""
        if self._ended[i]:
            return self._reset(i)
        result = StepResult(*self.envs[i].step(action))
        ended = result.terminated or result.truncated
        if not ended or self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return result
        new = self._reset(i)
        final = {"final_obs": result.observation, "final_info": result.info}
        return result._replace(observation=new.observation, info={**final, **new.info})

    def _observe(self, rows: Iterable[int], results: Iterable[StepResult]) -> Observation:
        """Return the newest observation of every environment as one batch."""
        for i, result in zip(rows, results, strict=True):
            self._latest[i] = result.observation
        arrays = self._new_arrays() if self._copy else self._arrays
        batch = concatenate(self.single_observation_space, self._latest, arrays)
        assert isinstance(batch, dict)
        return batch

    def _new_arrays(self) -> Observation:
        arrays = create_empty_array(self.single_observation_space, self.num_envs, np.empty)
        assert isinstance(arrays, dict)
        return arrays

    def _infos(self, rows: Iterable[int], results: Iterable[StepResult]) -> Infos:
        infos: Infos = {}
        for i, result in zip(rows, results, strict=True):
            infos = add_info(infos, result.info, i, self.num_envs)
        return infos
