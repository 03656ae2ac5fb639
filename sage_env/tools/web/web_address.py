"""Addresses that an agent may name: read once, in one way, and public or refused.

Whatever is spelled so that two programs could read it differently (a user name before the host, a
backslash, a number in place of a dotted address) is refused rather than interpreted. Which networks
are public is that of IANA's registries of special-purpose addresses (RFC 6890):
https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from sage_env.errors import ToolInputError

MAX_ADDRESS = 2_048
"""Most characters of an address: longer ones are no pages that a search gives. A choice."""
PORTS = (80, 443)
"""Ports at which pages are read; services on others are none of an agent's business. A choice."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label like these makes it an address
_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"\u2028\u2029\ud800-\udfff]")
_SAFE_PATH, _SAFE_QUERY = "/%:@!$&'()*+,;=~", "/%:@!$&'()*+,;=~?[]"
# RFC 6761 and 6762, 7686 (onion), 8375 (home.arpa); `internal` is set aside by ICANN
_NOT_PUBLIC_NAMES = ("localhost", "local", "internal", "home.arpa", "onion", "invalid", "test")
_NOT_PUBLIC_V4 = tuple(
    map(
        ip_network,
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 "
        "192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 "
        "192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 "
        "240.0.0.0/4".split(),
    )
)
_UNICAST_V6 = ip_network("2000::/3")
"""The only block from which IPv6 addresses of the internet are given; loopback, IPv4 inside IPv6
(`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`), link-local, private and multicast lie outside."""
_NOT_PUBLIC_V6 = tuple(
    map(ip_network, "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20".split())
)
"""Inside that block: Teredo and other protocols, documentation, 6to4, AS112, documentation."""


@dataclass(frozen=True)
class WebAddress:
    """The address of a page.

    Attributes:
        scheme: `http` or `https`.
        host: in ASCII, lower case, without a dot at its end; an IPv6 address without brackets.
        port: number.
        target: path and query, quoted.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return host and port as the `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address as text."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read_address(url: str, base: WebAddress | None = None) -> WebAddress:
    """Return an address whose form is one of a public page; its host is not looked up.

    Args:
        url: absolute, or relative to `base`.
        base: where it was found, e.g. the page that redirects to it.

    Raises:
        ToolInputError: saying what is wrong with it.
    """
    text = url.strip()
    if not text or len(text) > MAX_ADDRESS or _ODD.search(text):
        raise ToolInputError(
            f"url must be an address of 1 to {MAX_ADDRESS} characters without blanks, backslashes "
            f"and quotes, got {_shown(text)}"
        )
    try:
        parts = urlsplit(text if base is None else urljoin(base.url, text))
        port = parts.port
    except ValueError as error:
        raise ToolInputError(f"url cannot be read ({error}): {_shown(text)}") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ToolInputError(f"url must begin with https:// or http://, got {_shown(text)}")
    if "@" in parts.netloc:
        raise ToolInputError("url must have no user name or password before its host")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    if port not in PORTS:
        raise ToolInputError(f"url must be of the port 80 or 443, got {port}")
    return WebAddress(parts.scheme, _host(parts), port, _target(parts))


def is_public(address: str) -> bool:
    """Return whether an IP address, as text, is one of the internet.

    >>> [is_public(x) for x in ("8.8.8.8", "10.0.0.1", "2606:4700::1", "::ffff:8.8.8.8")]
    [True, False, True, False]
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_V4)
    inside = found in _UNICAST_V6 and not found.scope_id
    return inside and not any(found in network for network in _NOT_PUBLIC_V6)


def _host(parts: SplitResult) -> str:
    """Return the host of an address, if it may be one of the internet."""
    written = parts.hostname or ""
    if "[" in parts.netloc or ":" in written:
        return _literal(written)
    try:
        host = written.encode("idna").decode("ascii").lower()  # full-width digits become digits
    except UnicodeError:
        host = ""
    host = host.removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ToolInputError(f"url must name a host, got {_shown(written)}")
    if _NUMERIC.fullmatch(labels[-1]):
        return _literal(host)
    if len(labels) < 2 or any(f".{host}".endswith(f".{name}") for name in _NOT_PUBLIC_NAMES):
        raise ToolInputError(f"url must be of the public web, and {_shown(host)} is not")
    return host


def _literal(host: str) -> str:
    """Return an IP address as it is usually written, if it is public."""
    try:
        found: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        raise ToolInputError(
            f"url must name a host, or an address like 192.0.2.1 in full, got {_shown(host)}"
        ) from None
    if not is_public(str(found)):
        raise ToolInputError(f"url must be of the public web, and {found} is not")
    return str(found)


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_SAFE_PATH)
    query = quote(parts.query, safe=_SAFE_QUERY)
    return (path if path.startswith("/") else f"/{path}") + (f"?{query}" if query else "")


def _shown(text: str) -> str:
    """Return a text in quotes, cut: it goes into a message to the agent."""
    return ascii(text if len(text) <= 80 else f"{text[:80]}…")
