"""Where a hook's address leads: every address of its name is judged, and judged again where the socket is made.

A name may lead to the open network when it is looked at and inside when it is connected to. So what is connected to is
an address that was judged, and nothing is looked up in between.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from hub.domain.hook_addresses import Network, may_reach

# The addresses of a name and a port.
LookUp = Callable[[str, int], Awaitable[list[str]]]
# A name that leads to more is no receiver's.
ADDRESSES_MAX = 32


class AddressRefused(OSError):
    """A hook's address leads where hooks may not reach."""


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system finds them.

    Each question has a thread of its own, which ends with the process: one that hangs must hold up nobody else's.

    Raises:
        OSError: it leads nowhere.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def answer(addresses: list[str] | None, error: OSError | None) -> None:
        if not found.done():
            found.set_result(addresses or []) if error is None else found.set_exception(error)

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            told: tuple[list[str] | None, OSError | None] = [str(info[4][0]) for info in infos], None
        except (OSError, UnicodeError) as error:
            told = None, error if isinstance(error, OSError) else OSError("the name is none")
        if not loop.is_closed():
            loop.call_soon_threadsafe(answer, *told)

    threading.Thread(target=ask, name="hook address", daemon=True).start()
    return await found


class Resolving(AbstractResolver):
    """Judges the addresses of one hook; for one event loop."""

    def __init__(self, scheme: str, allowed: Sequence[Network], look_up: LookUp = look_up) -> None:
        self._scheme = scheme
        self._allowed = allowed
        self._look_up = look_up
        # Asked several times at once, asked once: also when the one who asked gave up.
        self._asked: asyncio.Task[list[str]] | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name.

        Raises:
            AddressRefused: any of them is not to be reached.
            OSError: it leads nowhere.
        """
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(self._look_up(host, port))
            # A fault that nobody waits for any more is nobody's.
            self._asked.add_done_callback(lambda done: done.cancelled() or done.exception())
        addresses = list(dict.fromkeys(await asyncio.shield(self._asked)))[:ADDRESSES_MAX]
        for address in addresses:
            self.check(address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    def make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for an address that is about to be connected to, whoever found it.

        Raises:
            AddressRefused: it is not to be reached.
        """
        family, kind, proto, _, place = info
        self.check(str(place[0]))
        return socket.socket(family, kind, proto)

    def check(self, address: str) -> None:
        """Make sure that an address may be reached. Raises AddressRefused."""
        try:
            is_allowed = may_reach(ip_address(address), self._allowed, scheme=self._scheme)
        except ValueError:
            is_allowed = False
        if not is_allowed:
            raise AddressRefused("its name leads to an address that hooks may not reach")

    async def close(self) -> None:
        """Look nothing up any more."""
        if self._asked is not None:
            self._asked.cancel()
