"""The formats that are recognised, by what a record holds and never by the name of its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from algos.exchange.lmms_import import is_lmms_sample
from algos.exchange.sage_results import is_sage_result
from algos.viewer.foreign.atif_traces import is_atif, read_atif_trace
from algos.viewer.foreign.chat_traces import chats_in, is_chat, read_chat
from algos.viewer.foreign.inspect_traces import is_inspect_sample, logged_in, read_inspect
from algos.viewer.foreign.lmms_traces import read_lmms, samples_in
from algos.viewer.foreign.own_traces import (
    is_own_episode,
    is_own_row,
    read_own_episode,
    read_own_row,
)
from algos.viewer.foreign.sage_traces import read_sage
from algos.viewer.foreign.traced import Source, Traced
from algos.viewer.foreign.videoseek_traces import is_videoseek, read_videoseek


@dataclass(frozen=True)
class TraceFormat:
    """One format.

    Attributes:
        title: for people.
        recognises: whether a record is of it.
        read: a record as a question with its episode.
    """

    title: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, Source], Traced]


FORMATS = (
    TraceFormat("SAGE's results", is_sage_result, read_sage),
    TraceFormat("lmms-eval samples", is_lmms_sample, read_lmms),
    TraceFormat("ATIF documents", is_atif, read_atif_trace),
    TraceFormat("VideoSeek trajectories", is_videoseek, read_videoseek),
    TraceFormat("our episodes", is_own_episode, read_own_episode),
    TraceFormat("our rows of samples", is_own_row, read_own_row),
    TraceFormat("logs of inspect_ai", is_inspect_sample, read_inspect),
    TraceFormat("messages in OpenAI's form", is_chat, read_chat),
)
"""In the order in which they are tried: the most particular first."""
_HOLDERS = (samples_in, logged_in, chats_in)


def format_of(record: Any) -> TraceFormat | None:
    """Return the format of a record; `None` if it is of none that is known."""
    return next((one for one in FORMATS if one.recognises(record)), None)


def records_in(document: Any) -> Sequence[tuple[str | None, Any]]:
    """Return the records of one document: those that it holds, or itself."""
    for holder in _HOLDERS:
        held = holder(document)
        if held:
            return held
    return [(None, document)]
