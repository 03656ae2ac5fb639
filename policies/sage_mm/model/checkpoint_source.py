"""Where a checkpoint or an adapter comes from, a folder or the hub; what cannot be read of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from policies.errors import ModelError

_SHOWN = 300  # characters of what a library says


def require_source(source: str, what: str) -> None:
    """Refuse a name that is meant as a folder where there is none, before the hub is asked for it.

    A hub id is `name` or `owner/name`. A name is meant as a folder if it cannot be one, or if the
    folder that it would be in is there: `runs/modle` beside `runs/`.

    Args:
        source: folder or hub id.
        what: it is to be, for the message.

    Raises:
        ModelError: if there is no such folder.
    """
    path = Path(source)
    if path.is_dir():
        return
    if path.exists():
        raise ModelError(f"{source} is a file: name the folder of {what}, or a hub id")
    odd = source.startswith((".", "~", "/")) or "\\" in source or source.count("/") > 1
    odd = odd or source.endswith("/") or path.is_absolute()
    if odd or ("/" in source and path.parent.is_dir()):
        raise ModelError(f"there is no folder {source}: name the folder of {what}, or a hub id")


@contextmanager
def reading(source: str, what: str) -> Iterator[None]:
    """Turn what the libraries raise in the block into a `ModelError` of one sentence.

    Args:
        source: folder or hub id.
        what: it is to be, for the message.

    Raises:
        ModelError: if it cannot be read, whether it is damaged, another thing, or out of reach.
    """
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        said = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise ModelError(f"{source} is not the folder or hub id of {what}: {said}") from error
