"""What an evaluation will take, reckoned before anything is loaded or played.

Frames, tokens and dollars are bounds: every episode spends its whole budget, and whoever is billed
by request sends all of it again with every turn. An entry that was played in part is reckoned by
the rows that it has instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from algos.metrics.entry_lines import direct_frames
from algos.metrics.prices import price_of
from algos.runs.run_folder import RunFolder
from algos.runs.running_totals import totals_of
from algos.suite.entries import Control, Entry
from policies.baselines.named_wrappers import UNIFORM_FRAMES
from policies.turn_usage import TokenCounts

REPLY = 200
"""Tokens of a reply, and TEXT those of a question with its rules. Judgements."""
TEXT = 600
SIDE = 32
"""Pixels on a side of what one visual token shows, as in Qwen3-VL."""
GEMINI_PICTURE = 1120
"""Tokens of a picture that Gemini 3 takes unless it is asked for a coarser one."""
TILE = 512
"""Pixels on a side of an OpenAI tile of 170 tokens; a picture has 85 more. Models that count
patches of 32 pixels take up to 2.5 tokens for each."""
_SERVERS = {"gemini": "google", "gemini-video": "google", "openai": "openai"}
_DEFAULTS = {"max_turns": 10, "max_frames": 128}


@dataclass(frozen=True)
class EntryEstimate:
    """What one entry takes; `None`: not known.

    Attributes:
        title: of the entry.
        questions: that are left to play.
        frames: shown, at most.
        tokens: visual ones, each frame once, at most.
        seconds: of the whole play.
        dollars: at most.
        measured: whether these are reckoned from rows that there are.
    """

    title: str
    questions: int
    frames: int | None
    tokens: int | None
    seconds: float | None
    dollars: float | None
    measured: bool


def estimate_entry(
    entry: Entry,
    control: Control | None,
    options: Mapping[str, Any],
    questions: int,
    folder: RunFolder,
    envs: int,
) -> EntryEstimate:
    """Return what an entry takes.

    Args:
        entry: what is played.
        control: that it is, if it is one.
        options: arguments of the environment that were given; `frame_size` among them.
        questions: how many are asked.
        folder: where it is written; rows that are there count.
        envs: questions that are played side by side.
    """
    player = entry.policy if control is None else control.played_by(entry.policy)
    frames, turns = _bounds(player, entry.budget, control, options)
    a_frame = _frame_tokens(player, *options["frame_size"])
    totals = totals_of(folder)
    left = max(0, questions - totals.played)
    if totals.played:
        shown = round(left * totals.frames / totals.counted) if totals.counted else None
        return EntryEstimate(
            entry.title,
            left,
            shown,
            None if shown is None or a_frame is None else shown * a_frame,
            left * totals.seconds / totals.timed / envs if totals.timed else None,
            left * totals.dollars / totals.priced if totals.priced else None,
            True,
        )
    visual = None if a_frame is None else frames * a_frame
    each = None if visual is None else _dollars(player, visual, turns)
    return EntryEstimate(
        entry.title,
        left,
        None if visual is None else left * frames,
        None if visual is None else left * visual,
        None,
        None if each is None else left * each,
        False,
    )


def whole_estimate(found: Sequence[EntryEstimate]) -> EntryEstimate:
    """Return what all entries take together; what one of them does not know is not known."""

    def total(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    frames, tokens = total([one.frames for one in found]), total([one.tokens for one in found])
    return EntryEstimate(
        "all",
        sum(one.questions for one in found),
        None if frames is None else int(frames),
        None if tokens is None else int(tokens),
        total([one.seconds for one in found]),
        total([one.dollars for one in found]),
        all(one.measured for one in found),
    )


def estimate_cells(found: Sequence[EntryEstimate]) -> list[tuple[str, ...]]:
    """Return one line per entry, under `ESTIMATE_HEADER`, and one of all of them."""
    lines = [*found, whole_estimate(found)] if len(found) > 1 else found
    return [
        (
            one.title,
            "from rows" if one.measured else "at most",
            str(one.questions),
            _number(one.frames, ",d"),
            _number(one.tokens, ",d"),
            _number(one.seconds, ".0f"),
            _number(one.dollars, ".2f"),
        )
        for one in lines
    ]


ESTIMATE_HEADER = ("policy", "", "to play", "frames", "visual tokens", "seconds", "$")


def _bounds(
    player: str, budget: int | None, control: Control | None, options: Mapping[str, Any]
) -> tuple[int, int]:
    """Return the frames and turns of an episode, at most."""
    given = {**_DEFAULTS, **{k: v for k, v in options.items() if k in _DEFAULTS}}
    if (direct := direct_frames(player)) is not None:
        given |= {"max_frames": direct[0], "max_turns": 1}
    elif player == "uniform":
        given |= {"max_frames": UNIFORM_FRAMES, "max_turns": 1}
    if budget is not None:
        given["max_frames"] = budget
    if control is not None:
        given |= {k: v for k, v in control.env_options.items() if k in _DEFAULTS}
    return int(given["max_frames"]), int(given["max_turns"])


def _frame_tokens(policy: str, height: int, width: int) -> int | None:
    """Return the tokens of a frame, at most; `None` where the policy takes the video itself.

    Of a model of one's own those of Qwen3-VL, of a served one those of its provider's newest.
    """
    kinds = policy.split(":")
    if "gemini-video" in kinds:
        return None
    if "gemini" in kinds:
        return GEMINI_PICTURE
    tiles = 85 + 170 * ceil(height / TILE) * ceil(width / TILE)
    patches = ceil(height / SIDE) * ceil(width / SIDE)
    return max(tiles, 3 * patches) if "openai" in kinds else patches


def _dollars(policy: str, visual: int, turns: int) -> float | None:
    """Return the most that a question costs: 0 for what nobody bills, `None` if not known."""
    kinds = policy.split(":")
    served = [kind for kind in kinds if kind in _SERVERS]
    if not served:
        return 0.0
    named = policy.partition(f"{served[0]}:")[2]
    price = price_of(f"{_SERVERS[served[0]]}/{named}") if named else None
    if price is None:
        return None
    requests = [TokenCounts(visual + TEXT + turn * REPLY, REPLY, audio=0) for turn in range(turns)]
    costs = [price.dollars(one) for one in requests]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _number(value: float | None, form: str) -> str:
    return "not known" if value is None else format(value, form)
