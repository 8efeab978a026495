"""Addresses of the doors: taken before anything is started, and told as others reach them."""

import errno
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from hub.faults import SettingsInvalid


def host_of(address: str) -> str:
    """The host of `host:port`, an IPv6 one without its brackets."""
    return address.rpartition(":")[0].strip("[]")


def port_of(address: str) -> int:
    """The port of `host:port`."""
    return int(address.rpartition(":")[2])


@contextmanager
def listening(address: str) -> Iterator[None]:
    """Turn what the system says of an address into a sentence about the setting.

    Raises:
        SettingsInvalid: the address cannot be listened on.
    """
    try:
        yield
    except OSError as error:
        why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsInvalid(f"cannot listen on {address}: {why}") from error


def bound(exits: AsyncExitStack, address: str, *, shared: bool = False) -> socket.socket:
    """Take an address before anything is started, so that a port in use costs nothing but a sentence.

    `shared`: other processes of this user may take it too; among those that listen the system divides who connects.

    Raises:
        SettingsInvalid: the address cannot be listened on.
    """
    host = host_of(address)
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    exits.callback(taken.close)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with listening(address):
        taken.bind((host, port_of(address)))
    return taken


def reserved(exits: AsyncExitStack, address: str) -> str:
    """Keep an address for processes that share it, and say which it is, a port of 0 being a free one by now.

    Raises:
        SettingsInvalid: the address cannot be listened on.
    """
    if port_of(address):
        # A program that shares it too would not be noticed.
        bound(exits, address).close()
    taken = bound(exits, address, shared=True)
    return f"{address.rpartition(':')[0]}:{taken.getsockname()[1]}"


def url_at(scheme: str, taken: socket.socket) -> str:
    """The address of a socket, as a program on this machine reaches it."""
    host, port = taken.getsockname()[:2]
    return url_of(scheme, host, port)


def url_of(scheme: str, host: str, port: int) -> str:
    """The address as a program on this machine reaches it; nobody can connect to "every address"."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
