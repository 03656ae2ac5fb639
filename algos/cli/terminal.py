"""What the commands print: everything that others wrote is made visible first."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from policies.terminal_text import visible


def say(text: object = "", *, end: str = "\n", error: bool = False) -> None:
    """Print a text to the standard output or the standard error, see `visible`.

    A character that the terminal's encoding lacks is escaped too.
    """
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = visible(str(text)).encode(encoding, "backslashreplace").decode(encoding)
    print(shown, end=end, file=stream, flush=True)


@contextmanager
def plain_messages() -> Iterator[None]:
    """Inside the block, make warnings and what is logged to the terminal visible too."""
    format_warning, fallback = warnings.formatwarning, logging.lastResort
    shown = logging.StreamHandler()
    shown.setLevel(logging.WARNING)
    shown.setFormatter(_Visible())
    warnings.formatwarning = lambda *given, **named: visible(format_warning(*given, **named))
    logging.lastResort = shown
    try:
        yield
    finally:
        warnings.formatwarning, logging.lastResort = format_warning, fallback


def plain_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say the traceback of a bug, as `sys.excepthook` does."""
    say("".join(traceback.format_exception(kind, error, trace)), end="", error=True)


class _Visible(logging.Formatter):
    """Formats log records as `logging.lastResort` does, and makes them visible."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
