"""The first half of the line: videos, the questions of a service, and the checks of these."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.check_plays import Answering
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.near_duplicates import find_similarity
from algos.data_pipeline.checking.question_check import check_questions
from algos.data_pipeline.line.settings import LineError, LineSettings
from algos.data_pipeline.line.stages import Result
from algos.data_pipeline.questions.generating import generate_questions
from algos.data_pipeline.questions.settings import GenerateSettings
from algos.data_pipeline.questions.source_videos import video_files
from algos.data_pipeline.questions.summary import question_lines
from algos.data_pipeline.questions.writers import writer_of
from algos.data_pipeline.stand_in.error_rates import SOME_ERRORS, ErrorRates
from algos.data_pipeline.stand_in.known_videos import known_videos
from algos.data_pipeline.stand_in.server import StandIn
from algos.runs.run_folder import RunFolder
from policies.served.api_key import GEMINI_KEYS
from policies.served.retries import RetrySettings
from sage_env.datasets.item import QAItem
from sage_env.datasets.preparing import prepare_videos
from sage_env.lazy_exports import needs_extra
from sage_env.synth.dataset import sage_synth
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.synthesiser import HOW_TO_GET_ONE, find_synthesiser

_PATIENT = RetrySettings(timeout=5.0, attempts=8, first_wait=0.05, longest_wait=5.0)
"""How long a server on this machine is waited for."""
_SILENCE = 6.0  # seconds for which it holds a request that it does not answer: above the time-out


def synth_parts(settings: LineSettings) -> list[Sequence[QAItem]]:
    """Return the datasets whose videos are made, each of a seed that no other command has."""
    root = settings.video_folder
    parts: list[Sequence[QAItem]] = [
        sage_synth(root, "train", seed=settings.seed, count=settings.video_count)
    ]
    if settings.spoken_count and find_synthesiser():
        count = settings.spoken_count
        parts.append(
            sage_synth_spoken(root, "train", seed=settings.seed + 1, count=count, subtitles=True)
        )
    return parts


def make_videos(settings: LineSettings) -> Result:
    """Make the videos, or count those of the folder that was given."""
    if settings.videos is not None:
        return {"videos": len(video_files(settings.videos)), "spoken": None, "note": ""}
    parts = synth_parts(settings)
    prepare_videos(parts)
    spoken = len({item.video for item in parts[1]}) if len(parts) > 1 else 0
    note = ""
    if settings.spoken_count and not spoken:
        note = f"no synthesiser of speech is installed, so no video speaks: {HOW_TO_GET_ONE}"
    videos = {item.video for part in parts for item in part}
    return {"videos": len(videos), "spoken": spoken, "note": note}


def write_questions(settings: LineSettings) -> Result:
    """Let the service write questions about every video; what was answered is not asked again."""
    with needs_extra("the pipeline's real client", "gemini"):
        from google import genai  # noqa: F401  (before anything is sent)
    with _service(settings) as (service, base_url):
        how: dict[str, Any] = {"service": service, "budget": settings.budget}
        if base_url is not None:
            how |= {"base_url": base_url, "retries": _PATIENT, "poll": 0.05}
        asked = GenerateSettings(**how)
        found = generate_questions(
            settings.video_folder, settings.question_folder, asked, writer_of(asked), _followed
        )
    if found.stopped:
        raise LineError(f"not all videos were asked about: {found.stopped}")
    outcomes: dict[str, int] = {}
    for one in found.videos:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
    lines = question_lines(settings.question_folder)
    return {"videos": outcomes, "kept": found.kept, "told": lines, "ledger": asdict(found.spent)}


@contextmanager
def _service(settings: LineSettings) -> Iterator[tuple[str, str | None]]:
    """Yield the service's name and its address; the stand-in runs meanwhile."""
    if not settings.offline:
        yield settings.service, None
        return
    items = [item for part in synth_parts(settings) for item in part]
    rates = ErrorRates(rates=SOME_ERRORS, seed=settings.seed, silence=_SILENCE)
    with StandIn(known_videos(items), rates, private=settings.private) as server, _some_key():
        yield "gemini", server.url


@contextmanager
def _some_key() -> Iterator[None]:
    """Let the client find a key meanwhile: the stand-in takes any, and sees none of the user's."""
    before = {name: os.environ.pop(name, None) for name in GEMINI_KEYS}
    os.environ[GEMINI_KEYS[0]] = "of-the-stand-in"
    try:
        yield
    finally:
        os.environ.pop(GEMINI_KEYS[0])
        os.environ.update({name: key for name, key in before.items() if key is not None})


def _followed(outcomes: Any, count: int) -> Any:
    return tqdm(outcomes, total=count, desc="asking", unit="video")


def check_settings(settings: LineSettings) -> CheckSettings:
    """Return the settings of the checks."""
    return CheckSettings(
        answerers=settings.answerers,
        labels=settings.labels,
        tries=settings.check_tries,
        held_out=settings.held_out,
        seed=settings.seed,
        envs=settings.envs,
        budget=settings.budget,
        per_video=None,
    )


def check(settings: LineSettings) -> Result:
    """Check the questions; what was played is not played again."""
    folder = settings.question_folder
    with RunFolder(folder).alone("--out"), tqdm(desc="checking", unit="play") as bar:

        def progress(play: CheckPlay) -> None:
            bar.set_postfix_str(play.check, refresh=False)
            bar.update()

        report = check_questions(
            folder,
            check_settings(settings),
            root=settings.video_folder,
            how=Answering(progress=progress),
            similarity=find_similarity(),
        )
    if not report.kept:
        raise LineError(f"no question passed the checks: see {folder / 'rejected.jsonl'}")
    return {**report.to_json(), "told": report.text()}


def question_file(settings: LineSettings) -> Path:
    """Return the file of the questions that passed."""
    return settings.question_folder / "questions.jsonl"
