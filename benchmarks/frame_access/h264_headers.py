"""Reference information in the headers of H.264: parameter sets and slice headers.

Section numbers are those of ITU-T H.264; its names of syntax elements stand in backquotes. Read is
what the long clips and common files use: progressive frames, 4:2:0 with 8 bits, one parameter set
of each kind, picture order count of type 0 or 2, short-term references. Anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Values of `profile_idc` whose sequence parameter set also tells the chroma format (7.3.2.1.1).
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128}
# Bytes of a slice that are read as its header: a whole slice as one big number would be slow. A
# header that is longer raises UnsupportedStream and never gives wrong numbers; raise this then.
_HEADER_BYTES = 200
SLICE, KEY_SLICE = 1, 5  # `nal_unit_type` of a slice of a non-IDR and of an IDR picture (7.4.1)


class UnsupportedStream(ValueError):
    """The stream uses a part of H.264 that these readers do not support."""


class _Bits:
    """The bits of a NAL unit, read from the front; emulation prevention bytes removed (7.3.1)."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(plain, "big"), 8 * len(plain)

    def u(self, count: int) -> int:
        """Return the next `count` bits as an unsigned number (7.2, descriptor u)."""
        self._left -= count
        if self._left < 0:
            raise UnsupportedStream("a header is longer than its unit")
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Return the next unsigned Exp-Golomb number (9.1, descriptor ue); bits 00101 are 4."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def skip(self, kinds: str) -> None:
        """Skip one element per letter: e an Exp-Golomb number, b a single bit."""
        for kind in kinds:
            self.ue() if kind == "e" else self.u(1)


@dataclass(frozen=True)
class StreamParameters:
    """What the sequence and picture parameter sets say of all pictures (7.3.2.1.1, 7.3.2.2).

    Attributes:
        frame_num_bits: length of `frame_num` in slice headers.
        order_count_bits: length of `pic_order_cnt_lsb`, the low bits of the picture order count; 0
            for type 2, where pictures are shown in decode order.
        max_references: `max_num_ref_frames`, the reference pictures held at most.
        lengths: default number of entries of reference lists 0 and 1
            (`num_ref_idx_l0/l1_default_active_minus1` + 1).
        weighted: whether P slices, and whether B slices, carry a table of prediction weights.
        field_orders: `bottom_field_pic_order_in_frame_present_flag`: a slice header has one more
            number after `pic_order_cnt_lsb`.
    """

    frame_num_bits: int
    order_count_bits: int
    max_references: int
    lengths: tuple[int, int]
    weighted: tuple[bool, bool]
    field_orders: bool


@dataclass(frozen=True)
class SliceHeader:
    """What a slice header says about reference pictures (7.3.3).

    Attributes:
        kind: "P", "B" or "I".
        key: the picture is an IDR picture: no reference picture is held from before it.
        is_reference: `nal_ref_idc` is not 0: other pictures may refer to this one (7.4.1).
        number: `frame_num`.
        order: `pic_order_cnt_lsb`, the low bits of the picture order count.
        lengths: number of entries of reference lists 0 and 1.
        modifications: for each list, the pictures that are moved to its front, each as a signed
            difference of picture numbers from the one before (7.3.3.1, 8.2.4.3).
        unmarked: pictures that stop being references after this one, as differences of picture
            numbers (`memory_management_control_operation` 1, 8.2.5.4); `None` for the sliding
            window, which drops the oldest once there are too many (8.2.5.3).
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
    """Return the parameters in the configuration record of an `avcC` box (ISO/IEC 14496-15).

    Args:
        extradata: the record: five bytes, one sequence parameter set, one picture parameter set.

    Raises:
        UnsupportedStream: if they use what is not read here.
    """
    if extradata[4] & 3 != 3 or extradata[5] & 31 != 1:
        raise UnsupportedStream("expected lengths of four bytes and one parameter set of each kind")
    # Byte 8 is the first of the sequence parameter set, its NAL unit header; its fields follow.
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
        raise UnsupportedStream("picture order count of type 1")
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
    """Yield the NAL units of one MP4 sample that are slices, without their four bytes of length."""
    at = 0
    while at + 4 < len(sample):
        start, at = at + 4, at + 4 + int.from_bytes(sample[at : at + 4], "big")
        if sample[start] & 31 in (SLICE, KEY_SLICE):
            yield sample[start:at]


def slice_headers(sample: bytes, parameters: StreamParameters) -> Iterator[SliceHeader]:
    """Yield the headers of the slices of one MP4 sample.

    Raises:
        UnsupportedStream: if one uses what is not read here.
    """
    for unit in slices(sample):
        yield _slice_header(unit[:_HEADER_BYTES], parameters)


def _slice_header(unit: bytes, parameters: StreamParameters) -> SliceHeader:
    """Return the header of a slice, element by element in the order of 7.3.3."""
    key, bits = unit[0] & 31 == KEY_SLICE, _Bits(unit[1:])
    is_reference = bool(unit[0] & 0x60)
    bits.skip("e")  # first_mb_in_slice
    kind = {0: "P", 1: "B", 2: "I"}.get(bits.ue() % 5)
    if kind is None:
        raise UnsupportedStream("switching slices")
    bits.skip("e")  # pic_parameter_set_id
    number = bits.u(parameters.frame_num_bits)
    bits.skip("e" if key else "")  # idr_pic_id
    order = bits.u(parameters.order_count_bits)
    bits.skip("e" if parameters.order_count_bits and parameters.field_orders else "")
    bits.skip("b" if kind == "B" else "")  # direct_spatial_mv_pred_flag
    lists = "IPB".index(kind)  # how many reference lists such a slice has
    lengths = parameters.lengths
    if lists and bits.u(1):  # num_ref_idx_active_override_flag
        lengths = bits.ue() + 1, bits.ue() + 1 if lists == 2 else lengths[1]
    modifications = (
        _modifications(bits) if lists > 0 else [],
        _modifications(bits) if lists > 1 else [],
    )
    if lists and parameters.weighted[lists - 1]:  # pred_weight_table (7.3.3.2)
        bits.skip("ee")
        for length in lengths[:lists]:
            for _ in range(length):
                bits.skip("ee" if bits.u(1) else "")
                bits.skip("eeee" if bits.u(1) else "")
    unmarked = _unmarked(bits) if is_reference and not key else None
    return SliceHeader(kind, key, is_reference, number, order, lengths, modifications, unmarked)


def _modifications(bits: _Bits) -> list[int]:
    """Return the signed differences of `ref_pic_list_modification` (7.3.3.1); 3 ends them."""
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
    """Return the differences of `dec_ref_pic_marking` of a non-IDR picture (7.3.3.3)."""
    if not bits.u(1):
        return None
    found = []
    while operation := bits.ue():
        if operation != 1:
            raise UnsupportedStream("long-term references")
        found.append(bits.ue() + 1)
    return found
