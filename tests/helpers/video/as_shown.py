"""FFmpeg's own picture of a file, and files whose container or stream says how they are shown.

`shown_by_ffmpeg` does what the command line of FFmpeg does with `-autorotate` (fftools,
`ffmpeg_filter.c`) and square pixels: it decodes everything and puts FFmpeg's filters behind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
ONE = 1 << 16
EIGHT = {
    "upright": (1, 0, 0, 1),
    "clockwise": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "counter-clockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside-down-mirrored": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "anti-transposed": (0, -1, -1, 0),
}
"""The orientations as `(a, b, c, d)` of a matrix that takes (x, y) to (a x + c y, b x + d y)."""


def matrix_bytes(matrix: tuple[float, ...], shift: tuple[int, int] = (0, 0)) -> bytes:
    """Return a matrix as ISO/IEC 14496-12, 6.2.2 writes it: 16.16, the last column 2.30."""
    a, b, c, d = (round(value * ONE) for value in matrix)
    return struct.pack(">9i", a, b, 0, c, d, 0, *shift, 1 << 30)


def box_at(data: bytes, kind: bytes, which: int = 0) -> int:
    """Return where the content of the first box of a kind starts, or of a later one."""
    at = data.index(b"moov")
    for _ in range(which + 1):
        at = data.index(kind, at) + 4
    return at


def with_matrix(
    path: Path, matrix: tuple[float, ...], *, movie: bool = False, which: int = 0
) -> Path:
    """Write a matrix into the track's header (`tkhd`) of an MP4 file, or the movie's (`mvhd`)."""
    data = bytearray(path.read_bytes())
    at = box_at(data, b"mvhd" if movie else b"tkhd", which)
    at += (48 if data[at] else 36) if movie else (52 if data[at] else 40)
    data[at : at + 36] = matrix_bytes(matrix)
    path.write_bytes(data)
    return path


def with_shown_size(path: Path, height: float, width: float) -> Path:
    """Write another size on the screen into the track's header of an MP4 file."""
    data = bytearray(path.read_bytes())
    at = box_at(data, b"tkhd")
    at += 88 if data[at] else 76
    data[at : at + 8] = struct.pack(">II", round(width * ONE), round(height * ONE))
    path.write_bytes(data)
    return path


def with_pixel_aspect(path: Path, width: int, height: int) -> Path:
    """Write other numbers into the `pasp` box of an MP4 file that has one."""
    data = bytearray(path.read_bytes())
    at = box_at(data, b"pasp")
    data[at : at + 8] = struct.pack(">II", width, height)
    path.write_bytes(data)
    return path


def with_pose(path: Path, yaw: float, roll: float) -> Path:
    """Write other angles into the `Projection` of a Matroska file that FFmpeg wrote (RFC 9559).

    FFmpeg writes the roll, as a double, and `MaxBlockAdditionID` behind; two floats and a longer
    size take the room of both.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"\x76\x70\x8b\x76\x75\x88")
    assert data[at + 14 : at + 17] == b"\x55\xee\x81" and data[at - 12 : at - 10] == b"\xe0\x98"
    data[at - 11] += 4  # the size of `Video`, which ends with `Projection`
    angles = b"\x76\x73\x84" + struct.pack(">f", yaw) + b"\x76\x75\x84" + struct.pack(">f", roll)
    data[at : at + 18] = b"\x76\x70\x40\x0e" + angles
    path.write_bytes(data)
    return path


def with_display_size(path: Path, height: int, width: int) -> Path:
    """Write a size on the screen into a Matroska file that FFmpeg wrote with a rotation.

    `DisplayWidth`, `DisplayHeight` (below 128) and a `Void` take the room of `Projection`, and the
    `DisplayUnit` that says "unknown" becomes pixels (RFC 9559, 5.1.4.1.28).
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"\x76\x70\x8b\x76\x75\x88")
    sizes = b"\x54\xb0\x81" + bytes([width]) + b"\x54\xba\x81" + bytes([height])
    data[at : at + 14] = sizes + b"\xec\x84" + bytes(4)
    unit = data.index(b"\x54\xb2\x81\x04")
    data[unit + 3] = 0
    path.write_bytes(data)
    return path


