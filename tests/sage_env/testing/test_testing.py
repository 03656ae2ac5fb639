"""Laws of `sage_env.testing`: nothing is found where a contract is kept; breaches are named."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path

import numpy as np
import pytest

from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import VideoError
from sage_env.frames import FrameBatch
from sage_env.rewards import PRESETS, sage
from sage_env.synth import sage_synth
from sage_env.testing import (
    MemoryVideo,
    check_dataset,
    check_reward,
    check_tool,
    check_video,
    open_memory,
)
from sage_env.testing.episodes import ITEMS
from sage_env.vector.sharing import SharedOpener
from sage_env.video.video_file import open_video
from tests.helpers.tools_to_try import Blueness, Echo


def breaks(law):
    """Expect an `AssertionError` that says so."""
    return pytest.raises(AssertionError, match=law)


# Rewards


@pytest.mark.parametrize("reward", [*PRESETS.values(), sage(early=1.0)])
def test_the_presets_keep_their_contract(reward):
    check_reward(reward)


def test_a_reward_may_need_the_questions_of_its_own_dataset():
    def by_tier(item, action, history):
        return {"bonus": {"core": 1.0}[item.group["tier"]]}

    with breaks("must return .name: finite float. for every step, on step 1.*KeyError: 'tier'"):
        check_reward(by_tier)
    items = [replace(item, group={"tier": "core"}) for item in ITEMS]
    check_reward(by_tier, env=VideoQAEnv(dataset=items, opener=open_memory, frame_size=(4, 4)))
    with breaks("env must be a VideoQAEnv"):
        check_reward(by_tier, env=type("Other", (), {"unwrapped": 3})())


CALLS = []


@pytest.mark.parametrize(
    ("reward", "law"),
    [
        (3, "must be a function of .item, action, history."),
        (lambda item, action, history: 1.0, "finite float} for every step: got 1.0 on step 1"),
        (lambda item, action, history: {}, "one term at least: got none on step 1"),
        (
            lambda item, action, history: {
                "cost": float("nan") if history.spent.turns == 2 else 0.0
            },
            "finite float} for every step: got nan for 'cost' on step 2",
        ),
        (lambda item, action, history: {"a": "1"}, "got '1' for 'a'"),
        (lambda item, action, history: {3: 1.0}, "got the name 3"),
        (lambda item, action, history: {"a": 1e308, "b": 1e308}, "finite sum"),
        (lambda item, action, history: {"a": 1 / (2 - history.spent.turns)}, "ZeroDivisionError"),
        (lambda item, action, history: {"n": CALLS.append(0) or len(CALLS)}, "same terms for the"),
        (
            lambda item, action, history: {"a": float(bool(item.group.update(x="y")))},
            "must leave item and history as they are",
        ),
        (
            lambda item, action, history: (
                {"a": action.arguments.popitem() and 1.0}
                if hasattr(action, "arguments") and action.arguments
                else {"a": 0.0}
            ),
            "must leave item and history as they are",
        ),
    ],
)
def test_a_reward_that_breaks_a_law_is_told_which(reward, law):
    with breaks(law):
        check_reward(reward)
    for item in ITEMS:
        item.group.pop("x", None)


# Datasets


def test_datasets_keep_their_contract(tmp_path):
    check_dataset(ITEMS, videos=4, opener=open_memory)

    def three(root=str(tmp_path), split="train"):
        return sage_synth(root, split, count=1)

    made = sage_synth(tmp_path, "test", count=1)
    check_dataset(made)
    assert made[0].video.exists()
    check_dataset(lambda split: three(split=split), split="validation", videos=0)


def test_every_gold_answer_must_score_1():
    with breaks("are answered right: got DatasetError: item 0 .id 'which'.: the answer 'sun' is"):
        check_dataset([replace(ITEMS[0], answer="sun")], videos=0)
    with breaks("also counts as the answer 'star'"):
        check_dataset([replace(ITEMS[0], choices=("star", " star"))], videos=0)


class Odd(list):
    def __getitem__(self, index):
        return super().__getitem__(-1 - index)


class Made(list):
    frame_size = (4, 4)

    def __init__(self, *items):
        super().__init__(items)
        self.calls = 0

    def prepare(self, item):
        self.calls += 1
        if self.calls > 1:
            raise FileExistsError(item.video)


class Wide(list):
    frame_size = (4, 4.5)


ASKED = []


@pytest.mark.parametrize(
    ("dataset", "law"),
    [
        (Odd(ITEMS), "same items by index and in turn"),
        (lambda: [replace(ITEMS[0], id=str(ASKED.append(0) or len(ASKED)))], "the same questions"),
        (Made(ITEMS[0]), "may be called again: item 'which': got FileExistsError"),
        (Wide(ITEMS), r"frame_size must be \(H, W\), whole numbers above 0, got \(4, 4.5\)"),
        ([replace(ITEMS[1], video=Path("no.memory"))], "every item's video must open: item 'when'"),
        ([replace(ITEMS[0], duration=90.0)], "has 90.0 s, 60.memory has 60.00 s"),
        ([replace(ITEMS[1], evidence=((1.0, 2.0), (599.0, 602.0)))], "must lie inside the video"),
    ],
)
def test_a_dataset_that_breaks_a_law_is_told_which(dataset, law):
    with breaks(law):
        check_dataset(dataset, opener=open_memory)


def test_a_dataset_must_travel():
    class Local(list):
        """Cannot be pickled, for it is inside a function."""

    with breaks("must survive pickling"):
        check_dataset(Local(ITEMS), opener=open_memory)


# Videos


def test_videos_keep_their_contract(clip):
    check_video(open_video, clip("open-gops"))
    check_video(open_video(clip("irregular-mp4")))
    check_video(open_memory, "12.5.memory")
    for video in (MemoryVideo(0.1, 30, (7, 5)), MemoryVideo(7200, 25), MemoryVideo(3, 1 / 7)):
        check_video(video)


@pytest.mark.parametrize("opener", [open_memory, SharedOpener(open_memory)])
def test_an_opener_takes_a_path_as_text_too(opener):
    assert opener("12.5.memory").duration == opener(Path("12.5.memory")).duration == 12.5


def test_a_memory_video_is_what_it_says():
    video = MemoryVideo(400, 2, (48, 64))
    batch = video.frames_at([399.9, 0.3, 130.0], size=(12, 32))
    assert batch.seconds.tolist() == [0.0, 130.0, 399.5]
    assert batch.pixels[:, 6, 16, :2].tolist() == [[0, 0], [1, 4], [3, 31]]
    assert not batch.pixels[:, :, :8].any() and not batch.pixels[:, :, 24:].any()
    blue = video.frames_at([0.0]).pixels[0, :, :, 2].astype(int)
    assert blue[0, 0] == 0 and (np.diff(blue) >= 0).all() and (np.diff(blue, axis=0) >= 0).all()
    for name in ("x.memory", "-3.memory"):
        for path in (name, Path(name)):
            with pytest.raises(VideoError, match="expected SECONDS.memory"):
                open_memory(path)


class Bent(MemoryVideo):
    """Breaks one law: `bend` changes what is returned, or asked for."""

    def __init__(self, bend, ask=lambda seconds, size, box: (seconds, size, box)):
        super().__init__()
        self.bend, self.ask, self.count = bend, ask, 0

    def frames_at(self, seconds, *, size=None, box=None):
        self.count += 1
        seconds, size, box = self.ask(seconds, size, box)
        return self.bend(super().frames_at(seconds, size=size, box=box), self)


def asking(ask):
    return Bent(lambda batch, video: batch, ask)


def shared(batch, video):
    """Give the same array to everyone who asks for the same."""
    video.kept = getattr(video, "kept", {})
    return video.kept.setdefault((batch.pixels.shape, *batch.seconds), batch)


def with_pixels(change):
    return lambda batch, video: FrameBatch(change(batch.pixels, video), batch.seconds)


def finite(seconds, size, box):
    return [t for t in seconds if np.isfinite(t)], size, box


class Twice(MemoryVideo):
    def close(self):
        if self.closed:
            raise OSError("closed already")
        super().close()


class Infinite(MemoryVideo):
    def __init__(self):
        super().__init__()
        self.duration = float("inf")


@pytest.mark.parametrize(
    ("video", "law"),
    [
        (3, "takes a video, or an opener and a path, got 3"),
        (Infinite(), "above 0 and at most 1000000: got inf"),
        (Bent(lambda batch, video: batch.pixels), "must return a FrameBatch"),
        (Bent(lambda batch, video: FrameBatch(batch.pixels[1:], batch.seconds[1:])), "one frame p"),
        (Bent(lambda batch, video: FrameBatch(batch.pixels, batch.seconds + 1)), r"\[0, duration"),
        (Bent(lambda batch, video: FrameBatch(batch.pixels, batch.seconds + 0.4)), "last one sh"),
        (asking(lambda s, size, box: ([t - 0.5 for t in s], size, box)), "a frame must come back"),
        (asking(lambda s, size, box: ([max(t, 5.0) for t in s], size, box)), None),
        (Bent(with_pixels(lambda pixels, video: pixels + np.uint8(video.count % 7))), "differ"),
        (Bent(shared), "same request must give the same frames, also after"),
        (Bent(with_pixels(lambda p, v: np.broadcast_to(p[:, :1], p.shape))), "caller's own"),
        (asking(lambda s, size, box: (s, size and size[::-1], box)), "must be of the size"),
        (asking(lambda s, size, box: (s, size, None)), "a box must crop"),
        (asking(lambda s, size, box: (s, size, box and (0.5, 0.5, 1, 1))), "whole picture"),
        (asking(finite), "a time of nan must raise ValueError|one frame per time"),
        (asking(lambda s, size, box: ([abs(t) * (t >= 0) + 9.0 * (t < 0) for t in s], size, box)),
         "before the start must give the first"),
        (asking(lambda s, size, box: ([t % 100 for t in s], size, box)), "after the end|start"),
        (Twice(), "close must work, and do nothing when called again: got OSError"),
    ],
)  # fmt: skip
def test_a_video_that_breaks_a_law_is_told_which(video, law):
    if law is None:
        check_video(video)  # its first frame just lasts longer
        return
    with breaks(law):
        check_video(video)


def test_an_opener_must_open_the_same_video_again():
    opened = []

    def opener(path):
        opened.append(path)
        number = np.uint8(len(opened))
        return Bent(with_pixels(lambda pixels, video: pixels + number))

    with breaks("opened twice, must give the same frames"):
        check_video(opener, "x.mp4")
    with breaks("an opener must open no.mp4: got VideoError"):
        check_video(open_video, "no.mp4")


# Tools


def test_tools_keep_their_contract():
    check_tool(Blueness())
    check_tool(Echo())
    check_tool(
        Echo(),
        arguments=[{"text": "one"}, {"text": "two", "times": 2}],
        items=ITEMS[:1],
        opener=open_memory,
    )


class Wrong(Blueness):
    def __init__(self, reply, **attributes):
        self.reply, self.count = reply, 0
        vars(self).update(attributes)

    def __call__(self, arguments, context):
        self.count += 1
        return self.reply(arguments, context, self)


def keys(*replies):
    """Return a `cache_key` that replies so, the second of which is asked for in a check alone."""
    left = cycle([None, None, *replies])
    return lambda arguments, context: next(left)


@pytest.mark.parametrize(
    ("tool", "law"),
    [
        (Wrong(None, name=""), "must have name, description, parameters and be callable: got Val"),
        (Wrong(lambda a, c, t: None), "must return a string, or raise ToolInputError.*got None"),
        (Wrong(lambda a, c, t: c.history.item.aliases[0]), "ToolError.*IndexError"),
        (Wrong(lambda a, c, t: [0.0] * 60 and str(list(range(60))[int(a["at"])])), "IndexError"),
        (Wrong(lambda a, c, t: f"call {t.count}"), "must give the same reply to the same call"),
        (Wrong(lambda a, c, t: [0 for _ in count()], timeout=0.05), "must reply in time: it was"),
        (Wrong(lambda a, c, t: "x", max_calls=0), "max_calls of the tool 'blueness' must be"),
        (Wrong(lambda a, c, t: "x", cache_key=keys(1, 1)), r"cache_key must return.*got \[1, 1\]"),
        (Wrong(lambda a, c, t: "x", cache_key=keys("a", "b")), r"same call: got \['a', 'b'\]"),
    ],
)
def test_a_tool_that_breaks_a_law_is_told_which(tool, law):
    with breaks(law):
        check_tool(tool)


def test_a_tool_must_accept_something():
    from sage_env.errors import ToolInputError

    def refuse(arguments, context, tool):
        raise ToolInputError("not today")

    with breaks(r"it said, as of the last, 'blueness cannot be used so: not today'; narrow them"):
        check_tool(Wrong(refuse))
    with breaks(re.escape("must accept the arguments that suit it: of {'at': 1.0} it said")):
        check_tool(Wrong(refuse), arguments=[{"at": 1.0}])
    unsteady = Wrong(lambda a, c, t: f"call {t.count}")
    check_tool(unsteady, deterministic=False)


class Stretch(Blueness):
    """Needs a start before an end, both inside the video: what a schema cannot say."""

    name = "stretch"
    parameters = {
        "type": "object",
        "properties": {"start": {"type": "number"}, "end": {"type": "number"}},
        "required": ["start", "end"],
    }

    def __call__(self, arguments, context):
        from sage_env.errors import ToolInputError

        if not 0 <= arguments["start"] < arguments["end"] <= context.duration:
            raise ToolInputError("start must be before end, and both inside the video")
        return "seen"


def test_a_tool_of_stretches_is_checked_without_hints():
    check_tool(Stretch())
    items = [QAItem(f"{k}", Path("4.memory"), "Who?", (), "one") for k in range(4)]
    check_tool(Stretch(), items=items, opener=open_memory)  # nobody said how long the video is


def test_the_default_questions_are_sound():
    assert all(isinstance(item, QAItem) for item in ITEMS)
    assert {item.kind for item in ITEMS} == {"mcq", "open", "ground"}
