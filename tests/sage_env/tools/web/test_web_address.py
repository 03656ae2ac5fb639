"""Laws of `sage_env.tools.web.web_address`: what is public, in whatever way it is spelled."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.errors import ToolInputError
from sage_env.tools.web.web_address import MAX_ADDRESS, is_public, read_address

PRIVATE = """0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.9.9.9
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1
100::1 2001::1 2001:0:7f00:1:: 2001:db8::1 2002:7f00:1:: 2002:808:808:: 3fff::1 fc00::1 fd12::1
fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff02::1 4000::1""".split()
PUBLIC = """1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
128.0.0.0
172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
223.255.255.255 2001:200::1 2606:4700::1 2a00:1450::5 2003::1""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_internet_is_refused(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    for scheme in ("http", "https"):
        with pytest.raises(ToolInputError):
            read_address(f"{scheme}://{host}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_of_the_internet_is_not(address: str) -> None:
    assert is_public(address)
    assert read_address(f"http://{f'[{address}]' if ':' in address else address}").host == address


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_special(address) -> None:
    special = (address.is_private, address.is_loopback, address.is_link_local, address.is_reserved,
               address.is_multicast, address.is_unspecified)  # fmt: skip
    if any(special):
        assert not is_public(str(address))
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    assert not (mapped and is_public(str(address)))


@given(st.integers(0, 2**32 - 1))
def test_a_number_is_no_host_however_it_is_spelled(number: int) -> None:
    """What `inet_aton` reads and other programs may not: decimal, hexadecimal, octal, short."""
    a, b, c, d = ipaddress.IPv4Address(number).packed
    octal, short = f"0{a:o}.{b}.{c}.{d}", f"{a}.{number & 0xFFFFFF}"
    for host in (str(number), hex(number), octal, short, f"{hex(a)}.{b}.{c}.{d}", f"0x{a:x}.1",
                 f"{a}.{b}.{c}.{hex(d)}", f"{a}.{b}.{c}.0x"):  # fmt: skip
        with pytest.raises(ToolInputError):
            read_address(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    """http://localhost/ http://LOCALHOST./ http://a.localhost/ http://printer.local/ http://intranet/
    http://metadata.google.internal/ http://router.home.arpa/ http://127.0.0.1./ http://0x7f.1/
    http://2130706433/ http://017700000001/ http://127.1/ http://１２７.0.0.1/ http://127。0。0。1/
    http://①②⑦.0.0.1/ http://user@example.com/ http://user:pw@example.com/ http://@example.com/
    http://example.com@127.0.0.1/ http://127.0.0.1\\@example.com/ http://example.com\\.evil.com/
    http:///path http:example.com //example.com/ example.com ftp://example.com/ file:///etc/passwd
    gopher://example.com/ javascript:alert(1) data:text/html,x unix:///run/x http://example.com:22/
    http://example.com:8080/ https://example.com:0/ http://example.com:99999/ http://example.com:x/
    http://example..com/ http://example.com../ http://-a.com/ http://%6cocalhost/ http://[::1]/
    http://[::1%25lo]/ http://[::]/ http://[127.0.0.1]/ http://::1/ http://a"b.com/ http:// ?
    #""".split(),
)
def test_odd_spellings_are_refused(url: str) -> None:
    with pytest.raises(ToolInputError):
        read_address(url)


@pytest.mark.parametrize(
    "odd",
    ["http://exa mple.com/", "http://example.com/\r\nX: y", "", " ", "http://example.com/\ta"]
    + ["http://example.com/" + "a" * MAX_ADDRESS, "http://a\u2028.com", "http://\ud800.com/"],
)
def test_blanks_controls_and_length_are_refused(odd: str) -> None:
    with pytest.raises(ToolInputError, match="^url must"):
        read_address(odd)


def test_a_public_address_is_read_in_one_way() -> None:
    found = read_address(" HTTPS://Bücher.Example.COM.:443/a b".replace(" b", "/ü?q=é#part"))
    assert found.url == "https://xn--bcher-kva.example.com/a/%C3%BC?q=%C3%A9"
    assert read_address("http://example.com").url == "http://example.com/"
    assert read_address("http://example.com:443/x").authority == "example.com:443"
    assert read_address("https://[2606:4700::1]:80/").authority == "[2606:4700::1]:80"


def test_what_a_page_leads_to_is_read_the_same_way() -> None:
    base = read_address("https://example.com/a/b?c")
    assert read_address("../d", base).url == "https://example.com/d"
    assert read_address("//other.org/x", base).url == "https://other.org/x"
    for bad in ("http://127.0.0.1/", "//localhost/", "//user@example.com", "file:///etc/passwd"):
        with pytest.raises(ToolInputError):
            read_address(bad, base)
