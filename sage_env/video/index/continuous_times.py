"""Times that start again: runs of packets, each on a clock of its own, put one behind the other.

Files joined byte by byte (`cat`) and broadcasts that were interrupted hold several runs. The times
of a run go on where those of the run before end; inside a run nothing is changed. Two parts of 3 s,
each with the times 0 to 3 s, are 6 s long: a frame of the second part shows 3 s more than the file
says.

What counts as what, in the order of decoding:

| the times | are |
|---|---|
| go back at a keyframe, DTS too | a new run, which goes on where the last one ends |
| go back by about 2**33 ticks of 90 kHz (MPEG-TS and -PS, 26.5 h) | the clock's wrap: they go on |
| go forward by more than half of that, 13.3 h, there | a step back before the wrap: a new run |
| go forward by less, or in any other container | a gap, during which the last frame is on screen |
| go back elsewhere, further than reordering of frames can | refused: no picture has a sure time |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

NO_DTS = -(2**63)
"""Stands for a DTS that the container does not name."""
MPEG_CLOCK = 2**33
"""Ticks after which the clock of MPEG systems starts anew (ISO/IEC 13818-1, 2.4.3.7: 33 bits)."""
LARGEST_TIME = 2**60
"""Largest tick that is believed, so that sums of a few fit into int64."""
_MOST_HELD = 16
"""Most frames that are decoded before one that is shown earlier (H.264, A.3.1: `MaxDpbFrames`)."""


class ContradictingTimes(Exception):
    """The times contradict the order of decoding.

    Attributes:
        packet: number of the packet where that was noticed.
    """

    def __init__(self, packet: int) -> None:
        """Name the packet."""
        super().__init__(packet)
        self.packet = packet


class PacketTimes(NamedTuple):
    """The times of M packets in the order of decoding, in ticks.

    Attributes:
        pts: int64 `(M,)`.
        dts: int64 `(M,)`, `NO_DTS` where the container names none.
        duration: int64 `(M,)`, 0 where it is not known.
        key: bool `(M,)`, whether decoding can start at the packet.
        shown: bool `(M,)`, false for packets that an edit list hides: these may share times.
    """

    pts: Integers
    dts: Integers
    duration: Integers
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]


class ContinuousTimes(NamedTuple):
    """Times that go on from the first packet to the last.

    Attributes:
        pts: int64 `(M,)`, ticks.
        joints: the numbers of the packets where a new run begins, the first excepted.
    """

    pts: Integers
    joints: tuple[int, ...]


def continuous_times(
    times: PacketTimes, wraps_after: int = 0, *, anchors: bool = False
) -> ContinuousTimes:
    """Return PTS that go on through all runs; the file's own where it holds one run.

    Parts of 3 frames, one tick each, the second one from 1 on and with a reordered frame:

    | packet | keyframe | PTS in the file | run | PTS returned |
    |---|---|---|---|---|
    | 0 | yes | 0 | 0 | 0 |
    | 1 | no | 1 | 0 | 1 |
    | 2 | no | 2 | 0 | 2 |
    | 3 | yes | 1 | 1 | 3 |
    | 4 | no | 3 | 1 | 5 |
    | 5 | no | 2 | 1 | 4 |

    Args:
        times: of the packets in the order of decoding.
        wraps_after: ticks after which the container's clock starts anew, 0 if it does not.
        anchors: whether the pictures are MPEG-1's or -2's, and some times the demuxer's guesses.

    Raises:
        ContradictingTimes: if times go back where no run can begin, or are beyond belief.
    """
    known = times.dts != NO_DTS
    beyond = (np.abs(times.pts) > LARGEST_TIME) | (known & (np.abs(times.dts) > LARGEST_TIME))
    if beyond.any():
        raise ContradictingTimes(int(np.argmax(beyond)))
    pts, dts = times.pts, np.where(known, times.dts, times.pts)
    if wraps_after:
        pts, dts = _unwrapped(pts, dts, wraps_after)
    joints = _joints(times._replace(pts=pts, dts=np.where(known, dts, NO_DTS)))
    edges = [0, *joints, len(pts)]
    if anchors:
        runs = zip(edges[:-1], edges[1:], strict=True)
        cut = (slice(start, stop) for start, stop in runs)
        pts = np.concatenate([_later_anchors(pts[s], dts[s], times.key[s]) for s in cut])
    if joints:
        pts = _chained(pts, times.duration, edges)
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        shown = start + np.flatnonzero(times.shown[start:stop])
        _check_order(pts[shown], shown)
    return ContinuousTimes(pts, joints)


def _unwrapped(pts: Integers, dts: Integers, period: int) -> tuple[Integers, Integers]:
    """Return times without the jumps of a clock that starts anew after `period` ticks.

    Each DTS differs from the one before by less than half a period, each PTS from its DTS too. With
    a period of 100, DTS 90, 95, 0, 5 become 90, 95, 100, 105, and 5, 10, 95 become 5, 10, -5.
    """
    half = period // 2
    steps = np.diff(dts, prepend=dts[:1])
    turns = np.cumsum(-((steps + half) // period)) * period
    unwrapped = dts + turns
    ahead = (pts - dts + half) % period - half
    return unwrapped + ahead, unwrapped


def _later_anchors(pts: Integers, dts: Integers, key: NDArray[np.bool_]) -> Integers:
    """Return PTS of one run in which no anchor precedes the pictures that are shown before it.

    In MPEG-1 and -2 an anchor, which is an I or P picture, is shown when the next one is decoded,
    after the B pictures between the two (ISO/IEC 13818-2, 6.1.1.11). Where several pictures share a
    packet of a program stream, FFmpeg has to guess the times of all but the first, and may show an
    anchor before B pictures that refer to it:

    | picture | P | B | B | P |
    |---|---|---|---|---|
    | DTS | 3 | 4 | 5 | 6 |
    | PTS by FFmpeg | 4 | 4 | 5 | 9 |
    | PTS returned | 6 | 4 | 5 | 9 |

    Behind the last picture of the run the next anchor would be decoded.

    Args:
        pts: int64 `(M,)`, ticks; above DTS for anchors alone.
        dts: int64 `(M,)`, ticks.
        key: bool `(M,)`, whether a picture is an anchor in any case.
    """
    anchors = np.flatnonzero((pts > dts) | key)
    following = np.append(anchors[1:], len(pts))
    last_between = pts[following - 1]
    early = (following - anchors > 1) & (last_between >= pts[anchors])
    shown_at = np.append(dts, dts[-1] + usual_distance(dts))
    later = pts.copy()
    later[anchors[early]] = shown_at[following[early]]
    return later


def _joints(times: PacketTimes) -> tuple[int, ...]:
    """Return the numbers of the packets where a run begins, without the first.

    That is at a keyframe which is not shown after all frames of the run before it, and whose DTS is
    not after that of the packet before, or is a demuxer's guess, after the PTS: in one run,
    whatever precedes a keyframe in the file is shown before it. Where DTS goes on as it should, the
    keyframe is only marked so by mistake.
    """
    keys = np.flatnonzero(times.key)
    keys = keys[keys > 0]
    if not (times.pts[keys] <= np.maximum.accumulate(times.pts)[keys - 1]).any():
        return ()
    before = np.concatenate([[NO_DTS], times.dts[:-1]])
    dts_back = (times.dts != NO_DTS) & ((times.dts <= before) | (times.dts > times.pts))
    highest = np.maximum.reduceat(times.pts, np.concatenate([[0], keys])).tolist()
    joints, run_end = [], highest[0]  # the highest PTS of the run so far
    starts = zip(keys.tolist(), times.pts[keys].tolist(), dts_back[keys].tolist(), strict=True)
    for (key, pts, back), until_next in zip(starts, highest[1:], strict=True):
        if pts <= run_end and back:
            joints.append(key)
            run_end = until_next
        run_end = max(run_end, until_next)
    return tuple(joints)


def _chained(pts: Integers, duration: Integers, edges: list[int]) -> Integers:
    """Return PTS in which each run begins where the one before ends, int64 `(M,)`.

    A run ends when its last frame has been shown for its duration; where the container names none,
    for the usual distance of frames.

    Args:
        pts: int64 `(M,)`, ticks.
        duration: int64 `(M,)`, ticks, 0 where it is not known.
        edges: the number of each run's first packet, then M.
    """
    chained = pts.copy()
    end = 0
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        run = chained[start:stop]
        if start:
            run += end - run.min()
        last = int(np.argmax(run))
        length = int(duration[start + last])
        end = int(run[last]) + (length if length > 0 else usual_distance(np.sort(run)))
    return chained


def usual_distance(pts: Integers) -> int:
    """Return the median distance of times in order, at least 1 tick; 1 for fewer than two."""
    return max(1, round(float(np.median(np.diff(pts))))) if len(pts) > 1 else 1


def _check_order(pts: Integers, packets: Integers) -> None:
    """Refuse times that go back further than frames are reordered, inside one run.

    Args:
        pts: int64 `(S,)`, ticks, in the order of decoding.
        packets: int64 `(S,)`, the numbers of their packets.

    Raises:
        ContradictingTimes: if so, or if two packets that are not neighbours have one time.
    """
    if (np.diff(pts) > 0).all():
        return
    order = np.argsort(pts, kind="stable")
    late = order - np.arange(len(order)) > _MOST_HELD
    twice = np.flatnonzero((np.diff(pts[order]) == 0) & (np.diff(order) > 1))
    if late.any() or len(twice):
        packet = order[np.argmax(late)] if late.any() else order[twice[0] + 1]
        raise ContradictingTimes(int(packets[packet]))
