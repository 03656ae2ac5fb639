"""Laws of `algos.viewer.pictures`: `drawing`, `question_sheets`, `kept_sheets`, `page_pictures`.

Each cell of a sheet holds the frame that stands there; all sheets together are within their bytes;
what is left out is said; a page made again has the same bytes, from the cache or without.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algos.viewer.pictures import question_sheets
from algos.viewer.pictures.drawing import LICENCE, draw_pictures
from algos.viewer.pictures.kept_sheets import sheet_name
from algos.viewer.pictures.page_pictures import NO_PICTURE, Pictures, PictureSettings
from algos.viewer.pictures.time_marks import MarkTime, marks
from algos.viewer.pictures.wanted_frames import frames_of
from algos.viewer.view_data import EpisodeView, FrameView, QuestionView, StepView
from tests.helpers.clips import SHORT_GOPS, number_in, write_clip
from tests.helpers.viewer.made_up import made_up_run


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clips of 40 frames that carry their numbers, 25 a second, 64 high and 96 wide."""
    folder = tmp_path_factory.mktemp("clips")
    return [write_clip(folder / f"{k}.mp4", range(40), options=SHORT_GOPS) for k in range(2)]


def question(name: str, video: Path | None, *numbers: int, **more) -> QuestionView:
    """A question whose only episode saw these frames, of 128 by 96 with bars."""
    frames = [FrameView(number / 25) for number in numbers]
    steps = [StepView(turn=0, action="overview", frames=frames, **more)]
    episodes = [EpisodeView(entry="a", steps=steps)]
    return QuestionView(id=name, question="?", video=video, frame_size=(96, 128), episodes=episodes)


def draw(questions, tmp_path: Path, **more) -> dict[str, Pictures]:
    settings = {"questions": max(1, len(questions)), "cache": tmp_path, **more}
    return dict(draw_pictures(questions, PictureSettings(**settings)))


def cell(pictures: Pictures, number: int) -> np.ndarray:
    """Return the pixels of a cell of a sheet."""
    assert pictures.sheet is not None
    with Image.open(io.BytesIO(pictures.sheet)) as image:
        sheet = np.asarray(image.convert("RGB"))
    (width, height), (row, column) = pictures.cell, divmod(number, pictures.across)
    return sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]


def test_each_cell_holds_its_frame_and_no_bar(clips: list[Path], tmp_path: Path) -> None:
    asked = [question("a", clips[0], 30, 3, 17), question("b", clips[1], 3, *range(20, 39))]
    drawn = draw(asked, tmp_path)
    assert list(drawn) == ["a", "b"]
    for one, pictures in zip(asked, drawn.values(), strict=True):
        assert pictures.missing == "" and pictures.cell == (128, 85)  # of 96 by 64, in 128 by 96
        (places,) = pictures.cells[0]
        for frame, (number, source) in zip(one.episodes[0].steps[0].frames, places, strict=True):
            assert source == NO_PICTURE
            assert number_in(cell(pictures, number)) == round(frame.second * 25)


