"""Read what pools show and what lies where, straight from the kernel's own keys.

Reads use a connection of their own, so a long list never waits behind a sale or makes one wait.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import time
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.domain.entry import Seq
from hub.domain.pools import View
from hub.domain.position import Position
from hub.domain.shown import item, position_item
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.batcher import Batcher
from hub.stock.kernel import CLOSED, Kernel, Refresh, RulesChanged
from protocol.answers import AvailabilityItem, PositionItem

log = structlog.get_logger()

# How long the sweep waits for a store that is away or busy.
SWEEP_PAUSE_SECONDS = 1.0
# The share of the time that the sweep takes, and an import, so that sales do not feel them.
BULK_SHARE = 0.2

_decode_view = msgspec.msgpack.Decoder(View).decode
_decode_position = msgspec.msgpack.Decoder(Position).decode


class Reads:
    """Reads of one partition."""

    def __init__(self, client: Redis, kernel: Kernel, batcher: Batcher) -> None:
        self._client = client
        self._kernel = kernel
        self._batcher = batcher

    async def read(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        """What the pool shows of each SKU, in their order; the pool is one of the house's.

        A SKU whose views are of older rules is recomputed first, so nobody is shown a number by rules that no
        longer hold.

        Raises:
            Unavailable: Redis did not answer, or is not the one this process works with.
        """
        rows = await self._rows(pool, skus)
        stale = [sku for sku, (rules, _) in zip(skus, rows, strict=True) if self._is_stale(rules)]
        if stale:
            try:
                await self._refresh(list(dict.fromkeys(stale)))
            except RulesChanged as fault:
                raise Unavailable(str(fault), 5) from fault
            rows = await self._rows(pool, skus)
        house = self._batcher.house
        never_shown = View(available=-1) if house.pools[house.pool_index[pool]].show_status else View()
        now_ms = int(time() * 1000)
        return [
            item(sku, _decode_view(packed) if packed else never_shown, self._kernel.epoch, now_ms=now_ms)
            for sku, (_, packed) in zip(skus, rows, strict=True)
        ]

    def _is_stale(self, rules: bytes | None) -> bool:
        return rules is not None and int(rules) != self._kernel.rules_version

    async def _rows(self, pool: str, skus: Sequence[str]) -> list[tuple[bytes | None, bytes | None]]:
        fields = (keys.RULES_FIELD, keys.VIEW_FIELD + pool.encode())
        return [(row[0], row[1]) for row in await self._hashes([(keys.sku(sku), fields) for sku in skus])]

    async def _hashes(self, wanted: Sequence[tuple[str, Sequence[bytes]]]) -> list[list[bytes | None]]:
        """Several fields of several hashes in one round trip, and the proof that this is our Redis."""
        floor = self._kernel.floor
        with _reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hmget(keys.META, ["epoch", "next"])
                for key, fields in wanted:
                    pipeline.hmget(key, fields)
                meta, *rows = await pipeline.execute()
        self._check(meta, floor)
        return rows

    def _check(self, meta: Sequence[bytes | None], floor: int) -> None:
        """Refuse a Redis that lacks what was answered before it was asked; what came meanwhile it need not have."""
        epoch, following = meta
        if epoch is None or int(epoch) != self._kernel.epoch or int(following or 0) < floor:
            raise Unavailable("Redis has lost stock that was already answered", 5)

    async def positions_of(self, sku: str) -> list[PositionItem]:
        """Every position of a SKU, by location."""
        with _reading():
            fields: dict[Any, Any] = await self._client.hgetall(keys.sku(sku))
        found = [
            position_item(sku, field[len(keys.POSITION_FIELD) :].decode(), _decode_position(packed))
            for field, packed in fields.items()
            if field.startswith(keys.POSITION_FIELD)
        ]
        return sorted(found, key=lambda position: position.location)

    async def skus_at(self, location: str, cursor: int, count: int) -> tuple[int, list[str]]:
        """A stretch of the SKUs that have a position at the location, sorted, and the cursor of the next; 0 ends.

        The stretch may be longer than `count`. A SKU that is there all the while is met at least once.
        """
        with _reading():
            scanned: Any = await self._client.sscan(keys.skus_at(location), cursor, count=count)
        following, found = scanned
        return int(following), sorted(name.decode() for name in found)

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
            position_item(sku, location, _decode_position(row[0]))
            for sku, row in zip(skus, rows, strict=True)
            if row[0] is not None
        ]

    async def closed_because(self) -> str | None:
        """Why an event would not be taken now; None when it would. Asks Redis, because nobody else may be asking."""
        floor = self._kernel.floor
        try:
            meta: Any = await self._client.hmget(keys.META, ["epoch", "next", "rules", "halted"])
            self._check(meta[:2], floor)
        except RedisError:
            return "Redis does not answer"
        except Unavailable as fault:
            return str(fault)
        if meta[3] is not None:
            return CLOSED["halted"]
        return CLOSED["stale_rules"] if self._is_stale(meta[2]) else None

    async def last_seq(self) -> Seq:
        """The newest change of the partition."""
        floor = self._kernel.floor
        with _reading():
            meta: Any = await self._client.hmget(keys.META, ["epoch", "next"])
        self._check(meta, floor)
        return Seq(int(meta[0]), int(meta[1]) - 1)

    async def sweep(self, on_progress: Callable[[int], None] = lambda count: None) -> None:
        """Recompute every SKU whose views are of older rules; a SKU in between is recomputed when touched.

        A store that is away or busy is waited for. It ends early when another process changes the rules, which
        then sweeps by its own.
        """
        while True:
            try:
                await self._sweep(on_progress)
                return
            except Unavailable as fault:
                log.warning("the sweep begins again", reason=str(fault))
            except RulesChanged as fault:
                log.warning("the sweep ends", reason=str(fault))
                return
            await asyncio.sleep(SWEEP_PAUSE_SECONDS)

    async def _sweep(self, on_progress: Callable[[int], None]) -> None:
        batch: list[str] = []
        with _reading():
            async for key in self._client.scan_iter(match=keys.ANY_SKU, count=500):
                batch.append(keys.sku_name(key))
                if len(batch) >= 200:
                    on_progress(await self._refresh_stale(batch))
                    batch = []
        on_progress(await self._refresh_stale(batch))

    async def _refresh_stale(self, skus: list[str]) -> int:
        rows = await self._hashes([(keys.sku(sku), (keys.RULES_FIELD,)) for sku in skus])
        stale = [sku for sku, row in zip(skus, rows, strict=True) if self._is_stale(row[0])]
        await self._refresh(stale, share=BULK_SHARE)
        return len(stale)

    async def _refresh(self, skus: Sequence[str], share: float = 1) -> None:
        """Recompute the SKUs, one call of the kernel after the other, in the given share of the time."""
        clock = asyncio.get_running_loop().time
        size = self._batcher.refreshes_per_call()
        for start in range(0, len(skus), size):
            began = clock()
            await self._batcher.submit([Refresh(sku) for sku in skus[start : start + size]])
            if share < 1:
                await asyncio.sleep((clock() - began) * (1 / share - 1))


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("Redis did not answer a read") from error
