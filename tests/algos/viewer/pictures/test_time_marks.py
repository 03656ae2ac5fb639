"""Laws of `algos.viewer.pictures`: `scene_cuts` and `time_marks`.

A cut is the first frame of a scene, exact; what was not measured is `None` and never "no cut";
speech is bounded, and nothing of it falls off the axis.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.viewer.pictures import time_marks
from algos.viewer.pictures.scene_cuts import find_cuts
from algos.viewer.pictures.time_marks import MOST_LETTERS, MOST_SPOKEN, MarkTime, joined, marks
from algos.viewer.view_data import QuestionView
from sage_env.subtitles import Line
from sage_env.synth.encode import encode_video
from sage_env.synth.plan import plan_video
from tests.helpers.clips import ONE_GOP, SHORT_GOPS, write_clip
from tests.helpers.real_clips import REAL_CLIPS


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))


def scenes(*starts: int):
    """Draw scenes of one colour each, with grain, that begin at these frames."""

    def draw(number: int, height: int, width: int) -> np.ndarray:
        scene = sum(number >= start for start in starts)
        rng = np.random.default_rng(number)
        colour = np.array([(220, 40, 40), (40, 40, 220), (60, 200, 60), (230, 230, 90)][scene % 4])
        grain = rng.integers(-8, 9, (height, width, 1))
        return np.clip(colour + grain, 0, 255).astype(np.uint8)

    return draw


def asked(video: Path | None, **more) -> QuestionView:
    return QuestionView(id="q", question="?", video=video, **more)


@pytest.mark.parametrize("options", [SHORT_GOPS, ONE_GOP], ids=["cuts on keyframes", "one GOP"])
def test_cuts_are_the_first_frames_of_scenes(tmp_path: Path, options) -> None:
    clip = write_clip(tmp_path / "c.mp4", range(120), options=options, draw=scenes(20, 55, 101))
    assert find_cuts(clip, 20) == pytest.approx((20 / 25, 55 / 25, 101 / 25), abs=1e-6)


def test_a_picture_without_cuts_has_none_and_what_appears_in_a_scene_is_none(
    tmp_path: Path,
) -> None:
    def sign(number: int, height: int, width: int) -> np.ndarray:
        picture = scenes()(number, height, width)
        if 30 <= number < 60:  # 4 of 9 parts of the picture
            picture[: height * 2 // 3, : width * 2 // 3] = 255
        return picture

    for draw in (scenes(), sign):
        clip = write_clip(tmp_path / "c.mp4", range(90), options=SHORT_GOPS, draw=draw)
        assert find_cuts(clip, 20) == ()


def test_moving_pictures_are_no_cuts(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (8, 40, 3), np.uint8).repeat(8, 0).repeat(8, 1)

    def pan(number: int, height: int, width: int) -> np.ndarray:
        return wide[:height, 2 * number : 2 * number + width]

    clip = write_clip(tmp_path / "c.mp4", range(100), options=SHORT_GOPS, draw=pan)
    assert find_cuts(clip, 20) == ()


@pytest.mark.parametrize("number", [0, 1, 7])
def test_scenes_of_synthetic_videos_are_found_to_the_frame(tmp_path: Path, number: int) -> None:
    plan = plan_video("validation", number)
    encode_video(plan, tmp_path / "v.mp4", 64)
    starts = [scene.start for scene in plan.scenes[1:]]
    assert find_cuts(tmp_path / "v.mp4", 30) == pytest.approx(starts, abs=1e-6)


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the filmed clips are not there")
@pytest.mark.parametrize("name", ["sam2_01_dog.mp4", "intel_car_detection.mp4"])
def test_a_filmed_take_has_no_cut(name: str) -> None:
    assert find_cuts(REAL_CLIPS / name, 30) == ()


def test_what_is_not_measured_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "b.mp4"
    broken.write_text("no video")
    for video in (None, tmp_path / "gone.mp4", broken, tmp_path):
        assert marks(asked(video)) == (None, ())
    clip = write_clip(tmp_path / "c.mp4", range(120), options=SHORT_GOPS, draw=scenes(50))
    assert marks(asked(clip), MarkTime(total_seconds=0.0)) == (None, ())
    late = MarkTime(video_seconds=1e-9)
    assert marks(asked(clip), late)[0] is None
    late.video_seconds = 20.0
    assert marks(asked(clip), late)[0] is None  # it is not tried again on the same page
    assert marks(asked(clip))[0] == (2.0,)


def test_cuts_are_kept_for_the_next_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "c.mp4", range(120), options=SHORT_GOPS, draw=scenes(50))
    assert marks(asked(clip))[0] == (2.0,)

    def never(*_: object) -> tuple[float, ...]:
        raise AssertionError

    monkeypatch.setattr(time_marks, "find_cuts", never)
    assert marks(asked(clip), MarkTime(total_seconds=0.0))[0] == (2.0,)
    monkeypatch.undo()
    write_clip(clip, range(120), options=SHORT_GOPS, draw=scenes(75))
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    assert marks(asked(clip))[0] == (3.0,)  # of another video under that name


# ------------------------------------------------------------------ speech


def test_speech_is_that_of_the_subtitles_by_the_videos_clock(tmp_path: Path) -> None:
    file = tmp_path / "s.srt"
    file.write_text(
        "1\n00:00:10,000 --> 00:00:12,500\nHello <i>there</i>\n\n"
        "2\n00:00:20,000 --> 00:00:21,000\nBye\n"
    )
    spoken = marks(asked(None, subtitles=file))[1]
    assert spoken == ((10.0, 12.5, "Hello there"), (20.0, 21.0, "Bye"))
    later = marks(asked(None, subtitles=file, subtitles_start=9.0))[1]
    assert later == ((1.0, 3.5, "Hello there"), (11.0, 12.0, "Bye"))


def test_subtitles_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    bad, huge = tmp_path / "s.srt", tmp_path / "h.srt"
    bad.write_bytes(b"\xff\xfe\xfa")
    huge.write_bytes(b"x" * (8 * 2**20 + 1))
    for file in (bad, huge, tmp_path / "gone.srt", tmp_path, tmp_path / "s.exe"):
        assert marks(asked(None, subtitles=file)) == (None, ())


def test_lines_are_parted_at_the_longest_silences() -> None:
    lines = [Line(float(k), k + 0.5, f"w{k}") for k in range(MOST_SPOKEN)]
    assert joined(lines) == tuple(tuple(line) for line in lines)
    late = [*lines, Line(MOST_SPOKEN - 0.4, MOST_SPOKEN + 1.0, "soon")]
    assert joined(late)[-1] == (MOST_SPOKEN - 1, MOST_SPOKEN + 1.0, f"w{MOST_SPOKEN - 1} soon")


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100), st.text(max_size=300)), max_size=400)
)
def test_speech_is_bounded_and_covers_what_was_said(rows) -> None:
    lines = [Line(start, start + length, text) for start, length, text in sorted(rows)]
    spoken = joined(lines)
    assert len(spoken) <= MOST_SPOKEN and all(len(text) <= MOST_LETTERS for *_, text in spoken)
    assert len(spoken) == min(len(lines), MOST_SPOKEN)
    starts = [start for start, _, _ in spoken]
    assert starts == sorted(starts)
    for line in lines:
        assert any(start <= line.start and line.end <= end for start, end, _ in spoken)
