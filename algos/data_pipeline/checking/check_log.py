"""`checks.jsonl`: every answer of every played check, a line as soon as it is there.

A play that failed on our side, or that nobody judged, has a line too and counts as not played: it
is played again by the next call. What is known of a play is the last of its lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from algos.runs.append_log import LogError, read_log
from algos.runs.dataclass_json import dataclass_from_json
from sage_env.storage.atomic_file import atomic_write

CHECKS_FILE = "checks.jsonl"
"""Name of the file in the folder of the questions."""


@dataclass(frozen=True, kw_only=True)
class CheckPlay:
    """One play of one check.

    Attributes:
        key: digest of all that the play depends on: the question as it was asked, who played it
            with which settings, its number. Lines with the keys of today's settings count.
        question: id of the question.
        check: name of the check; `pass` for plays of `pass_rates`.
        answerer: name of the policy.
        trial: number of the try, from 0.
        verdict: whether the answer is right; `None` where the play failed or was not judged.
        prediction: the answer; `None` without one.
        error: why it failed on our side.
        turns: that were played.
        frames: that were shown.
        seen: when the first and the last of them are shown, in seconds; `None` without any.
        tokens: that were generated; `None` where not known, and likewise the next two.
        cost: in dollars.
        price: name of the row of the price list.
        seconds: that it took.
    """

    key: str
    question: str
    check: str
    answerer: str
    trial: int
    verdict: bool | None
    prediction: str | None = None
    error: str | None = None
    turns: int = 0
    frames: int | None = None
    seen: tuple[float, float] | None = None
    tokens: int | None = None
    cost: float | None = None
    price: str | None = None
    seconds: float | None = None


def read_plays(folder: Path) -> dict[str, CheckPlay]:
    """Return the last line of each play by its key; nothing where there is no file.

    Raises:
        LogError: if a line is no play; names it.
    """
    path = folder / CHECKS_FILE
    plays: dict[str, CheckPlay] = {}
    for number, row in enumerate(read_log(path), 1):
        try:
            play = dataclass_from_json(CheckPlay, row)
        except ValueError as error:
            raise LogError(f"{path}, line {number}: {error}") from error
        plays[play.key] = play
    return plays


def put_in_order(folder: Path, keys: Iterable[str]) -> None:
    """Write the file anew: the plays of these keys in this order, one line each, then all others.

    A check that was interrupted leaves then what one that was not does. Nothing is lost: of a play
    with several lines, the last stays, which is what counts.

    Args:
        folder: of the questions.
        keys: of the plays that today's settings ask for; those without a line are left out.

    Raises:
        LogError: if the file cannot be read or written.
    """
    plays = read_plays(folder)
    wanted = [key for key in dict.fromkeys(keys) if key in plays]
    rest: Sequence[str] = sorted(set(plays).difference(wanted))
    text = "".join(line_of(plays[key]) for key in [*wanted, *rest])
    path = folder / CHECKS_FILE
    if not plays or path.read_bytes() == text.encode():
        return
    try:
        atomic_write(path, text)
    except OSError as error:
        raise LogError(f"{path} cannot be written ({error.strerror}): make room") from error


def line_of(play: CheckPlay) -> str:
    """Return a play as a line of the file."""
    return json.dumps(asdict(play)) + "\n"


def is_known(plays: Mapping[str, CheckPlay], key: str) -> bool:
    """Return whether a play has its verdict."""
    return key in plays and plays[key].verdict is not None
