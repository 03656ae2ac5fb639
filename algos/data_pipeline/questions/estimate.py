"""What a run would cost: by the services' own facts, and `None` where they are not known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from algos.data_pipeline.questions.services import margin, tier_share
from algos.data_pipeline.questions.settings import GenerateSettings
from algos.data_pipeline.questions.source_videos import SkippedVideo, SourceVideo
from algos.data_pipeline.questions.writers import Writer
from algos.metrics.prices import price_of
from policies.turn_usage import TokenCounts


@dataclass(frozen=True)
class VideoEstimate:
    """What one video would take.

    Attributes:
        path: relative to the folder.
        seconds: of the video; `None` if it cannot be read.
        tokens: of the prompt; `None` if not known.
        prompt_dollars: of the prompt alone.
        most_dollars: with the longest reply, and room for what the facts do not say.
        skipped: why it would not be asked about; empty if it would.
    """

    path: str
    seconds: float | None = None
    tokens: int | None = None
    prompt_dollars: float | None = None
    most_dollars: float | None = None
    skipped: str = ""


def estimates(
    videos: Iterable[SourceVideo | SkippedVideo], writer: Writer, settings: GenerateSettings
) -> list[VideoEstimate]:
    """Return what each video would take; nothing is sent."""
    found = []
    for video in videos:
        if isinstance(video, SkippedVideo):
            found.append(VideoEstimate(video.path, skipped=video.reason))
            continue
        skipped = writer.too_much(video)
        found.append(
            VideoEstimate(
                video.path,
                video.duration,
                writer.tokens(video),
                _dollars(writer, video, settings, output=0, room=1.0),
                most_dollars(writer, video, settings),
                "" if skipped is None else skipped.reason,
            )
        )
    return found


def most_dollars(writer: Writer, video: SourceVideo, settings: GenerateSettings) -> float | None:
    """Return what one request may cost at most; `None` if the tokens or the price are not known."""
    return _dollars(writer, video, settings, output=settings.max_output_tokens, room=margin())


def _dollars(
    writer: Writer,
    video: SourceVideo,
    settings: GenerateSettings,
    *,
    output: int,
    room: float,
    day: date | None = None,
) -> float | None:
    tokens, row = writer.tokens(video), price_of(writer.model, day)
    if tokens is None or row is None:
        return None
    prompt = round(tokens * room)
    # which of them are sound is not told apart here: the dearer price counts for all
    audio = prompt if row.audio is not None and video.has_sound and row.audio > row.prompt else 0
    dollars = row.dollars(TokenCounts(prompt, output, audio=audio))
    return None if dollars is None else dollars * tier_share(settings.tier)
