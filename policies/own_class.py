"""A policy of the user's own, by the name of its class: `package.module:Class`."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from policies.base import BatchPolicy, Policy
from sage_env.errors import SageEnvError, type_and_text
from sage_env.object_reference import load_object


def load_own(name: str, refused: type[SageEnvError]) -> Policy | BatchPolicy:
    """Import `package.module:Class`, and make one.

    Args:
        name: of the class, of a function that returns a policy, or of a policy.
        refused: what is raised where that fails.
    """
    with _told_as_theirs(name, refused):
        made = load_object(name, "the policy", refused)
        if callable(made):
            try:
                inspect.signature(made).bind()
            except (TypeError, ValueError) as error:
                raise refused(f"{name} cannot be made without arguments: {error}") from error
        policy: Policy | BatchPolicy = made() if callable(made) else made
    if not hasattr(policy, "reset") or not (hasattr(policy, "act") or hasattr(policy, "act_batch")):
        raise refused(f"{name} is not a policy: it needs `reset` and `act`")
    return policy


@contextmanager
def _told_as_theirs(name: str, refused: type[SageEnvError]) -> Iterator[None]:
    """Turn what the user's code raises into one sentence that says where."""
    try:
        yield
    except SageEnvError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
        raise refused(f"{name} fails: {type_and_text(error)} ({where})") from error
