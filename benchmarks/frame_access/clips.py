"""Clips of the frame-access benchmark: encoded when first needed, then kept in the cache folder.

Long clips are H.264 with scene cuts, B-pyramid and at most 250 frames between keyframes, as x264
writes by default; a shorter unit is encoded and its packets are copied until the hour is full.
Short clips have one property each that readers get wrong: variable frame rate, open GOP, an edit
list, other codecs and containers. The recipe of a clip tells which number is drawn in each frame,
and when it is shown.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.frame_access import scenes
from sage_env.storage.cache_folder import cache_folder

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder reports errors only

VERSION = 2  # of pictures and encoding, part of the file's path: raise it when either changes
RATE = 30  # frames a second
MILLISECOND = Fraction(1, 1000)
_LONG = {"preset": "veryfast", "crf": "23", "threads": "2"}
_LONG["x264-params"] = "keyint=250:scenecut=40:bframes=3:b-pyramid=normal:ref=3"
_SHORT = {"preset": "veryfast", "threads": "2"}
_SHORT["x264-params"] = "keyint=100:scenecut=40:bframes=3:b-pyramid=normal"
_OPEN = dict(_SHORT)
_OPEN["x264-params"] = "keyint=50:min-keyint=50:scenecut=0:bframes=3:b-pyramid=normal:open-gop=1"
_HEVC = {"preset": "ultrafast"}
_HEVC["x265-params"] = "keyint=100:bframes=3:b-pyramid=1:pools=1:frame-threads=1:log-level=error"
_VP9 = {"g": "100", "cpu-used": "8"}


@dataclass(frozen=True)
class ClipRecipe:
    """How a clip is made.

    Attributes:
        name: in tables.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        frames: number of frames that are encoded.
        repeats: number of copies of the encoded frames in the file.
        codec: name of the encoder in FFmpeg.
        options: of the encoder.
        container: suffix of the file name.
        irregular: variable frame rate: frames last 17 to 150 ms instead of 1/30 s.
        sound: the file has an AAC track too.
        hidden: frames at the start that an edit list hides (ISO/IEC 14496-12, 8.6.6).
    """

    name: str
    height: int = 180
    width: int = 320
    frames: int = 360
    repeats: int = 1
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: _SHORT)
    container: str = "mp4"
    irregular: bool = False
    sound: bool = False
    hidden: int = 0

    @property
    def time_base(self) -> Fraction:
        """Return the seconds per tick of presentation times."""
        return MILLISECOND if self.irregular or self.container == "webm" else Fraction(1, RATE)

    def ticks(self) -> NDArray[np.int64]:
        """Return when each encoded frame is shown, and when the last ends.

        Returns:
            int64 `(frames + 1,)`, increasing, in ticks.
        """
        if self.irregular:
            steps = np.random.default_rng(1).integers(17, 151, self.frames)
            return np.concatenate([[0], np.cumsum(steps)])
        per_tick = float(RATE * self.time_base)
        return np.round(np.arange(self.frames + 1) / per_tick).astype(np.int64)


# 401 s and 157 s share no factor with an hour: evenly spaced times fall anywhere in the unit, and
# not on the same frame of every copy.
LONG = [
    ClipRecipe("60 min 640x360", 360, 640, 401 * RATE, 9, options=_LONG),
    ClipRecipe("60 min 1280x720", 720, 1280, 157 * RATE, 23, options=_LONG),
]
LONG_QUICK = [ClipRecipe("60 min 640x360, short unit", 360, 640, 27 * RATE, 133, options=_LONG)]
SHORT = [
    ClipRecipe("H.264 + AAC", sound=True),
    ClipRecipe("H.264, VFR", irregular=True),
    ClipRecipe("H.264, open GOP", options=_OPEN),
    ClipRecipe("H.264, edit list", options=_OPEN, hidden=17),
    ClipRecipe("HEVC", codec="libx265", options=_HEVC),
    ClipRecipe(
        "VP9 webm", codec="libvpx-vp9", container="webm", options={"g": "100", "cpu-used": "8"}
    ),
    ClipRecipe("AV1", codec="libsvtav1", options={"preset": "8", "crf": "25", "g": "100"}),
]


@dataclass(frozen=True, eq=False)
class Clip:
    """A file, and what each of its N frames shows.

    Attributes:
        recipe: how it was made.
        path: the file.
        seconds: float64 `(N,)`, when each frame is shown, in seconds after the first.
        numbers: int64 `(N,)`, the number drawn in each frame.
        duration: end of the last frame, in seconds.
    """

    recipe: ClipRecipe
    path: Path
    seconds: NDArray[np.float64]
    numbers: NDArray[np.int64]
    duration: float

    def on_screen(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the frame on screen at each time: the last that is shown at or before it.

        Args:
            times: float64 `(T,)`, seconds.

        Returns:
            int64 `(T,)`, places in `seconds`; a microsecond too early still counts as in time.
        """
        return np.searchsorted(self.seconds, times + 1e-6, side="right").astype(np.int64) - 1

    def middles(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the times halfway through frames, which no rounding error moves out of them.

        Args:
            indices: int64 `(T,)`, places in `seconds`.

        Returns:
            float64 `(T,)`, seconds.
        """
        ends = np.append(self.seconds[1:], self.duration)
        middles: NDArray[np.float64] = (self.seconds[indices] + ends[indices]) / 2
        return middles


def make_clip(recipe: ClipRecipe, folder: Path | None = None) -> Clip:
    """Return a clip; write its file if there is none. The file appears when it is complete."""
    clip = plan_clip(recipe, folder)
    if not clip.path.exists():
        clip.path.parent.mkdir(parents=True, exist_ok=True)
        with _published(clip.path) as part:
            _write(recipe, part)
    return clip


def plan_clip(recipe: ClipRecipe, folder: Path | None = None) -> Clip:
    """Return what a clip contains without writing its file."""
    folder = folder or cache_folder() / "frame-access" / f"v{VERSION}"
    slug = "".join(c if c.isalnum() else "-" for c in recipe.name.lower())
    path = folder / f"{slug}-{recipe.frames}x{recipe.repeats}.{recipe.container}"
    ticks = recipe.ticks()
    laps = np.arange(recipe.repeats)[:, None] * ticks[-1]
    shown = (laps + ticks[:-1]).ravel()[recipe.hidden :]
    start, per_tick = int(shown[0]), float(recipe.time_base)
    return Clip(
        recipe=recipe,
        path=path,
        seconds=(shown - start) * per_tick,
        numbers=np.tile(np.arange(recipe.frames), recipe.repeats)[recipe.hidden :],
        duration=(int(ticks[-1]) * recipe.repeats - start) * per_tick,
    )


@contextmanager
def _published(path: Path) -> Iterator[Path]:
    """Yield a temporary path; the file is renamed to `path` when the block ends without error."""
    mark = f"{os.getpid()}-{threading.get_ident()}"
    part = path.with_name(f"{path.stem}.{mark}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write(recipe: ClipRecipe, path: Path) -> None:
    """Encode the frames once, then repeat their packets if the recipe says so."""
    unit = path.with_name(f"{path.stem}.unit{path.suffix}")
    try:
        _encode(recipe, unit)
        if recipe.repeats == 1 and not recipe.hidden:
            shutil.move(unit, path)
        else:
            _copy(recipe, unit, path)
    finally:
        unit.unlink(missing_ok=True)


def _encode(recipe: ClipRecipe, path: Path) -> None:
    """Encode each frame once."""
    ticks = recipe.ticks().tolist()
    height, width = recipe.height, recipe.width
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.codec, rate=RATE, options=recipe.options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = recipe.time_base
        sound = container.add_stream("aac", rate=48000) if recipe.sound else None
        pictures = scenes.frames(height, width, recipe.frames, RATE, seed=height)
        for tick, end, picture in zip(ticks[:-1], ticks[1:], pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.duration, frame.time_base = tick, end - tick, recipe.time_base
            container.mux(stream.encode(frame))
            if sound is not None:
                _mux_tone(container, sound, 48000 * tick // RATE, 48000 * end // RATE)
        container.mux(stream.encode())
        if sound is not None:
            container.mux(sound.encode())


def _mux_tone(container: OutputContainer, sound: AudioStream, start: int, end: int) -> None:
    """Encode the audio samples `[start, end)` of a tone of 440 Hz at 48 kHz."""
    wave = 0.2 * np.sin(2 * np.pi * 440 / 48000 * np.arange(start, end, dtype=np.float32))
    frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48000, start
    container.mux(sound.encode(frame))


def _copy(recipe: ClipRecipe, unit: Path, path: Path) -> None:
    """Copy the packets once per lap; the muxer writes an edit list for times before zero."""
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", options=options) as new:
        copy = None
        for lap in range(recipe.repeats):
            with av.open(str(unit)) as old:
                source = old.streams.video[0]
                copy = copy or new.add_stream_from_template(source)
                assert source.time_base is not None
                per_tick = recipe.time_base / source.time_base
                assert per_tick.denominator == 1
                # Whole ticks of the old file: a rounded shift would add up over the laps.
                shift = int((lap * recipe.ticks()[-1] - recipe.hidden) * per_tick)
                for packet in old.demux(source):
                    if packet.size and packet.pts is not None and packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = copy
                        new.mux(packet)
