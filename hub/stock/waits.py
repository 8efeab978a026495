"""What waits in Redis for a fact that never comes: found step by step, and forgotten by the kernel.

The kernel alone decides what has waited for too long, by its own clock; a look ahead only spares it the question.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain import transit, voids
from hub.domain.lapsing import is_overdue
from hub.stock import keys
from hub.stock.batcher import Batcher
from hub.stock.message import Lapse
from hub.stock.outcome import Applied, Broken
from hub.stock.reading import reading

FIELDS_PER_STRETCH = 100

_KEYS = {transit.OPEN: keys.TRANSFERS, voids.WAITING: keys.VOIDS}
_decode: Callable[[bytes], Any] = msgspec.msgpack.decode


class Waits:
    """What waits in one partition."""

    def __init__(self, client: Redis, batcher: Batcher, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._batcher = batcher
        # UTC milliseconds, as near to the kernel's clock as anybody can tell without asking.
        self._now_ms = now_ms

    async def overdue(self, table: str, cursor: int) -> tuple[int, list[str]]:
        """Fields of a stretch of a table where something waits for too long, and the cursor of the next; 0 ends.

        Raises:
            Unavailable: Redis did not answer.
        """
        with reading():
            scanned: Any = await self._client.hscan(_KEYS[table], cursor, count=FIELDS_PER_STRETCH)
        following, found = scanned
        now_ms = self._now_ms()
        return int(following), [field.decode() for field, packed in found.items() if _is_overdue(table, packed, now_ms)]

    async def lapse(self, table: str, fields: Sequence[str]) -> tuple[int, int]:
        """Forget what waits under these fields for too long; answers for how many that was done, and failed.

        Raises:
            Unavailable: Redis did not answer; some may be done, and to ask again is safe.
        """
        outcomes = await self._batcher.submit([Lapse(table, field) for field in fields])
        done = sum(isinstance(outcome, Applied) for outcome in outcomes)
        return done, sum(isinstance(outcome, Broken) for outcome in outcomes)


def _is_overdue(table: str, packed: bytes, now_ms: int) -> bool:
    """Whether something waits there for too long; what cannot be read is for `hub verify` to find."""
    try:
        return is_overdue(table, _decode(packed), now_ms)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, LookupError):
        return False
