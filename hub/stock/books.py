"""Read what the book says of many SKUs at one moment, and which moment that is, so that the ledger can be asked.

A read of its own beside `hub.stock.reads`: the positions and the number of the next entry must be of one moment.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.domain.position import Position
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.reading import reading

# Read in one go; Redis answers nobody else meanwhile, so it is a fraction of a millisecond.
SKUS_AT_ONCE_MAX = 100

_decode_position = msgspec.msgpack.Decoder(Position).decode


class Page(msgspec.Struct, frozen=True):
    """Positions as they all were at one moment."""

    # Of the entry that comes next.
    following: Seq
    # In the order they were asked for; None where there never was one.
    positions: list[Position | None]
    # The entries that opened counts which were not closed yet.
    open_counts: frozenset[int]

    def waits_for_count(self, position: Position) -> bool:
        """Whether the newest count of the position was not closed yet, so that its book is not final."""
        return position.counted_by in self.open_counts


class Books:
    """The books of one partition."""

    def __init__(self, client: Redis, kernel: Kernel) -> None:
        self._client = client
        self._kernel = kernel

    async def page(self, location: str, skus: Sequence[str]) -> Page:
        """The positions of these SKUs at one location; at most `SKUS_AT_ONCE_MAX`.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        if len(skus) > SKUS_AT_ONCE_MAX:
            raise ValueError(f"more than {SKUS_AT_ONCE_MAX} SKUs at once")
        floor = self._kernel.floor
        field = keys.POSITION_FIELD + location.encode()
        with reading():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hmget(keys.META, ["epoch", "next"])
                pipeline.hkeys(keys.COUNTS)
                for sku in skus:
                    pipeline.hget(keys.sku(sku), field)
                (epoch, following), counts, *packed = await pipeline.execute()
        self._kernel.check_open((epoch, following), floor)
        return Page(
            Seq(int(epoch), int(following)),
            [None if found is None else _decode_position(found) for found in packed],
            frozenset(_number(name) for name in counts),
        )


def _number(stream_id: Any) -> int:
    return Seq.from_stream_id(stream_id).number
