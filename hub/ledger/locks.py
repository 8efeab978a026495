"""Names that one process at a time holds: who holds one may write, over the connection that holds it.

A held name is an advisory lock of one connection: when that ends, so do the lock and the right to write, and another
process holds it within seconds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b

import asyncpg

from hub.faults import Unavailable
from hub.ledger.connection import Link

_LOCK, _UNLOCK = "SELECT pg_try_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"


class Locks:
    """One connection and the names that it holds, for any number of callers in turn; close it."""

    def __init__(self, link: Link, *, person: bytes, doing: str) -> None:
        self._link = link
        # What the names are of, 16 bytes at most; and what begins the sentence of a fault.
        self._person = person
        self._doing = doing
        self._turn = asyncio.Lock()
        # The connection that holds locks, and for which names.
        self._locked_on: asyncpg.Connection | None = None
        self._locked: set[str] = set()

    async def hold(self, name: str, prepare: str = "") -> bool:
        """Hold a name, unless another process does; `prepare` is said once to each new connection.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        async with self.use() as connection:
            if self._locked_on is not connection:
                if prepare:
                    await connection.execute(prepare)
                self._locked_on, self._locked = connection, set()
            if name not in self._locked and await connection.fetchval(_LOCK, self._number_of(name)):
                self._locked.add(name)
            return name in self._locked

    async def release(self, name: str) -> None:
        """Let another process hold it."""
        if self._holds(name):
            # A connection made anew just now has no lock, and says so: a warning in Postgres's log.
            async with self.use() as connection:
                self._locked.discard(name)
                await connection.execute(_UNLOCK, self._number_of(name))

    @asynccontextmanager
    async def use(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, whoever holds what."""
        async with self._turn, self._link.use(self._doing) as connection:
            yield connection

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        """The connection, while this process holds the name. Raises Unavailable: another may hold it now."""
        if not self._holds(name):
            raise Unavailable(f"another process may hold {name} now")
        async with self.use() as connection:
            if connection is not self._locked_on:
                raise Unavailable(f"another process may hold {name} now")
            yield connection

    async def aclose(self) -> None:
        """Close the connection, and let other processes hold its names."""
        self._locked_on, self._locked = None, set()
        await self._link.aclose()

    def _holds(self, name: str) -> bool:
        connection = self._locked_on
        return connection is not None and not connection.is_closed() and name in self._locked

    def _number_of(self, name: str) -> int:
        digest = blake2b(name.encode(), digest_size=8, person=self._person).digest()
        return int.from_bytes(digest, signed=True)
