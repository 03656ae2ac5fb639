"""What the headers of H.264 say about which pictures lean on which: ITU-T H.264, 7.3.

Only what the long clips and common files use: progressive, 4:2:0, one parameter set of each kind,
display order by type 0 or 2, short-term references.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_HIGH = {44, 83, 86, 100, 110, 118, 122, 128}
_HEADER_BYTES = 200
SLICE, KEY_SLICE = 1, 5


class UnsupportedStream(ValueError):
    """A stream uses what is not read here."""


class _Bits:
    """Bits of a unit, without the bytes that keep start codes out of it."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(plain, "big"), 8 * len(plain)

    def u(self, count: int) -> int:
        """Return so many bits."""
        self._left -= count
        if self._left < 0:
            raise UnsupportedStream("a header is longer than its unit")
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Return a number of the Exp-Golomb code."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def skip(self, kinds: str) -> None:
        """Pass over Exp-Golomb numbers (e) and single bits (b)."""
        for kind in kinds:
            self.ue() if kind == "e" else self.u(1)


@dataclass(frozen=True)
class StreamParameters:
    """What holds for all pictures.

    Attributes:
        frame_num_bits: of `frame_num`.
        order_count_bits: of the display order's low part; 0 where pictures are shown as decoded.
        max_references: reference pictures held.
        lengths: entries of the two lists, unless a slice says otherwise.
        weighted: whether slices of kind P have weights, and those of kind B.
        field_orders: whether slices tell the display order of two fields.
    """

    frame_num_bits: int
    order_count_bits: int
    max_references: int
    lengths: tuple[int, int]
    weighted: tuple[bool, bool]
    field_orders: bool


@dataclass(frozen=True)
class SliceHeader:
    """What a slice says about references.

    Attributes:
        kind: "P", "B" or "I".
        key: whether nothing before it is held any more.
        is_reference: whether other pictures may refer to it.
        number: `frame_num`.
        order: low part of the display order.
        lengths: entries of its lists.
        modifications: for each list, which pictures are moved to its front, by differences of
            picture numbers.
        unmarked: pictures no longer held after it, by difference of picture numbers; `None` for the
            one held longest, if there are too many.
    """

    kind: str
    key: bool
    is_reference: bool
    number: int
    order: int
    lengths: tuple[int, int]
    modifications: tuple[list[int], list[int]]
    unmarked: list[int] | None


def read_parameters(extradata: bytes) -> StreamParameters:
    """Return the parameters in an `avcC` box.

    Raises:
        UnsupportedStream: if they are not as above.
    """
    if extradata[4] & 3 != 3 or extradata[5] & 31 != 1:
        raise UnsupportedStream("expected lengths of four bytes and one parameter set of each kind")
    end = 8 + int.from_bytes(extradata[6:8], "big")
    bits = _Bits(extradata[9:end])
    profile = bits.u(8)
    bits.u(16)
    bits.skip("e")
    if profile in _HIGH:
        if bits.ue() != 1 or bits.ue() or bits.ue() or bits.u(2):
            raise UnsupportedStream("expected 4:2:0 with 8 bits and the usual scaling")
    frame_num_bits, order_type = bits.ue() + 4, bits.ue()
    if order_type == 1:
        raise UnsupportedStream("display order of type 1")
    order_count_bits = bits.ue() + 4 if order_type == 0 else 0
    max_references = bits.ue()
    bits.skip("bee")
    if not bits.u(1):
        raise UnsupportedStream("interlaced pictures")
    bits = _Bits(extradata[end + 4 :])
    bits.skip("eeb")
    field_orders = bool(bits.u(1))
    if bits.ue():
        raise UnsupportedStream("several slice groups")
    lengths = bits.ue() + 1, bits.ue() + 1
    weighted = bool(bits.u(1)), bits.u(2) == 1
    bits.skip("eee")
    bits.u(2)
    if bits.u(1):
        raise UnsupportedStream("redundant pictures")
    return StreamParameters(
        frame_num_bits, order_count_bits, max_references, lengths, weighted, field_orders
    )


def slices(sample: bytes) -> Iterator[bytes]:
    """Yield the units of one MP4 sample that hold a picture, or a part of one."""
    at = 0
    while at + 4 < len(sample):
        start, at = at + 4, at + 4 + int.from_bytes(sample[at : at + 4], "big")
        if sample[start] & 31 in (SLICE, KEY_SLICE):
            yield sample[start:at]


def slice_headers(sample: bytes, parameters: StreamParameters) -> Iterator[SliceHeader]:
    """Yield the headers of the slices of one MP4 sample.

    Raises:
        UnsupportedStream: if one is not as above.
    """
    for unit in slices(sample):
        yield _slice_header(unit[:_HEADER_BYTES], parameters)


def _slice_header(unit: bytes, parameters: StreamParameters) -> SliceHeader:
    key, bits = unit[0] & 31 == KEY_SLICE, _Bits(unit[1:])
    is_reference = bool(unit[0] & 0x60)
    bits.skip("e")
    kind = {0: "P", 1: "B", 2: "I"}.get(bits.ue() % 5)
    if kind is None:
        raise UnsupportedStream("switching slices")
    bits.skip("e")
    number = bits.u(parameters.frame_num_bits)
    bits.skip("e" if key else "")
    order = bits.u(parameters.order_count_bits)
    bits.skip("e" if parameters.order_count_bits and parameters.field_orders else "")
    bits.skip("b" if kind == "B" else "")
    lists = "IPB".index(kind)
    lengths = parameters.lengths
    if lists and bits.u(1):
        lengths = bits.ue() + 1, bits.ue() + 1 if lists == 2 else lengths[1]
    modifications = (
        _modifications(bits) if lists > 0 else [],
        _modifications(bits) if lists > 1 else [],
    )
    if lists and parameters.weighted[lists - 1]:
        bits.skip("ee")
        for length in lengths[:lists]:
            for _ in range(length):
                bits.skip("ee" if bits.u(1) else "")
                bits.skip("eeee" if bits.u(1) else "")
    unmarked = _unmarked(bits) if is_reference and not key else None
    return SliceHeader(kind, key, is_reference, number, order, lengths, modifications, unmarked)


def _modifications(bits: _Bits) -> list[int]:
    """Return the differences of picture numbers by which a list is changed."""
    found: list[int] = []
    if not bits.u(1):
        return found
    while (operation := bits.ue()) != 3:
        if operation > 1:
            raise UnsupportedStream("long-term references")
        difference = bits.ue() + 1
        found.append(difference if operation else -difference)
    return found


def _unmarked(bits: _Bits) -> list[int] | None:
    if not bits.u(1):
        return None
    found = []
    while operation := bits.ue():
        if operation != 1:
            raise UnsupportedStream("long-term references")
        found.append(bits.ue() + 1)
    return found
