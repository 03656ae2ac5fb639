"""Laws of `algos.viewer.pictures`: `clips`, `clip_moments`, `clip_axis`, `clip_picture`.

A film shows one picture a turn and the verdict last, can be played, and is the same every time; no
text, time or picture of a trace breaks it, and no frame gets past a licence.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw

from algos.viewer.pictures.clip_axis import HEIGHT as AXIS
from algos.viewer.pictures.clip_axis import LEFT, RIGHT, draw_axis, length_of
from algos.viewer.pictures.clip_moments import MOST_MOMENTS, cursor_after, moments_of
from algos.viewer.pictures.clip_picture import HEIGHT, WIDTH, draw_moment
from algos.viewer.pictures.clips import ClipError, ClipSettings, write_clip
from algos.viewer.pictures.drawing import LICENCE
from algos.viewer.pictures.wanted_frames import frames_of
from algos.viewer.view_data import EpisodeView, FrameView, QuestionView, StepView
from sage_env.rendering.colours import BAD, GOOD, PAPER, SOFT, ZOOM
from tests.helpers.clips import SHORT_GOPS
from tests.helpers.clips import write_clip as write_video
from tests.helpers.viewer.made_up import made_up_run

QUICK = ClipSettings(turn_seconds=0.3, end_seconds=0.5)
RED = (250, 20, 20)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 red frames of 96 by 64, 25 a second."""

    def red(_: int, height: int, width: int) -> np.ndarray:
        return np.full((height, width, 3), RED, np.uint8)

    return write_video(
        tmp_path_factory.mktemp("v") / "v.mp4", range(20), options=SHORT_GOPS, draw=red
    )


def played(video: Path | None, turns: int = 2, **more) -> tuple[QuestionView, EpisodeView]:
    frames = [FrameView(0.2), FrameView(0.4)]
    box = (0.5, 0.5, 1.0, 1.0)
    steps = [StepView(turn=0, action="overview", frames=frames)]
    steps += [
        StepView(turn=k, action="zoom", span=(0.2, 0.6), box=box, frames=frames, call=f"zoom {k}")
        for k in range(1, turns)
    ]
    steps.append(StepView(turn=turns, action="answer", call="answer ring"))
    episode = EpisodeView(entry="a", steps=steps, verdict=True, prediction="ring")
    question = QuestionView(
        id="q",
        question="Which symbol is red?",
        evidence=[(0.3, 0.5)],
        duration=0.8,
        video=video,
        frame_size=(64, 64),
        episodes=[episode],
        gold="ring",
        **more,
    )
    return question, episode


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.average_rate == QUICK.fps
        frames = list(container.decode(stream))
    assert {frame.format.name for frame in frames} == {"yuv420p"}
    return [frame.to_ndarray(format="rgb24") for frame in frames]


def reds(picture: np.ndarray) -> int:
    """Return how many pixels are of the video."""
    return int((np.abs(picture.astype(int) - RED).max(-1) < 60).sum())


