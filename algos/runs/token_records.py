"""The tokens that a policy sampled in a turn, as text with their numbers: what a page can show.

A record has no token ids and no prompt. Position t of every list is sampled token t of the turn, as
everywhere (`algos.rollout.trajectory`): `logprob[t]` is of token t given the tokens before it,
`value[t]` of the state before token t. The pieces joined are the reply's text.

    evaluations/NAME.tokens.jsonl    {"id": QUESTION, "turns": [RECORD or null, ...]}
    trajectory.tokens.jsonl          the same, of the one episode of `sage-vqa ask`
    tokens.jsonl                     of a training, see `algos.runs.update_episodes`

Turn k of a line is turn k of the trajectory of that question; `null` where the policy has no
tokens. A measure that was not taken is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.runs.append_log import LogError
from algos.runs.line_index import LineIndex
from policies.base import TurnTokens
from policies.token_pieces import ReadText, stop_spelling, token_pieces

SUFFIX = ".tokens.jsonl"
"""In place of the `.jsonl` of trajectories: the name of the file beside them."""
TOKENS = "the tokens of an episode"
"""What a line is of, for messages."""
MEASURES = ("logprob", "entropy", "ratio", "advantage", "value")
"""The lists of numbers of a record."""


@dataclass(frozen=True)
class TurnRecord:
    """The C tokens that were sampled in one turn; lists of C, or `None` where not measured.

    Attributes:
        text: what each token adds to the reply. A token that ends within a character adds nothing,
            and the one that completes it adds it; the stop token adds nothing.
        logprob: log-probability under which it was sampled, in nats.
        entropy: of the distribution that it was drawn from, in nats.
        ratio: probability after the update by that before it.
        advantage: as the loss had it.
        value: the critic's value of the state before the token, before the update.
        in_loss: whether the actor was trained on it.
        reward: of the turn, as it was learned from.
        stop: how the stop token is spelled, where it is the last; `None` where the turn has none.

    Raises:
        ValueError: if a list has another length.
    """

    text: tuple[str, ...]
    logprob: tuple[float, ...] | None = None
    entropy: tuple[float, ...] | None = None
    ratio: tuple[float, ...] | None = None
    advantage: tuple[float, ...] | None = None
    value: tuple[float, ...] | None = None
    in_loss: tuple[bool, ...] | None = None
    reward: float | None = None
    stop: str | None = None

    def __post_init__(self) -> None:
        """Refuse lists that do not stand beside the tokens."""
        for name in (*MEASURES, "in_loss"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.text):
                raise ValueError(
                    f"{name} must have one value for each of {len(self.text)} tokens, got "
                    f"{len(values)}"
                )


def turn_record(
    read_text: ReadText, tokens: TurnTokens | None, reward: float | None = None
) -> TurnRecord | None:
    """Return what is known of a turn's sampled tokens when it has been played.

    Args:
        read_text: of the policy that sampled them.
        tokens: of the turn; `None` where it has none.
        reward: of the turn.
    """
    if tokens is None:
        return None
    spread = tokens.entropies
    return TurnRecord(
        tuple(token_pieces(read_text, tokens.completion)),
        tuple(tokens.logprobs.tolist()),
        None if spread is None else tuple(spread.tolist()),
        reward=reward,
        stop=stop_spelling(read_text, tokens.completion),
    )


def record_json(record: TurnRecord | None) -> dict[str, Any] | None:
    """Return plain JSON data: numbers to six digits, and nothing that was not measured.

    A measure with a number that is not finite is left out whole: JSON has none.
    """
    if record is None:
        return None
    row: dict[str, Any] = {"text": list(record.text)}
    for name in MEASURES:
        values = getattr(record, name)
        if values is not None and all(map(math.isfinite, values)):
            row[name] = [float(f"{value:.6g}") for value in values]
    if record.in_loss is not None:
        row["in_loss"] = list(record.in_loss)
    if record.reward is not None and math.isfinite(record.reward):
        row["reward"] = float(record.reward)
    return row if record.stop is None else {**row, "stop": record.stop}


def read_record(row: Mapping[str, Any] | None) -> TurnRecord | None:
    """Read what `record_json` returned; keys of a later version are left out.

    Raises:
        ValueError: if it is something else.
    """
    if row is None:
        return None
    if not isinstance(row, Mapping) or not _texts(row.get("text")):
        raise ValueError(f"the tokens of a turn must be an object with a text, got {row!r:.60}")
    lists: dict[str, Any] = {"text": tuple(row["text"])}
    for name in (*MEASURES, "in_loss"):
        values = row.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or not all(isinstance(x, int | float) for x in values):
            raise ValueError(f"{name} must be a list of numbers, got {values!r:.60}")
        lists[name] = tuple(map(bool if name == "in_loss" else float, values))
    reward, stop = row.get("reward"), row.get("stop")
    if not (reward is None or isinstance(reward, int | float)):
        raise ValueError(f"reward must be a number, got {reward!r:.60}")
    if not (stop is None or isinstance(stop, str)):
        raise ValueError(f"stop must be a text, got {stop!r:.60}")
    return TurnRecord(**lists, reward=reward, stop=stop)


def read_records(rows: Any) -> list[TurnRecord | None]:
    """Read the records of an episode's turns.

    Raises:
        ValueError: if they are something else.
    """
    if not isinstance(rows, list):
        raise ValueError(f"the turns of an episode must be a list, got {rows!r:.60}")
    return [read_record(row) for row in rows]


class StoredTokens:
    """The tokens of the questions of an evaluation of which they were kept, read when asked for.

    Args:
        path: `evaluations/NAME.tokens.jsonl` or `trajectory.tokens.jsonl`; there may be none.

    Attributes:
        ids: of those questions, in the order of the file.
        lines: of the file, by question.

    Raises:
        LogError: if the file cannot be read, or a line is something else; names it.
    """

    def __init__(self, path: Path) -> None:
        """Find the lines."""
        self.path = path
        found: dict[str, Any] = {}
        self.lines = LineIndex(path, line_name, TOKENS, found.setdefault)
        self.ids: Sequence[str] = list(found)

    def of(self, item_id: str) -> list[TurnRecord | None] | None:
        """Return the record of each turn of a question's episode; `None` where none was kept.

        Raises:
            LogError: if its line is something else.
        """
        if item_id not in self.lines:
            return None
        row = next(self.lines.contents([item_id]))
        try:
            return read_records(row.get("turns"))
        except ValueError as error:
            raise LogError(f"{self.path} is damaged at question {item_id!r}: {error}") from error


def tokens_path(trajectories: Path) -> Path:
    """Return the path of the tokens beside a file of trajectories, `NAME.jsonl`."""
    return trajectories.with_suffix(SUFFIX)


def line_name(row: Any) -> str | None:
    """Return the question that a line of tokens is of; `None` if it is none."""
    name = row.get("id") if isinstance(row, dict) else None
    return name if isinstance(name, str) else None


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
