"""Connections: to the public web alone for an agent, to anywhere for what the user has named."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from sage_env.errors import ToolError, ToolInputError
from sage_env.tools.web.bounded_http import Deadline, NoReply
from sage_env.tools.web.web_address import WebAddress, is_public

_TRIED = 3  # addresses of one host, e.g. one that is down and one of a network that is not there
_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


def connect_public(address: WebAddress, deadline: Deadline) -> socket.socket:
    """Connect to a host of the public web.

    Its name is looked up once, every address that comes of it must be public, and the connection
    goes to one of these numbers: a name that means something else a moment later (DNS rebinding)
    changes nothing. Only the look-up itself is not ended by the deadline, but by the system's own.

    Raises:
        ToolInputError: if there is no such host, or an address of it is not public.
        ToolError: if names cannot be looked up here at present.
        NoReply: if the host takes no connection.
        ToolTimeout: if the deadline passes.
    """
    numbers = _looked_up(address)
    private = [number for number in numbers if not is_public(number)]
    if private:
        raise ToolInputError(
            f"url must be of the public web, and {address.host} leads to {private[0]}"
        )
    return _connected(numbers[:_TRIED], address.port, deadline)


def connect_anywhere(address: WebAddress, deadline: Deadline) -> socket.socket:
    """Connect to a host that the user has named, wherever it is.

    Raises:
        NoReply: if there is no such host, or it takes no connection.
        ToolTimeout: if the deadline passes.
    """
    try:
        numbers = _looked_up(address)
    except ToolInputError as error:
        raise NoReply(f"no connection ({error})") from None
    return _connected(numbers[:_TRIED], address.port, deadline)


def _looked_up(address: WebAddress) -> list[str]:
    """Return the IP addresses of a host as numbers, in the system's order."""
    host = address.host
    try:
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN:
            raise ToolInputError(f"there is no host {host!a} in the web") from None
        raise ToolError(
            f"the name {host!a} cannot be looked up ({error.strerror}): is there a network?"
        ) from None
    return list(dict.fromkeys(str(place[4][0]) for place in found))


def _connected(numbers: Sequence[str], port: int, deadline: Deadline) -> socket.socket:
    failed = "no address"
    for tried, number in enumerate(numbers):
        share = deadline.left() / (len(numbers) - tried)  # the others have their time too
        try:
            return socket.create_connection((number, port), timeout=share)
        except OSError as error:
            failed = error.strerror or type(error).__name__
    deadline.left()
    raise NoReply(f"no connection ({failed})")
