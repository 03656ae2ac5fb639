"""The videos of a folder that questions are asked about, and which are too much for a service."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from algos.data_pipeline.questions.services import ModelFacts
from sage_env.errors import SageEnvError, VideoError
from sage_env.storage.fingerprint import pieces_of
from sage_env.video.deadline import Deadline
from sage_env.video.health import VIDEO_SUFFIXES
from sage_env.video.index.stream import decoding_errors, open_container
from sage_env.video.index.video_index import VideoIndex, read_index

_LONGEST = 60.0  # seconds to look for a sound track
_SUBTITLES = (".srt", ".vtt", ".json", ".jsonl")


@dataclass(frozen=True)
class SourceVideo:
    """A video that can be played.

    Attributes:
        path: relative to the folder, with `/`.
        file: the same as a path of this machine.
        digest: names the content of the file, see `content_digest`.
        bytes: of the file.
        has_sound: whether it has a sound track.
        index: of its frames.
        subtitles: path of what is said, relative; `None` where no file of that name lies there.
    """

    path: str
    file: Path
    digest: str
    bytes: int
    has_sound: bool
    index: VideoIndex
    subtitles: str | None

    @property
    def duration(self) -> float:
        """Return the seconds from time 0 to the end of the last frame."""
        return self.index.duration


@dataclass(frozen=True)
class SkippedVideo:
    """A video that is not asked about: `check` says why in a word, `reason` in a sentence."""

    path: str
    name: str
    check: str
    reason: str


class NoVideos(SageEnvError):
    """A folder has no file that could be a video."""


def video_files(folder: Path) -> list[Path]:
    """Return the files of a folder, also deeper ones, that are videos by their names, in order.

    Raises:
        NoVideos: if there is none.
    """
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and (path.is_file() or _leads_nowhere(path))
    ]
    if not found:
        kinds = " ".join(sorted(VIDEO_SUFFIXES))
        raise NoVideos(f"{folder}: no video here: name a folder with files of {kinds}")
    return found


def content_digest(file: Path) -> str:
    """Return 24 hexadecimal digits that name the content of a file, wherever it lies.

    Of a small file all of it counts, of a large one its size and pieces that are spread evenly.

    Raises:
        OSError: if it cannot be read.
    """
    with file.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        told = str(size).encode() + pieces_of(opened.fileno(), size)
    return hashlib.blake2b(told, digest_size=12).hexdigest()


def copies(files: Sequence[Path]) -> dict[Path, Path]:
    """Return which files have the content of one before them, and of which."""
    by_size: dict[int, list[Path]] = {}
    found = {}
    for file in files:
        try:
            same_size = by_size.setdefault(file.stat().st_size, [])
            first = next((one for one in same_size if cmp(one, file, shallow=False)), None)
        except OSError:  # what cannot be read is told where it is opened
            continue
        if first is None:
            same_size.append(file)
        else:
            found[file] = first
    return found


def source_video(
    folder: Path, file: Path, original: Path | None = None
) -> SourceVideo | SkippedVideo:
    """Read what has to be known of one video.

    Args:
        folder: of the videos.
        file: in it.
        original: a file before it with the same content; `None` for none.
    """
    path = file.relative_to(folder).as_posix()
    if original is not None:
        why = f"the file has the content of {original.relative_to(folder).as_posix()}"
        return SkippedVideo(path, path, "same_video", why)
    try:
        size, digest, index = file.stat().st_size, content_digest(file), read_index(file)
        sound = _has_sound(file.resolve())
    except (OSError, VideoError) as error:
        return SkippedVideo(path, path, "unreadable", f"the video cannot be read: {error}")
    beside = [file.with_suffix(suffix) for suffix in _SUBTITLES]
    said = next((one for one in beside if one.is_file()), None)
    subtitles = None if said is None else said.relative_to(folder).as_posix()
    return SourceVideo(path, file, digest, size, sound, index, subtitles)


def prompt_tokens(
    video: SourceVideo, facts: ModelFacts, *, fps: float, resolution: str | None, text: int
) -> int:
    """Return the tokens of a prompt with a whole video, by the service's own facts.

    Args:
        video: that is shown.
        facts: of the model.
        fps: frames per second.
        resolution: that is asked for.
        text: tokens of the rest.
    """
    frames = max(1, round(video.duration * fps))
    sound = round(video.duration * facts.sound) if video.has_sound else 0
    return frames * facts.frame[resolution or "default"] + sound + text


def too_much(
    video: SourceVideo, facts: ModelFacts | None, tokens: int | None, output: int
) -> SkippedVideo | None:
    """Return why a video cannot be sent, known before it is; `None` if nothing is known against it.

    Args:
        video: that would be sent.
        facts: of the model.
        tokens: of the prompt.
        output: most tokens of the reply.
    """
    if facts is None or tokens is None:
        return None
    if video.bytes > facts.bytes:
        why = f"the file has {video.bytes:,} bytes, and the service takes {facts.bytes:,}"
        return SkippedVideo(video.path, video.digest, "too_large", why)
    if tokens + output > facts.context:
        why = (
            f"{video.duration:.0f} s are {tokens:,} tokens and {output:,} of the reply, and the "
            f"model takes {facts.context:,}: give --fps below 1 or --media-resolution low, or cut "
            "the video"
        )
        return SkippedVideo(video.path, video.digest, "too_long", why)
    return None


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _has_sound(file: Path) -> bool:
    deadline = Deadline.after(_LONGEST)
    with decoding_errors(file, "looking for sound"), open_container(file, deadline) as container:
        return bool(container.streams.audio)
