"""A lease in Redis: which process of a hub does what one process does for all.

Who has it says so again every second; of whom nothing was heard for three seconds has it no more. It saves work and
protects nothing: whatever is done under it may be done by two processes for a moment, as when one stood still and does
not know yet that another took over.
"""

from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import WatchError

from hub.stock import keys
from hub.stock.reading import reading

LEASE_MS = 3_000


class Lease:
    """One process's part in it."""

    def __init__(self, client: Redis, *, lease_ms: int = LEASE_MS) -> None:
        self._client = client
        self._lease_ms = lease_ms
        # What this process is called by whoever looks who has it.
        self._process = uuid4().hex

    async def hold(self) -> bool:
        """Take it if nobody has it, or go on having it; whether this process has it now.

        Raises:
            Unavailable: Redis does not answer, here and below.
        """
        with reading():
            if await self._client.set(keys.DUTY, self._process, nx=True, px=self._lease_ms):
                return True
            return await self._while_held("pexpire", keys.DUTY, self._lease_ms)

    async def take(self) -> None:
        """Take it from whoever has it: from one that is known to have ended."""
        with reading():
            await self._client.set(keys.DUTY, self._process, px=self._lease_ms)

    async def give_back(self) -> None:
        """Have it no more, so that another takes it at once."""
        with reading():
            await self._while_held("delete", keys.DUTY)

    async def _while_held(self, command: str, *arguments: object) -> bool:
        """Send a command that takes effect only while this process has the lease; whether it has."""
        async with self._client.pipeline(transaction=True) as transaction:
            await transaction.watch(keys.DUTY)
            if await transaction.get(keys.DUTY) != self._process.encode():
                return False
            transaction.multi()  # type: ignore[no-untyped-call]
            getattr(transaction, command)(*arguments)
            try:
                await transaction.execute()
            except WatchError:
                # It ended just then.
                return False
        return True
