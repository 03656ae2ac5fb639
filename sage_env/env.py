"""The environment: `reset` asks a question about a video, `step` looks at it or answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from sage_env.actions.action import Action, Invalid, require_action
from sage_env.argument_checks import tolerance_seconds, whole_number
from sage_env.datasets.judges import judge_in_time
from sage_env.datasets.loading import DatasetSource, load_dataset, prepare_item
from sage_env.datasets.matching import Judge
from sage_env.deadlines.timed_call import CALL_TIMEOUT, call_seconds, end_idle
from sage_env.episode import Episode, TurnResult, checked_budget
from sage_env.errors import ResetNeeded
from sage_env.frames import Tolerance
from sage_env.framing.frame_area import frame_limits
from sage_env.history import History, episode_info
from sage_env.observation import Observation, observation_space
from sage_env.openers import Opener, find_opener
from sage_env.rendering.making import make_renderer
from sage_env.reset_options import Limits, budget_limits, read_reset, read_seed
from sage_env.rewards import Reward, find_reward, reward_terms
from sage_env.spaces import action_space
from sage_env.states.saved_states import SavedStates
from sage_env.states.shown_again import show_again
from sage_env.states.state_header import state_settings
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool
from sage_env.viewer import Viewer


class VideoQAEnv(gym.Env[Observation, Action | Invalid]):
    """Answer a question about a video that may last hours, looking at few of its frames.

    ## Description
    A question about a video is asked, and a budget of turns and frames is given. Each turn the
    agent skips ahead, samples frames of a stretch, zooms into a short window (and into a region of
    the picture), uses a tool, or answers. All times are float seconds from the start of the video,
    which is that of its picture or its sound, whichever comes first; all stretches `[start, end)`.

    ## Action Space
    `ActionSpace`: the dataclasses of `sage_env.actions` themselves.

    | action | does | cursor after |
    |---|---|---|
    | `Skip(to)` | moves the cursor; decodes nothing | `to` |
    | `Sample(start, end, num_frames)` | shows evenly spaced whole frames of a stretch | `end` |
    | `Zoom(start, end, num_frames, box=None)` | the same, cropped to `box`, enlarged | unchanged |
    | `UseTool(name, arguments)` | calls a tool of `tools`; its text is shown | unchanged |
    | `Answer(text, evidence=())` | ends the episode | unchanged |

    A stretch of n frames shows what is on screen in the middle of each of its n equal parts; a
    picture that is on screen at several of these times is shown and paid for once. With `snap`
    the times move, by at most half a part, to a grid that all stretches share, and frames that are
    decoded on the way are prefetched for closer looks (not by an `opener` of yours). A request
    beyond the video (by over 0.1 s) or the budget is served as far as it goes; `message` says so.
    `sage_env.Invalid`, which `parse_action` makes of a text that is no action, costs a turn too, as
    do a tool that there is not and arguments that do not suit it; `message` says why. The space
    samples `UseTool` where there are tools. `env.unwrapped.tools` maps their names to the tools,
    whose `description` and `parameters` are for the agent's prompt.

    ## Observation Space
    A `Dict`, with F = max(`frames_per_turn`, `overview_frames`) and (H, W) = `frame_size`:

    | key | space | is |
    |---|---|---|
    | `frames` | uint8 (F, H, W, 3) | RGB, upright, square pixels, letterboxed; the rest is zero |
    | `picture` | int32 (F, 4) | where each is picture and no bar, half-open; the rest is 0 |
    | `seconds` | float32 (F,) | when each is shown, increasing; the rest is -1 |
    | `num_frames` | Discrete | how many there are |
    | `cursor`, `duration` | float32 () | seconds |
    | `turns_left`, `frames_left` | Discrete | what remains of the budget |
    | `question` | text | as `UnicodeText`: every script, blanks and accents |
    | `choices` | text | one per line; empty when open-ended |
    | `message` | text | why the last request failed or was cut; else empty |
    | `text` | text | a tool's reply, at most `MAX_TOOL_TEXT` characters; else empty |

    `picture` is `(top, bottom, left, right)` in pixels, which is the whole frame where a video has
    no `size` or its frames are not as it says; `sage_env.pictures` cuts frames to it. With
    `frame_pixels` each video, and each box, has the size that suits its shape best.

    ## Rewards
    A function `(item, action, history) -> {name: value}`; the reward is the sum, and
    `info["reward_terms"]` has the terms. Presets of `sage_env.rewards`: `"answer"` (1 on the last
    step if the answer is right, else 0), `"efficient"` (less a cost of frames and turns when it is
    right), `"sage"` (the SAGE paper's: format, refused and repeated looks, accuracy).

    Right is (see `sage_env.datasets.Ruling`): an answer that names the right choice, and no other,
    by letter, text or a sentence; for open questions the same text or number, or an alias; a span
    of time with IoU >= 0.5. What the rules cannot decide goes to the `judge`, else it is wrong.

    ## Starting State
    `reset(options={"item_id": …})` or `{"index": …}` chooses the question, without either the seed
    does. `max_turns` and `max_frames` among the options lower the budget of this episode, at most
    to 1 turn and the frames of the overview. The first observation has `overview_frames` evenly
    spaced frames, which count in the budget; 0 starts blind. The cursor is at 0. With
    `overview_tolerance` each is the nearest frame within it that is quick to decode, with its own
    time (`"auto"`: within half a step and 5 s), which makes the overview of a long video several
    times cheaper; of other videos than files, only for those whose `frames_at` takes a `tolerance`.

    ## Episode End
    An answer, or `max_turns` actions, is `terminated` (both budgets are observed, so there is
    nothing to bootstrap); `truncated` is left to wrappers. After the end, and after any exception,
    `step` raises `ResetNeeded`.

    ## Information
    Always: `item_id`; `action` (its name, `None` at reset); `stop_reason` (`answered`,
    `out_of_turns` or `None`); `reward_terms`; `frame_seconds` (a float per frame shown this turn);
    `span` and `box` (what was served or skipped this turn, or `None`); `spent` (`sage_env.Spent`);
    `tool_calls` (how many so far were `ok`, `refused`, `unknown` or `late`, where any was).
    After a tool that asked a model: `tool_usage` (what that took, see `sage_env.tools.paid_text`).
    On the last step: `correct` and the `rule` that decided it (`judge`: then also `judge`, what it
    was, and `judge_words`); `evidence_recall` (share of evidence spans in which a frame was shown),
    `evidence_hit_turn` (the first such turn, 0 is the overview), `answer_spans` (how many the
    answer names), `answer_iou`, `answer_iop` (how they meet it), each `None` where unknown. At
    reset also `budget`: this episode's `max_turns`, `max_frames`, `frames_per_turn`,
    `overview_frames`. `env.unwrapped.history` is the whole record.

    ## Arguments
    Args:
        dataset: a name, a `.jsonl` file, a sequence of `QAItem`, or a function that returns one,
            also as `"package.module:function"`; see `load_dataset`.
        root: folder of the videos; by default the dataset's own.
        allow_outside: whether a `.jsonl` file may name videos that do not lie under `root`.
        split: `train`, `validation` or `test`.
        max_turns: budget of actions, the answer included.
        max_frames: budget of frames, the overview included; 0 for none at all.
        frames_per_turn: most frames that one action is shown.
        overview_frames: frames shown by `reset`.
        frame_size: (H, W); by default what the dataset suggests, else (224, 224).
        frame_pixels: most pixels of a picture, in frames that hold any shape; see `framing`.
        reward: a function, also as `"package.module:name"`, or a preset; see `sage_env.rewards`.
        judge: function `(item, text) -> bool` for answers that no rule can decide, or a name.
        tools: what the agent may use, as `"transcribe"` or as objects; see `sage_env.tools`.
        opener: function `path -> Video`; by default `sage_env.video.open_video`.
        call_timeout: seconds for each call of a plug-in, or `None`; files get at least 120.
        frame_store: folder to share decoded pictures with other processes, `/dev/shm/…`.
        snap: show times of a grid that episodes share; see `timeline.snapped`.
        overview_tolerance: seconds, or `"auto"`; see Starting State.
        render_mode: `"rgb_array"` or `"human"`; see Rendering.
        render_gold: also draw the evidence and, at the end, the gold answer.

    ## Rendering
    `render()` returns a picture, uint8 (720, 960, 3): the question, the frames of the newest turn,
    the budget, the time axis with a row per turn and, at the end, the answer and the verdict.
    `"human"` shows each in a window for a second (`pip install 'sage-video-qa[render]'`).

    ## Errors
    `ValueError` for illegal arguments or options, `TypeError` for a step with something that is no
    action. What is not the agent's fault is never a reward: `DatasetError`, `VideoError` (also of a
    file that is written over while it is open), `ToolError`, `RewardError`, and `JudgeError`, after
    which `history` keeps the answer as not judged. Whatever a plug-in raises becomes one of these
    (`sage_env.testing` checks each), and its calls end after `call_timeout` with a `JudgeTimeout`,
    `RewardTimeout` or `DecodeTimeout`; see `sage_env.deadlines`. A tool's call that is late is
    ended, its turn is over, `message` says so and `info["tool_calls"]` counts it: the episode goes
    on. A tool's `context.video` ends with its call.

    ## Copies and saved states
    An environment can be copied and pickled, also within an episode, if its arguments can: the copy
    goes on in the same way, and opens the video anew. `copy.copy` shares dataset and plug-ins.
    `env.unwrapped.get_state()` is plain data for JSON, without pixels, and `set_state` takes it
    back in any process: what follows is what would have followed, later resets too. Wrappers (that
    of `gym.make` wants a `reset` first), tools, rewards and judges keep what is theirs.

    ## Version History
    * v0: first version, states of version 1. Until its release it may change: see the changelog.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 1}

    def __init__(
        self,
        *,
        dataset: DatasetSource = "sage-synth",
        root: str | Path | None = None,
        split: str = "train",
        allow_outside: bool = False,
        max_turns: int = 10,
        max_frames: int = 128,
        frames_per_turn: int = 16,
        overview_frames: int = 16,
        frame_size: tuple[int, int] | None = None,
        frame_pixels: int | None = None,
        reward: str | Reward = "answer",
        judge: str | Judge | None = None,
        tools: Sequence[Tool | str] = (),
        opener: Opener | None = None,
        call_timeout: float | None = CALL_TIMEOUT,
        frame_store: str | Path | None = None,
        snap: bool = False,
        overview_tolerance: Tolerance = 0.0,
        render_mode: str | None = None,
        render_gold: bool = False,
    ) -> None:
        """Load the dataset; no video is opened yet."""
        self.render_mode = render_mode
        self._renderer = make_renderer(render_mode, self.metadata["render_fps"], render_gold)
        self._budget = checked_budget(max_turns, max_frames, frames_per_turn)
        self._overview_frames = whole_number("overview_frames", overview_frames, 0, max_frames)
        limit = call_seconds(call_timeout)
        self._reward = find_reward(reward, limit)
        self._judge: Judge | None = judge_in_time(judge, limit)
        self._tools = find_tools(tools)
        items = load_dataset(dataset, root=root, split=split, allow_outside=allow_outside)
        self._items, self._index = items, {item.id: index for index, item in enumerate(items)}
        size, pixels = frame_limits(frame_size, frame_pixels, getattr(items, "frame_size", None))
        opens = find_opener(opener, frame_store, snap=snap, timeout=limit)
        self._viewer = Viewer(size, opens, snap=snap, timeout=limit, pixels=pixels)
        self._tolerance = tolerance_seconds("overview_tolerance", overview_tolerance)
        self._shape = shape = max(frames_per_turn, overview_frames), *size, 3
        self._episode: Episode | None = None
        self._running = False
        own = {"the reward": self._reward, "the judge": self._judge, "the opener": opener}
        overview = self._overview_frames, self._tolerance
        settings = state_settings(self._budget, overview, {**own, **self._tools}, self._viewer)
        self._states = SavedStates(items, self._index, self._budget, settings)
        self.action_space = action_space(items, frames_per_turn, self._tools)
        self.observation_space = observation_space(shape[0], size, max_turns, max_frames, items)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Return the tools that the agent may use, by name."""
        return MappingProxyType(self._tools)

    @property
    def budget_limits(self) -> Limits:
        """Return the least and the most of the options `max_turns` and `max_frames` of `reset`."""
        return budget_limits(self._budget, self._overview_frames)

    @property
    def history(self) -> History:
        """Return the record of the running or the last episode; `ResetNeeded` before the first."""
        if self._episode is None:
            raise ResetNeeded("no episode has begun: call reset() first")
        return self._episode.history

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask a question and show the overview.

        Args:
            seed: seeds the choice of questions: a whole number, 0 or more, however large.
            options: `item_id` or `index`, `max_turns`, `max_frames`; see Starting State.

        Raises:
            ValueError: if an option is not known, or a number or the seed is out of range.
            DatasetError: if there is no question with that id, or the dataset cannot prepare it.
            VideoError: if its video cannot be opened or decoded.
        """
        super().reset(seed=read_seed(seed))
        self._running, self._episode = False, None
        if self._renderer is not None:
            self._renderer.clear()
        index, budget = read_reset(options or {}, self._index, self._budget, self.budget_limits)
        number = int(self.np_random.integers(len(self._items))) if index is None else index
        item = self._items[number]
        prepare_item(self._items, item)
        episode = Episode(item, self._viewer, budget, self._tools, whole=self._budget)
        self._episode = episode
        overview = episode.overview(self._overview_frames, self._tolerance)
        observation = self._observe(episode, overview)
        self._running = True
        return observation, episode_info(episode.history) | budget.info(self._overview_frames)

    def step(
        self, action: Action | Invalid
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action; return what Gymnasium says, with `truncated` False.

        Raises:
            ResetNeeded: before `reset`, after the end of the episode, and after an exception.
            TypeError: if `action` is no action; nothing has happened then.
            VideoError, ToolError, JudgeError, RewardError: the episode cannot go on.
        """
        if (episode := self._episode) is None or not self._running:
            raise ResetNeeded("no episode is running: call reset() before step()")
        require_action(action)
        self._running = False  # stays so if anything below fails
        served = episode.serve(action)
        episode.conclude(action, self._judge)
        history = episode.history
        terms = reward_terms(self._reward, history.item, action, history)
        observation = self._observe(episode, served)
        self._running = not history.ended
        info = episode_info(history, terms)
        return observation, sum(terms.values()), history.ended, False, info

    def get_state(self) -> dict[str, Any]:
        """Return the state, also within an episode, as plain data for JSON; see Saved states."""
        return self._states.save(
            self._episode, self._running, self._np_random, self._np_random_seed
        )

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where the environment was that gave this state.

        Raises:
            StateError: if it is damaged, or of another dataset, version or settings (nothing has
                happened then), or if the video is another one by now.
            DatasetError, VideoError: if the video cannot be had.
        """
        saved = self._states.read(state)
        self._running, self._episode = False, None
        self._episode = self._states.resume(saved, self._viewer, self._tools)
        self._np_random, self._np_random_seed = saved.random, saved.seed
        show_again(self._renderer, self._episode, self._shape)
        self._running = saved.running

    def render(self) -> NDArray[np.uint8] | None:
        """Return a new picture of the episode, uint8 `(720, 960, 3)`, or `None`.

        There is none where a window shows it, and without a `render_mode`.

        Raises:
            ResetNeeded: if there has been no episode yet.
        """
        if self._renderer is not None:
            return self._renderer.render()
        gym.logger.warn('render() draws nothing: make the env with render_mode="rgb_array"')
        return None

    def close(self) -> None:
        """Close the video, which `reset` opens again, and the window."""
        self._running = False
        self._viewer.close()
        end_idle((*self._tools.values(), self._judge, self._reward))
        if self._renderer is not None:
            self._renderer.close()

    def __copy__(self) -> VideoQAEnv:
        """Return an environment of its own, in the same state; see Copies."""
        shared = self._items, self._index, self._judge, self._reward, self._viewer._opener
        return deepcopy(self, {id(kept): kept for kept in (*shared, *self._tools.values())})

    def _observe(self, episode: Episode, served: TurnResult) -> Observation:
        observation = episode.observe(served, self._shape)
        if self._renderer is not None:
            self._renderer.show(observation, episode.history, self._viewer.native_size)
        return observation