def test_an_mp4_has_each_turn_and_the_verdict_for_their_time(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    told = write_clip(*played(video), path, QUICK)
    assert told == f"{path}: 4 pictures of 960 by 540 pixels."
    frames = decoded(path)
    assert len(frames) == 3 * 3 + 5
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    steps = [np.abs(np.subtract(*pair, dtype=int)).mean() for pair in pairwise(frames)]
    changes = [k for k, step in enumerate(steps, 1) if step > 0.5]
    assert changes == [3, 6, 9]
    assert [reds(frames[k]) > 1000 for k in (0, 3, 6, 9)] == [True, True, False, False]


def test_the_index_of_an_mp4_stands_before_its_pictures(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(*played(video), path, QUICK)
    data, at, kinds = path.read_bytes(), 0, []
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        kinds.append(kind)
        at += size
    assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_a_gif_has_a_picture_a_turn_with_its_time(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    write_clip(*played(video), path, QUICK)
    with Image.open(path) as image:
        assert image.size == (WIDTH, HEIGHT) and image.n_frames == 4 and image.info["loop"] == 0
        times, red = [], []
        for number in range(4):
            image.seek(number)
            times.append(image.info["duration"])
            red.append(reds(np.asarray(image.convert("RGB"))) > 1000)
    assert times == [300, 300, 300, 500] and red == [True, True, False, False]


def test_equal_episodes_give_equal_pictures(video: Path, tmp_path: Path) -> None:
    gifs, films = ([tmp_path / f"{k}.{ending}" for k in range(2)] for ending in ("gif", "mp4"))
    for file in (*gifs, *films):
        write_clip(*played(video), file, QUICK)
    assert gifs[0].read_bytes() == gifs[1].read_bytes()
    for one, other in zip(*map(decoded, films), strict=True):  # x264 may code them otherwise
        assert np.abs(one.astype(int) - other).mean() < 0.2


def test_a_licence_keeps_frames_out(video: Path, tmp_path: Path) -> None:
    question, episode = played(video, pictures=False)
    told = write_clip(question, episode, tmp_path / "c.mp4", QUICK)
    assert LICENCE in told and not any(map(reds, decoded(tmp_path / "c.mp4")))
    brought = replace(made_up_run(1).question("q0"), pictures=False)
    wanted = write_clip(brought, brought.episodes[0], tmp_path / "d.gif", QUICK)
    assert LICENCE in wanted
    bare = [
        replace(step, frames=[FrameView(frame.second) for frame in step.frames])
        for step in brought.episodes[0].steps
    ]
    write_clip(brought, replace(brought.episodes[0], steps=bare), tmp_path / "e.gif", QUICK)
    assert (tmp_path / "d.gif").read_bytes() == (tmp_path / "e.gif").read_bytes()


def test_a_missing_video_is_said_and_no_error(tmp_path: Path) -> None:
    told = write_clip(*played(tmp_path / "gone.mp4"), tmp_path / "c.gif", QUICK)
    assert "gone.mp4" in told and (tmp_path / "c.gif").is_file()
    assert str(tmp_path / "gone.mp4") not in told
    assert "not known" in write_clip(*played(None), tmp_path / "d.gif", QUICK)


@pytest.mark.parametrize("name", ["clip.avi", "clip", "clip.mp4.txt"])
def test_other_names_are_refused(video: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipError, match=r"ends in \.mp4 or \.gif"):
        write_clip(*played(video), tmp_path / name, QUICK)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_a_sentence(video: Path, tmp_path: Path) -> None:
    (tmp_path / "there.mp4").mkdir()
    for path in (tmp_path / "there.mp4", tmp_path / "no" / "clip.gif"):
        with pytest.raises(ClipError, match="cannot be written"):
            write_clip(*played(video), path, QUICK)


def test_any_text_is_drawn(tmp_path: Path) -> None:
    hostile = made_up_run(1, hostile=True).question("q0")
    episode = hostile.episodes[0]
    long = "月 \U0001f600 \u202e\ud800\x00\n\t" + "x" * 100_000
    steps = [
        replace(step, call=long, thought=long, reason=long, action=long) for step in episode.steps
    ]
    episode = replace(
        episode, steps=steps, prediction=long, judge_words=long, rule=long, error=long
    )
    shown = replace(hostile, question=long, gold=long), episode
    for name, one in {"c": shown, "d": (hostile, hostile.episodes[1])}.items():
        write_clip(*one, tmp_path / f"{name}.gif", QUICK)
        with Image.open(tmp_path / f"{name}.gif") as image:
            assert image.size == (WIDTH, HEIGHT)
            assert image.n_frames == len(one[1].steps) + 1


def test_long_episodes_show_their_beginning_and_their_end() -> None:
    question, episode = played(None, turns=200)
    wanted = frames_of(question, (64, 64))
    moments = moments_of(question, episode, wanted, {}, "")
    assert len(moments) == MOST_MOMENTS + 1 and moments[-1].last
    assert moments[0].heading.startswith("Overview")
    assert moments[-2].heading == "Turn 200 of 200: answer"
    assert moments[1].heading == "Turn 1 of 200: zoom 0:00.2 to 0:00.6, 2 frames"


def test_the_cursor_is_where_skips_and_samples_led() -> None:
    def step(action: str, *span: float) -> StepView:
        return StepView(turn=1, action=action, span=span or None)  # type: ignore[arg-type]

    steps = [step("overview", 0, 9), step("skip", 0, 4), step("zoom", 7, 8), step("sample", 4, 5)]
    assert [cursor_after(steps[:k]) for k in range(5)] == [0, 0, 4, 4, 5]


def test_evidence_and_frames_stand_at_their_times() -> None:
    question, episode = played(None)
    question = replace(question, evidence=[(0.2, 0.4)])
    wanted = frames_of(question, (64, 64))
    moment = moments_of(question, episode, wanted, {}, "")[0]
    bare = draw_moment(replace(question, evidence=[]), episode, moment, 0.8).astype(int)
    marked = draw_moment(question, episode, moment, 0.8).astype(int)
    columns = np.flatnonzero(np.abs(marked - bare).sum((0, 2)))
    columns = columns[columns >= LEFT]
    quarter = (RIGHT - LEFT) / 4
    # 0.2 to 0.4 of 0.8 s is the second quarter; diamonds are up to 4 pixels wider.
    assert abs(columns.min() - (LEFT + quarter)) <= 5
    assert abs(columns.max() - (LEFT + 2 * quarter)) <= 5


@pytest.mark.parametrize("second", [float("nan"), float("inf"), -5.0, 1e300])
def test_times_that_are_none_are_drawn_at_an_edge(tmp_path: Path, second: float) -> None:
    question, episode = played(None)
    steps = [replace(s, frames=[FrameView(second)]) for s in episode.steps]
    episode = replace(episode, steps=steps)
    write_clip(replace(question, duration=None), episode, tmp_path / "c.gif", QUICK)
    assert length_of(replace(question, duration=0.0), steps) > 0


@pytest.mark.parametrize(("second", "hit"), [(0.2, True), (0.3, True), (0.4, False)])
def test_a_frame_at_the_end_of_the_evidence_is_outside(second: float, hit: bool) -> None:
    question, episode = played(None)
    question = replace(question, evidence=[(0.2, 0.4)])
    steps = [replace(episode.steps[0], frames=[FrameView(second)])]
    episode = replace(episode, steps=steps)
    question = replace(question, episodes=[episode])
    moment = moments_of(question, episode, frames_of(question, (64, 64)), {}, "")[0]
    assert [frame.hit for frame in moment.frames] == [hit]
    image = Image.new("RGB", (WIDTH, AXIS), PAPER)
    draw_axis(ImageDraw.Draw(image), 0, question, moment, 0.8)
    x, middle = LEFT + round(second / 0.8 * (RIGHT - LEFT)), 34 + 15 // 2
    diamond = image.getpixel((x + 3, middle)) == ImageColor.getrgb(GOOD)
    assert diamond == hit


def test_what_an_answer_relies_on_is_drawn_at_its_time() -> None:
    question, episode = played(None)
    wanted = frames_of(question, (64, 64))

    def drawn(*claimed: tuple[float, float]) -> np.ndarray:
        steps = [*episode.steps[:-1], replace(episode.steps[-1], claimed=claimed)]
        moment = moments_of(question, replace(episode, steps=steps), wanted, {}, "")[-1]
        return draw_moment(question, episode, moment, 0.8).astype(int)

    columns = np.flatnonzero(np.abs(drawn((0.2, 0.4)) - drawn()).sum((0, 2)))
    quarter = (RIGHT - LEFT) / 4
    assert abs(columns.min() - (LEFT + quarter)) <= 1
    assert abs(columns.max() - (LEFT + 2 * quarter)) <= 1


def test_where_subtitles_begin_moves_no_evidence() -> None:
    question, episode = played(None)
    moment = moments_of(question, episode, frames_of(question, (64, 64)), {}, "")[0]
    spoken = replace(question, subtitles_start=0.2)
    one, other = (draw_moment(asked, episode, moment, 0.8) for asked in (question, spoken))
    assert np.array_equal(one, other)


def test_the_box_lies_on_the_whole_frame_where_the_crop_was() -> None:
    """A whole frame of 220 by 110 pixels; the box is its right half, of the upper quarter."""
    question, episode = played(None)
    wanted = frames_of(replace(question, video=Path("v.mp4")), (64, 64))
    pictures = {k: np.full((110, 220, 3), 10 + k, np.uint8) for k in range(len(wanted.looks))}
    moment = moments_of(question, episode, wanted, pictures, "")[1]
    assert moment.source is not None
    assert wanted.looks[int(moment.source[0, 0, 0]) - 10].box is None
    image = draw_moment(question, episode, replace(moment, box=(0.5, 0.0, 1.0, 0.25)), 0.8)
    lines, columns = np.nonzero((image[150:280, :250] == ImageColor.getrgb(ZOOM)).all(-1))
    assert (columns.min(), columns.max()) == (24 + 110, 24 + 219)
    assert (lines.min() + 150, lines.max() + 150) == (152, 152 + round(110 / 4) - 1)


@pytest.mark.parametrize(
    ("verdict", "words"), [(True, "Right"), (False, "Wrong"), (None, "Not judged")]
)
def test_the_last_moment_says_the_verdict(verdict: bool | None, words: str) -> None:
    question, episode = played(None)
    episode = replace(episode, verdict=verdict)
    last = moments_of(question, episode, frames_of(question, (64, 64)), {}, "")[-1]
    assert last.heading == words and last.texts[:2] == ("Answer: ring", "Gold answer: ring")
    assert last.texts[2] == "2 turns, 4 frames"
    image = draw_moment(question, episode, last, 0.8)
    colour = {True: GOOD, False: BAD, None: SOFT}[verdict]
    assert tuple(image[120, 28]) == ImageColor.getrgb(colour)
