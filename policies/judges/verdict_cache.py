"""Verdicts on disk: what a judge said of an answer is asked once, in whatever run it comes up.

One file per verdict, written whole under its name as soon as it is there, so that any number of
processes may share a folder. Only verdicts are kept: what was not judged is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.judges.grading_prompt import GRADES
from sage_env.storage.atomic_file import atomic_write
from sage_env.storage.cache_folder import cache_folder
from sage_env.storage.warn_once import warn_once


class VerdictCache:
    """The verdicts of all judges in one folder.

    Args:
        folder: made when the first verdict is kept; `None` for `judges` in the cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Read nothing yet."""
        self.folder = cache_folder() / "judges" if folder is None else folder

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under a key; `None` where there is nothing that can be read."""
        try:
            kept = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        whole = isinstance(kept, dict) and kept.get("key") == key and kept.get("grade") in GRADES
        return kept if whole and isinstance(kept.get("reason"), str) else None

    def keep(self, key: str, kept: Mapping[str, Any]) -> None:
        """Write a verdict; a folder that cannot be written costs money, and is warned of once."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps({"key": key, **kept}, ensure_ascii=False))
        except OSError as error:
            warn_once(
                self.folder,
                "verdicts",
                f"verdicts of judges cannot be kept in {self.folder} ({error.strerror}): each is "
                "asked for again; make room, or name another folder with the option cache",
            )

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def verdict_key(judge: str, prompt: str, settings: Mapping[str, Any], message: str) -> str:
    """Return 32 hexadecimal digits for what a verdict depends on.

    Args:
        judge: the kind of service and the model's name.
        prompt: hash of the task.
        settings: seed and fields of the request; where the server is makes no difference.
        message: the question, the gold answer and the answer, as they are shown.
    """
    depends = json.dumps([judge, prompt, dict(settings), message], sort_keys=True, default=str)
    return hashlib.blake2b(depends.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
