"""Laws of `sage_env.env`, `episode`, `observation`, `viewer`: an episode, action by action."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sage_env.actions.action import Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import DatasetError, JudgeError, ResetNeeded, RewardError, VideoError
from sage_env.frames import FrameBatch
from sage_env.history import Spent

SIZE = (6, 8)
DURATION = {"long.mp4": 600.0, "short.mp4": 10.0}


class FakeVideo:
    """Two frames a second; frame i is painted (i // 256, i % 256, 255 if cropped)."""

    fps = 2.0

    def __init__(self, path):
        if path.name not in DURATION:
            raise VideoError(f"{path} is missing")
        self.duration = DURATION[path.name]
        self.calls = []
        self.closed = False
        self.broken = False

    def frames_at(self, seconds, *, size=None, box=None):
        if self.broken:
            raise VideoError("cannot be decoded")
        self.calls.append((list(seconds), size, box))
        index = np.sort(np.floor(np.asarray(seconds) * self.fps + 1e-9).astype(int))
        pixels = np.zeros((len(index), *size, 3), np.uint8)
        pixels[..., 0] = (index // 256)[:, None, None]
        pixels[..., 1] = (index % 256)[:, None, None]
        pixels[..., 2] = 0 if box is None else 255
        return FrameBatch(pixels, index / self.fps)

    def close(self):
        self.closed = True


ITEMS = [
    QAItem("needle", Path("long.mp4"), "Où?", ("moon", "star"), "star", "mcq",
           ((300.0, 302.0), (400.0, 410.0)), 600.0),
    QAItem("glance", Path("short.mp4"), "What?", ("moon", "star", "drop"), "moon", "mcq"),
    QAItem("when", Path("long.mp4"), "When?", (), "301", tolerance=2.0),
    QAItem("who", Path("long.mp4"), "Who?", (), "the fox"),
]  # fmt: skip


def make(**arguments):
    """Return an env over fake videos, and the list of the videos that it opens."""
    opened = []

    def opener(path):
        opened.append(FakeVideo(path))
        return opened[-1]

    defaults = {"dataset": ITEMS, "frame_size": SIZE, "opener": opener}
    return VideoQAEnv(**{**defaults, **arguments}), opened


def start(item="needle", **arguments):
    env, opened = make(**arguments)
    observation, info = env.reset(seed=0, options={"item_id": item})
    return env, observation, info, opened[-1]


def shown(observation):
    """Return the times painted into the pixels of the frames shown."""
    pixels = observation["frames"][: observation["num_frames"], 0, 0].astype(int)
    return ((pixels[:, 0] * 256 + pixels[:, 1]) / FakeVideo.fps).tolist()


def test_the_id_needs_no_import_and_import_needs_no_model():
    code = (
        "import sys, gymnasium, sage_env\n"
        "assert 'SageVideoQA-v0' in gymnasium.registry\n"
        "heavy = {'torch', 'transformers', 'peft'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# Looking


def test_the_overview_is_spread_over_the_video_and_counted():
    env, observation, info, video = start(overview_frames=4)
    assert shown(observation) == [75.0, 225.0, 375.0, 525.0]
    assert observation["seconds"].tolist() == [75.0, 225.0, 375.0, 525.0] + [-1.0] * 12
    assert not observation["frames"][4:].any()
    assert observation["frames"].shape == (16, *SIZE, 3)
    assert (observation["turns_left"], observation["frames_left"]) == (10, 124)
    assert (observation["question"], observation["choices"]) == ("Où?", "moon\nstar")
    assert (observation["cursor"], observation["duration"]) == (0.0, 600.0)
    assert observation["message"] == observation["text"] == ""
    assert info == {
        "item_id": "needle", "action": None, "stop_reason": None, "reward_terms": {},
        "frame_seconds": [75.0, 225.0, 375.0, 525.0], "span": (0.0, 600.0), "box": None,
        "spent": Spent(0, 4, 4, 600.0), "tool_calls": {},
        "budget": {
            "max_turns": 10, "max_frames": 128, "frames_per_turn": 16, "overview_frames": 4
        },
    }  # fmt: skip
    assert video.calls == [([75.0, 225.0, 375.0, 525.0], SIZE, None)]


def test_a_blind_start_shows_and_decodes_nothing():
    _, observation, info, video = start(overview_frames=0)
    assert observation["num_frames"] == 0 and observation["frames_left"] == 128
    assert (info["frame_seconds"], info["span"], video.calls) == ([], None, [])
    assert observation["duration"] == 600.0


def test_an_overview_may_show_more_than_a_turn():
    _, observation, _, _ = start(overview_frames=32, frames_per_turn=4)
    assert observation["num_frames"] == 32 and observation["frames"].shape[0] == 32


def test_each_action_moves_the_cursor_as_described():
    env, _, _, video = start(overview_frames=0)
    observation, reward, terminated, truncated, info = env.step(Sample(100, 104, 2))
    assert shown(observation) == info["frame_seconds"] == [101.0, 103.0]
    assert (reward, terminated, truncated, observation["message"]) == (0.0, False, False, "")
    assert (observation["cursor"], info["span"], info["action"]) == (
        104.0,
        (100.0, 104.0),
        "sample",
    )

    box = (0.5, 0.0, 1.0, 0.5)
    observation, _, _, _, info = env.step(Zoom(300, 302, 2, box))
    assert shown(observation) == [300.5, 301.5] and observation["frames"][0, 0, 0, 2] == 255
    assert (observation["cursor"], info["box"], info["action"]) == (104.0, box, "zoom")
    assert video.calls[-1] == ([300.5, 301.5], SIZE, box)

    observation, _, _, _, info = env.step(Skip(350))
    assert observation["num_frames"] == 0 and len(video.calls) == 2
    assert (observation["cursor"], info["span"], info["frame_seconds"]) == (350, (104, 350), [])
    observation, _, _, _, info = env.step(Skip(50))
    assert (observation["cursor"], info["span"]) == (50.0, None)  # going back skips nothing

    observation, reward, terminated, truncated, info = env.step(Answer("B"))
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (observation["turns_left"], observation["frames_left"]) == (5, 124)
    assert (info["stop_reason"], info["correct"]) == ("answered", True)
    assert (info["evidence_recall"], info["evidence_hit_turn"]) == (0.5, 2)
    assert info["spent"] == Spent(5, 4, 4, 6.0)
    assert info["spent"].frames_decoded is None  # the fake does not count
    assert info["spent"].decode_seconds > 0


def test_what_a_request_exceeds_is_cut_and_said():
    env, _, _, video = start(overview_frames=0, max_frames=20)
    observation, _, _, _, info = env.step(Sample(590, 700, 40))
    assert observation["message"] == (
        "The video ends at 600.00 s: the stretch was cut there. "
        "Only 16 frames are shown in one turn."
    )
    assert (info["span"], observation["num_frames"], observation["cursor"]) == ((590, 600), 16, 600)
    observation, _, _, _, _ = env.step(Zoom(0, 100, 5))
    assert observation["message"] == "Only 4 frames are left."
    assert observation["num_frames"] == 4
    calls = len(video.calls)
    observation, _, _, _, info = env.step(Zoom(0, 1e300, 1))
    assert observation["message"].endswith("Nothing is shown: no frames are left.")
    assert (observation["num_frames"], info["span"]) == (0, None)
    observation, _, _, _, _ = env.step(Zoom(600, 700, 5))
    assert observation["message"] == "Nothing is shown: the video ends at 600.00 s."
    observation, _, _, _, _ = env.step(Skip(1e300))
    assert observation["message"] == "The video ends at 600.00 s: skipped to there."
    assert observation["cursor"] == 600.0 and len(video.calls) == calls


def test_a_duration_read_to_a_tenth_is_not_corrected():
    env, _, _, _ = start(overview_frames=0)
    observation, _, _, _, info = env.step(Sample(590, 600.05, 2))
    assert (observation["message"], info["span"]) == ("", (590.0, 600.0))
    observation, _, _, _, _ = env.step(Skip(600.05))
    assert (observation["message"], observation["cursor"]) == ("", 600.0)
    assert "cut there" in env.step(Sample(590, 600.2, 2))[0]["message"]


def test_a_picture_that_is_on_screen_all_along_is_shown_and_paid_once():
    env, _, _, _ = start(overview_frames=0)
    observation, _, _, _, info = env.step(Zoom(100, 101, 8))
    assert info["frame_seconds"] == [100.0, 100.5]
    assert observation["message"] == "The stretch has only 2 distinct frames for 8 times."
    assert observation["frames_left"] == 126
    _, _, _, _, info = env.step(Zoom(100, 101, 2))  # seen before, and paid for again
    assert info["spent"] == Spent(2, 4, 2, 1.0)


def test_the_agents_mistakes_cost_a_turn_and_are_explained():
    env, _, _, _ = start(overview_frames=0, max_turns=3)
    observation, reward, terminated, _, info = env.step(Invalid("zoom!", "say \ud800 what"))
    assert observation["message"] == "Not a valid action: say ? what"
    assert (reward, terminated, observation["turns_left"], info["action"]) == (
        0,
        False,
        2,
        "invalid",
    )
    observation, _, _, _, _ = env.step(UseTool("transcribe"))
    assert observation["message"] == "There is no tool 'transcribe': there are no tools here."
    assert observation in env.observation_space


# Ending


def test_the_last_turn_ends_the_episode():
    env, _, _, _ = start(max_turns=2)
    assert not env.step(Skip(1))[2]
    observation, reward, terminated, truncated, info = env.step(Skip(2))
    assert (reward, terminated, truncated, observation["turns_left"]) == (0.0, True, False, 0)
    assert (info["stop_reason"], info["correct"]) == ("out_of_turns", False)
    assert info["evidence_recall"] == 0.0 and info["evidence_hit_turn"] is None


def test_an_answer_in_the_last_turn_counts():
    env, _, _, _ = start(max_turns=1)
    _, reward, terminated, _, info = env.step(Answer("star"))
    assert (reward, terminated, info["stop_reason"]) == (1.0, True, "answered")


def test_steps_outside_an_episode_are_refused():
    env, _ = make()
    with pytest.raises(ResetNeeded, match=r"call reset\(\) before step"):
        env.step(Skip(1))
    with pytest.raises(ResetNeeded, match="no episode has begun"):
        _ = env.history
    env.reset(seed=0)
    env.step(Answer("A"))
    with pytest.raises(ResetNeeded):
        env.step(Answer("A"))
    env.reset()
    env.close()
    with pytest.raises(ResetNeeded):
        env.step(Skip(1))


def test_a_step_with_something_else_is_no_turn():
    env, _, _, _ = start()
    with pytest.raises(TypeError, match="got str: read text with sage_env.parse_action"):
        env.step('{"action": "skip", "to": 1}')
    assert env.step(Skip(1))[0]["turns_left"] == 9


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_the_gold_answer_scores_1_and_any_other_choice_0(item):
    def score(text):
        env, _, _, _ = start(item.id, overview_frames=1)
        _, reward, _, _, info = env.step(Answer(text))
        assert info["correct"] is (reward == 1.0)
        return reward

    assert score(item.answer) == 1.0
    for index, choice in enumerate(item.choices):
        right = float(choice == item.answer)
        assert score(choice) == score("ABC"[index]) == right
    assert score("none of these") == 0.0


def test_a_tolerance_reaches_both_ways():
    for text, reward in {"299": 1.0, "05:03": 1.0, "303.1": 0.0}.items():
        env, _, _, _ = start("when", overview_frames=0)
        assert env.step(Answer(text))[1] == reward


# Judges and rewards from outside


def test_a_judge_decides_what_rules_cannot():
    env, _, _, _ = start("who", judge=lambda item, text: "fox" in text)
    assert env.step(Answer("a sly fox"))[1] == 1.0
    env.reset(options={"item_id": "who"})
    assert env.step(Answer("a dog"))[4]["correct"] is False


def test_a_dead_judge_is_no_verdict():
    def dead(item, text):
        raise TimeoutError("no reply")

    env, _, _, _ = start("who", judge=dead)
    with pytest.raises(JudgeError, match="no reply"):
        env.step(Answer("a dog"))
    assert env.history.ended and env.history.verdict is None
    assert env.history.actions == (Answer("a dog"),)
    with pytest.raises(ResetNeeded):
        env.step(Answer("a dog"))
    env.reset(options={"item_id": "who"})
    assert env.step(Answer("the fox"))[1] == 1.0  # the judge is not asked


def test_a_reward_sees_the_episode_and_its_terms_are_summed():
    seen = []

    def reward(item, action, history):
        seen.append(history)
        assert history.item is item and history.actions[-1] is action
        return {"look": 0.25 * len(history.looks[-1].seconds), "step": -0.125}

    env, _, _, _ = start(reward=reward, overview_frames=2)
    _, value, _, _, info = env.step(Sample(0, 10, 2))
    assert (value, info["reward_terms"]) == (0.375, {"look": 0.5, "step": -0.125})
    env.step(Answer("A"))
    assert [history.ended for history in seen] == [False, True]
    assert (seen[0].verdict, seen[1].verdict) == (None, False)
    assert (seen[1].max_turns, seen[1].max_frames, seen[1].spent.turns) == (10, 128, 2)


def test_a_broken_reward_is_an_error():
    for broken, words in [
        (lambda item, action, history: {"bonus": float("inf")}, "'bonus': inf"),
        (lambda item, action, history: {"a": 1e308, "b": 1e308}, "finite sum"),
        (lambda item, action, history: item.group["tier"], "failed on item 'needle': KeyError"),
    ]:
        env, _, _, _ = start(reward=broken)
        with pytest.raises(RewardError, match=words):
            env.step(Skip(1))
        with pytest.raises(ResetNeeded):
            env.step(Skip(1))


# Videos


def test_a_video_that_fails_is_an_error_and_is_opened_anew():
    env, _, _, video = start()
    video.broken = True
    with pytest.raises(VideoError, match="cannot be decoded"):
        env.step(Sample(0, 10, 2))
    with pytest.raises(ResetNeeded):
        env.step(Skip(1))
    observation, _ = env.reset(options={"item_id": "needle"})
    assert observation["num_frames"] == 16 and video.closed


def test_a_video_stays_open_while_the_next_question_is_about_it():
    env, opened = make()
    for item in ("needle", "when", "glance", "who"):
        env.reset(options={"item_id": item})
    assert [video.duration for video in opened] == [600.0, 10.0, 600.0]
    assert [video.closed for video in opened] == [True, True, False]
    env.close()
    assert opened[-1].closed


def test_a_video_of_another_size_or_without_duration_is_refused():
    class Wrong(FakeVideo):
        def frames_at(self, seconds, *, size=None, box=None):
            return super().frames_at(seconds, size=(3, 3), box=box)

    env, _ = make(opener=Wrong)
    with pytest.raises(VideoError, match=r"expected \(16, 6, 8, 3\), got \(16, 3, 3, 3\)"):
        env.reset(seed=0)
    DURATION["empty.mp4"] = 0.0
    env, _ = make(dataset=[QAItem("q", Path("empty.mp4"), "?", (), "x")])
    with pytest.raises(VideoError, match="duration > 0"):
        env.reset()


def test_a_dataset_may_prepare_files_and_suggest_a_size():
    class Prepared(list):
        frame_size = (4, 5)

        def prepare(self, item):
            order.append(item.id)

    order = []
    env, opened = make(dataset=Prepared(ITEMS), frame_size=None)
    observation, _ = env.reset(options={"index": 1})
    assert order == ["glance"] and len(opened) == 1
    assert observation["frames"].shape[1:3] == (4, 5)
    assert make(frame_size=None)[0].observation_space["frames"].shape[1:3] == (224, 224)


def test_an_observation_shares_nothing_with_a_video_that_keeps_its_pictures():
    class Keeping(FakeVideo):
        def frames_at(self, seconds, *, size=None, box=None):
            batch = super().frames_at(seconds, size=size, box=box)
            kept.append(batch.pixels)
            return FrameBatch(batch.pixels[:], batch.seconds)

    kept = []
    env, _ = make(opener=Keeping)
    observation, _ = env.reset(options={"item_id": "needle"})
    assert observation["num_frames"] == 16
    before = kept[0].copy()
    observation["frames"][...] = 77
    np.testing.assert_array_equal(kept[0], before)


def test_whatever_a_video_raises_names_the_file():
    class Broken(FakeVideo):
        def frames_at(self, seconds, *, size=None, box=None):
            return returned[-1](super().frames_at(seconds, size=size, box=box))

    def missing(path):
        raise FileNotFoundError("no such disk")

    env, _ = make(opener=missing)
    with pytest.raises(VideoError, match=r"mp4: it cannot be opened: FileNotFoundError: no such"):
        env.reset(seed=0)
    env, _ = make(opener=Broken)
    returned = []
    for broken, words in [
        (lambda batch: 1 / 0, "its frames cannot be read: ZeroDivisionError"),
        (lambda batch: batch.pixels, "must return a FrameBatch, got ndarray"),
        (lambda batch: FrameBatch(batch.pixels, batch.seconds - 80), r"frames of \[0, "),
        (lambda batch: FrameBatch(batch.pixels, batch.seconds + 600), r"frames of \[0, "),
    ]:
        returned.append(broken)
        with pytest.raises(VideoError, match=words):
            env.reset(options={"item_id": "needle"})
        with pytest.raises(ResetNeeded):
            env.step(Skip(1))


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf"), 1.1e6])
def test_durations_that_make_no_sense_are_refused(duration, monkeypatch):
    monkeypatch.setitem(DURATION, "odd.mp4", duration)
    env, _ = make(dataset=[QAItem("q", Path("odd.mp4"), "?", (), "x")])
    with pytest.raises(VideoError, match="odd.mp4: a video must have a duration > 0 and at most"):
        env.reset()


def test_evidence_behind_the_end_of_the_video_is_an_error():
    late = QAItem("late", Path("short.mp4"), "?", (), "x", evidence=((1.0, 2.0), (10.0, 11.0)))
    env, _ = make(dataset=[late])
    with pytest.raises(DatasetError, match=r"'late'.*\(10.0, 11.0\) lies behind.*10.00 s"):
        env.reset()


def test_what_prepare_raises_is_a_dataset_error():
    class Prepared(list):
        def prepare(self, item):
            raise OSError("disk full")

    env, opened = make(dataset=Prepared(ITEMS))
    with pytest.raises(DatasetError, match="cannot prepare item '.*OSError: disk full"):
        env.reset(seed=0)
    assert not opened


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_turns": 0}, "max_turns must be a whole number >= 1, got 0"),
        ({"max_frames": 1.5}, "max_frames must be a whole number"),
        ({"frames_per_turn": True}, "frames_per_turn must be"),
        ({"overview_frames": 129}, "overview_frames must be a whole number from 0 to 128"),
        ({"frame_size": (0, 5)}, "frame_size must be"),
        ({"frame_size": (5,)}, r"frame_size must be \(H, W\)"),
        ({"reward": "bonus"}, "one of answer, efficient, sage"),
        ({"reward": None}, "must be a function, its"),
        ({"render_mode": "ansi"}, "render_mode must be"),
        ({"overview_tolerance": -1.0}, "overview_tolerance must be seconds, 0 or more, or"),
        ({"overview_tolerance": "half"}, "overview_tolerance must be"),
        ({"overview_tolerance": True}, "overview_tolerance must be"),
    ],
)
def test_illegal_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        make(**arguments)


def test_options_choose_the_question_and_typos_are_refused():
    env, _ = make()
    assert env.reset(options={"index": 2})[1]["item_id"] == "when"
    with pytest.raises(DatasetError, match="'neddle': near ones are needle"):
        env.reset(options={"item_id": "neddle"})
    with pytest.raises(DatasetError, match="no item has the id"):
        env.reset(options={"item_id": ["needle"]})
    for options in ({"index": 4}, {"index": -1}, {"item": "when"}, {"item_id": "when", "index": 2}):
        with pytest.raises(ValueError, match="options"):
            env.reset(options=options)
