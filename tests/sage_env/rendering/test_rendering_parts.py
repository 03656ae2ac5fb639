import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.rendering.axis import FIRST_X, LAST_X, axis_x
from sage_env.rendering.lettering import fit, question_block, width_of, wrap, writable
from sage_env.rendering.thumbnails import Strip, best_grid
from sage_env.timeline import clock

BOX = (0.25, 0.25, 0.75, 1.0)

LONG = ("What does the man in the blue coat hold, and where – Où? 汉字 مرحبا " * 40)[:2000]


@given(st.floats(0.0, 1.0), st.floats(0.01, 1e5))
def test_the_axis_is_linear(share, duration):
    exact = FIRST_X + share * (LAST_X - FIRST_X)
    assert abs(axis_x(share * duration, duration) - exact) <= 0.5 + 1e-6
    assert (axis_x(0.0, duration), axis_x(duration, duration)) == (FIRST_X, LAST_X)


@given(st.integers(0, 99_999_999))
def test_clock_tells_times(hundredths):
    written = clock(hundredths / 100, 2)
    parts = [float(part) for part in written.split(":")]
    total = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    assert round(100 * total) == hundredths
    assert (len(parts) == 3) == (hundredths >= 360_000)


def test_a_strip_prefers_whole_and_new_pictures():
    strip = Strip(2, 10.0)
    frames = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 8, 8, 3), np.uint8)
    strip.add(frames, (1.0, 2.0, 10.0), BOX)
    assert [held.second for held in strip.slots] == [2.0, 10.0]
    assert strip.nearest(2.0) is None
    strip.add(frames[:1], (3.0,))
    strip.add(frames[:1], (3.5,), BOX)
    assert [held.second for held in strip.slots] == [3.0, 10.0]
    assert strip.nearest(9.0).second == 3.0


@given(
    st.integers(1, 300),
    st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
    st.tuples(st.integers(60, 400), st.integers(100, 936)),
    st.integers(20, 60),
)
def test_a_grid_stays_inside_its_area(count, frame_size, area, caption):
    grid = best_grid(count, frame_size, area, caption)
    rows = -(-grid.shown // grid.columns)
    assert rows * grid.cell[0] <= max(area[0], grid.cell[0])
    assert grid.columns * grid.cell[1] <= area[1] or grid.columns == 1
    assert grid.size[0] + 1 <= grid.cell[0] and grid.size[1] < grid.cell[1] > caption
    assert len(set(grid.chosen)) == grid.shown <= count
    assert grid.shown == 1 or (grid.chosen[0], grid.chosen[-1]) == (0, count - 1)


TEXT = st.text(max_size=80)


@settings(max_examples=50)
@given(TEXT, st.integers(8, 16), st.integers(20, 400))
def test_text_stays_inside_its_width(text, size, width):
    assert width_of(fit(text, size, width), size) <= width
    lines = wrap(text, size, width)
    assert all(width_of(line, size) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(map(writable, text.split())).replace(" ", "")
    cut = wrap(text, size, width, 2)
    assert cut == lines if len(lines) <= 2 else cut[0] == lines[0] and cut[1].endswith("…")


@settings(max_examples=50)
@given(TEXT.map(lambda text: text * 12), st.lists(TEXT, max_size=60), st.integers(60, 300))
def test_a_question_stays_inside_its_area(text, choices, height):
    block = question_block(text, tuple(choices), 936, height)
    assert block.height <= height
    assert all(x + width_of(line, block.size) <= 936 for x, _, line in block.lines)
    assert all(y + block.size <= height for _, y, _ in block.lines)


def test_a_long_question_with_all_letters_is_drawn_whole():
    choices = tuple(f"the choice with number {index}" for index in range(26))
    block = question_block(LONG, choices, 936, 248)
    words = "".join(line for _, _, line in block.lines).replace(" ", "")
    assert words == "".join(map(writable, LONG.split())) + "".join(
        f"({chr(65 + index)}){choice}".replace(" ", "") for index, choice in enumerate(choices)
    )
