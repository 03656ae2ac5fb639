"""Small videos with sound: clicks at known times, in any container, with or without pictures."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.stream import Disposition


def clicking(path, clicks, *, seconds=4.0, picture=4.0, sound_from=0.0, picture_from=0.0,
             codec="aac", rate=48_000, layout="stereo", spoilt=()):  # fmt: skip
    """Write a video whose sound has a click of 1 ms at each time of `clicks`.

    Times are on the clock of the container; the sound lasts from `sound_from` to `seconds`, the
    pictures from `picture_from` to `picture`. `spoilt` maps numbers of samples to their values.
    """
    total = round((seconds - sound_from) * rate)
    track = np.zeros(total, np.float32)
    for click in clicks:
        first = round((click - sound_from) * rate)
        track[first : first + rate // 1000] = 0.9
    for sample, value in dict(spoilt).items():
        track[sample] = value
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        film.time_base = film.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(codec, rate=rate, layout=layout)
        for number in range(round((picture - picture_from) * 10)):
            image = np.full((32, 32, 3), number % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (
                round(1000 * picture_from) + 100 * number,
                Fraction(1, 1000),
            )
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        size = sound.codec_context.frame_size or 1024
        for first in range(0, total, size):
            mono = track[first : first + size]
            block = np.repeat(mono[None], 2 if layout == "stereo" else 1, 0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(sound_from * rate) + first
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def subtitled(path, cues, codec, *, forced=False):
    """Write a video with text subtitles inside it: `(start, end, text)` each, in milliseconds."""
    wrapped = {
        "mov_text": lambda text: len(text).to_bytes(2, "big") + text,
        "ass": lambda text: b"0,0,Default,,0,0,0,," + text,
    }.get(codec, bytes)
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=10)
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        texts = container.add_mux_stream(codec)
        texts.time_base = Fraction(1, 1000)
        if forced:
            texts.disposition = Disposition.forced
        for number in range(40):
            image = np.full((32, 32, 3), number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        for start, end, text in cues:
            packet = av.Packet(wrapped(text.encode()))
            packet.stream, packet.time_base = texts, Fraction(1, 1000)
            packet.pts = packet.dts = start
            packet.duration = end - start
            container.mux(packet)
    return path


def many_tracks(path, tracks, rate=16_000):
    """Write a video with sound tracks of 4 s: `(language, disposition, second of its click)`."""
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=10)
        film.width = film.height = 32
        film.pix_fmt = "yuv420p"
        streams = []
        for language, disposition, _ in tracks:
            stream = container.add_stream("flac", rate=rate, layout="mono")
            stream.disposition = disposition
            stream.metadata["language"] = language
            streams.append(stream)
        for number in range(40):
            image = np.full((32, 32, 3), number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        for stream, (_, _, click) in zip(streams, tracks, strict=True):
            track = np.zeros(4 * rate, np.int16)
            track[round(click * rate) : round(click * rate) + 16] = 30_000
            size = stream.codec_context.frame_size or 4608
            for first in range(0, len(track), size):
                block = np.ascontiguousarray(track[None, first : first + size])
                frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = first
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path
