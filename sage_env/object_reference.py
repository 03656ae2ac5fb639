"""Objects named by text, `"package.module:name"`: Python's object references.

The form is that of entry points (packaging.python.org, "Entry points specification"), with one
name after the colon and without extras: https://packaging.python.org/en/latest/specifications/entry-points/.
"""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from typing import Any

from sage_env.shadowing import shadowed_place

_REFERENCE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_reference(text: str) -> bool:
    """Return whether a text has the form `package.module:name`."""
    return _REFERENCE.fullmatch(text) is not None


def load_object(reference: str, what: str, error: type[Exception]) -> Any:
    """Import the module of `package.module:name`, and return what has that name in it.

    Args:
        reference: the name.
        what: what it should be, for the message, such as `"the dataset"`.
        error: raised where it names nothing.

    Raises:
        Exception: an `error` if the text has another form, the module is not there, or lacks the
            name. An exception that the module raises while it is imported propagates unchanged,
            also for a package that it misses: that is another fault than a wrong name.
    """
    if not is_reference(reference):
        raise error(f"{what} must be named 'package.module:name', got {reference!r}")
    module_name, _, name = reference.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module_name}.".startswith(f"{missing.name}."):
            raise  # the module is there, and misses a package of its own
        raise error(
            f"{what} {reference!r} needs a module {module_name} that is not there: install it, or "
            f"run where it can be imported{shadowed_place(module_name)}"
        ) from missing
    try:
        return getattr(module, name)
    except AttributeError:
        raise error(f"{what} {reference!r}: the module {module_name} has no {name!r}") from None


def spelled(value: Any) -> str | None:
    """Return a name for what a user plugs in, the same in every process; `None` for `None`.

    That is `package.module:name` of a function, with the arguments of a partial one, and of the
    class of any other object; two objects of one class have one name.

    >>> spelled(is_reference)
    'sage_env.object_reference:is_reference'
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, partial):
        given = [spelled(one) for one in value.args]
        given += [f"{name}={spelled(one)}" for name, one in sorted(value.keywords.items())]
        return f"{spelled(value.func)}({', '.join(map(str, given))})"
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}:{kind.__qualname__}"