def test_a_crop_names_the_whole_frame_that_it_is_of(clips: list[Path], tmp_path: Path) -> None:
    drawn = draw([question("a", clips[0], 13, 14, box=(0.0, 0.0, 0.5, 1.0))], tmp_path)["a"]
    for number, (own, source) in zip((13, 14), drawn.cells[0][0], strict=True):
        whole = cell(drawn, source)
        assert number_in(whole) == number and own != source
        half = cell(drawn, own)  # 48 by 64 in the middle of a cell for 96 by 64
        width = drawn.cell[0]
        left = half[:, width // 4 : width - width // 4]
        left = np.asarray(Image.fromarray(left).resize((width // 2, drawn.cell[1])))
        assert np.abs(left.astype(int) - whole[:, : width // 2]).mean() < 12


def test_a_licence_forbids_pictures_also_those_of_the_trace(
    clips: list[Path], tmp_path: Path
) -> None:
    forbidden = replace(question("a", clips[0], 3), pictures=False)
    brought = made_up_run(1).question("q0")
    drawn = draw([forbidden, replace(brought, pictures=False)], tmp_path)
    assert all(one.sheet is None and one.missing == LICENCE for one in drawn.values())
    assert drawn["a"].cells == [[[(NO_PICTURE, NO_PICTURE)]]]


def test_pictures_that_a_trace_brings_are_drawn(tmp_path: Path) -> None:
    brought = made_up_run(3).question("q1")
    drawn = draw([brought], tmp_path)["q1"]
    assert drawn.cell == (32, 32) and drawn.missing == ""
    for episode, places in zip(brought.episodes, drawn.cells, strict=True):
        for step, row in zip(episode.steps, places, strict=True):
            for frame, (number, _) in zip(step.frames, row, strict=True):
                assert frame.picture is not None
                with Image.open(io.BytesIO(frame.picture)) as image:
                    colour = image.getpixel((0, 0))
                assert np.abs(cell(drawn, number).mean((0, 1)) - colour).max() < 12


def test_cells_are_counted_without_the_pictures_that_are_broken(tmp_path: Path) -> None:
    brought = made_up_run(3).question("q1")
    step = brought.episodes[0].steps[0]
    frames = [FrameView(0.0, b"broken"), *step.frames[4:]]
    episode = replace(brought.episodes[0], steps=[replace(step, frames=frames)])
    drawn = draw([replace(brought, episodes=[episode])], tmp_path)["q1"]
    numbers = [number for number, _ in drawn.cells[0][0]]
    assert numbers[0] == NO_PICTURE and sorted(set(numbers[1:])) == list(range(max(numbers) + 1))
    assert "pictures are not to be had: Some pictures of the trace are broken" in drawn.missing


def test_broken_and_missing_videos_are_said_and_stop_nobody(
    clips: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clips[0].read_bytes()[:2000])
    asked = [
        question("gone", tmp_path / "gone.mp4", 1),
        question("none", None, 1),
        question("broken", broken, 1, 2),
        question("short", clips[0], 2, 99),
        question("good", clips[0], 2),
        question("empty", clips[0]),
    ]
    drawn = draw(asked, tmp_path / "cache")
    assert "1 of 1 pictures are not to be had" in drawn["gone"].missing
    assert "not known" in drawn["none"].missing
    assert "2 of 2 pictures" in drawn["broken"].missing
    assert "1 of 2 pictures" in drawn["short"].missing and "ends at" in drawn["short"].missing
    assert number_in(cell(drawn["short"], drawn["short"].cells[0][0][0][0])) == 2
    assert drawn["short"].cells[0][0][1] == (NO_PICTURE, NO_PICTURE)
    assert drawn["good"].missing == "" and drawn["good"].sheet is not None
    assert drawn["empty"].missing == "" and drawn["empty"].sheet is None
    for name in ("gone", "none", "broken"):
        assert drawn[name].sheet is None
        assert drawn[name].cells[0][0][0] == (NO_PICTURE, NO_PICTURE)
        assert str(tmp_path) not in drawn[name].missing


def test_times_that_are_no_frames_are_said(clips: list[Path], tmp_path: Path) -> None:
    one = question("a", clips[0], 1, 2)
    moved = [replace(f, second=f.second + 0.01) for f in one.episodes[0].steps[0].frames]
    steps = [replace(one.episodes[0].steps[0], frames=moved)]
    one = replace(one, episodes=[replace(one.episodes[0], steps=steps)])
    for _ in range(2):  # drawn, and kept
        drawn = draw([one], tmp_path)["a"]
        assert drawn.sheet is not None and "At 2 of the recorded times" in drawn.missing


def textured(number: int, height: int, width: int) -> np.ndarray:
    """Something that takes as many bytes as what is filmed."""
    small = np.random.default_rng(number).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of 192 by 128."""
    path = tmp_path_factory.mktemp("busy") / "busy.mp4"
    return write_clip(path, range(20), size=(128, 192), options=SHORT_GOPS, draw=textured)


@pytest.mark.parametrize("total", [400_000, 100_000, 40_000, 20_000, 6_000, 100, 0])
def test_all_sheets_are_within_the_bytes_and_the_first_come_first(
    busy: Path, tmp_path: Path, total: int
) -> None:
    asked = [question(str(k), busy, *range(k, k + 8)) for k in range(12)]
    drawn = list(draw(asked, tmp_path, total_bytes=total).values())
    sheets = [one.sheet for one in drawn]
    assert sum(len(sheet or b"") for sheet in sheets) <= total
    pictured = [sheet is not None for sheet in sheets]
    assert pictured == sorted(pictured, reverse=True)
    assert any(pictured) == (total >= 6_000) and all(pictured) == (total >= 100_000)
    for one in drawn:
        assert (one.sheet is None) == ("no room" in one.missing)


def test_pictures_of_the_last_entries_go_before_whole_questions_do(
    busy: Path, tmp_path: Path
) -> None:
    def both(number: int) -> QuestionView:
        one = question(str(number), busy, *range(10))
        other = replace(question("", busy, *range(10, 20)).episodes[0], entry="b")
        return replace(one, episodes=[*one.episodes, other])

    drawn = draw([both(k) for k in range(6)], tmp_path, total_bytes=60_000, first=("b",))
    for one in drawn.values():
        assert one.sheet is not None and "of 20 pictures are left out" in one.missing
        (last,), (first,) = one.cells
        assert all(number != NO_PICTURE for number, _ in first)
        assert 0 < sum(number == NO_PICTURE for number, _ in last) < 10


def test_more_bytes_give_larger_pictures(busy: Path, tmp_path: Path) -> None:
    asked = [question(str(k), busy, *range(k, k + 8)) for k in range(6)]
    widths = [
        max(one.cell[0] for one in draw(asked, tmp_path, total_bytes=total).values())
        for total in (20_000, 60_000, 200_000)
    ]
    assert widths == sorted(widths) and widths[0] == 64 and widths[-1] == 128


def test_equal_pages_have_equal_bytes_with_and_without_what_is_kept(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [question(str(k), clips[k % 2], k, k + 9, k + 20) for k in range(7)]

    def bytes_of(**more) -> list[bytes | None]:
        return [one.sheet for one in draw(asked, tmp_path / "c", **more).values()]

    cold = bytes_of(total_bytes=9000)
    decoded = Counter()
    original = question_sheets.decode_looks

    def counted(path, *arguments, **more):
        decoded[path] += 1
        return original(path, *arguments, **more)

    monkeypatch.setattr(question_sheets, "decode_looks", counted)
    assert bytes_of(total_bytes=9000) == cold and not decoded  # all of it was kept
    assert bytes_of(total_bytes=9000, cache_bytes=0) == cold and decoded
    assert bytes_of(total_bytes=9000, cache_bytes=0, workers=1) == cold


def test_a_video_is_decoded_once_for_all_its_questions(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [question(str(k), clips[k % 2], k, k + 9) for k in range(30)]
    looks = Counter()
    original = question_sheets.decode_looks

    def counted(path, wanted, *arguments, **more):
        looks[path, len(wanted)] += 1
        return original(path, wanted, *arguments, **more)

    monkeypatch.setattr(question_sheets, "decode_looks", counted)
    draw(asked, tmp_path)
    assert max(looks.values()) == 1 and len(looks) == 4  # each video for the sample, and for all


def test_another_video_under_the_same_name_gives_other_pictures(tmp_path: Path) -> None:
    path, cache = tmp_path / "v.mp4", tmp_path / "c"
    write_clip(path, range(10), options=SHORT_GOPS)
    first = draw([question("a", path, 3)], cache)["a"]
    write_clip(path, range(20), draw=lambda n, h, w: np.full((h, w, 3), 50, np.uint8))
    second = draw([question("a", path, 3)], cache)["a"]
    assert first.sheet != second.sheet and np.abs(cell(second, 0).astype(int) - 50).max() < 12


def test_another_side_or_quality_is_another_file(clips: list[Path]) -> None:
    wanted = frames_of(question("a", clips[0], 3), (96, 128))
    names = {sheet_name(wanted, side, quality) for side in (0, 64, 128) for quality in (40, 50)}
    assert len(names) == 6 and None not in names
    moved = frames_of(question("a", clips[0], 4), (96, 128))
    assert sheet_name(moved, 64, 50) not in names
    assert sheet_name(replace(wanted, video=Path("gone.mp4")), 64, 50) is None


def test_a_damaged_cache_file_is_made_anew(clips: list[Path], tmp_path: Path) -> None:
    one = [question("a", clips[0], 3, 4)]
    cold = draw(one, tmp_path)["a"]
    for file in tmp_path.glob("*.sheet"):
        file.write_bytes(file.read_bytes()[:-7] + b"damaged")
    assert draw(one, tmp_path)["a"].sheet == cold.sheet


def test_slow_videos_end_in_time_once_each(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    original = question_sheets.decode_looks

    def slow(path, looks, keep, **more):
        def slower(picture: np.ndarray) -> np.ndarray:
            read.append(looks)
            time.sleep(0.02)
            return keep(picture)

        return original(path, looks, slower, **more)

    monkeypatch.setattr(question_sheets, "decode_looks", slow)
    asked = [question(str(k), clips[0], *range(40)) for k in range(3)]
    drawn = draw(asked, tmp_path / "c", video_seconds=0.1)
    assert len(read) <= 32  # of 40: after so many it looks at the clock, and it is not tried again
    assert all("not to be had" in one.missing for one in drawn.values())
    monkeypatch.undo()
    late = draw(asked, tmp_path / "c", total_seconds=1e-9)
    assert all(one.sheet is None and "No time was left" in one.missing for one in late.values())
    whole = draw(asked, tmp_path / "c")  # nothing of what failed was kept
    assert all(one.missing == "" and one.sheet is not None for one in whole.values())


def test_cuts_are_looked_for_beside_the_pictures(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    asked = [question("a", clips[0], 3), question("b", tmp_path / "gone.mp4", 3)]
    limit = MarkTime()
    draw(asked, tmp_path / "sheets", marking=limit)
    spent = limit.total_seconds
    assert spent < MarkTime().total_seconds
    assert [marks(one, limit)[0] is None for one in asked] == [False, True]
    assert limit.total_seconds == spent  # they were at hand


def test_questions_are_read_some_at_a_time_and_come_in_order(
    clips: list[Path], tmp_path: Path
) -> None:
    read: list[int] = []

    def stream():
        for k in range(1100):
            read.append(k)
            yield question(f"q{k}", clips[0], k % 40)

    drawn = draw_pictures(stream(), PictureSettings(questions=1100, cache=tmp_path))
    assert next(drawn)[0] == "q0" and len(read) <= 512
    assert [name for name, _ in drawn] == [f"q{k}" for k in range(1, 1100)]
