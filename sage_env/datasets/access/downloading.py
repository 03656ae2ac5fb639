"""Annotation files, and videos where their licence allows it, from the Hugging Face hub.

What is downloaded is written down, with the commit it is of: copies of benchmarks change, and move.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from sage_env.datasets.native.annotations import DEPTH, matches
from sage_env.datasets.native.benchmark import Benchmark
from sage_env.errors import DatasetError, MissingExtra, type_and_text
from sage_env.storage.atomic_file import atomic_write

RECORD = "download.json"
"""Name of the file that says what was downloaded, and of which commit."""
HUB_VIDEOS = frozenset(
    [
        "video-mme", "video-mme-v2", "cg-bench", "cg-bench-mini",
        "longvideobench", "mlvu", "video-mmmu", "charades-sta",
    ]
)  # fmt: skip
"""Benchmarks whose hub page has the videos, under its own terms.

Those of SAGE-Bench, LVBench and MINERVA lie on YouTube; EgoSchema's are Ego4D's, which asks for a
signature; NExT-GQA's are VidOR's.
"""
_SUBTITLES = (".srt", ".vtt")
_VIDEOS = (".zip", ".tar", ".gz", ".mp4", ".mkv", ".webm")


def download(
    benchmark: Benchmark,
    root: Path,
    *,
    videos: bool = False,
    hub: str | None = None,
    revision: str | None = None,
) -> list[Path]:
    """Download a benchmark's annotation files and subtitles, and return where they are.

    What is there already is kept. `HF_ENDPOINT` names another hub, `HF_TOKEN` or `hf auth login`
    who is asking; `RECORD` in the folder says what came from where.

    Args:
        benchmark: what to download.
        root: the folder for it; made if it is not there.
        videos: whether to download the videos too, where the hub has them: as archives, which are
            not unpacked.
        hub: another dataset id, such as a mirror's.
        revision: a branch, tag or commit; by default the newest.

    Raises:
        DatasetError: in one sentence, where there is nothing to download, terms have to be
            accepted first, or the hub cannot be reached.
        MissingExtra: without huggingface_hub.
    """
    name = hub or benchmark.hub
    if not name:
        raise DatasetError(f"{benchmark.name} is on no hub. {benchmark.access}")
    if videos and benchmark.name not in HUB_VIDEOS:
        raise DatasetError(
            f"the videos of {benchmark.name} cannot be downloaded here: leave out --videos. "
            f"{benchmark.access}"
        )
    hugging_face, endpoint = _hugging_face(), os.environ.get("HF_ENDPOINT")
    try:
        about = hugging_face.HfApi(endpoint).dataset_info(name, revision=revision)
        there = [file.rfilename for file in about.siblings or []]
        wanted = _wanted(benchmark, there, videos)
        hugging_face.snapshot_download(
            name,
            repo_type="dataset",
            revision=about.sha,
            local_dir=root,
            endpoint=endpoint,
            allow_patterns=[glob.escape(file) for file in wanted],
        )
    except DatasetError:
        raise
    except Exception as error:  # its own, its client's, and those of sockets
        raise DatasetError(_told(benchmark, name, error)) from error
    _record(root, benchmark, name, about.sha, wanted)
    return [root / file for file in wanted]


def _hugging_face() -> Any:
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "huggingface_hub":
            raise
        raise MissingExtra(
            "downloading needs huggingface_hub: pip install 'sage-video-qa[data]'"
        ) from error
    return huggingface_hub


def _wanted(benchmark: Benchmark, files: Sequence[str], videos: bool) -> list[str]:
    """Return the files of a hub page that are downloaded.

    Of each split the annotation files, as they are looked for on disk; subtitles; videos if asked.
    """
    near = [file for file in files if file.count("/") <= DEPTH and not file.startswith(".")]
    wanted: dict[str, None] = {}
    for patterns in benchmark.files.values():
        for pattern in patterns:
            found = [file for file in near if matches(PurePosixPath(file), pattern)]
            wanted |= dict.fromkeys(found)
            if found:
                break
    if not wanted:
        looked = ", ".join(dict.fromkeys(sum(benchmark.files.values(), ())))
        raise DatasetError(
            f"the hub page of {benchmark.name} has no annotation file: looked for {looked}; "
            "name another page with --hub OWNER/NAME"
        )
    suffixes = {file: PurePosixPath(file).suffix.lower() for file in files}
    for file, suffix in suffixes.items():
        subtitle = suffix in _SUBTITLES or "subtitle" in file.lower()
        if subtitle or (videos and suffix in _VIDEOS) or (videos and ".part" in file.lower()):
            wanted[file] = None
    return list(wanted)


def _told(benchmark: Benchmark, name: str, error: Exception) -> str:
    """Say in one sentence why nothing came."""
    kind = {one.__name__ for one in type(error).__mro__}
    page = f"the page datasets/{name} of the hub"
    if "GatedRepoError" in kind:
        return (
            f"{benchmark.name} is gated: accept its terms on {page}, run `hf auth login`, and "
            f"download again. {benchmark.access}"
        )
    if "RepositoryNotFoundError" in kind:
        return (
            f"{page} is not there, or it is only for those who are logged in (`hf auth login`): "
            "name a mirror with --hub OWNER/NAME"
        )
    if "RevisionNotFoundError" in kind:
        return f"{page} has no such revision: name a branch, tag or commit that it has"
    return f"{benchmark.name} cannot be downloaded from {page}: {type_and_text(error)}"


def _record(
    root: Path, benchmark: Benchmark, name: str, commit: str | None, files: Sequence[str]
) -> None:
    """Write down what was downloaded."""
    told = {
        "benchmark": benchmark.name,
        "hub": name,
        "commit": commit,
        "licence": benchmark.licence,
        "files": list(files),
    }
    try:
        atomic_write(root / RECORD, json.dumps(told, indent=2) + "\n")
    except OSError as error:
        raise DatasetError(f"{root / RECORD} cannot be written: {error}") from error
