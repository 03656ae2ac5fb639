"""The rows of a training's tables: who is measured, under which name, before learning or after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from algos.rollout.environment_options import OptionError
from policies.registry import POLICIES
from sage_env.object_reference import is_reference

BASE, AFTER, DEMONSTRATOR, DIRECT = "base", "after", "demonstrator", "direct"
OF_AGENT = {"mean": "same frames", "twice": "double frames", "most": "most frames"}
"""DIRECT's frames by what the trained policy took or may take, with their names in tables."""


@dataclass(frozen=True)
class Row:
    """One policy that is measured.

    Attributes:
        word: as the settings name it.
        title: of its lines in tables; the trained policy's says its update too.
        key: what its files are named after, with the decoding.
        frames: of DIRECT: a number, or a word of `OF_AGENT`; "" for others.
    """

    word: str
    title: str
    key: str
    frames: str = ""

    @property
    def learned(self) -> bool:
        """Return whether it is measured after learning."""
        return self.word == AFTER or bool(self.frames)

    @property
    def rank(self) -> int:
        """Return where it stands in tables: DIRECT, others, base, after."""
        return {BASE: 2, AFTER: 3}.get(self.word, 0 if self.frames else 1)


def find_rows(words: Sequence[str]) -> list[Row]:
    """Return the rows that the settings name.

    Raises:
        OptionError: if one is not known, stands twice, or needs another that is not there.
    """
    rows = [_row(word) for word in words]
    for number, row in enumerate(rows):
        if row.key in [other.key for other in rows[:number]]:
            raise OptionError(f"--rows names {row.word!r} twice")
        if row.frames in ("mean", "twice") and AFTER not in words:
            raise OptionError(
                f"the row {row.word} depends on the frames that the trained policy takes: add "
                f"{AFTER} to --rows, or give a number, as in {DIRECT}:16"
            )
    return rows


def _row(word: str) -> Row:
    if word == BASE:
        return Row(word, "base", "base")
    if word == AFTER:
        return Row(word, "after PPO", "after-ppo")
    if word == DEMONSTRATOR:
        return Row(word, "demonstrator", "demonstrator")
    kind, _, rest = word.partition(":")
    if kind == DIRECT:
        if rest not in OF_AGENT and not (rest.isdecimal() and int(rest) > 0):
            known = ", ".join(OF_AGENT)
            raise OptionError(f"--rows takes {DIRECT}:N, N a number or {known}, got {word!r}")
        title = f"DIRECT, {OF_AGENT.get(rest, f'{rest} frames')}"
        return Row(word, title, _slug(title), rest)
    if kind not in POLICIES and not is_reference(word):
        raise OptionError(
            f"--rows takes {BASE}, {AFTER}, {DIRECT}:N, {DEMONSTRATOR} or the name of a policy "
            f"({', '.join(POLICIES)}, package.module:Class), got {word!r}"
        )
    return Row(word, word, _slug(word))


def file_key(key: str, decoding: str) -> str:
    """Return the name of a result's files: its row's key and the decoding, such as `base-t-1`."""
    return _slug(f"{key} {decoding}")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
