"""The questions of a run: which can be read, which are left out, and what the folder keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from algos.runs.evaluation_manifest import questions_digest
from algos.runs.run_folder import RunFolder, RunFolderError, read_json, write_json
from policies.terminal_text import visible
from sage_env.datasets.item import QAItem
from sage_env.datasets.preparing import prepare_videos
from sage_env.datasets.splits import Splits
from sage_env.errors import DatasetError

SEEN = "seen before"
"""Name of what `seen_by_adapter` says, in a report."""
SHOWN = 5
"""Unreadable videos that are named on the terminal; the folder has them all."""
TIMEOUT = 120.0
"""Seconds to open one video and decode three pictures of it."""
READERS = 4
"""Videos that are looked at side by side: most of the time goes into reading files."""


def ready_questions(splits: Splits, folder: RunFolder, *, skip_broken: bool) -> Splits:
    """Have all videos made and looked at, and write to the folder who is in which split.

    Args:
        splits: as they were found.
        folder: of the run; gets `splits.json`.
        skip_broken: whether questions about unreadable videos are left out, and not refused.

    Returns:
        The questions that can be asked.

    Raises:
        DatasetError: if a video cannot be read and is not to be left out, or too few are left.
        RunFolderError: if the folder has results on other questions.
    """
    prepare_videos(splits.parts().values())
    broken = unreadable(splits)
    if broken and not skip_broken:
        named = "; ".join(list(broken.values())[:SHOWN])
        more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        raise DatasetError(
            f"{len(broken)} videos cannot be read ({named}{more}): {_advice(splits)}leave out "
            "their questions with --skip-broken"
        )
    kept = splits.without(broken) if broken else splits
    for name, items in kept.parts().items():
        if not len(items):
            raise DatasetError(f"no question of the split {name} has a video that can be read")
    _write(folder, kept, broken)
    if broken:
        lost = sum(map(len, splits.parts().values())) - sum(map(len, kept.parts().values()))
        listed = "; ".join(list(broken.values())[:SHOWN])
        print(visible(f"left out: {lost} questions about {len(broken)} videos, {listed}"))
    return kept


def _advice(splits: Splits) -> str:
    """Return what to do about unreadable videos, beside leaving them out."""
    if any(item.video.exists() for part in splits.parts().values() for item in part):
        return "mend them, or "
    return "none of all is there, so name the folder that they lie in (--root), or "


def unreadable(splits: Splits) -> dict[Path, str]:
    """Return the videos that cannot be read, each with why."""
    from sage_env.video.health import first_fault

    videos = list(dict.fromkeys(item.video for part in splits.parts().values() for item in part))
    look = partial(first_fault, timeout=TIMEOUT)
    with ThreadPoolExecutor(READERS) as pool:
        found = tqdm(pool.map(look, videos), "looking at videos", len(videos), leave=False)
        return {video: fault for video, fault in zip(videos, found, strict=True) if fault}


def durations_of(items: Sequence[QAItem], *, read: bool) -> dict[str, float | None]:
    """Return the seconds of each question's video by its id: as it says, else as the file has it.

    Args:
        items: the questions.
        read: whether files are read; without, what no question says is `None`.

    Raises:
        VideoError: if a file is needed and cannot be read.
    """
    if not read:
        return {item.id: item.duration for item in items}
    videos = list(dict.fromkeys(item.video for item in items if item.duration is None))
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(videos, pool.map(_seconds_of, videos), strict=True))
    return {item.id: item.duration or found[item.video] for item in items}


def _seconds_of(video: Path) -> float:
    from sage_env.video.index.video_index import read_index

    return read_index(video).duration


def seen_by_adapter(adapter: str | None, splits: Splits) -> str:
    """Say which questions that should be held out an adapter has been trained on; "" if none.

    The folder of the run that made the adapter tells, `sage-vqa sft` and `train` alike. Questions
    are known by their ids alone, so that it may be others of the same name.

    Args:
        adapter: to start from, a folder or a hub id.
        splits: of the training that starts.
    """
    seen = _trained_on(RunFolder(Path(adapter).parent)) if adapter else set()
    told = []
    for name in ("validation", "test"):
        ids = splits.ids()[name]
        if found := [one for one in ids if one in seen]:
            told.append(f"{len(found)} of {len(ids)} {name} questions (such as {found[0]!r})")
    if not told:
        return ""
    return (
        f"{adapter} was trained on {' and '.join(told)}, going by their ids: what is measured on "
        "them is not of unseen videos; clone from the training split alone, see `sage-vqa data "
        "export --hold-out`"
    )


def _trained_on(folder: RunFolder) -> set[str]:
    """Return the ids of the questions that a run trained on; none where it does not say."""
    for path, key in ((folder.split, "training"), (folder.splits, "train")):
        if path.is_file():
            said = read_json(path)
            ids = said.get(key) if isinstance(said, dict) else None
            return {one for one in ids if isinstance(one, str)} if isinstance(ids, list) else set()
    return set()


def _write(folder: RunFolder, splits: Splits, broken: Mapping[Path, str]) -> None:
    """Write the splits, unless results of others are there."""
    digests = {name: questions_digest(items) for name, items in splits.parts().items()}
    now = {"how": dict(splits.how), **splits.ids()}
    if folder.splits.exists() and folder.has_results():
        then = read_json(folder.splits)
        differ = [name for name in now if not isinstance(then, dict) or then.get(name) != now[name]]
        if not differ:  # the same ids; older versions kept no more
            known = then.get("digests") or digests
            differ = [f"the text of {name}" for name in digests if known.get(name) != digests[name]]
        if differ:
            raise RunFolderError(
                f"{folder.path} holds a training on other questions ({', '.join(differ)} in "
                f"{folder.splits.name}): bring those back, or start in a new folder (--run FOLDER)"
            )
    now["digests"] = digests
    write_json(folder.splits, {**now, "left out": {str(k): v for k, v in broken.items()}})
