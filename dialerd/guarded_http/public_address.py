"""Which addresses may be asked at all: those that the whole world may ask. Judged by their looks alone, nothing is looked up.

What counts as public is the registries of special-purpose addresses (IANA, RFC 6890), spelled out here, for Python's
own `is_global` differs between versions.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from yarl import URL

from dialerd.errors import DialerdError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LONGEST_URL = 2_000
_NUMERIC = re.compile(r"[0-9.]+|.*:.*", re.ASCII)

_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # looks public, is the host of a virtual machine in Azure
        # 6to4 and Teredo (in 2001::/23) wrap an IPv4 address that somebody else's relay would unwrap.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_IPV6_UNICAST = IPv6Network("2000::/3")
"""All that was ever handed out. Loopback, link-local, private and multicast addresses are outside of it."""
_NAT64 = IPv6Network("64:ff9b::/96")


class UrlRefused(DialerdError):
    """This address may not be asked. Name another one, or allow its network in crm.allowed_networks or webhooks.allowed_networks."""


def url_problem(url: str) -> str | None:
    """What is wrong with the URL by its looks, as the rest of a sentence; None if nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
        yarl_host = URL(url).host
    except ValueError:
        return "is not a URL"
    checks = (
        (len(url) <= LONGEST_URL, f"is longer than {LONGEST_URL} characters"),
        (url.isprintable() and " " not in url, "has a blank or a control character in it"),
        (parts.scheme in ("http", "https"), "begins with neither http:// nor https://"),
        (bool(parts.hostname), "names no host"),
        ("@" not in parts.netloc, "has a user or a password in it: a credential belongs into a header"),
        (port != 0, "has a port that there is not"),
        # Two readers that understand a host differently are how a check is led astray.
        ("\\" not in url and _same_host(parts.hostname, yarl_host), "names a host that can be read in two ways"),
        (_is_usual_host(parts.hostname or ""), "has an address that is not written as usual, like 198.51.100.7"),
    )
    return next((problem for holds, problem in checks if not holds), None)


def _same_host(one: str | None, other: str | None) -> bool:
    if not one or not other:
        return one == other
    try:
        return URL.build(scheme="http", host=one).host == other
    except ValueError:
        return False


def _is_usual_host(host: str) -> bool:
    """An address in digits is one in the usual form, without a zone; 2130706433 and 127.1 are forms to hide it."""
    if not _NUMERIC.fullmatch(host):
        return True
    return _address(host) is not None and "%" not in host


def origin_of(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def why_not_public(address: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why this address may not be asked, as the rest of a sentence; None where it may."""
    parsed = _address(address)
    if parsed is None:
        return "is no address"
    inner = _unwrapped(parsed)
    if any(one in network for network in allowed for one in (parsed, inner)):
        return None
    outside = isinstance(inner, IPv6Address) and inner not in _IPV6_UNICAST
    if outside or any(inner in network for network in _NOT_PUBLIC):
        return "is not a public address"
    return None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that a connection to this one ends at, where the network or our own system translates."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def raise_unless_public(address: str, allowed: Sequence[Network], *, name: str = "") -> None:
    """Raises UrlRefused."""
    if why := why_not_public(address, allowed):
        who = f"{name} is {address}, which" if name and name != address else address
        raise UrlRefused(
            f"{who} {why}: name another host, or allow its network in crm.allowed_networks or webhooks.allowed_networks"
        )


def raise_unless_askable(url: str, allowed: Sequence[Network]) -> None:
    """Raises UrlRefused. An address that is written in digits never meets the resolver, so it is judged here."""
    if problem := url_problem(url):
        raise UrlRefused(f"the URL {problem}")
    host = host_of(url)
    if _NUMERIC.fullmatch(host):
        raise_unless_public(host, allowed)
