"""Disposable packets of H.264 and HEVC: those that no other frame references, by their headers.

A packet is a row of NAL units, the first byte or two of which say what the unit is:

- H.264 (ITU-T H.264, 7.3.1 and 7.4.1): bit 7 is 0, two bits are `nal_ref_idc`, five the type. Types
  1 to 5 are slices; `nal_ref_idc == 0` marks a non-reference picture.
- HEVC (ITU-T H.265, 7.3.1.2 and Table 7-1): bit 7 is 0, six bits are the type. Types below 32 are
  slices; even ones below 16 are sub-layer non-reference pictures.

FFmpeg's `skip_frame` can leave such frames out as well, but then it says nothing about a packet
that is damaged beyond recognition, and the frames that reference it come out wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

DisposableTest = Callable[[memoryview], bool]
"""Whether a packet holds slices, and only such as no other packet references."""


def disposable_test(codec: str, extradata: bytes) -> DisposableTest | None:
    """Return the test for the packets of a stream, `None` if headers of its codec do not say.

    Args:
        codec: name of FFmpeg's decoder.
        extradata: the stream's configuration record. `avcC` and `hvcC` (ISO/IEC 14496-15) start
            with version 1 and say how many bytes the length before each NAL unit takes; without
            them, start codes stand between the units (Annex B).
    """
    unreferenced = {"h264": _h264_unreferenced, "hevc": _hevc_unreferenced}.get(codec)
    if unreferenced is None:
        return None
    # A table by the first byte: the test runs once per packet on the way to a frame.
    verdicts = tuple(map(unreferenced, range(256)))
    # The byte with `lengthSizeMinusOne` in its two low bits.
    length_at = 4 if codec == "h264" else 21
    if extradata[:1] == b"\x01" and len(extradata) > length_at:
        width = (extradata[length_at] & 3) + 1
        return partial(_none_referenced, verdicts, partial(_length_prefixed_units, width))
    return partial(_none_referenced, verdicts, _annex_b_units)


def _none_referenced(
    verdicts: tuple[bool | None, ...],
    units: Callable[[memoryview], Iterator[int]],
    packet: memoryview,
) -> bool:
    """Return whether there are slices, and all of them are of non-reference pictures."""
    found = False
    for header in units(packet):
        verdict = verdicts[header]
        if verdict is False:
            return False
        found = found or verdict is True
    return found


def _length_prefixed_units(width: int, packet: memoryview) -> Iterator[int]:
    """Yield the first byte of each NAL unit where its length in `width` bytes is in front."""
    at = 0
    while at + width < len(packet):
        yield packet[at + width]
        at += width + int.from_bytes(packet[at : at + width], "big")


def _annex_b_units(packet: memoryview) -> Iterator[int]:
    """Yield the first byte of each NAL unit of a byte stream (H.264 and H.265, Annex B)."""
    whole = bytes(packet)
    at = whole.find(b"\0\0\1")
    while 0 <= at < len(whole) - 3:
        yield whole[at + 3]
        at = whole.find(b"\0\0\1", at + 3)


def _h264_unreferenced(header: int) -> bool | None:
    """Return whether a unit is a slice that nothing references, `None` if it is no slice."""
    if header & 0x80:  # `forbidden_zero_bit`: damaged, so left for the decoder to report
        return False
    return (header & 0x60) == 0 if 1 <= header & 0x1F <= 5 else None


def _hevc_unreferenced(header: int) -> bool | None:
    """Return whether a unit is a slice that nothing references, `None` if it is no slice."""
    kind = header >> 1
    if header & 0x80:
        return False
    return (kind < 16 and kind % 2 == 0) if kind < 32 else None
