"""Videos with planted events: sentences that stand in the picture or are said, at known times.

Scenes drift, move and are cut, so that text has to be told from what changes anyway. What is said
is in a subtitle file. Same seed, same videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.grounding.sentences import CHATTER

FPS = 10
SIZE = (360, 640)
_SCENES = (6.0, 20.0)  # seconds between cuts
_SHOWN = (3.0, 8.0)  # seconds that an event lasts
_CODEC = {"preset": "superfast", "crf": "27", "threads": "1"}
_INKS = ((255, 255, 255), (255, 238, 90), (20, 20, 20))


@dataclass(frozen=True)
class Event:
    """One planted event.

    Attributes:
        start: seconds.
        end: seconds.
        sentence: what is shown or said.
        described: the same in other words.
        shown: whether it stands in the picture; else it is said.
    """

    start: float
    end: float
    sentence: str
    described: str
    shown: bool


@dataclass(frozen=True)
class Planted:
    """A video, what is in it, and what is not.

    Attributes:
        path: of the video; its subtitles lie beside it.
        duration: seconds.
        events: those that are in it.
        absent: sentences and descriptions of others.
    """

    path: Path
    duration: float
    events: tuple[Event, ...]
    absent: tuple[tuple[str, str], ...]


def plant(
    folder: Path, seed: int, pool: Sequence[tuple[str, str]], *, duration: float, count: int
) -> Planted:
    """Write one video with `count` events, half of them shown, and its subtitles.

    Args:
        folder: of the files.
        seed: of the video.
        pool: sentences with their descriptions; those that are not planted are absent.
        duration: seconds.
        count: of events.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(pool))
    chosen, absent = order[:count], order[count : 2 * count]
    shown = random.permutation(np.arange(count) % 2 == 0)
    events = []
    for of_kind in (True, False):
        mine = [pool[i] for i, is_shown in zip(chosen, shown, strict=True) if is_shown == of_kind]
        room = duration / max(len(mine), 1)
        for place, (sentence, described) in enumerate(mine):
            length = random.uniform(*_SHOWN)
            start = place * room + random.uniform(0.5, room - length - 0.5)
            start, end = round(start, 1), round(start + length, 1)
            events.append(Event(start, end, sentence, described, of_kind))
    path = folder / f"planted-{seed}.mp4"
    film(path, duration, [event for event in events if event.shown], random)
    spoken = [(e.start, e.end, e.sentence) for e in events if not e.shown]
    lines = sorted([*spoken, *_chatter(spoken, duration, random)])
    path.with_suffix(".srt").write_text("\n".join(map(_cue, range(1, len(lines) + 1), lines)))
    return Planted(path, duration, tuple(events), tuple(pool[i] for i in absent))


def film(path: Path, duration: float, shown: Sequence[Event], random: np.random.Generator) -> None:
    """Write the pictures as H.264."""
    captions = [(event, _caption(event.sentence, random)) for event in shown]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_CODEC)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for number, picture in enumerate(_scenes(round(duration * FPS), random)):
            second = number / FPS
            for event, (layer, place) in captions:
                if event.start <= second < event.end:
                    picture.paste(layer, place, layer)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _scenes(count: int, random: np.random.Generator) -> Iterator[Image.Image]:
    """Yield `count` pictures: a drifting background with moving shapes, cut now and then."""
    left = 0
    for number in range(count):
        if left == 0:
            left = round(random.uniform(*_SCENES) * FPS)
            backdrop = _backdrop(random)
            drift, speeds = random.uniform(0, 8, 2), random.uniform(-6, 6, (3, 2))
            spots, inks = random.uniform(0, 300, (3, 2)), random.integers(0, 256, (3, 3))
        left -= 1
        height, width = SIZE
        across, down = (drift * number % 100).astype(int)
        picture = backdrop.crop((across, down, across + width, down + height))
        draw = ImageDraw.Draw(picture)
        for spot, speed, ink in zip(spots, speeds, inks, strict=True):
            x, y = (spot + speed * number) % (width, height)
            draw.ellipse((x - 30, y - 30, x + 30, y + 30), fill=tuple(ink.tolist()))
        yield picture


def _backdrop(random: np.random.Generator) -> Image.Image:
    """Return a picture of soft colours with grain, larger than a frame."""
    height, width = SIZE[0] + 100, SIZE[1] + 100
    coarse = random.integers(0, 256, (5, 8, 3)).astype(np.uint8)
    soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain: NDArray[np.float64] = random.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))


def _caption(sentence: str, random: np.random.Generator) -> tuple[Image.Image, tuple[int, int]]:
    """Return a sentence as a picture to lay over a frame, and where."""
    ink = _INKS[int(random.integers(len(_INKS)))]
    edge = (0, 0, 0) if sum(ink) > 300 else (240, 240, 240)
    text = sentence.upper() if random.random() < 0.3 else sentence
    font = ImageFont.load_default(float(random.integers(18, 30)))
    half = len(text.split()) // 2
    lines = [" ".join(text.split()[:half]), " ".join(text.split()[half:])]
    text = text if font.getlength(text) < SIZE[1] - 40 else "\n".join(lines)
    layer = Image.new("RGBA", (SIZE[1], 90))
    draw = ImageDraw.Draw(layer)
    draw.text((8, 8), text, font=font, fill=ink, stroke_width=2, stroke_fill=edge)
    box = layer.getbbox() or (0, 0, 1, 1)
    across = int(random.integers(0, max(1, SIZE[1] - box[2])))
    return layer, (across, int(random.integers(0, SIZE[0] - 90)))


def _chatter(
    spoken: Sequence[tuple[float, float, str]], duration: float, random: np.random.Generator
) -> Iterator[tuple[float, float, str]]:
    """Yield sentences that fill the time between those that are planted."""
    busy = [*sorted((start, end) for start, end, _ in spoken), (duration, duration)]
    now = 0.0
    for start, end in busy:
        while now + 3.5 < start:
            length = float(random.uniform(2.2, 3.2))
            yield now, round(now + length, 2), " ".join(str(random.choice(x)) for x in CHATTER)
            now = round(now + length + 0.3, 2)
        now = max(now, end + 0.2)


def _cue(number: int, line: tuple[float, float, str]) -> str:
    start, end, text = line
    return f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n"


def _clock(second: float) -> str:
    whole, thousandths = divmod(round(second * 1000), 1000)
    minutes, seconds = divmod(whole, 60)
    return f"00:{minutes:02d}:{seconds:02d},{thousandths:03d}"
