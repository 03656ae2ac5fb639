"""`sage-vqa data generate FOLDER`: a model writes questions about the videos of a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.data_pipeline.checking.folder_manifest import MANIFEST, update_manifest
from algos.data_pipeline.questions.estimate import VideoEstimate, estimates
from algos.data_pipeline.questions.generating import (
    GenerateResult,
    VideoOutcome,
    generate_questions,
)
from algos.data_pipeline.questions.question_files import GENERATED, LEDGER, QUESTIONS, REJECTED
from algos.data_pipeline.questions.services import Tier
from algos.data_pipeline.questions.settings import RETRIES, GenerateSettings, Resolution
from algos.data_pipeline.questions.source_videos import copies, source_video, video_files
from algos.data_pipeline.questions.summary import question_lines
from algos.data_pipeline.questions.writers import writer_of
from policies.served.named_options import read_options, refuse_keys
from policies.served.retries import RetrySettings

_SHOWN = 20  # videos that are listed with what went wrong


@dataclass(frozen=True, kw_only=True)
class GenerateData:
    """Let a model write questions about every video of a folder, and keep those of sound form.

    What was answered is not asked again: interrupted, run it again, and it goes on. Replies are
    kept as they came before they are read; every cost is in the ledger.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """Folder of the videos, also in folders inside it."""
    out: Path | None = None
    """Folder for the files; by default that of the videos, where `questions.jsonl` is a dataset."""
    service: str = "gemini"
    """gemini[:MODEL], which sees the whole video, or openai:MODEL for any server of chat
    completions, which sees frames. The paper's model is gemini:gemini-2.5-flash."""
    base_url: str | None = None
    """Of the server; by default the service's own, GOOGLE_GEMINI_BASE_URL or OPENAI_BASE_URL."""
    questions: tuple[int, int] = (10, 20)
    """Fewest and most questions of a video."""
    tier: Tier = "standard"
    """flex is half the price and may be put off; batch likewise, answered within a day, one batch
    a video and --workers of them at a time."""
    dry_run: bool = False
    """Say what it would cost, and send nothing; no key is needed."""
    budget: float | None = None
    """Dollars for the folder, with what was spent before: nothing is sent that may exceed it."""
    fps: float = 1.0
    """Frames per second that the service takes of a video."""
    media_resolution: Resolution | None = None
    """Tokens of a frame; by default the model's own."""
    frames: int = 64
    """Evenly spaced frames that a server without video is sent."""
    max_output_tokens: int = 32768
    """Of one reply, thinking included."""
    tries: int = 3
    """Replies that are asked for at most about one video, until one can be used."""
    workers: int = 4
    """Videos that are asked about at the same time."""
    requests_per_minute: float | None = None
    """At most; by default no limit."""
    poll: float = 2.0
    """Seconds between two looks at whether a video that was sent is ready."""
    timeout: float = RETRIES.timeout
    """Seconds for one request."""
    attempts: int = RETRIES.attempts
    """How often one request is sent while the server fails."""
    longest_wait: float = RETRIES.longest_wait
    """Seconds that are waited at most where the server asks to wait."""
    service_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, as often as needed: any field of the request's body."""

    def run(self) -> None:
        """Ask, and say what came of it.

        Raises:
            CommandError: if a setting is none, or not every video was asked about.
        """
        if not self.folder.is_dir():
            raise CommandError(f"{self.folder} is no folder: name one with videos")
        settings = self._settings()
        if self.dry_run:
            self._estimate(settings)
            return
        out = self.out or self.folder
        writer = writer_of(settings)
        result = generate_questions(self.folder, out, settings, writer, _followed)
        if (out / MANIFEST).exists():  # its hashes are of files that may have grown
            update_manifest(out, {})
        _tell(result, out)
        if result.stopped:
            raise CommandError(f"not all videos were asked about: {result.stopped}")

    def _settings(self) -> GenerateSettings:
        own = {field.name for field in fields(GenerateSettings)} & {f.name for f in fields(self)}
        given: dict[str, Any] = {name: getattr(self, name) for name in own}
        try:
            options = read_options(self.service_option)
            refuse_keys({**options, "base_url": self.base_url})
            retries = RetrySettings(
                timeout=self.timeout, attempts=self.attempts, longest_wait=self.longest_wait
            )
            return GenerateSettings(**given, options=options, retries=retries)
        except ValueError as error:
            raise CommandError(str(error)) from error

    def _estimate(self, settings: GenerateSettings) -> None:
        files = video_files(self.folder)
        same = copies(files)
        videos = (source_video(self.folder, file, same.get(file)) for file in files)
        writer = writer_of(settings, keyless=True)
        shown = tqdm(videos, desc="reading", unit="video", total=len(files))
        _tell_estimates(estimates(shown, writer, settings), writer.model, settings)


def _followed(outcomes: Iterable[VideoOutcome], count: int) -> Iterable[VideoOutcome]:
    shown: Iterable[VideoOutcome] = tqdm(outcomes, total=count, desc="asking", unit="video")
    return shown


def _tell(result: GenerateResult, out: Path) -> None:
    bad = [one for one in result.videos if one.outcome != "written"]
    for one in bad[:_SHOWN]:
        say(f"{one.outcome:<10} {one.path}: {one.why}")
    if len(bad) > _SHOWN:
        say(f"… and {len(bad) - _SHOWN} more, all in {out / REJECTED} or asked again next time")
    count = Counter(one.outcome for one in result.videos)
    told = ", ".join(f"{number} {name}" for name, number in count.most_common())
    say(f"{len(result.videos)} videos: {told}")
    for line in question_lines(out):
        say(line)
    say(f"{result.spent.sentence()}: {out / LEDGER}")
    if result.kept:
        say(f"{result.kept} questions are kept: {out / QUESTIONS}")


def _tell_estimates(found: list[VideoEstimate], model: str, settings: GenerateSettings) -> None:
    for one in found:
        if one.skipped:
            say(f"skipped    {one.path}: {one.skipped}")
    asked = [one for one in found if not one.skipped]
    hours = sum(one.seconds or 0.0 for one in asked) / 3600
    say(f"{model}, tier {settings.tier}: {len(asked)} of {len(found)} videos, {hours:.2f} hours")
    tokens = [one.tokens for one in asked]
    say(f"prompt tokens: {_total(tokens, '{:,}')}")
    say(f"prompts: {_total([one.prompt_dollars for one in asked], '${:.4f}')}")
    most = _total([one.most_dollars for one in asked], "${:.4f}")
    say(f"at most, with replies of {settings.max_output_tokens:,} tokens: {most}")


def _total(values: list[Any], form: str) -> str:
    """Return a sum in words; what is not known is not counted as 0."""
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        return form.format(sum(known))
    said = f" (without these {form.format(sum(known))})" if known else ""
    return f"not known for {len(values) - len(known)} of {len(values)} videos{said}"


def require_generated(folder: Path) -> None:
    """Check that a folder is one of `sage-vqa data generate`, before anything is written there.

    Raises:
        CommandError: if it is not.
    """
    if not (folder / GENERATED).is_file():
        raise CommandError(
            f"{folder} has no {GENERATED}: give a folder that `sage-vqa data generate` wrote"
        )
