"""Which H.264 and HEVC samples no other picture leans on, told by their headers alone.

FFmpeg's `skip_frame` can pass over such pictures as well, but then says nothing about a sample that
is damaged beyond recognition, and the pictures that lean on it come out wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

DisposableTest = Callable[[memoryview], bool]
"""Whether a sample holds pictures, and none that another sample leans on."""


def disposable_test(codec: str, extradata: bytes) -> DisposableTest | None:
    """Return the test for the samples of a stream, `None` if headers of its codec do not say.

    Args:
        codec: name of FFmpeg's decoder.
        extradata: what goes with the stream; says how the units of a sample are told apart.
    """
    unreferenced = {"h264": _h264_unreferenced, "hevc": _hevc_unreferenced}.get(codec)
    if unreferenced is None:
        return None
    verdicts = tuple(map(unreferenced, range(256)))
    length_at = 4 if codec == "h264" else 21
    if extradata[:1] == b"\x01" and len(extradata) > length_at:
        width = (extradata[length_at] & 3) + 1
        return partial(_none_referenced, verdicts, partial(_length_prefixed_units, width))
    return partial(_none_referenced, verdicts, _annex_b_units)


def _none_referenced(
    verdicts: tuple[bool | None, ...],
    units: Callable[[memoryview], Iterator[int]],
    sample: memoryview,
) -> bool:
    """Return whether there are pictures, and all are such that nothing refers to them."""
    found = False
    for header in units(sample):
        verdict = verdicts[header]
        if verdict is False:
            return False
        found = found or verdict is True
    return found


def _length_prefixed_units(width: int, sample: memoryview) -> Iterator[int]:
    """Yield the first byte of each unit, where its length stands before it."""
    at = 0
    while at + width < len(sample):
        yield sample[at + width]
        at += width + int.from_bytes(sample[at : at + width], "big")


def _annex_b_units(sample: memoryview) -> Iterator[int]:
    """Yield the first byte of each unit, where start codes stand between them."""
    whole = bytes(sample)
    at = whole.find(b"\0\0\1")
    while 0 <= at < len(whole) - 3:
        yield whole[at + 3]
        at = whole.find(b"\0\0\1", at + 3)


def _h264_unreferenced(header: int) -> bool | None:
    """Return whether a unit is a slice that nothing refers to, `None` if it is no slice."""
    if header & 0x80:  # never so in a sound stream
        return False
    return (header & 0x60) == 0 if 1 <= header & 0x1F <= 5 else None


def _hevc_unreferenced(header: int) -> bool | None:
    """Return whether a unit is a slice that nothing refers to, `None` if it is no slice."""
    kind = header >> 1
    if header & 0x80:
        return False
    return (kind < 16 and kind % 2 == 0) if kind < 32 else None
