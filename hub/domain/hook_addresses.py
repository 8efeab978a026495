"""Which addresses a hook may reach: the open network, and what an operator names. Pure.

Whoever may write a hook's address must not reach with it what only this machine can: its own doors, its neighbours,
the metadata of a cloud. So an address is judged as it is connected to, however it was spelled.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

HTTPS, HTTP = "https", "http"

# This host, private, carrier-grade NAT, loopback, link-local (metadata), protocols, documentation, 6to4 relays,
# benchmarks, multicast, reserved; and the one address of a cloud's inside that looks like the open network.
_INNER_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
# Everything that may ever be the open network, and what of it is not: protocols (Teredo among them), documentation,
# and 6to4, which carries any IPv4 address.
_OPEN_V6 = IPv6Network("2000::/3")
_INNER_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# A network without IPv4 reaches it through these; the address is in the last four bytes.
_NAT64 = IPv6Network("64:ff9b::/96")
# Spellings of an IPv4 address that programs in C understand: one to four numbers, octal or hexadecimal too.
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks of these texts, like "10.1.0.0/16"; a single address is one too.

    Raises:
        ValueError: one is no network.
    """
    return tuple(ip_network(text) for text in texts)


def may_reach(address: Address, allowed: Sequence[Network], *, scheme: str = HTTPS) -> bool:
    """Whether a hook may be sent there: http only to what an operator allows, https also to the open network."""
    if any(address in network for network in allowed):
        return True
    return scheme == HTTPS and _is_open(address)


def _is_open(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INNER_V4)
    if address in _NAT64:
        return _is_open(IPv4Address(address.packed[-4:]))
    return address in _OPEN_V6 and not any(address in network for network in _INNER_V6)


def mistake_in(url: str, allowed: Sequence[Network]) -> str | None:
    """What is wrong with a hook's address, as far as its text says; None where nothing is. Quotes none of it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "must be an address with https://"
    if not host or not url.isascii() or not url.isprintable() or "\\" in url:
        return "must be an address with https://"
    if parts.username is not None or parts.password is not None:
        return "must name nobody before its host: what proves the sender is the signature"
    address = _literal(host)
    if address is None:
        if _NUMERIC.fullmatch(host):
            return "must have a host that is a name, or an address in its usual form"
        if parts.scheme == HTTP and not allowed:
            return "must begin with https://; http:// is for networks that [hub] hooks_may_reach names"
        return None
    if may_reach(address, allowed, scheme=parts.scheme):
        return None
    if may_reach(address, ()):
        return "must begin with https://; http:// is for networks that [hub] hooks_may_reach names"
    return "must not be inside the hub's own network; where it is meant, name the network in [hub] hooks_may_reach"


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def host_in(url: str) -> str:
    """What may be told of a hook's address: its host, and its port where it names one."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port else host
