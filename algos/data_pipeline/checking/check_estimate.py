"""What checks will take, reckoned before anything is loaded or played: plays, frames, dollars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from algos.data_pipeline.checking.check_log import is_known, read_plays
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.planned_plays import PASS, PlannedPlay
from algos.runs.run_folder import RunFolder
from algos.suite.entries import Entry
from algos.suite.estimating import EntryEstimate, estimate_entry

_SIZE = (224, 224)  # of frames, where no policy is loaded that would say another


def estimate_checks(
    folder: Path, plays: Sequence[PlannedPlay], settings: CheckSettings
) -> list[EntryEstimate]:
    """Return what the plays take that have no verdict yet: a line for each check and answerer.

    Args:
        folder: of the questions.
        plays: of a plan.
        settings: of the checks.
    """
    known = read_plays(folder)
    waiting = Counter((one.check, one.answerer) for one in plays if not is_known(known, one.key))
    found = []
    for (check, answerer), count in waiting.items():
        frames = _frames(check, settings)
        played_by = answerer if frames is None else f"uniform:{frames}:{answerer}"
        nothing = RunFolder(folder / "estimate")  # which is not there: no rows of an earlier play
        one = estimate_entry(
            Entry(played_by), None, {"frame_size": _SIZE}, count, nothing, settings.envs
        )
        found.append(replace(one, title=f"{check}, {answerer}"))
    return found


def _frames(check: str, settings: CheckSettings) -> int | None:
    """Return how many frames a check shows at once; `None` for an agent, which looks itself."""
    shown: dict[str, int | None] = {
        "sufficient": settings.span_frames,
        "uniform": settings.uniform_frames,
        "outside": settings.outside_frames,
        PASS: None,
    }
    return shown.get(check, 0)
