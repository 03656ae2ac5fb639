"""Settings of a run that writes questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from algos.data_pipeline.questions.services import Tier
from policies.served.retries import RetrySettings

Resolution = Literal["low", "medium", "high"]
RETRIES = RetrySettings(timeout=600.0, attempts=5)
"""A model reads an hour of video in minutes; a choice, not measured."""


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """What is asked for, of whom, and for how much.

    Attributes:
        service: `gemini[:MODEL]`, or `openai:MODEL` for any server of chat completions.
        base_url: of the server; `None` for the service's own, or that of the environment.
        questions: fewest and most questions of a video.
        tier: how soon the service has to answer, and for how much.
        fps: frames per second that the service takes of a video.
        media_resolution: tokens of a frame; `None` for the model's own.
        frames: evenly spaced frames that a server without video is sent.
        frame_side: longer side of these, in pixels.
        max_output_tokens: of one reply, thinking included.
        tries: replies that are asked for at most about one video, until one can be used.
        workers: videos that are asked about at the same time.
        requests_per_minute: at most; `None` for no limit.
        budget: dollars for the folder, what was spent before included; `None` for no limit.
        poll: seconds between two looks at whether a video that was sent is ready.
        retries: how long to wait for the server.
        options: further fields of the request's body.
    """

    service: str = "gemini"
    base_url: str | None = None
    questions: tuple[int, int] = (10, 20)
    tier: Tier = "standard"
    fps: float = 1.0
    media_resolution: Resolution | None = None
    frames: int = 64
    frame_side: int = 512
    max_output_tokens: int = 32768
    tries: int = 3
    workers: int = 4
    requests_per_minute: float | None = None
    budget: float | None = None
    poll: float = 2.0
    retries: RetrySettings = RETRIES
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        least, most = self.questions
        if not 1 <= least <= most:
            raise ValueError(f"questions must be two numbers above 0, in order, got {least, most}")
        if not 0 < self.fps <= 24:
            raise ValueError(f"fps must be above 0 and at most 24, got {self.fps}")
        if self.budget is not None and not 0 < self.budget < float("inf"):
            raise ValueError(f"budget must be dollars above 0, got {self.budget}")
        for name in ("frames", "frame_side", "max_output_tokens", "tries", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
