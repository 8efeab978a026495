"""Read who keeps units: one hold or order, all holds in stretches, and those whose time is over."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from hub.domain.entry import Seq
from hub.domain.holding.due import Due
from hub.domain.holding.hold import ENDED, RESERVATION, Hold, hold_from, owners_field
from hub.domain.holding.orders import ENDED_ORDERS, Order, order_from, order_name
from hub.stock import keys
from hub.stock.days import in_days, now_ms
from hub.stock.gathered import Gathered
from hub.stock.kernel import Kernel
from hub.stock.reading import reading

# Holds that are looked at in one step of a list.
STRETCH_HOLDS = 500

_RESERVATIONS = f"{RESERVATION}:"
_decode_hold = msgspec.msgpack.Decoder(Hold).decode
_decode_order = msgspec.msgpack.Decoder(Order).decode
_decode_owned = msgspec.msgpack.Decoder(list[tuple[str, str, int]]).decode


class Place(NamedTuple):
    """Where a stretch of the list begins."""

    # Of the scan of all holds; 0 in the holds of a SKU.
    scan: int = 0
    # What was told last: a name of the scan's stretch, an entry among the holds of a SKU.
    after: str = ""


class Kept(NamedTuple):
    """One hold in a list."""

    place: Place
    name: str
    hold: Hold


class Held:
    """Reads of one partition's holds."""

    def __init__(self, client: Redis, kernel: Kernel) -> None:
        self._client = client
        self._kernel = kernel
        self._gathered = Gathered(self._found)

    def now_ms(self) -> int:
        """The clock by which holds are over, UTC milliseconds, as far as this process can tell."""
        return now_ms(self._kernel)

    @property
    def newest(self) -> Seq:
        """The last entry of the present epoch that this process was answered."""
        return Seq(self._kernel.epoch, self._kernel.floor - 1)

    async def find(self, names: Sequence[str]) -> dict[str, Hold]:
        """The holds among these names that are remembered, live or over.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        return await self._gathered.find(names) if names else {}

    async def _found(self, names: Sequence[str]) -> dict[str, Hold]:
        [rows] = await self._ask(lambda redis: redis.hmget(keys.HOLDS, list(names)))
        found = {name: _decode_hold(packed) for name, packed in zip(names, rows, strict=True) if packed}
        # What ended since the first look is among these.
        fields = {keys.day_field(ENDED, name): name for name in names if name not in found}
        ended = await in_days(self._client, self._kernel, list(fields))
        return found | {fields[field]: hold_from(record[-1]) for field, record in ended.items()}

    async def orders(self, ids: Sequence[str]) -> dict[str, Order]:
        """What is remembered of the orders among these.

        Raises:
            Unavailable: as `find`.
        """
        if not ids:
            return {}
        [rows] = await self._ask(lambda redis: redis.hmget(keys.ORDERS, list(ids)))
        found = {id: _decode_order(packed) for id, packed in zip(ids, rows, strict=True) if packed}
        # What ended since the first look is among these.
        fields = {keys.day_field(ENDED_ORDERS, id): id for id in ids if id not in found}
        ended = await in_days(self._client, self._kernel, list(fields))
        return found | {fields[field]: order_from(record[-1]) for field, record in ended.items()}

    async def order(self, id: str) -> tuple[Order | None, Hold | None]:
        """What is remembered of one order, and what is kept for it, if it was placed, both of one moment.

        Raises:
            Unavailable: as `find`.
        """
        name = order_name(id)
        packed_order, packed_hold = await self._ask(
            lambda redis: redis.hget(keys.ORDERS, id), lambda redis: redis.hget(keys.HOLDS, name), at_once=True
        )
        if packed_order and packed_hold:
            return _decode_order(packed_order), _decode_hold(packed_hold)
        # Both lie among the records of the days once nothing is to come, and change no more but for what comes late.
        orders = {id: _decode_order(packed_order)} if packed_order else await self.orders([id])
        return orders.get(id), (await self.find([name])).get(name)

    async def owned(self, wanted: Sequence[tuple[str, str]]) -> list[list[str]]:
        """For each (owner, pool) the names of the holds that the owner's next, or its order, takes the place of.

        Raises:
            Unavailable: as `find`.
        """
        return [[name for _, name, _ in entries] for entries in await self._entries(wanted)]

    async def replaceable(self, wanted: Sequence[tuple[str, str, str]]) -> list[str]:
        """For each (owner, pool, kind) the name of the hold that the owner's next takes the place of; empty: none.

        Raises:
            Unavailable: as `find`.
        """
        owned = await self._entries([(owner, pool) for owner, pool, _ in wanted])
        # As the kernel, the first of a kind.
        held = [{kind: name for kind, name, is_held in reversed(entries) if is_held} for entries in owned]
        return [names.get(kind, "") for names, (_, _, kind) in zip(held, wanted, strict=True)]

    async def stretch(self, place: Place, sku: str | None = None) -> tuple[list[Kept], Place | None]:
        """Some reservations that units are kept for, of one SKU or of all, and where the next begin; None at the end.

        One that is there all the while is met at least once.

        Raises:
            Unavailable: as `find`.
        """
        return await (self._scanned(place) if sku is None else self._holding(place, sku))

    async def due(self, passed: int, count: int) -> Due:
        """What is over by Redis's clock, at most so many, after as many that were passed over.

        Raises:
            Unavailable: as `find`.
        """
        clock, live, rows = await self._ask(
            lambda redis: redis.time(),
            lambda redis: redis.hlen(keys.HOLDS),
            lambda redis: redis.zrange(keys.EXPIRY, passed, passed + count, withscores=True),
        )
        # As the kernel's, it never goes back.
        clock_ms = max(self._kernel.booked_at_ms, int(clock[0]) * 1000 + int(clock[1]) // 1000)
        over = tuple(name.decode() for name, at_ms in rows if at_ms <= clock_ms)
        left = [int(at_ms) - clock_ms for _, at_ms in rows[len(over) :]]
        return Due(over[:count], 0 if len(over) > count else min(left, default=None), int(live))

    async def _entries(self, wanted: Sequence[tuple[str, str]]) -> list[list[tuple[str, str, int]]]:
        """For each (owner, pool) the (kind, name) of what the owner's next takes the place of."""
        if not wanted:
            return []
        fields = [owners_field(owner, pool) for owner, pool in wanted]
        [rows] = await self._ask(lambda redis: redis.hmget(keys.OWNERS, fields))
        return [_decode_owned(packed) if packed else [] for packed in rows]

    async def _scanned(self, place: Place) -> tuple[list[Kept], Place | None]:
        [(following, rows)] = await self._ask(lambda redis: redis.hscan(keys.HOLDS, place.scan, count=STRETCH_HOLDS))
        names = {name.decode(): packed for name, packed in rows.items()}
        found = [
            Kept(Place(place.scan, name), name, _decode_hold(names[name]))
            for name in sorted(names)
            if name > place.after and name.startswith(_RESERVATIONS)
        ]
        return found, Place(int(following)) if following else None

    async def _holding(self, place: Place, sku: str) -> tuple[list[Kept], Place | None]:
        least, most = f"({sku}\0{place.after}", f"({sku}\x01"
        [entries] = await self._ask(lambda redis: redis.zrangebylex(keys.HELD, least, most, 0, STRETCH_HOLDS))
        places = [Place(0, entry.decode().removeprefix(f"{sku}\0")) for entry in entries]
        names = [each.after.partition("\0")[2] for each in places]
        [rows] = await self._ask(lambda redis: redis.hmget(keys.HOLDS, names)) if names else [[]]
        found = [
            Kept(at, name, _decode_hold(packed))
            for at, name, packed in zip(places, names, rows, strict=True)
            if packed and name.startswith(_RESERVATIONS)
        ]
        return found, places[-1] if len(places) == STRETCH_HOLDS else None

    async def _ask(self, *commands: Callable[[Pipeline], object], at_once: bool = False) -> list[Any]:
        """The answers in one round trip, all of one moment if wanted, and the proof that this is our Redis."""
        floor = self._kernel.floor
        with reading():
            async with self._client.pipeline(transaction=at_once) as pipeline:
                pipeline.hmget(keys.META, ["epoch", "next"])
                for command in commands:
                    command(pipeline)
                meta, *answers = await pipeline.execute()
        self._kernel.check_open(meta, floor)
        return answers
