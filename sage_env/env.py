"""The environment: `reset` asks a question about a video, `step` looks at it or answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from sage_env.actions import ACTION_NAMES, Action, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.datasets import QAItem, find_item, load_dataset
from sage_env.errors import ResetNeeded
from sage_env.frames import Box, FrameBatch
from sage_env.history import History, Look, Spent, episode_info
from sage_env.matching import Judge, judge_answer
from sage_env.observation import Observation, observation_space, observe
from sage_env.rewards import Reward, checked_terms, find_reward
from sage_env.spaces import ActionSpace
from sage_env.timeline import Span, clamp, covered
from sage_env.viewer import Opener, Viewer

_UNSAID = 0.1  # seconds of a cut that go unsaid: agents read the duration rounded to a tenth


class VideoQAEnv(gym.Env[Observation, Action | Invalid]):
    """Answer a question about a video that may last hours, looking at few of its frames.

    ## Description
    A question about a video is asked, and a budget of turns and frames is given. Each turn the
    agent skips ahead, samples frames of a stretch, zooms into a short window (and into a region of
    the picture), or answers. All times are float seconds from the start of the video, all stretches
    `[start, end)`.

    ## Action Space
    `ActionSpace`: the dataclasses of `sage_env.actions` themselves.

    | action | does | cursor after |
    |---|---|---|
    | `Skip(to)` | moves the cursor; decodes nothing | `to` |
    | `Sample(start, end, num_frames)` | shows evenly spaced whole frames of a stretch | `end` |
    | `Zoom(start, end, num_frames, box=None)` | the same, cropped to `box`, enlarged | unchanged |
    | `Answer(text, evidence=())` | ends the episode | unchanged |

    A stretch of n frames shows what is on screen in the middle of each of its n equal parts; a
    picture that is on screen at several of these times is shown and paid for once. A request beyond
    the video (by over 0.1 s) or the budget is served as far as it goes, and `message` says so.
    `sage_env.Invalid`, which `parse_action` makes of a text that is no action, costs a turn too.

    ## Observation Space
    A `Dict`, with F = max(`frames_per_turn`, `overview_frames`) and (H, W) = `frame_size`:

    | key | space | is |
    |---|---|---|
    | `frames` | uint8 (F, H, W, 3) | RGB pictures of this turn, letterboxed; the rest is zero |
    | `seconds` | float32 (F,) | when each is shown, increasing; the rest is -1 |
    | `num_frames` | Discrete | how many there are |
    | `cursor`, `duration` | float32 () | seconds |
    | `turns_left`, `frames_left` | Discrete | what remains of the budget |
    | `question` | text | |
    | `choices` | text | one per line; empty when open-ended |
    | `message` | text | why the last request failed or was cut; else empty |
    | `text` | text | a tool's reply; empty, for there are no tools yet |

    ## Rewards
    A function `(item, action, history) -> {name: value}`; the reward is the sum, and
    `info["reward_terms"]` has the terms. `"answer"` (default): 1 on the last step if the answer is
    right, else 0. `"efficient"`: the same, less a cost of frames and turns when it is right.

    Right is (see `match_answer`): the choice's letter or text; for open questions the same text or
    number, or an alias; what these rules cannot decide goes to the `judge`, else it is wrong.

    ## Starting State
    `reset(options={"item_id": …})` or `{"index": …}` chooses the question, without options the seed
    does. The first observation has `overview_frames` evenly spaced frames, which count in the
    budget; 0 starts blind. The cursor is at 0.

    ## Episode End
    An answer, or `max_turns` actions, is `terminated` (both budgets are observed, so there is
    nothing to bootstrap); `truncated` is left to wrappers. After the end, and after any exception,
    `step` raises `ResetNeeded`.

    ## Information
    Always: `item_id`; `action` (its name, `None` at reset); `stop_reason` (`answered`,
    `out_of_turns` or `None`); `reward_terms`; `frame_seconds` (a float per frame shown this turn);
    `span` and `box` (what was served or skipped this turn, or `None`); `spent` (`sage_env.Spent`).
    On the last step: `correct`; `evidence_recall` (share of the evidence spans in which a frame was
    shown) and `evidence_hit_turn` (the first such turn, 0 is the overview), `None` where unknown.
    `env.unwrapped.history` is the whole record.

    ## Arguments
    | argument | default | is |
    |---|---|---|
    | `dataset` | `"sage-synth"` | name, path of a `.jsonl` file, or sequence of `QAItem` |
    | `root` | `None` | folder of the videos; each dataset has its own default |
    | `split` | `"train"` | `train`, `validation` or `test` |
    | `max_turns` | 10 | budget of actions, the answer included |
    | `max_frames` | 128 | budget of frames, the overview included |
    | `frames_per_turn` | 16 | most frames that one action is shown |
    | `overview_frames` | 16 | frames shown by `reset` |
    | `frame_size` | `None` | (H, W); else what the dataset suggests, else (224, 224) |
    | `reward` | `"answer"` | name of a preset, or a function |
    | `judge` | `None` | function `(item, text) -> bool` for open answers |
    | `tools` | `()` | none exist yet |
    | `opener` | `None` | function `path -> Video`; else `sage_env.video.open_video` |
    | `render_mode` | `None` | none exists yet |

    ## Errors
    `ValueError` for illegal arguments or options, `TypeError` for a step with something that is no
    action. What is not the agent's fault is never a reward: `DatasetError`, `VideoError`,
    `RewardError`, and `JudgeError`, after which `history` keeps the answer with the verdict `None`
    (not judged), so that it can be scored later.

    ## Version History
    * v0: first version.
    """

    metadata = {"render_modes": []}

    def __init__(
        self,
        *,
        dataset: str | Path | Sequence[QAItem] = "sage-synth",
        root: str | Path | None = None,
        split: str = "train",
        max_turns: int = 10,
        max_frames: int = 128,
        frames_per_turn: int = 16,
        overview_frames: int = 16,
        frame_size: tuple[int, int] | None = None,
        reward: str | Reward = "answer",
        judge: Judge | None = None,
        tools: tuple[str, ...] = (),
        opener: Opener | None = None,
        render_mode: None = None,
    ) -> None:
        """Load the dataset; no video is opened yet. The arguments are described above."""
        if tools:
            raise ValueError(f"this version has no tools: pass tools=(), got {tools!r}")
        if render_mode is not None:
            raise ValueError(f"this version does not render: pass None, got {render_mode!r}")
        self._max_turns = _count("max_turns", max_turns, 1)
        self._max_frames = _count("max_frames", max_frames, 1)
        self._frames_per_turn = _count("frames_per_turn", frames_per_turn, 1)
        self._overview_frames = _count("overview_frames", overview_frames, 0, max_frames)
        self._reward = find_reward(reward)
        self._judge = judge
        self._items = load_dataset(dataset, root=root, split=split)
        self._index = {item.id: index for index, item in enumerate(self._items)}
        size = _size(frame_size or getattr(self._items, "frame_size", None) or (224, 224))
        self._viewer = Viewer(size, opener)
        self._shape = max(frames_per_turn, overview_frames), *size, 3
        self._history: History | None = None
        self._running = False
        longest = max((item.duration for item in self._items if item.duration), default=600.0)
        self.action_space = ActionSpace(longest, frames_per_turn)
        self.observation_space = observation_space(self._shape[0], size, max_turns, max_frames)

    @property
    def history(self) -> History:
        """Return the record of the running or the last episode.

        Raises:
            ResetNeeded: if there has been no episode yet.
        """
        if self._history is None:
            raise ResetNeeded("no episode has begun: call reset() first")
        return self._history

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Ask a question and show the overview.

        Args:
            seed: seeds the choice of questions.
            options: `{"item_id": id}` or `{"index": number}` to ask that question.

        Raises:
            ValueError: if an option is not known, or the index is out of range.
            DatasetError: if there is no question with that id.
            VideoError: if its video cannot be opened or decoded.
        """
        super().reset(seed=seed)
        self._running, self._history = False, None
        item = self._items[self._choose(options or {})]
        prepare = getattr(self._items, "prepare", None)
        if prepare is not None:
            prepare(item)
        self._viewer.open(item.video)
        self._cursor = 0.0
        self._frames_left = self._max_frames
        nothing = Spent(0, 0, 0, 0.0)
        self._history = History(item, (), (), nothing, self._max_turns, self._max_frames)
        look, batch, message = Look(), None, ""
        if self._overview_frames:
            whole = (0.0, self._viewer.duration)
            look, batch, message = self._show(whole, self._overview_frames, None)
        self._history = self._record((), look)
        self._running = True
        return self._observe(batch, message), episode_info(self._history)

    def step(
        self, action: Action | Invalid
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Returns:
            The observation, the reward, whether the episode has ended (`terminated`), False
            (`truncated`), and the information that the class describes.

        Raises:
            ResetNeeded: before `reset`, after the end of the episode, and after an exception.
            TypeError: if `action` is neither an action nor `Invalid`; nothing has happened then.
            VideoError, JudgeError, RewardError: the episode cannot go on.
        """
        if not self._running:
            raise ResetNeeded("no episode is running: call reset() before step()")
        if type(action) not in ACTION_NAMES:
            raise TypeError(
                "step takes an action of sage_env.actions or Invalid, got "
                f"{type(action).__name__}: read text with sage_env.parse_action"
            )
        self._running = False  # stays so if anything below fails
        look, batch, message = self._serve(action)
        history = self._history = self._record((*self.history.actions, action), look)
        if isinstance(action, Answer):
            history = replace(history, stop_reason="answered")
            self._history = history  # kept as not judged if the judge fails
            history = replace(history, verdict=judge_answer(history.item, action.text, self._judge))
        elif history.spent.turns == self._max_turns:
            history = replace(history, stop_reason="out_of_turns", verdict=False)
        self._history = history
        terms = checked_terms(self._reward(history.item, action, history))
        self._running = not history.ended
        observation = self._observe(batch, message)
        return observation, sum(terms.values()), history.ended, False, episode_info(history, terms)

    def close(self) -> None:
        """Close the video; `reset` opens it again."""
        self._running = False
        self._viewer.close()

    def _choose(self, options: Mapping[str, Any]) -> int:
        if not options:
            return int(self.np_random.integers(len(self._items)))
        if list(options) == ["item_id"]:
            return find_item(self._index, options["item_id"])
        if list(options) == ["index"]:
            return _count("options['index']", options["index"], 0, len(self._items) - 1)
        raise ValueError(f"options must be {{'item_id': …}} or {{'index': …}}, got {options!r}")

    def _serve(self, action: Action | Invalid) -> tuple[Look, FrameBatch | None, str]:
        """Do what the action asks for; return what it showed, and what to tell the agent."""
        match action:
            case Skip(to):
                return self._skip(to)
            case Sample(start, end, num_frames):
                served = self._look((start, end), num_frames, None)
                self._cursor = min(end, self._viewer.duration)
                return served
            case Zoom(start, end, num_frames, box):
                return self._look((start, end), num_frames, box)
            case UseTool(name):
                return Look(), None, f"There is no tool {name!a} here, nor any other."
            case Invalid(_, reason):
                told = reason.encode(errors="replace").decode()  # the space refuses surrogates
                return Look(), None, f"Not a valid action: {told}"
            case Answer():
                return Look(), None, ""

    def _skip(self, to: float) -> tuple[Look, FrameBatch | None, str]:
        duration, before = self._viewer.duration, self._cursor
        self._cursor = min(to, duration)
        beyond = to > duration + _UNSAID
        message = f"The video ends at {duration:.2f} s: skipped to there." if beyond else ""
        skipped = (before, self._cursor) if before < self._cursor else None
        return Look(skipped), None, message

    def _look(
        self, asked: Span, num_frames: int, box: Box | None
    ) -> tuple[Look, FrameBatch | None, str]:
        """Show as much of a request as the video and the budget allow, and say what was cut."""
        duration, notes = self._viewer.duration, []
        span = clamp(asked, duration)
        if span[0] >= span[1]:
            return Look(), None, f"Nothing is shown: the video ends at {duration:.2f} s."
        if asked[1] > duration + _UNSAID:
            notes.append(f"The video ends at {duration:.2f} s: the stretch was cut there.")
        if self._frames_left == 0:
            return Look(), None, " ".join([*notes, "Nothing is shown: no frames are left."])
        count = min(num_frames, self._frames_per_turn, self._frames_left)
        if count < num_frames:
            limit = "are left" if count == self._frames_left else "are shown in one turn"
            notes.append(f"Only {count} frames {limit}.")
        look, batch, note = self._show(span, count, box)
        return look, batch, " ".join([*notes, note]).rstrip()

    def _show(self, span: Span, count: int, box: Box | None) -> tuple[Look, FrameBatch, str]:
        """Show the distinct frames of a stretch, and take them off the budget."""
        batch = self._viewer.look(span, count, box)
        self._frames_left -= len(batch)
        note = ""
        if len(batch) < count:
            note = f"The stretch has only {len(batch)} distinct frames for {count} times."
        return Look(span, box, tuple(batch.seconds.tolist())), batch, note

    def _record(self, actions: tuple[Action | Invalid, ...], look: Look) -> History:
        """Return the history with one more look, and what it has cost by now."""
        history = replace(self.history, actions=actions, looks=(*self.history.looks, look))
        spent = Spent(
            turns=len(actions),
            frames_shown=len(history.seconds),
            frames_unique=len(set(history.seconds)),
            seconds_covered=covered(history.spans),
            frames_decoded=self._viewer.frames_decoded,
            decode_seconds=self._viewer.decode_seconds,
        )
        return replace(history, spent=spent)

    def _observe(self, batch: FrameBatch | None, message: str) -> Observation:
        return observe(
            self.history.item,
            batch,
            shape=self._shape,
            cursor=self._cursor,
            duration=self._viewer.duration,
            turns_left=self._max_turns - self.history.spent.turns,
            frames_left=self._frames_left,
            message=message,
        )


def _count(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` if it is a whole number in `[least, most]`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {value!r}")
    return int(value)


def _size(size: Any) -> tuple[int, int]:
    if len(size) != 2:
        raise ValueError(f"frame_size must be (H, W) in pixels, got {size!r}")
    return _count("frame_size", size[0], 1), _count("frame_size", size[1], 1)
