"""Look up what an event is about before the kernel is asked: the transfer that it is part of.

The kernel touches only keys that it was given, so somebody must know first where a transfer goes. What was looked up
may have changed by the time the kernel is asked; it says so (`look_again`) and writes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import time
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.domain.command import Fact, Transfer
from hub.domain.remembering import DAY_MS
from hub.domain.rules import House
from hub.domain.transfers import CLOSED, Record, with_record
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.outcome import Forbidden, Refused

# Facts that are about an earlier one.
ABOUT_EARLIER = frozenset({"dispatch", "receive"})

# Whether the sender may touch a location.
MayTouch = Callable[[str], bool]
Completed = Fact | Refused | Forbidden

_decode = msgspec.msgpack.decode
_decode_record = msgspec.msgpack.Decoder(Record).decode


class Earlier:
    """Looks up what facts are about, for one partition."""

    def __init__(self, client: Redis, kernel: Kernel) -> None:
        self._client = client
        self._kernel = kernel

    async def complete(self, facts: Sequence[Fact], house: House, may_touch: MayTouch) -> list[Completed]:
        """Complete facts that are about earlier ones, in their order; or say why one cannot be booked.

        What takes effect at a location that the house does not have any more is parked.

        Raises:
            Unavailable: Redis did not answer.
        """
        transfers = await self._transfers([_transfer_of(fact).id for fact in facts])
        completed = [with_record(fact, transfers.get(_transfer_of(fact).id)) for fact in facts]
        return [_checked(fact, house, may_touch) for fact in completed]

    async def _transfers(self, ids: Sequence[str]) -> dict[str, Record]:
        """What is remembered of the transfers among these ids."""
        if not ids:
            return {}
        fields = [keys.day_field(CLOSED, id) for id in ids]
        with _reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                for day in self._days():
                    pipeline.hmget(keys.seen(day), fields)
                pipeline.hmget(keys.TRANSFERS, list(ids))
                *closed, under_way = await pipeline.execute()
        found: dict[str, Record] = {}
        for row in closed:  # a later day's is the newer
            found |= {id: _record_of_day(packed) for id, packed in zip(ids, row, strict=True) if packed}
        return found | {id: _decode_record(packed) for id, packed in zip(ids, under_way, strict=True) if packed}

    def _days(self) -> range:
        """The days whose dedupe records may be in Redis."""
        # As in booking, the kernel's clock is known only from its last call.
        now_ms = max(self._kernel.booked_at_ms, int(time() * 1000))
        return range(self._kernel.seen_from, now_ms // DAY_MS + 2)


def _transfer_of(fact: Fact) -> Transfer:
    assert isinstance(fact.detail, Transfer)
    return fact.detail


def _record_of_day(packed: bytes) -> Record:
    record: Any = _decode(packed)[-1]
    return msgspec.convert(record, Record)


def _checked(fact: Fact, house: House, may_touch: MayTouch) -> Completed:
    places = {line.location for line in fact.lines}
    if not all(map(may_touch, places)):
        return Forbidden("the token does not allow the location where this takes effect")
    if not all(place in house.locations for place in places):
        return msgspec.structs.replace(fact, verb="park", lines=(), detail=None)
    return fact


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("Redis did not answer a read") from error
