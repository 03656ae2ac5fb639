"""Every function and class is used by something that is shipped: code for tests stands in tests."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ["sage_env", "policies", "algos"]
SHIPPED = [*LIBRARY, "benchmarks", "examples"]
TEXTS = ["README.md", "docs"]
HOOKS = {
    "close_extras",  # of gymnasium.vector.VectorEnv
    "character_set", "character_list", "character_index",  # of gymnasium.spaces.Text
    "handle_request",  # of httpx2.BaseTransport
    "makefile",  # of socket.socket, by http.client
    "do_GET", "do_POST", "do_DELETE",  # of http.server.BaseHTTPRequestHandler
    "log_message", "send_error",
}  # fmt: skip
"""Methods that a base class of another project calls."""


def files(names: list[str], pattern: str) -> Iterator[Path]:
    for name in names:
        place = ROOT / name
        yield from [place] if place.is_file() else sorted(place.rglob(pattern))


def defined(path: Path) -> Iterator[str]:
    """Yield the functions, methods and classes of a file that have to be asked for by name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            registered = any(".register" in ast.unparse(d) for d in node.decorator_list)
            if not registered and not node.name.startswith("__"):
                yield node.name


def test_nothing_is_there_for_the_tests_alone() -> None:
    sources = [*files(SHIPPED, "*.py"), *files(TEXTS, "*.md")]
    words = Counter(
        word for path in sources for word in re.findall(r"\w+", path.read_text("utf-8"))
    )
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files(LIBRARY, "*.py")
        for name in defined(path)
        if words[name] < 2 and name not in HOOKS
    ]
    assert sources and not dead
