"""Folders of the user's that are named like one of our packages, and hide it.

Python imports a name from the first place of `sys.path` that has it, which for a script is the
script's own folder. What a folder `policies` there does depends on how ours is installed:

| the user's folder | ours is installed as a wheel | ours is installed with `pip install -e` |
|---|---|---|
| has `__init__.py` | `policies` is the user's, ours is gone: `No module named 'policies.check'` | \
`policies` is the user's, and `policies.check` still ours: a mixture |
| has none | `policies` is ours, the folder is ignored | a mixture |

A mixture is found by `require_ours`, which modules of ours call when they are imported.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from sage_env.errors import PackageShadowed

PACKAGES = ("sage_env", "policies", "algos")
# The packages lie side by side in every kind of installation.
_HOME = Path(__file__).resolve().parent.parent


def require_ours(package: str) -> None:
    """Check that Python finds our package under its name.

    Args:
        package: one of `PACKAGES`; it need not be imported.

    Raises:
        PackageShadowed: if another one hides it.
    """
    found = _places(package)
    ours = _HOME / package
    if ours in found:
        return
    hidden_by = f"is hidden by {found[0]}" if found else "cannot be imported"
    raise PackageShadowed(
        f"the package {package!r} of sage-video-qa, in {ours}, {hidden_by}: rename that folder or "
        "file of yours, or start Python where it is not first on sys.path"
    )


def shadowed_place(module: str) -> str:
    """Return what hides a module that was not found, as the end of a sentence, or "".

    A user who asks for `policies.mine` has a folder `policies` with a `mine.py` in mind, and gets
    our package of that name.
    """
    package, _, rest = module.partition(".")
    if package not in PACKAGES or not rest:
        return ""
    inner = rest.replace(".", "/")
    for entry in sys.path:
        place = (Path(entry) / package).resolve()
        if place != _HOME / package and (
            (place / f"{inner}.py").is_file() or (place / inner).is_dir()
        ):
            return (
                f"; {package!r} is the package of sage-video-qa in {_HOME / package}, which hides "
                f"{place}: rename yours"
            )
    return ""


def _places(package: str) -> list[Path]:
    """Return the folders of a package as Python has it, or would import it; or its file."""
    module = sys.modules.get(package)
    try:
        spec = find_spec(package) if module is None else module.__spec__
    except ValueError:  # a module without a spec
        spec = None
    locations = getattr(module, "__path__", None) or (spec and spec.submodule_search_locations)
    if not locations and spec is not None and spec.origin is not None:
        locations = [spec.origin]
    return [Path(location).resolve() for location in locations or []]