def orientation_message(
    hevc: bool, turn: float, *, across: bool = False, down: bool = False
) -> bytes:
    """Return a NAL unit with the SEI message "display orientation" (payload type 47).

    H.264 (Annex D) ends it with a repetition period of 1 and a flag, H.265 (Annex D) with a flag.

    Args:
        hevc: whether for H.265.
        turn: degrees counter-clockwise.
        across: whether to mirror left and right first.
        down: whether to mirror top and bottom first.
    """
    bits = f"0{across:d}{down:d}{round(turn / 360 * 2**16) % 2**16:016b}"
    bits += "1" if hevc else "0100"
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    head = b"\x4e\x01" if hevc else b"\x06"
    return head + bytes([47, len(payload)]) + payload + b"\x80"


def with_messages(
    source: Path, path: Path, message: Callable[[int], bytes], *, matrix: float = 0
) -> Path:
    """Copy a video stream and put a NAL unit before each packet for which there is one.

    Args:
        source: a file of H.264 or H.265.
        path: the file to write.
        message: gives the NAL unit by the packet's number, `b""` for none.
        matrix: degrees counter-clockwise that the container shall say.
    """
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        if matrix:
            copy.set_display_rotation(matrix)
        annex_b = not (stream.codec_context.extradata or b"\0\0").startswith(b"\1")
        for number, packet in enumerate(old.demux(stream)):
            if packet.size:
                unit = message(number)
                start = b"\0\0\0\1" if annex_b else struct.pack(">I", len(unit))
                data = (start + unit if unit else b"") + bytes(packet)
                made = av.Packet(data)
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.is_keyframe, made.stream = packet.is_keyframe, copy
                new.mux(made)
    return path


def _filters(matrix: NDArray[np.int32] | None) -> list[tuple[str, str]]:
    """Return the filters that the command line of FFmpeg puts behind the decoder."""
    if matrix is None:
        return []
    m = [float(value) for value in matrix]
    scale = np.hypot(m[0], m[3]), np.hypot(m[1], m[4])
    if 0.0 in scale:
        return []
    theta = round(np.degrees(np.arctan2(m[1] / scale[1], m[0] / scale[0])))
    theta -= 360 * np.floor(theta / 360 + 0.9 / 360)
    if abs(theta - 90) < 1:
        return [("transpose", "cclock_flip" if m[3] > 0 else "clock")]
    if abs(theta - 180) < 1:
        return [("hflip", "")] * (m[0] < 0) + [("vflip", "")] * (m[4] < 0)
    if abs(theta - 270) < 1:
        return [("transpose", "clock_flip" if m[3] < 0 else "cclock")]
    assert abs(theta) < 1, "an angle for which FFmpeg turns by the pixel"
    return [("vflip", "")] * (m[4] < 0)


def _filtered(frame: av.VideoFrame, filters: list[tuple[str, str]]) -> Picture:
    """Return a frame in RGB after FFmpeg's filters."""
    if not filters:
        return frame.to_ndarray()
    graph = Graph()
    buffer = graph.add_buffer(
        width=frame.width, height=frame.height, format="rgb24", time_base=Fraction(1, 1000)
    )
    nodes: list[Any] = [buffer]
    nodes += [graph.add(name, value) for name, value in filters]
    nodes.append(graph.add("buffersink"))
    for node, following in zip(nodes, nodes[1:], strict=False):
        node.link_to(following)
    graph.configure()
    graph.push(frame)
    shown = graph.pull()
    assert isinstance(shown, av.VideoFrame)
    return shown.to_ndarray(format="rgb24")


def shown_by_ffmpeg(path: Path) -> Iterator[tuple[float, Picture]]:
    """Yield FFmpeg's seconds and upright pictures with square pixels, uint8 `(H, W, 3)`."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        for frame in container.decode(stream):
            aspect = stream.sample_aspect_ratio or Fraction(1)
            height, width = frame.height, frame.width
            if aspect > 1:
                width = round(width * aspect)
            elif aspect < 1:
                height = round(height / aspect)
            kept = (height, width) == (frame.height, frame.width)
            rgb = VideoReformatter().reformat(
                frame, width, height, "rgb24", interpolation="BILINEAR" if kept else "BICUBIC"
            )
            said = frame.side_data.get("DISPLAYMATRIX")
            matrix = None if said is None else np.frombuffer(said, dtype=np.int32)
            yield frame.time, _filtered(rgb, _filters(matrix))
