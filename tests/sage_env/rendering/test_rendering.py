"""Laws of `sage_env.rendering`: what the picture of an episode shows, and what it never does."""

import gc
import os
import pickle
import sys
import warnings
import weakref
from pathlib import Path

import av
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.passive_env_checker import env_render_passive_checker
from PIL import Image, ImageColor

from sage_env import QAItem
from sage_env.actions.action import Answer, Invalid, Sample, Skip, Zoom
from sage_env.env import VideoQAEnv
from sage_env.errors import MissingExtra, ResetNeeded, VideoError
from sage_env.frames import FrameBatch
from sage_env.picture_geometry import crop_bounds, fitted, letterbox
from sage_env.rendering import HEIGHT, WIDTH
from sage_env.rendering.axis import FIRST_X, LAST_X, axis_x, row_middle
from sage_env.rendering.colours import CURSOR, GOLD, GOOD, LOOK, PAPER, SAMPLED, SKIP, ZOOM
from sage_env.rendering.contact_sheet import STRIP_HEIGHT, axis_top, num_slots, panel_area
from sage_env.rendering.panel import draw_panel, frame_grid
from sage_env.rendering.renderer import Renderer
from sage_env.rendering.thumbnails import KEPT, Thumbnail, thumbnail

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows without a screen

NATIVE = (36, 64)
SIZE = (32, 32)


class Rendered(VideoQAEnv):
    """The environment, without the second that a window waits for each picture."""

    metadata = {**VideoQAEnv.metadata, "render_fps": 1000}


class Painted:
    """A video of four frames a second that get redder; the left half of each is green."""

    fps = 4.0

    def __init__(self, duration=600.0, size=NATIVE):
        self.duration = duration
        self.size = size

    def frames_at(self, seconds, *, size=None, box=None):
        shown = np.floor(np.sort(seconds) * self.fps + 1e-9) / self.fps
        return FrameBatch(np.stack([self.picture(second, size, box) for second in shown]), shown)

    def picture(self, second, size, box=None):
        height, width = self.size
        picture = np.zeros((height, width, 3), np.uint8)
        picture[..., 0] = 40 + int(200 * second / self.duration)
        picture[:, : width // 2, 1] = 255
        if box is not None:
            top, bottom, left, right = crop_bounds(box, height, width)
            picture = picture[top:bottom, left:right]
        height, width = fitted(*picture.shape[:2], size)
        small = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
        return letterbox(np.array(small), size)

    def close(self):
        pass


def question(**changes):
    values = {
        "id": "needle",
        "video": Path("long.mp4"),
        "question": "Which symbol is on the card?",
        "choices": ("moon", "star", "drop"),
        "answer": "star",
        "kind": "mcq",
        "evidence": ((300.0, 302.0), (400.0, 410.0)),
    }
    return QAItem(**{**values, **changes})


def make(item=None, *, duration=600.0, native=NATIVE, render_mode="rgb_array", **arguments):
    return Rendered(
        dataset=[item or question()],
        opener=lambda path: Painted(duration, native),
        render_mode=render_mode,
        **{"frame_size": SIZE, **arguments},
    )


BOX = (0.25, 0.25, 0.75, 1.0)
TURNS = [
    Skip(100.0),
    Sample(100.0, 500.0, 8),
    Zoom(300.0, 306.0, 4, BOX),
    Invalid("hm", "no JSON object was found"),
    Zoom(550.0, 700.0, 99),
]
EPISODE = [*TURNS, Answer("star", ((300.0, 303.0),))]


def pictures(env, actions=EPISODE):
    """Return the picture after reset and after each action."""
    env.reset(seed=0)
    shown = [env.render()]
    for action in actions:
        env.step(action)
        shown.append(env.render())
    return shown


def rgb(colour):
    return np.array(ImageColor.getrgb(colour), np.uint8)


def columns(picture, y, colour):
    """Return the columns of the axis at which line `y` has exactly that colour."""
    line = picture[y, FIRST_X : LAST_X + 1]
    return (FIRST_X + np.flatnonzero((line == rgb(colour)).all(axis=-1))).tolist()


def row(env, turn):
    return row_middle(turn, axis_top(env.history.max_turns), env.history.max_turns)


# The contract


@pytest.mark.parametrize("ending", [Answer("star"), Answer("moon"), Sample(0.0, 1.0, 2)])
@pytest.mark.parametrize("overview_frames", [16, 0])
def test_pictures_have_one_size_and_every_turn_changes_them(ending, overview_frames):
    shown = pictures(make(max_turns=6, overview_frames=overview_frames), [*TURNS, ending])
    assert all(p.shape == (HEIGHT, WIDTH, 3) and p.dtype == np.uint8 for p in shown)
    assert all((a != b).any() for a, b in zip(shown, shown[1:], strict=False))


def test_equal_episodes_give_equal_pictures_and_a_picture_is_nobody_elses():
    first, second = make(), make()
    for a, b in zip(pictures(first), pictures(second), strict=True):
        np.testing.assert_array_equal(a, b)
    before = first.render()
    first.render()[:] = 0
    np.testing.assert_array_equal(before, first.render())


@pytest.mark.parametrize("render_mode", ["rgb_array", "human"])
def test_render_needs_a_reset_that_succeeded(render_mode):
    if render_mode == "human":
        pytest.importorskip("pygame")
    env = make(render_mode=render_mode)
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.render()
    env.reset(seed=0)
    env.render()
    env._viewer.close()
    env._viewer._opener = Path.read_bytes
    with pytest.raises((VideoError, OSError)):
        env.reset(seed=0)
    with pytest.raises(ResetNeeded):
        env.render()
    env.close()


def test_a_mode_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="'human', 'rgb_array' or None, got 'ansi'"):
        make(render_mode="ansi")


