"""The files of a saved model: which there are, whether they belong together, whose class it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from inspect import isabstract
from pathlib import Path
from typing import Any

from sage_env.errors import MissingExtra

FORMAT = 2
"""Version of the settings' file (`NAME.json`): raise it with any change to the names in it, or to
what they mean. A file of a later version is refused, because its model would silently be shown
other numbers than it was trained on. Version 1 had no digests and no normalisation."""


def model_files(path: Path | str) -> tuple[Path, Path]:
    """Return the files of the model and of its settings."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix == ".zip" else path
    return stem.with_name(f"{stem.name}.zip"), stem.with_name(f"{stem.name}.json")


def read_settings(file: Path) -> dict[str, Any]:
    """Return the settings beside a model.

    Raises:
        ValueError: if the file is none of `save_sb3`, or of a later version.
    """
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") not in range(1, FORMAT + 1):
        raise ValueError(f"{file} is not a file of save_sb3 in a format up to {FORMAT}")
    return settings


def sha256(file: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_digests(model_file: Path, digests: Mapping[str, str]) -> None:
    """Refuse files that are missing, damaged, or of another model than the settings."""
    for ending, digest in digests.items():
        file = model_file.with_suffix(ending)
        if not file.is_file():
            raise FileNotFoundError(f"{file}, saved with the model, is missing: copy it too")
        if sha256(file) != digest:
            raise ValueError(
                f"{file} is damaged, or was saved with another model than "
                f"{model_file.with_suffix('.json')}: save the model anew"
            )


def importable_name(kind: type) -> str:
    """Return the name by which a model's class is found again: of theirs, or `module:Class`.

    A class that no other process can import (of a script, or inside a function) is saved as the
    nearest of its bases that can, which plays in the same way as long as `predict` is the base's.

    Raises:
        ValueError: if there is no such base.
    """
    for position, base in enumerate(kind.__mro__):
        name = _name_of(base)
        changed = any("predict" in vars(above) for above in kind.__mro__[:position])
        if name and not changed and not isabstract(base):
            return name
    raise ValueError(
        f"the model's class {kind.__module__}:{kind.__qualname__} cannot be imported by name, and "
        "predicts in its own way, so a saved model could not be loaded: move the class to a module "
        "that can be imported"
    )


def _name_of(kind: type) -> str:
    """Return the name of a class that can be imported; `""` for another."""
    name: str = kind.__name__
    if getattr(_stable_baselines3(), name, None) is kind:
        return name
    found = None
    if kind.__module__ not in ("__main__", "builtins"):
        with suppress(ImportError, ValueError):
            found = getattr(import_module(kind.__module__), kind.__qualname__, None)
    return f"{kind.__module__}:{kind.__qualname__}" if found is kind else ""


def find_algorithm(name: str, file: Path) -> Any:
    """Return the class of a model by the name that `importable_name` gave."""
    theirs = _stable_baselines3()
    module, _, attribute = name.rpartition(":")
    try:
        return getattr(import_module(module) if module else theirs, attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{file}: the model's class {name!r} is not found ({error}): install, or put on the "
            "path, the module that it was trained with"
        ) from error


def _stable_baselines3() -> Any:
    try:
        return import_module("stable_baselines3")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"SB3Policy needs the package {error.name!r}: pip install 'sage-video-qa[sb3]'"
        ) from error
