"""Settings of served policies by name, as the command line gives them: `NAME=VALUE`.

| name | sets |
|---|---|
| a parameter of the policy, such as `replies` or `max_tokens` | that parameter |
| a field of `RetrySettings`, such as `timeout` | that field of `retries` |
| `prices`, as `{"prompt": 0.75, "completion": 3.75}` | `prices`, in dollars per million tokens |
| `body.NAME` | the request's field of that name, also where a parameter is named alike |
| any other name | the request's field of that name |

Keys are no settings, also not inside an address: they are read from the environment, and what is
given by name is kept with the run. An address that needs one goes into `OPENAI_BASE_URL`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from policies.served.api_key import KEY_VARIABLES, Key
from policies.served.reply_json import can_be_sent
from policies.served.retries import RetrySettings
from policies.served.usage import Prices

_NOT_BY_NAME = {"model", "tools", "retries", "options", "check", "temperature"}
_BODY = "body."


def read_options(written: Iterable[str]) -> dict[str, Any]:
    """Return options by name; a value is JSON where it can be read as such, and text where not.

    Raises:
        ValueError: if one is not `NAME=VALUE`, or a name comes twice.
    """
    options: dict[str, Any] = {}
    for one in written:
        name, equals, value = one.partition("=")
        name = name.strip()
        if not (name and equals):
            raise ValueError(f"must be NAME=VALUE, got {one.partition('=')[0]!r:.60}")
        if name in options:
            raise ValueError(f"has {name!r} twice")
        try:
            options[name] = json.loads(value)
        except (ValueError, RecursionError):
            options[name] = value
    return options


def named_options(make: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of a served policy's class.

    Args:
        make: the class.
        options: by name, as `read_options` returns them.

    Raises:
        ValueError: if a name cannot be set in this way, or a value is none of its kind.
    """
    refuse_keys(options)
    known = set(inspect.signature(make).parameters) - _NOT_BY_NAME
    waits = {field.name for field in fields(RetrySettings)}
    arguments: dict[str, Any] = {}
    retries: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in options.items():
        if not can_be_sent(value):
            raise ValueError(f"{name} must be a value that JSON has, got {value!r:.60}")
        if name.startswith(_BODY):
            body[name.removeprefix(_BODY)] = value
        elif name in _NOT_BY_NAME:
            raise ValueError(f"{name} is not set in this way")
        elif name in known:
            arguments[name] = Prices(**value) if name == "prices" else value
        elif name in waits:
            retries[name] = value
        else:
            body[name] = value
    if retries:
        arguments["retries"] = RetrySettings(**retries)
    return arguments | ({"options": body} if body else {})


def refuse_keys(options: Mapping[str, Any]) -> None:
    """Refuse options in which a key is given, or a password in an address: a run's files keep them.

    Raises:
        ValueError: without what was given.
    """
    for name, value in options.items():
        if name.removeprefix(_BODY) in ("api_key", "key", "authorization") or holds_key(value):
            raise ValueError("a key is read from the environment, and is no option or setting")


def refuse_keys_in(names: Iterable[object]) -> None:
    """Refuse names in which a key is given, as in `ground?api_key=…`; objects hold none.

    Raises:
        ValueError: without the name.
    """
    refuse_keys({f"name {k}": name for k, name in enumerate(names) if isinstance(name, str)})


def answering_options(written: Iterable[str]) -> dict[str, Any]:
    """Return the options that an answer depends on: all but the server's place, pace and prices.

    Raises:
        ValueError: as `read_options`.
    """
    pace = {"base_url", "workers", "requests_per_minute", *(f.name for f in fields(RetrySettings))}
    pace |= {"keep_videos", "ready_within", "poll", "max_batch", "device", "prices"}
    return {name: value for name, value in read_options(written).items() if name not in pace}


def holds_key(value: Any) -> bool:
    """Return whether a value has a key or a password in it, also in an address."""
    text = json.dumps(value, default=str)
    keys = (Key(name, user=None) for name in KEY_VARIABLES)
    address = r"[?&](api[-_]?key|key|token|access_token)=|://[^/@\s]*:[^/@\s]+@"
    in_address = re.search(address, text, re.IGNORECASE)
    return in_address is not None or any(key.hide_in_reply(text) != text for key in keys)
