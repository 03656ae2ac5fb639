"""The FFmpeg libraries inside PyAV's wheel, under the names by which other programs look for them.

torchcodec brings no FFmpeg of its own. With these it runs on the very build that we run on, so that
what is compared is readers and not releases of FFmpeg.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

_BUNDLED = re.compile(r"lib(av|sw)[a-z]+-[0-9a-f]{8}\.so\.\d+\.\d+\.\d+")


@contextmanager
def library_path() -> Iterator[None]:
    """Let processes that are started inside the block find PyAV's FFmpeg; Linux wheels only."""
    bundled = Path(av.__file__).parent.parent / "av.libs"
    links = Path(tempfile.mkdtemp(prefix="ffmpeg-"))
    for library in bundled.glob("*.so.*"):
        if _BUNDLED.fullmatch(library.name):
            name, major = library.name.split("-")[0], library.name.split(".so.")[1].split(".")[0]
            (links / f"{name}.so.{major}").symlink_to(library)
    before = os.environ.get("LD_LIBRARY_PATH")
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, (str(links), str(bundled), before)))
    try:
        yield
    finally:
        if before is None:
            del os.environ["LD_LIBRARY_PATH"]
        else:
            os.environ["LD_LIBRARY_PATH"] = before
        shutil.rmtree(links)
