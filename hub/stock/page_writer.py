"""Write a partition that is made anew page by page, and only while nobody else began to make it anew.

Whoever heals may stand still for any time and lose its lock meanwhile; then another heals, the partition is open, and
nothing of this attempt may reach it any more. So every step is a transaction that depends on the attempt's token.
"""

from asyncio import timeout
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, WatchError

from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.restored import Args, Writes, packed

# A page's writes reach the disk, and all of them are read back, within this time.
ANSWER_SECONDS = 30.0
DISTURBED = "another process began to heal Redis, or emptied it, meanwhile"

_HEALING = keys.HEALING.encode()
_GUARD = packed([(b"WATCH", _HEALING), (b"GET", _HEALING)])
_BEGIN: list[Args] = [(b"CLIENT", b"REPLY", b"OFF"), (b"MULTI",)]
_END: list[Args] = [(b"EXEC",), (b"CLIENT", b"REPLY", b"ON")]


class PageWriter:
    """The writes of one attempt, which holds the token. `aclose` at the end."""

    def __init__(self, client: Redis, token: bytes) -> None:
        self._client = client
        self._token = token
        self._connection: Any = None

    async def write(self, writes: Writes) -> list[Any]:
        """Write in one transaction, which is one write to disk, and ask; what writes answer is left unread.

        redis-py's pipeline would take longer for each command than Redis does.

        Raises:
            Unavailable: another attempt began, or Redis does not answer, here and below.
        """
        sent = packed([*_BEGIN, *writes.commands, *_END, *(question for question, _ in writes.questions)])
        with asking():
            if self._connection is None:
                self._connection = await self._client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            try:
                if (await self._exchange(_GUARD, 2))[1] != self._token:
                    raise Unavailable(DISTURBED, 5)
                return (await self._exchange(sent, 1 + len(writes.questions)))[1:]
            except BaseException:
                # What it would answer next belongs to these questions.
                await self._connection.disconnect(nowait=True)
                raise

    async def unlink(self, names: Sequence[bytes]) -> None:
        """Take keys away.

        Raises:
            Unavailable: as `write`.
        """
        with asking():
            async with self._client.pipeline(transaction=True) as transaction:
                await transaction.watch(keys.HEALING)
                if await transaction.get(keys.HEALING) != self._token:
                    raise Unavailable(DISTURBED, 5)
                transaction.multi()  # type: ignore[no-untyped-call]
                transaction.unlink(*names)
                await transaction.execute()

    async def aclose(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._client.connection_pool.release(connection)

    async def _exchange(self, sent: bytes, answers: int) -> list[Any]:
        await self._connection.send_packed_command(sent, check_health=False)
        # One deadline for all answers: one for each would take longer than reading them.
        async with timeout(ANSWER_SECONDS):
            return [await self._connection.read_response(timeout=inf) for _ in range(answers)]


@contextmanager
def asking() -> Iterator[None]:
    """Turn what redis-py raises into the hub's faults.

    Raises:
        Unavailable: Redis does not answer, or another process changed what was watched.
    """
    try:
        yield
    except WatchError as error:
        raise Unavailable(DISTURBED, 5) from error
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer while it is healed: {type(error).__name__}", 5) from error
