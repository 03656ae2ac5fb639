"""Laws of `sage_env.video.decoding.disposable_packets`: by the tables of the standards."""

from __future__ import annotations

import pytest

from sage_env.video.decoding.disposable_packets import disposable_test

AVCC = bytes([1, 100, 0, 31, 0xFF])  # lengths of four bytes
HVCC = bytes([1, *[0] * 20, 0xFF])
SEI, SLICE, KEY_SLICE = 6, 1, 5


def sample(*headers: int, start_codes: bool = False) -> memoryview:
    """Return a sample of units with these headers and some content each."""
    content = b"\x55" * 9
    marks = [b"\0\0\1" if start_codes else (10).to_bytes(4, "big") for _ in headers]
    units = zip(marks, headers, strict=True)
    return memoryview(b"".join(mark + bytes([header]) + content for mark, header in units))


@pytest.mark.parametrize("start_codes", [False, True])
@pytest.mark.parametrize("referenced", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [SLICE, 2, 3, 4, KEY_SLICE])
def test_h264_slices_say_in_two_bits_whether_others_reference_them(referenced, kind, start_codes):
    is_disposable = disposable_test("h264", b"" if start_codes else AVCC)
    header = referenced << 5 | kind
    assert is_disposable(sample(header, start_codes=start_codes)) == (referenced == 0)
    assert is_disposable(sample(SEI, header, start_codes=start_codes)) == (referenced == 0)
    assert not is_disposable(sample(SLICE, 2 << 5 | SLICE, start_codes=start_codes))


@pytest.mark.parametrize("kind", range(32))
def test_hevc_pictures_of_even_kinds_below_16_are_referenced_by_none(kind):
    is_disposable = disposable_test("hevc", HVCC)
    assert is_disposable(sample(kind << 1)) == (kind in (0, 2, 4, 6, 8, 10, 12, 14))


def test_what_holds_no_picture_or_is_broken_is_kept():
    is_disposable = disposable_test("h264", AVCC)
    assert not is_disposable(sample(SEI))
    assert not is_disposable(sample(0x80 | SLICE))
    assert not is_disposable(memoryview(b"\0\0"))


def test_codecs_whose_headers_do_not_say_have_no_test():
    assert disposable_test("vp9", b"") is None
