"""One answer of the stand-in, as it goes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Exchange:
    """What a request is answered with.

    Attributes:
        body: as JSON.
        status: of HTTP.
        headers: beside its length and type.
        wait: seconds before anything is sent.
        cut: whether the connection ends in the middle.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: bool = False


def refused(status: int, name: str, message: str, *details: Mapping[str, Any]) -> Exchange:
    """Return an error as Google's services write it (`google.rpc.Status`)."""
    error = {"code": status, "message": message, "status": name, "details": list(details)}
    return Exchange({"error": error}, status)
