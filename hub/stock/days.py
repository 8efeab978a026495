"""What lies among the dedupe records of the live days, which is forgotten with them."""

from collections.abc import Callable, Sequence
from time import time
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.remembering import DAY_MS
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.reading import reading

_decode: Callable[[bytes], Any] = msgspec.msgpack.decode


def now_ms(kernel: Kernel) -> int:
    """The kernel's clock, UTC milliseconds, as far as this process can tell.

    It is known only from the last call; after a quiet night that would be far behind.
    """
    return max(kernel.booked_at_ms, int(time() * 1000))


async def in_days(client: Redis, kernel: Kernel, fields: Sequence[str]) -> dict[str, Any]:
    """What the live days have under these fields; a later day's is the newer.

    Raises:
        Unavailable: Redis did not answer.
    """
    if not fields:
        return {}
    with reading():
        async with client.pipeline(transaction=False) as pipeline:
            for day in range(kernel.seen_from, now_ms(kernel) // DAY_MS + 2):
                pipeline.hmget(keys.seen(day), list(fields))
            rows = await pipeline.execute()
    found: dict[str, Any] = {}
    for row in rows:
        found |= {field: _decode(packed) for field, packed in zip(fields, row, strict=True) if packed}
    return found
