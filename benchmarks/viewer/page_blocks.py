"""The packed blocks of a written page, unpacked: its rows and the details of its questions."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r'<script type="text/plain" class="packed"[^>]*>([^<]*)</script>')
_GZIP = 31


def blocks_of(page: Path) -> list[Any]:
    """Return what each block of a page holds, in order.

    Raises:
        ValueError: if it has none: it is no page of a run.
    """
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{page} has no packed block: give a page that `write_view` wrote")
    return [json.loads(zlib.decompress(b64decode(text), _GZIP)) for text in found]