def test_gymnasium_finds_nothing_to_warn_about():
    env = make()
    env.reset(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert env_render_passive_checker(env).shape == (720, 960, 3)


# What may not be seen

OTHER = {
    "id": "other",
    "answer": "moon",
    "evidence": ((10.0, 50.0),),
    "group": {"family": "when"},
    "aliases": ("the moon",),
    "tolerance": 3.0,
}


def test_nothing_of_the_gold_answer_and_the_evidence_is_drawn_before_the_end():
    ours, others = pictures(make()), pictures(make(question(**OTHER)))
    for a, b in zip(ours[:-1], others[:-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (ours[-1] != others[-1]).any()  # right and wrong


def test_at_the_end_only_the_verdict_is_drawn():
    for ending in (Answer("drop"), Skip(1.0)):  # wrong for both
        turns = [*TURNS, ending]
        ours = pictures(make(max_turns=6), turns)[-1]
        others = pictures(make(question(**OTHER), max_turns=6), turns)[-1]
        np.testing.assert_array_equal(ours, others)


def test_the_evidence_is_drawn_where_it_is_if_asked_for():
    env = make(render_gold=True, overview_frames=0)
    (picture,) = pictures(env, [])
    found = columns(picture, row(env, 5), GOLD)
    spans = [(axis_x(start, 600.0), axis_x(end, 600.0)) for start, end in question().evidence]
    assert found == [x for x0, x1 in spans for x in range(x0 + 1, max(x1, x0 + 2))]
    hidden = pictures(make(overview_frames=0), [])[0]
    assert not columns(hidden, row(env, 5), GOLD)
    env.step(Sample(300.0, 302.0, 1))
    assert axis_x(301.0, 600.0) in columns(env.render(), row(env, 1), GOOD)


# The time axis


def test_every_frame_is_a_tick_at_its_time():
    env = make()
    picture = pictures(env)[-1]
    assert [len(look.seconds) for look in env.history.looks] == [16, 0, 8, 4, 0, 16, 0]
    for turn, look in enumerate(env.history.looks):
        assert columns(picture, row(env, turn), LOOK) == sorted(
            {FIRST_X + round(second / 600.0 * (LAST_X - FIRST_X)) for second in look.seconds}
        )


def test_what_was_sampled_zoomed_and_skipped_is_drawn_where_it_is():
    env = make()
    picture = pictures(env)[-1]
    sampled = columns(picture, row(env, 2), SAMPLED)
    assert (min(sampled), max(sampled)) == (axis_x(100.0, 600.0), axis_x(500.0, 600.0))
    zoomed = columns(picture, row(env, 5), ZOOM)
    assert zoomed == [axis_x(550.0, 600.0), axis_x(600.0, 600.0)]  # cut at the end of the video
    skipped = columns(picture, row(env, 1), SKIP)
    assert 0 <= min(skipped) - FIRST_X < 6 and 0 <= axis_x(100.0, 600.0) - max(skipped) < 6


@pytest.mark.parametrize("to", [0.0, 123.4, 600.0])
def test_the_cursor_is_marked(to):
    env = make(overview_frames=0, max_turns=3)
    picture = pictures(env, [Sample(0.0, to, 1)] if to else [])[-1]
    lines = range(row(env, 2), row(env, 3))
    assert {x for y in lines for x in columns(picture, y, CURSOR)} == {axis_x(to, 600.0)}


def test_with_more_turns_than_rows_every_frame_still_has_its_tick():
    env = make(max_turns=40, overview_frames=0)
    times = [10.0 + 14 * turn for turn in range(30)]
    picture = pictures(env, [Sample(t, t + 0.2, 1) for t in times])[-1]
    top = axis_top(40)
    found = [columns(picture, row_middle(index, top, 40), LOOK) for index in range(14)]
    assert found[0] == []
    assert found[1] == [axis_x(t, 600.0) for t in times[:18]]
    assert found[2:] == [[axis_x(t, 600.0)] for t in times[18:]]


def test_the_budget_bars_are_as_long_as_what_is_spent():
    env = make(max_turns=10, max_frames=64)
    pictures(env, TURNS)
    line = (env.render()[20] == rgb(LOOK)).all(axis=-1).sum()
    assert abs(line - 160 * (5 / 10 + 44 / 64)) <= 4


# The pictures


def test_the_strip_shows_the_frames_at_their_times():
    env = make(native=(32, 32), max_turns=2)
    picture = pictures(env, [])[0]
    number, y = num_slots(SIZE), axis_top(2) - STRIP_HEIGHT // 2
    for second in env.history.seconds:
        slot = int(second / 600.0 * number)
        x = FIRST_X + (slot + 0.25) * (LAST_X + 1 - FIRST_X) / number
        seen = picture[y, int(x)].astype(int)
        assert abs(seen - Painted(size=(32, 32)).picture(second, SIZE)[0, 0]).max() <= 14
    filled = {int(second / 600.0 * number) for second in env.history.seconds}
    empty = next(slot for slot in range(number) if slot not in filled)
    x = FIRST_X + (empty + 0.25) * (LAST_X + 1 - FIRST_X) / number
    assert picture[y, int(x)].min() > 200


@pytest.mark.parametrize("sizes", [{}, {"frame_size": (64, 96), "frame_pixels": 2048}])
def test_the_box_is_drawn_where_it_is_in_the_picture_without_bars(sizes):
    env = make(max_turns=4, **sizes)
    env.reset(seed=0)
    env.step(Zoom(300.0, 301.0, 1, (0.25, 0.25, 0.75, 0.75)))
    left, top, _, bottom = panel_area(env.history)
    part = env.render()[top:bottom, left : left + KEPT[1]]
    ys, xs = np.nonzero((part == rgb(ZOOM)).all(axis=-1))
    wide, upper = KEPT[1], 22
    high = wide * NATIVE[0] / NATIVE[1]
    assert abs(xs.min() - wide / 4) <= 1 and abs(xs.max() - wide * 3 / 4) <= 1
    assert abs(ys.min() - upper - high / 4) <= 1 and abs(ys.max() - upper - high * 3 / 4) <= 1


def test_the_box_is_drawn_where_it_is_in_a_letterboxed_picture():
    """Of an observation that does not say where the bars are: 32 by 32 with 18 rows of picture."""
    env = make(max_turns=4)
    zoom = Zoom(300.0, 301.0, 1, (0.25, 0.25, 0.75, 0.75))
    renderer, looks = Renderer("rgb_array", render_fps=1), (None, zoom)
    for look in looks:
        observation = (env.reset() if look is None else env.step(look))[0]
        del observation["picture"]
        renderer.show(observation, env.history, NATIVE)
    left, top, _, bottom = panel_area(env.history)
    part = renderer.render()[top:bottom, left : left + KEPT[1]]
    ys, xs = np.nonzero((part == rgb(ZOOM)).all(axis=-1))
    side = KEPT[0]  # of the square picture, which is black above and below
    shown = side * NATIVE[0] / NATIVE[1]
    assert abs(xs.min() - side / 4) <= 1 and abs(xs.max() - side * 3 / 4) <= 1
    upper = 22 + (side - shown) / 2
    assert abs(ys.min() - upper - shown / 4) <= 1 and abs(ys.max() - upper - shown * 3 / 4) <= 1


def test_a_box_without_a_picture_to_draw_it_on():
    env = make(overview_frames=0)
    plain = pictures(env, [Zoom(300.0, 301.0, 1, BOX)])[-1]
    assert (plain == rgb(ZOOM)).all(axis=-1).sum() > 100


LONG = ("What does the man in the blue coat hold, and where – Où? 汉字 مرحبا " * 40)[:2000]


@pytest.mark.parametrize("asked", ["Why?", LONG])
@pytest.mark.parametrize("count", [1, 16, 128])
@pytest.mark.parametrize("size", [(64, 64), (720, 1280)])
@pytest.mark.parametrize("box", [None, (0.0, 0.0, 1.0, 1.0)])
def test_the_panel_draws_only_inside_its_area(asked, count, size, box):
    choices = tuple(f"the choice with number {index}" for index in range(26))
    item = question(question=asked, choices=choices, answer=choices[3])
    env = make(item, duration=7200.0, overview_frames=0, max_frames=128, frames_per_turn=128)
    env.reset(seed=0)
    env.step(Zoom(3600.0, 7200.0, count, box))
    history, area = env.history, panel_area(env.history)
    frame = np.full((*size, 3), 7, np.uint8)
    seconds = history.looks[-1].seconds
    grid = frame_grid(seconds, size, area, box)
    thumbnails = [Thumbnail(seconds[k], box, thumbnail(frame, grid.size)) for k in grid.chosen]
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    finder = Thumbnail(0.0, None, thumbnail(frame, KEPT)), size
    draw_panel(image, area, history, thumbnails, grid, finder, "")
    drawn = np.array(image)
    left, top, right, bottom = area
    assert bottom - top > 100 and (drawn[top:bottom, left:right] != rgb(PAPER)).any()
    drawn[top:bottom, left:right] = rgb(PAPER)
    assert (drawn == rgb(PAPER)).all()


# Text

STRANGE = [
    "汉字 한국어 مرحبا",
    "a\x00b\tc\rd\ne",
    "\ud800",
    "𝄞 \U0001f469\u200d\U0001f467",
    "e\u0301" * 99,
]


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_any_text_can_be_drawn(text):
    sayable = text.encode(errors="replace").decode()
    env = make(question(question=sayable, choices=(), answer="x" + sayable, kind="open"))
    drawn = pictures(env, [Invalid(text, text), Answer(sayable)])
    assert {picture.shape for picture in drawn} == {(720, 960, 3)}


# What it costs


def test_without_a_mode_nothing_is_kept_and_with_one_only_thumbnails():
    for render_mode in (None, "rgb_array"):
        env = make(render_mode=render_mode, frame_size=(720, 1280), max_turns=4)
        observation, _ = env.reset(seed=0)
        kept = weakref.ref(observation["frames"])
        del observation
        gc.collect()
        assert kept() is None
        env.step(Zoom(0.0, 100.0, 16, BOX))
        assert len(pickle.dumps(env._renderer)) < 2_000_000  # 16 frames have 44 million bytes


@pytest.mark.parametrize("render_mode", ["rgb_array", "human"])
def test_a_copy_in_the_middle_of_an_episode_goes_on_in_the_same_way(render_mode):
    pytest.importorskip("pygame") if render_mode == "human" else None
    env = make(render_mode=render_mode)
    env.reset(seed=0)
    env.step(TURNS[1])
    renderer = pickle.loads(pickle.dumps(env._renderer))
    observation, *_ = env.step(TURNS[2])
    renderer.show(observation, env.history, NATIVE)
    if render_mode == "rgb_array":
        np.testing.assert_array_equal(renderer.render(), env.render())
    renderer.close()
    env.close()


# Gymnasium's wrappers, and the window


def test_render_collection_returns_a_picture_per_turn():
    env = gym.wrappers.RenderCollection(make())
    assert env.render_mode == "rgb_array_list"
    env.reset(seed=0)
    for action in TURNS:
        env.step(action)
    collected = env.render()
    for ours, theirs in zip(pictures(make(), TURNS), collected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_record_video_writes_a_frame_per_turn(tmp_path):
    pytest.importorskip("moviepy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.wrappers.RecordVideo(make(), str(tmp_path), fps=1, episode_trigger=lambda _: True)
        env.reset(seed=0)
        for action in (*TURNS, Answer("star")):
            env.step(action)
        env.close()
    (path,) = tmp_path.iterdir()
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 7 and frames[0].shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frames[-1].astype(int) - pictures(make())[-1]).mean() < 6


def test_a_window_shows_every_turn_by_itself():
    pygame = pytest.importorskip("pygame")
    env = make(render_mode="human")
    assert pygame.display.get_surface() is None
    env.reset(seed=0)
    plain = make()
    plain.reset(seed=0)
    for action in (*TURNS, Answer("star")):
        on_screen = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
        np.testing.assert_array_equal(on_screen, plain.render())
        assert env.render() is None
        env.step(action)
        plain.step(action)
    env.close()
    assert pygame.display.get_surface() is None
    env.close()
    env.reset(seed=0)
    assert pygame.display.get_surface() is not None
    env.close()


def test_environments_with_windows_do_not_break_each_other():
    pytest.importorskip("pygame")
    first, second = make(render_mode="human"), make(render_mode="human")
    first.reset(seed=0)
    second.reset(seed=0)
    first.close()
    second.step(Skip(1.0))
    assert second.history.spent.turns == 1 and second.render() is None
    second.close()


def test_human_rendering_wraps_arrays():
    pygame = pytest.importorskip("pygame")
    env = gym.wrappers.HumanRendering(make())
    env.reset(seed=0)
    on_screen = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(on_screen, env.unwrapped.render())
    env.close()


def test_without_pygame_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sage-video-qa\[render\]'"):
        make(render_mode="human")


def test_without_a_screen_the_error_says_what_to_do(monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "nonsense")
    with pytest.raises(RuntimeError, match="rgb_array"):
        make(render_mode="human").reset(seed=0)
