"""Read what pools show and what lies where, straight from the kernel's own keys.

Reads use a connection of their own, so a long list never waits behind a sale or makes one wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import time
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from hub.domain.entry import Seq
from hub.domain.expected import ExpectedLine
from hub.domain.explain import Whole
from hub.domain.pools import View
from hub.domain.serials import Piece, field_of
from hub.domain.shown import item, position_item
from hub.domain.transit import Record
from hub.faults import Unavailable
from hub.patience import attempts
from hub.stock import keys, unpacked
from hub.stock.batcher import Batcher
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.kernel import CLOSED, Kernel
from hub.stock.message import Refresh
from hub.stock.outcome import Stale
from hub.stock.reading import reading
from hub.stock.walk import Walk
from protocol.answers import AvailabilityItem, PositionItem

# About so many in one step of a scan: each may name 2,000 SKUs.
TRANSFERS_PER_STRETCH = 100
# SKUs whose purchase orders are read at once: each may have 232 lines.
SKUS_PER_LOOK = 500

_decode_piece = msgspec.msgpack.Decoder(Piece).decode
_decode_transfer = msgspec.msgpack.Decoder(Record).decode

CHANGES_TOO_FAST = "the house's rules change faster than they could be read by"
# Whose Redis it is, how far it is, which house it holds, and since when what was never shown has its rev.
META_FIELDS = ("epoch", "next", "document", "lost_epoch")


class About(NamedTuple):
    """What the partition says of itself beside what is read of it."""

    # Of the house's document: what is read is not older than the house.
    token: str
    lost_epoch: int


class Reads:
    """Reads of one partition."""

    def __init__(
        self, client: Redis, kernel: Kernel, batcher: Batcher, current: CurrentHouse, described: Described
    ) -> None:
        self._client, self._kernel = client, kernel
        self.walk = Walk(client, kernel)
        self._current = current
        self._described = described
        self._batcher = batcher

    async def read(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        """What the pool shows of each SKU, in their order; nothing when the house has no such pool (any more).

        A SKU whose views are of older rules is recomputed first, and by another process's newer house this one reads
        again, so nobody is shown a number by rules that no longer hold.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        fields = (keys.RULES_FIELD, keys.VIEW_FIELD + pool.encode())
        wanted = [(keys.sku(sku), fields) for sku in skus]
        for _ in attempts():
            about, rows = await self._hashes_and_meta(wanted)
            if about.token != self._current.token:
                await self._current.catch_up()
                continue
            stale = [sku for sku, row in zip(skus, rows, strict=True) if self._is_stale(row[0])]
            if not stale:
                return self._items(pool, skus, [row[1] for row in rows], about.lost_epoch)
            await self.refresh(list(dict.fromkeys(stale)))
        raise Unavailable(CHANGES_TOO_FAST)

    def _items(
        self, pool: str, skus: Sequence[str], views: Sequence[bytes | None], lost_epoch: int
    ) -> list[AvailabilityItem]:
        house = self._current.house
        index = house.pool_index.get(pool)
        if index is None:
            return []
        never_shown = View(available=-1) if house.pools[index].show_status else View()
        read = [
            unpacked.view_of(sku, pool, view) if view else never_shown for sku, view in zip(skus, views, strict=True)
        ]
        epoch, now_ms = self._kernel.epoch, int(time() * 1000)
        return [
            item(sku, view, epoch, now_ms=now_ms, lost_epoch=lost_epoch) for sku, view in zip(skus, read, strict=True)
        ]

    def _is_stale(self, rules: bytes | None) -> bool:
        return rules is not None and int(rules) != self._kernel.rules_version

    async def _hashes(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        """Several fields of several hashes in one round trip, and the proof that this is our Redis."""
        return (await self._hashes_and_meta(wanted))[1]

    async def _hashes_and_meta(
        self, wanted: Sequence[tuple[str, Sequence[bytes]]]
    ) -> tuple[About, list[list[bytes | None]]]:
        """As `_hashes`, after what the partition says of itself."""
        floor = self._kernel.floor
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.META, META_FIELDS)
                for key, fields in wanted:
                    pipeline.hmget(key, fields)
                meta, *rows = await pipeline.execute()
        return self._about(meta, floor), rows

    def _about(self, meta: Sequence[bytes | None], floor: int) -> About:
        self._kernel.check_open(meta[:2], floor)
        return About((meta[2] or b"").decode(), int(meta[3] or 0))

    async def positions_of(self, sku: str) -> list[PositionItem]:
        """Every position of a SKU, by location."""
        _, fields = await self._fields_and_meta(sku)
        found = [
            position_item(sku, location, position) for location, position in unpacked.positions_in(sku, fields).items()
        ]
        return sorted(found, key=lambda position: position.location)

    async def whole(self, sku: str) -> Whole:
        """All that is kept of a SKU at one moment, its views by the rules of the house that comes with it.

        Raises:
            Unavailable: Redis did not answer, or the rules changed meanwhile.
        """
        for _ in attempts():
            about, fields = await self._fields_and_meta(sku)
            if about.token != self._current.token:
                await self._current.catch_up()
            elif self._is_stale(fields.get(keys.RULES_FIELD)):
                await self.refresh([sku])
            else:
                return Whole(
                    self._current.house,
                    self._kernel.epoch,
                    sku,
                    unpacked.positions_in(sku, fields),
                    unpacked.views_in(sku, fields),
                    unpacked.expected_of(sku, fields.get(keys.EXPECTED_FIELD)),
                    about.lost_epoch,
                )
        raise Unavailable(CHANGES_TOO_FAST)

    async def _fields_and_meta(self, sku: str) -> tuple[About, dict[bytes, bytes]]:
        """The hash of a SKU, read in one step, after what the partition says of itself."""
        floor = self._kernel.floor
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.META, META_FIELDS)
                pipeline.hgetall(keys.sku(sku))
                meta, fields = await pipeline.execute()
        return self._about(meta, floor), cast(dict[bytes, bytes], fields)

    async def expected_of(self, sku: str) -> list[ExpectedLine]:
        """Every line of a purchase order that is remembered of a SKU, by location and purchase order.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        [lines] = (await self.expected_among([sku])).values()
        return sorted(lines, key=lambda line: (line.location, line.purchase_order))

    async def expected_among(self, skus: Sequence[str]) -> dict[str, list[ExpectedLine]]:
        """The same of several distinct SKUs, in no order.

        Raises:
            Unavailable: as `expected_of`.
        """
        found: dict[str, list[ExpectedLine]] = {}
        for start in range(0, len(skus), SKUS_PER_LOOK):
            some = skus[start : start + SKUS_PER_LOOK]
            rows = await self._hashes([(keys.sku(sku), (keys.EXPECTED_FIELD,)) for sku in some])
            found |= {sku: unpacked.expected_of(sku, packed) for sku, [packed] in zip(some, rows, strict=True)}
        return found

    async def piece(self, sku: str, serial: str) -> Piece | None:
        """Where the piece with this serial number was last; None when no fact ever named it.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        [[packed]] = await self._hashes([(keys.SERIALS, (field_of(sku, serial).encode(),))])
        return None if packed is None else _decode_piece(packed)

    async def transfers(self, cursor: int) -> tuple[int, list[tuple[str, Record]]]:
        """A stretch of the transfers under way, by id, and the cursor of the next; 0 ends.

        One that is there all the while is met at least once.

        Raises:
            Unavailable: Redis did not answer.
        """
        following, found = await self._scanned(
            lambda redis: redis.hscan(keys.TRANSFERS, cursor, count=TRANSFERS_PER_STRETCH)
        )
        return int(following), sorted((id.decode(), _decode_transfer(packed)) for id, packed in found.items())

    async def skus_at(self, location: str, cursor: int, count: int) -> tuple[int, list[str]]:
        """A stretch of the SKUs that have a position at the location, sorted, and the cursor of the next; 0 ends.

        The stretch may be longer than `count`. A SKU that is there all the while is met at least once.
        """
        following, found = await self._scanned(lambda redis: redis.sscan(keys.skus_at(location), cursor, count=count))
        return int(following), sorted(name.decode() for name in found)

    async def _scanned(self, scan: Callable[[Pipeline], object]) -> Any:
        """A stretch of a scan, and the proof that this is our Redis."""
        floor = self._kernel.floor
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.META, ["epoch", "next"])
                scan(pipeline)
                meta, scanned = await pipeline.execute()
        self._kernel.check_open(meta, floor)
        return scanned

    async def positions_at(self, location: str) -> list[PositionItem]:
        """Every position of a location, by SKU."""
        found: set[str] = set()
        cursor = 0
        while True:
            cursor, skus = await self.skus_at(location, cursor, 1000)
            found.update(skus)
            if not cursor:
                return await self.positions_among(location, sorted(found))

    async def positions_among(self, location: str, skus: Sequence[str]) -> list[PositionItem]:
        """The positions of these SKUs at one location, in their order, those that exist."""
        field = (keys.POSITION_FIELD + location.encode(),)
        rows = await self._hashes([(keys.sku(sku), field) for sku in skus])
        return [
            position_item(sku, location, unpacked.position_of(sku, location, row[0]))
            for sku, row in zip(skus, rows, strict=True)
            if row[0] is not None
        ]

    async def closed_because(self) -> str | None:
        """Why an event would not be taken now; None when it would. Asks Redis, because nobody else may be asking."""
        floor = self._kernel.floor
        try:
            meta: Any = await self._client.hmget(keys.META, ["epoch", "next", "halted"])
            self._kernel.check_open(meta[:2], floor)
        except RedisError:
            return "Redis does not answer"
        except Unavailable as fault:
            return str(fault)
        return CLOSED["halted"] if meta[2] is not None else None

    async def last_seq(self) -> Seq:
        """The newest change of the partition."""
        floor = self._kernel.floor
        with reading():
            meta: Any = await self._client.hmget(keys.META, ["epoch", "next"])
        self._kernel.check_open(meta, floor)
        return Seq(int(meta[0]), int(meta[1]) - 1)

    async def stale_among(self, skus: Sequence[str]) -> list[str]:
        """Those of the SKUs whose views are of other rules than this process's."""
        rows = await self._hashes([(keys.sku(sku), (keys.RULES_FIELD,)) for sku in skus])
        return [sku for sku, row in zip(skus, rows, strict=True) if self._is_stale(row[0])]

    async def refresh(self, skus: Sequence[str], share: float = 1) -> None:
        """Recompute the SKUs, one call of the kernel after the other, in the given share of the time.

        Raises:
            Unavailable: Redis did not answer; some are recomputed.
        """
        clock = asyncio.get_running_loop().time
        size = self._batcher.refreshes_per_call()
        for start in range(0, len(skus), size):
            began = clock()
            outcomes = await self._batcher.submit([Refresh(sku) for sku in skus[start : start + size]])
            described_anew = [outcome.sku for outcome in outcomes if isinstance(outcome, Stale)]
            if described_anew:
                await self._described.catch_up(described_anew)
                await self._batcher.submit([Refresh(sku) for sku in described_anew])
            if share < 1:
                await asyncio.sleep((clock() - began) * (1 / share - 1))
