"""The FFmpeg libraries of PyAV's wheel, under the file names that other programs look for.

torchcodec's wheel has no FFmpeg inside. With these links it runs on the build that we run on, so
that readers are compared and not releases of FFmpeg.
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

# auditwheel renames what it bundles: libavcodec-1a2b3c4d.so.62.11.100 was libavcodec.so.62.
_BUNDLED = re.compile(r"lib(av|sw)[a-z]+-[0-9a-f]{8}\.so\.\d+\.\d+\.\d+")


@contextmanager
def library_path() -> Iterator[None]:
    """Let processes that start inside the block load PyAV's FFmpeg (its Linux wheels alone)."""
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
