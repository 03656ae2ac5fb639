"""Laws of `algos.viewer.pictures`: `picture_sheet` and `size_choice`.

Every picture stands in its cell and nowhere else; sheets together never take more than there is.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from algos.viewer.pictures.picture_sheet import (
    LONGEST_SIDE,
    cell_of,
    cells_across,
    compose,
    encode,
    shrunk,
)
from algos.viewer.pictures.size_choice import (
    QUALITIES,
    SIDES,
    Sample,
    choose_size,
    fit,
    most_each,
    with_lower,
)

sides = st.integers(1, 500)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


# ------------------------------------------------------------------ cells


@pytest.mark.parametrize(
    "shapes, side, cell",
    [
        ([(64, 64)], 160, (64, 64)),  # never enlarged
        ([(63, 45)], 64, (45, 63)),  # and not rounded where nothing is shrunk
        ([(126, 224)], 160, (160, 90)),
        ([(126, 224)], 64, (64, 36)),
        ([(224, 126)], 64, (36, 64)),  # portrait
        ([(100, 222)], 80, (80, 36)),  # 36.04
        ([(101, 224)], 80, (80, 36)),  # 36.07
        ([(107, 224)], 80, (80, 38)),  # 38.2
        ([(1, 1000)], 64, (64, 2)),
        ([(20, 20), (40, 60), (59, 40)], 160, (60, 40)),  # that of the largest
    ],
)
def test_a_cell_has_the_shape_of_the_largest_picture(shapes, side, cell) -> None:
    assert cell_of(shapes, side) == cell


@given(sides, sides, st.sampled_from(SIDES))
def test_what_is_shrunk_first_fills_its_cell(height: int, width: int, side: int) -> None:
    small = shrunk(np.zeros((height, width, 3), np.uint8), side)
    cell = cell_of([(height, width)], side)
    assert small.shape[:2] == cell[::-1] and max(cell) <= max(side, 2)
    if max(height, width) > side:
        assert cell[0] % 2 == cell[1] % 2 == 0


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 5000))
def test_a_sheet_is_within_what_webp_allows(width: int, height: int, count: int) -> None:
    most = (LONGEST_SIDE // width) * (LONGEST_SIDE // height)
    if count > most:
        with pytest.raises(ValueError, match=f"1 to {most}"):
            cells_across((width, height), count)
        return
    across = cells_across((width, height), count)
    rows = -(-count // across)
    assert 1 <= across <= count and across * width <= LONGEST_SIDE
    assert rows * height <= LONGEST_SIDE


def test_rows_are_as_wide_as_a_page() -> None:
    assert [cells_across((160, 90), n) for n in (1, 7, 8, 240)] == [1, 7, 7, 7]
    assert cells_across((1600, 1600), 4) == 1


# ------------------------------------------------------------------ the sheet


def test_pictures_of_a_cells_size_are_copied_as_they_are() -> None:
    pictures = [noise(k, 6, 8) for k in range(5)]
    sheet = compose(pictures, (8, 6), 3)
    assert sheet.shape == (12, 24, 3)
    for k, picture in enumerate(pictures):
        row, column = divmod(k, 3)
        assert np.array_equal(sheet[6 * row : 6 * row + 6, 8 * column : 8 * column + 8], picture)
    assert not sheet[6:, 16:].any()


def test_a_picture_of_another_shape_lies_in_the_middle_and_the_rest_is_clear() -> None:
    tall, whole = noise(1, 8, 4), noise(2, 8, 16)
    sheet = compose([tall, whole], (16, 8), 2)
    assert sheet.shape == (8, 32, 4)
    assert np.array_equal(sheet[:, 6:10, :3], tall) and (sheet[:, 6:10, 3] == 255).all()
    assert not sheet[:, :6, 3].any() and not sheet[:, 10:16, 3].any()
    assert np.array_equal(sheet[:, 16:, :3], whole) and (sheet[:, 16:, 3] == 255).all()


def test_a_picture_that_is_a_pixel_off_fills_its_cell() -> None:
    assert compose([noise(1, 8, 16), noise(2, 9, 17)], (16, 8), 2).shape == (8, 32, 3)
    assert compose([noise(1, 8, 16), noise(2, 12, 16)], (16, 8), 2).shape == (8, 32, 4)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_file_holds_the_sheet(channels: int) -> None:
    sheet = noise(3, 12, 16)
    if channels == 4:
        sheet = np.dstack([sheet, np.full((12, 16), 255, np.uint8)])
        sheet[:, :4] = 0
    with Image.open(io.BytesIO(encode(sheet, 101))) as image:
        assert image.format == "WEBP"
        assert np.array_equal(np.asarray(image.convert("RGBA"))[..., :channels], sheet)
    flat = np.full((40, 40, 3), 90, np.uint8)
    lossy = encode(flat, 30)
    with Image.open(io.BytesIO(lossy)) as image:
        assert np.abs(np.asarray(image).astype(int) - 90).max() <= 6
    assert encode(flat, 30) == lossy


# ------------------------------------------------------------------ bytes


def chosen(sizes, room: int, cells=(10,), wanted=(10,) * 10, count: int = 10):
    choice = choose_size(Sample(sizes, cells), wanted, count, room)
    return choice.side, choice.quality, choice.count, choice.cells


def test_the_best_size_that_fits_is_chosen() -> None:
    sizes = {160: [4000, 6000], 128: [3000, 3000], 64: [1000, 1000]}
    assert chosen(sizes, 80_000) == (160, 80, 10, 10)  # 10 * 5000 * 1.55
    assert chosen(sizes, 50_000) == (160, 50, 10, 10)
    assert chosen(sizes, 49_999) == (128, 80, 10, 10)


def test_then_quality_goes_down_then_pictures_are_left_out_then_questions() -> None:
    sizes, forty = {128: [6000], 64: [2000]}, (40,) * 10  # 50 bytes a picture
    told = {"cells": (40,), "wanted": forty}
    assert chosen(sizes, 15_400, **told) == (64, 30, 10, 40)
    assert chosen(sizes, 15_399, **told) == (64, 40, 10, 34)  # 15399 / (50 * 0.89) / 10
    assert chosen(sizes, 5_340, **told) == (64, 40, 10, 12)
    assert chosen(sizes, 5_339, **told) == (64, 30, 10, 12)  # 5339 / (12 * 50 * 0.77) = 11.6
    assert chosen(sizes, 4_000, **told) == (64, 30, 8, 12)
    assert chosen(sizes, 5, **told) == (64, 30, 1, 12)
    # Of twice as many questions, half of which come later:
    assert chosen(sizes, 30_799, **told, count=20) == (64, 40, 20, 34)
    assert chosen({}, 5, **told)[2] <= 10  # nothing could be drawn of the sample


def test_questions_with_few_pictures_keep_them() -> None:
    assert most_each([5, 50, 100], 65) == 30
    assert most_each([5, 50, 100], 154) == 99 and most_each([5, 50, 100], 155) == 100
    assert most_each([], 10) == 0 and most_each([3, 3], 5) == 2


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(0, 4000))
def test_all_are_cut_to_the_largest_number_that_fits(wanted, room: int) -> None:
    most = most_each(wanted, room)
    assert sum(min(number, most) for number in wanted) <= room
    if most < max(wanted, default=0):
        assert sum(min(number, most + 1) for number in wanted) > room


def test_the_heaviest_become_lighter_and_then_the_last_go() -> None:
    sheets = [{80: 100, 50: 60}, {80: 300, 50: 150}, {80: 90, 50: 80}]
    assert fit(sheets, 490) == [80, 80, 80]
    assert fit(sheets, 489) == [80, 50, 80]
    assert fit(sheets, 340) == [80, 50, 80]
    assert fit(sheets, 300) == [50, 50, 80]
    assert fit(sheets, 290) == [50, 50, 50]
    assert fit(sheets, 289) == [50, 50, None]
    assert fit(sheets, 60) == [50, None, None]
    assert fit([{}, {80: 5}], 5) == [None, 80]


@given(
    st.lists(st.dictionaries(st.sampled_from(QUALITIES), st.integers(1, 1000)), max_size=12),
    st.integers(0, 5000),
)
def test_sheets_never_take_more_than_there_is(sheets, room: int) -> None:
    chosen = fit(sheets, room)
    taken = [sizes[q] for sizes, q in zip(sheets, chosen, strict=True) if q is not None]
    assert sum(taken) <= room and len(chosen) == len(sheets)
    if sum(sizes[max(sizes)] for sizes in sheets if sizes) <= room:
        assert chosen == [max(sizes) if sizes else None for sizes in sheets]


@given(st.dictionaries(st.sampled_from(QUALITIES), st.integers(100, 10**6), min_size=1))
def test_what_a_lower_quality_takes_is_guessed_and_what_is_there_stays(sizes) -> None:
    guessed = with_lower(sizes)
    lowest = min(sizes)
    assert guessed | sizes == guessed and set(guessed) >= {q for q in QUALITIES if q < lowest}
    below = [guessed[q] for q in sorted(q for q in guessed if q <= lowest)]
    assert below == sorted(below)
    assert with_lower({}) == {}
