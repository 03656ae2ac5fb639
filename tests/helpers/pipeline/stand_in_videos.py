"""Small videos with handmade questions, and the stand-in that knows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.settings import GenerateSettings
from algos.data_pipeline.stand_in.error_rates import ErrorRates
from algos.data_pipeline.stand_in.known_videos import known_videos
from algos.data_pipeline.stand_in.server import StandIn
from policies.served.retries import RetrySettings
from sage_env.datasets.item import QAItem
from tests.helpers.clips import write_clip

SYMBOLS = ("star", "moon", "ring", "cross", "arrow")
QUICK = RetrySettings(timeout=5.0, attempts=4, first_wait=0.01, longest_wait=1.0)


def clips(folder: Path, count: int) -> list[Path]:
    """Write videos of 40 s and more, each of another length."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [range(0, 25 * (40 + number), 25) for number in range(count)]
    return [write_clip(folder / f"v{n}.mp4", list(each)) for n, each in enumerate(lengths)]


def items_about(video: Path, seconds: float) -> list[QAItem]:
    """Return six questions with true answers and evidence on whole seconds."""
    found = []
    for number in range(6):
        right = SYMBOLS[(number + int(seconds)) % 5]
        found.append(
            QAItem(
                id=f"{video.stem}-{number}",
                video=video,
                question=f"Which symbol stays on the backdrop number {number}?",
                choices=SYMBOLS[:4] if number % 2 and right in SYMBOLS[:4] else (),
                answer=right,
                kind="mcq" if number % 2 and right in SYMBOLS[:4] else "open",
                evidence=((5.0 * number, 5.0 * number + 4.0),),
                duration=seconds,
                group={"family": "glance"},
            )
        )
    return found


def stand_in(
    videos: list[Path], private: Path, rates: Mapping[str, float] | None = None, **settings: Any
) -> StandIn:
    """Return a server that knows these videos."""
    items = [one for n, video in enumerate(videos) for one in items_about(video, 40.0 + n)]
    return StandIn(known_videos(items), ErrorRates(rates=rates or {}, **settings), private=private)


def quick(server: StandIn | None, **settings: Any) -> GenerateSettings:
    """Return settings that ask a server without waiting."""
    url = None if server is None else server.url
    given: dict[str, Any] = {"base_url": url, "poll": 0.01, "retries": QUICK, "workers": 2}
    return GenerateSettings(**{**given, **settings})
