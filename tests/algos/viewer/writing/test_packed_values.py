"""Laws of `algos.viewer.writing.plain_values`, `row_columns`, `packing`, `question_json`."""

from __future__ import annotations

import base64
import gzip
import json
import math
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.viewer.writing.packing import PackedBlock, letters_size, packed
from algos.viewer.writing.plain_values import html_text, plain, rounded, script_json
from algos.viewer.writing.question_json import video_href
from algos.viewer.writing.row_columns import RowColumns

TEXTS = st.text(st.characters())
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS


@given(st.floats() | st.integers())
def test_numbers_keep_six_digits_and_become_no_others(value: float) -> None:
    found = rounded(value)
    if isinstance(value, float) and not math.isfinite(value):
        assert found is None
    elif found is not None:
        assert math.isclose(found, value, rel_tol=5e-6)
        assert rounded(found) == found
        json.loads(json.dumps(found, allow_nan=False))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (0.1234567, 0.123457),
        (5423.1234567, 5423.123),  # times of a long video stay apart
        (2.0, 2),
        (-0.0, 0),
        (float("nan"), None),
        (float("inf"), None),
        (2**53 - 1, 2**53 - 1),
        (10**400, None),
    ],
)
def test_numbers_worked_by_hand(value, wanted) -> None:
    assert rounded(value) == wanted


def test_what_says_nothing_is_left_out_and_zero_and_false_say_something() -> None:
    value = {
        "a": None,
        "b": "",
        "c": [],
        "d": {},
        "e": 0,
        "f": False,
        "g": {"h": None},
        "i": [None],
    }
    assert plain(value) == {"e": 0, "f": False, "i": [None]}
    assert plain(np.float32(0.5)) == 0.5 and plain(np.arange(3)) == [0, 1, 2]
    assert plain(Path("/home/somebody/video.mp4")) == "video.mp4"


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_json_in_a_script_element_comes_back_and_cannot_end_it(value: dict) -> None:
    text = script_json(plain(value))
    assert "<" not in text and text.isascii()
    assert json.loads(text) == plain(value)


@given(TEXTS)
def test_any_text_can_stand_in_html(text: str) -> None:
    found = html_text(text)
    assert len(found) == len(text)
    found.encode("utf-8")
    assert not any(ord(letter) < 32 and letter not in "\t\n\r" for letter in found)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from("ab"), VALUES), max_size=30), st.integers(1, 5))
def test_columns_give_back_the_rows(rows: list[dict], kinds: int) -> None:
    """Whatever kinds of values follow each other in a column."""
    columns = RowColumns(["x", "y"], ["a", "b"])
    told = [{**row, "id": f"q{k % kinds}", "entry": "xy"[k % 2]} for k, row in enumerate(rows)]
    for row in told:
        columns.add(row)
    data = json.loads("{" + "".join(columns.json()) + "}")
    assert data["count"] == len(rows)
    for k, row in enumerate(told):
        for key in ("id", "entry", "a", "b"):
            column = data["columns"][key]
            if "codes" in column:
                code = column["codes"][k]
                found = None if code < 0 else column["names"][code]
            else:
                found = column["values"][k]
            wanted = plain(row.get(key))
            assert found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def test_a_block_is_the_same_in_pieces_and_has_no_clock_in_it() -> None:
    pieces = [f"{k}," for k in range(100_000)]
    with tempfile.TemporaryFile() as file:
        block = PackedBlock(file)
        block.add(pieces[:5])
        block.add(pieces[5:])
        block.end()
        letters = "".join(block.letters())
    assert len(letters) == letters_size(block.size)
    data = base64.b64decode(letters)
    assert gzip.decompress(data).decode() == "".join(pieces)
    assert data[4:8] == bytes(4) == packed("x")[4:8]  # gzip's time of the file


def test_base64_has_four_letters_for_each_three_bytes_begun() -> None:
    assert [letters_size(size) for size in range(5)] == [0, 4, 4, 4, 8]
    assert all(letters_size(k) == len(base64.b64encode(bytes(k))) for k in range(20))


@pytest.mark.parametrize(
    "name", ["a.mp4", "a b.mp4", "50%.mp4", "a#b?c=d.mp4", "data:x,y.mp4", "ä—.mp4", "a'\"<&>.mp4"]
)
def test_the_address_of_a_video_leads_to_it_from_the_page(tmp_path: Path, name: str) -> None:
    for folder in ("runs/x", "videos", "runs/x/videos"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        video = tmp_path / folder / name
        video.write_bytes(b"video")
        page = tmp_path / "runs" / "x" / "report.html"
        href = video_href(video, page)
        assert href is not None and not urlsplit(href).scheme and not href.startswith("/")
        led = urlsplit(urljoin(page.as_uri(), href))
        assert led.query == "" and led.fragment == ""
        assert Path(unquote(led.path)) == video
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "runs", moved)
    assert video_href(video, page) is None  # it is gone


def test_a_packed_block_is_gzip() -> None:
    assert gzip.GzipFile(fileobj=BytesIO(packed('{"a": 1}'))).read() == b'{"a": 1}'
