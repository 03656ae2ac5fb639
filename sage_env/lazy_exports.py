"""Names that a package exports and that are imported when someone asks for them (PEP 562).

So `import policies` needs no torch, and a missing package is an error with the command that
installs it, raised where it is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sage_env.errors import MissingExtra

_OURS = ("sage_env", "policies", "algos")


@contextmanager
def needs_extra(what: str, extra: str | None) -> Iterator[None]:
    """Say which extra to install where an import in the block finds no package.

        with needs_extra("sage-vqa train", "sage"):
            from algos.experiment.stages import run

    Args:
        what: needs it, the beginning of the message.
        extra: of `sage-video-qa`; `None` leaves the error as it is.

    Raises:
        MissingExtra: if a package is not installed. A module of ours that is missing is a bug of
            ours, and its error passes.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").partition(".")[0] in _OURS:
            raise
        # Packages that test for another one themselves do not always name it.
        package = f"the package {error.name!r}" if error.name else f"a package ({error})"
        raise MissingExtra(
            f"{what} needs {package}: pip install 'sage-video-qa[{extra}]'"
        ) from error


def lazy_exports(
    package: str, homes: Mapping[str, str], extra: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package whose names live in modules of it.

        __getattr__, __dir__ = lazy_exports(
            __name__, {"SageMM": "policies.sage_mm.policy"}, extra="sage"
        )

    Args:
        package: the package's name.
        homes: the module of each name.
        extra: of `sage-video-qa`, which brings what those modules import.

    Returns:
        A function of a name, which raises `AttributeError` for other names and `MissingExtra` where
        a package is not installed; and one that lists the names, so that they can be completed.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with needs_extra(name, extra):
            return getattr(import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return find, names
