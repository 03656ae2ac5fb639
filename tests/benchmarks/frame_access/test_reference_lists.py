"""Laws of `benchmarks.frame_access.reference_lists`, `h264_headers` and `decode_floor`.

Reference lists are read as encoders were told to make them, and the floor contains their closure.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from benchmarks.frame_access.decode_floor import read_h264
from benchmarks.frame_access.h264_headers import (
    SliceHeader,
    StreamParameters,
    UnsupportedStream,
    read_parameters,
)
from benchmarks.frame_access.reference_lists import (
    ReferencePicture,
    _ReferenceBuffer,
    closure,
    floor_of,
    read_lists,
)
from tests.helpers.clips import write_clip


@pytest.fixture
def encoded(tmp_path):
    def encode(params: str, count: int = 60):
        path = tmp_path / f"{abs(hash(params))}.mp4"
        options = {"x264-params": f"scenecut=0:weightp=0:{params}"}
        write_clip(path, range(count), time_base=Fraction(1, 25), options=options)
        return read_h264(path)

    return encode


def test_with_one_reference_and_no_b_pictures_each_names_the_one_before(encoded):
    named, orders = read_lists(encoded("keyint=20:min-keyint=20:ref=1:bframes=0"))
    assert named == [set() if k % 20 == 0 else {k - 1} for k in range(60)]
    assert orders == list(range(60))


def test_with_three_references_each_names_up_to_three_before(encoded):
    named, _ = read_lists(encoded("keyint=60:ref=3:bframes=0:mixed-refs=0"))
    assert named == [set(range(max(0, k - 3), k)) for k in range(60)]


@pytest.mark.parametrize("params", ["bframes=3:b-pyramid=normal:ref=3", "bframes=2:ref=1"])
@pytest.mark.parametrize("weights", ["weightp=0:weightb=0", "weightp=2:weightb=1"])
def test_the_display_order_is_that_of_the_times(encoded, params, weights):
    file = encoded(f"keyint=30:b-adapt=0:{params}:{weights}")
    named, orders = read_lists(file)
    starts = [*np.flatnonzero(file.key).tolist(), len(orders)]
    for start, end in zip(starts, starts[1:], strict=False):
        by_order = np.argsort(orders[start:end])
        np.testing.assert_array_equal(by_order, np.argsort(file.pts[start:end]))
        assert all(start <= k < packet for packet in range(start, end) for k in named[packet])
    assert all(file.reference[k] for lists in named for k in lists)


def test_what_a_strict_pyramid_lets_go_of_is_not_needed_later(encoded):
    targets = {}
    for pyramid in ("strict", "normal"):
        params = f"keyint=60:bframes=3:b-adapt=0:ref=4:b-pyramid={pyramid}"
        file = encoded(params)
        named, _ = read_lists(file)
        last = int(np.flatnonzero(file.reference)[-1])
        floor, needed = floor_of(file, [last]), closure(named, [last])
        assert needed <= floor
        targets[pyramid] = len(floor) - len(needed)
    assert targets["strict"] > 5 and targets["normal"] <= 1


def header_of(kind: str = "P", **fields) -> SliceHeader:
    defaults = {"number": 0, "order": 0, "lengths": (3, 0), "modifications": ([], [])}
    return SliceHeader(kind, False, True, **{**defaults, "unmarked": None, **fields})


def test_the_order_count_goes_on_where_its_low_bits_wrap():
    """By hand, with 4 bits: 14 and then 2 are 14 and 18; 14 after that is a picture before it."""
    buffer = _ReferenceBuffer(StreamParameters(4, 4, 3, (3, 0), (False, False), False))
    lows = [0, 8, 14, 2, 14, 10]
    assert [buffer.order_of(header_of(order=low), 0) for low in lows] == [0, 8, 14, 18, 14, 10]


def test_a_list_is_modified_by_differences_of_picture_numbers():
    """By hand: 7, 6, 5 of a slice with number 8, modified by -3 and +1, are 5, 6, 7."""
    buffer = _ReferenceBuffer(StreamParameters(4, 4, 3, (3, 0), (False, False), False))
    buffer.pictures = [ReferencePicture(n, 2 * n, 100 + n) for n in (5, 6, 7)]
    assert buffer.named(header_of(number=8), 16) == {105, 106, 107}
    for modifications, length, packets in (
        ([], 1, {107}),
        ([-3], 1, {105}),
        ([-3, 1], 2, {105, 106}),
    ):
        header = header_of(number=8, lengths=(length, 0), modifications=(modifications, []))
        assert buffer.named(header, 16) == packets


def test_streams_that_are_not_read_here_are_refused(encoded):
    extradata = bytes(encoded("keyint=20").decoder.extradata)
    with pytest.raises(UnsupportedStream, match="four bytes"):
        read_parameters(extradata[:4] + b"\xfc" + extradata[5:])
