"""An episode as a film for slides: MP4 or GIF, turn by turn, the verdict at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algos.viewer.pictures.clip_axis import length_of
from algos.viewer.pictures.clip_moments import moments_of
from algos.viewer.pictures.clip_picture import HEIGHT, WIDTH, draw_moment
from algos.viewer.pictures.drawing import LICENCE
from algos.viewer.pictures.picture_sheet import shrunk
from algos.viewer.pictures.question_sheets import pictures_of
from algos.viewer.pictures.seen_frames import VideoFrames, decode_looks
from algos.viewer.pictures.wanted_frames import frames_of, left_out, with_most
from algos.viewer.view_data import EpisodeView, QuestionView
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_path
from sage_env.video.cache.frame_cache import FrameCache

_SIDE = 480
"""Most pixels of the longer side of a picture: none is drawn larger."""
_MOST_FRAMES = 240
_OPTIONS = {"preset": "veryfast", "crf": "18", "bf": "0", "threads": "1"}
_SMPTE170M, _LIMITED_RANGE = 6, 1  # how RGB becomes YUV here: BT.601, 16 to 235 (H.273, table 4)
_COLOURS = 255
"""Of a picture of a GIF."""

Image = NDArray[np.uint8]
"""uint8 `(HEIGHT, WIDTH, 3)`."""


class ClipError(SageEnvError):
    """A film cannot be written."""


@dataclass(frozen=True)
class ClipSettings:
    """How a film shows an episode.

    Attributes:
        turn_seconds: how long a turn is shown.
        end_seconds: how long the verdict is.
        fps: pictures per second of an MP4; a GIF has one picture a turn.
        frame_size: `(H, W)` at which the policy saw frames, where nothing closer says.
        video_seconds: how long decoding the video may take.
    """

    turn_seconds: float = 3.0
    end_seconds: float = 4.0
    fps: int = 10
    frame_size: tuple[int, int] = (224, 224)
    video_seconds: float = 60.0


def write_clip(
    question: QuestionView,
    episode: EpisodeView,
    path: Path,
    settings: ClipSettings | None = None,
) -> str:
    """Write how a question was played as a film of 960 by 540 pixels, and say so.

    Equal episodes give equal pictures, and a GIF of equal bytes; x264 was seen to code the same
    pictures in other bytes now and then. Where the licence of the dataset forbids pictures, the
    film has none.

    Args:
        question: that was played.
        episode: of it.
        path: `.mp4` (H.264, yuv420p, its index in front) or `.gif`; a file that is there is
            replaced once the film is whole.
        settings: of the film.

    Raises:
        ClipError: if the name ends otherwise, or the file cannot be written.
    """
    settings = settings or ClipSettings()
    write = {".mp4": _write_mp4, ".gif": _write_gif}.get(path.suffix.lower())
    if write is None:
        raise ClipError(f"expected a film's name that ends in .mp4 or .gif, got {path.name!r}")
    shown, missing = _drawn(question, episode, settings)
    try:
        with atomic_path(path, ending=path.suffix.lower()) as partial:
            write(shown, partial, settings)
    except (OSError, ValueError) as error:
        raise ClipError(f"{path} cannot be written ({error}): name another place") from error
    told = f"; {missing}" if missing else "."
    return f"{path}: {len(shown)} pictures of {WIDTH} by {HEIGHT} pixels{told}"


def _drawn(
    question: QuestionView, episode: EpisodeView, settings: ClipSettings
) -> tuple[list[Image], str]:
    """Return one picture for each moment, and what is missing, in sentences."""
    alone = replace(question, episodes=(episode,))
    if not question.pictures:
        alone = replace(alone, video=None, episodes=(_without_pictures(episode),))
    if episode.other_video is not None:  # its times are not of the question's video
        length = episode.row.get("duration")
        alone = replace(alone, video=None, evidence=(), subtitles=None, duration=length)
    wanted = with_most(frames_of(alone, settings.frame_size), _MOST_FRAMES)
    frames = VideoFrames()
    looks = [look for look in wanted.looks if not look.carried]
    if wanted.video is not None and looks:
        frames = decode_looks(
            wanted.video,
            looks,
            lambda picture: shrunk(picture, _SIDE),
            seconds=settings.video_seconds,
            cache=FrameCache(0),
        )
    notes = [left_out(wanted), *wanted.notes, frames.failed] if question.pictures else [LICENCE]
    missing = " ".join(note for note in notes if note)
    pictures = pictures_of(wanted, frames, _SIDE)
    moments = moments_of(alone, episode, wanted, pictures, missing)
    duration = length_of(question, episode.steps)
    return [draw_moment(question, episode, moment, duration) for moment in moments], missing


def _without_pictures(episode: EpisodeView) -> EpisodeView:
    """Return an episode whose frames bring no picture with them."""
    steps = [
        replace(step, frames=[replace(frame, picture=None) for frame in step.frames])
        for step in episode.steps
    ]
    return replace(episode, steps=steps)


def _seconds(count: int, settings: ClipSettings) -> list[float]:
    """Return how long each of the pictures is shown."""
    return [settings.turn_seconds] * (count - 1) + [settings.end_seconds]


def _write_mp4(shown: Sequence[Image], path: Path, settings: ClipSettings) -> None:
    """Write pictures as H.264 in MP4, with the index before them, so that it plays at once."""
    import av
    from av.video.reformatter import VideoReformatter

    converter = VideoReformatter()
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=settings.fps, options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.colorspace = _SMPTE170M
        stream.codec_context.color_range = _LIMITED_RANGE
        tick, number = Fraction(1, settings.fps), 0
        stream.codec_context.time_base = tick
        for image, seconds in zip(shown, _seconds(len(shown), settings), strict=True):
            for _ in range(max(1, round(seconds * settings.fps))):
                rgb = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame = converter.reformat(rgb, format="yuv420p", threads=1)
                frame.pts, frame.time_base, number = number, tick, number + 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_gif(shown: Sequence[Image], path: Path, settings: ClipSettings) -> None:
    """Write pictures as a GIF that begins again at its end."""
    from PIL import Image as Images

    images = [
        Images.fromarray(image).quantize(_COLOURS, dither=Images.Dither.NONE) for image in shown
    ]
    images[0].save(
        path,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[round(1000 * seconds) for seconds in _seconds(len(shown), settings)],
        loop=0,
        optimize=False,
    )
