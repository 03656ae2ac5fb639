"""Laws of `sage_env.tools.web.connections`: looked up once, and connected to that alone."""

from __future__ import annotations

import socket

import pytest

from sage_env.errors import ToolError, ToolInputError, ToolTimeout
from sage_env.tools.web import connections
from sage_env.tools.web.bounded_http import Deadline, NoReply
from sage_env.tools.web.connections import connect_anywhere, connect_public
from sage_env.tools.web.web_address import read_address

PAGE = read_address("https://page.example/")


def look_ups(monkeypatch, *answers):
    """Have names mean these numbers, one look-up after the other; return what is connected to."""
    left, reached = list(answers), []

    def getaddrinfo(host, port, **_):
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in found]

    def create_connection(place, timeout):
        reached.append(place)
        if place[0].startswith("9."):
            raise ConnectionRefusedError(111, "Connection refused")
        return "a connection"

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    return reached


def test_a_name_that_changes_its_meaning_changes_nothing(monkeypatch) -> None:
    reached = look_ups(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    assert connect_public(PAGE, Deadline(5, "x")) == "a connection"
    assert reached == [("8.8.8.8", 443)]  # the number, not the name
    with pytest.raises(ToolInputError, match=r"page\.example leads to 127\.0\.0\.1"):
        connect_public(PAGE, Deadline(5, "x"))
    assert len(reached) == 1


@pytest.mark.parametrize("number", ["10.0.0.1", "::1", "::ffff:10.0.0.1", "fe80::1%2", "0.0.0.0"])
def test_one_private_address_among_public_ones_is_enough(monkeypatch, number) -> None:
    reached = look_ups(monkeypatch, ["8.8.8.8", number])
    with pytest.raises(ToolInputError, match="public web"):
        connect_public(PAGE, Deadline(5, "x"))
    assert not reached


def test_further_addresses_are_tried(monkeypatch) -> None:
    reached = look_ups(monkeypatch, ["9.0.0.1", "8.8.8.8"], ["9.0.0.1"] + ["9.0.0.2"] * 9)
    assert connect_public(PAGE, Deadline(5, "x")) == "a connection"
    with pytest.raises(NoReply, match="Connection refused"):
        connect_public(PAGE, Deadline(5, "x"))
    assert [place[0] for place in reached] == ["9.0.0.1", "8.8.8.8", "9.0.0.1", "9.0.0.2"]


def test_no_host_is_the_agents_and_no_network_is_ours(monkeypatch) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    offline = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    look_ups(monkeypatch, unknown, offline, unknown)
    with pytest.raises(ToolInputError, match="no host 'page.example'"):
        connect_public(PAGE, Deadline(5, "x"))
    with pytest.raises(ToolError, match="is there a network"):
        connect_public(PAGE, Deadline(5, "x"))
    with pytest.raises(NoReply, match="no host"):
        connect_anywhere(PAGE, Deadline(5, "x"))


def test_this_machine_is_for_the_user_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = PAGE.__class__("http", "localhost", listening.getsockname()[1], "/")
        with connect_anywhere(place, Deadline(5, "x")) as found:
            assert found.getpeername()[1] == place.port
        with pytest.raises(ToolInputError, match="leads to"):
            connect_public(place, Deadline(5, "x"))


def test_a_connection_that_does_not_come_ends_in_time(monkeypatch) -> None:
    def hangs(place, timeout):
        import time

        time.sleep(timeout)
        raise TimeoutError

    look_ups(monkeypatch, ["8.8.8.8", "8.8.4.4"])
    monkeypatch.setattr(connections.socket, "create_connection", hangs)
    with pytest.raises(ToolTimeout, match="took longer than 0.2 s"):
        connect_public(PAGE, Deadline(0.2, "the page"))


def test_each_address_has_its_share_of_the_time(monkeypatch) -> None:
    shares = []

    def refused(place, timeout):
        shares.append(timeout)
        raise OSError("refused")

    monkeypatch.setattr(connections.socket, "create_connection", refused)
    with pytest.raises(NoReply, match="refused|OSError"):
        connections._connected(["1.1.1.1", "8.8.8.8", "9.9.9.9"], 443, Deadline(9.0, "it"))
    assert shares == pytest.approx([3.0, 4.5, 9.0], abs=0.1)
