"""Both stores opened as the hub opens them, on real servers, with everything that works on them but no door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub.domain.catalogue import HouseSettings
from hub.domain.command import Fact, Line
from hub.settings import HubSettings, LimitsSettings, Settings
from hub.stock.outcome import Outcome
from hub.stores import Stores
from hub.tasks import end
from hub.telemetry import Metrics
from tests.databases import closed_database
from tests.stock.partition import HOUSE

PATIENCE_SECONDS = 60


class OpenStores:
    """Open stores, and what tests ask of them."""

    def __init__(self, stores: Stores, dsn: str) -> None:
        self.stores = stores
        self.dsn = dsn
        self.booking = stores.booking
        self.reads = stores.reads
        self.kernel = stores.kernel

    def fact(self, id: str, *lines: Line, **changes: Any) -> Fact:
        """A receipt of one bag now, or what `changes` make of it."""
        now_ms = self.kernel.booked_at_ms
        parts: dict[str, Any] = {
            "verb": "receipt",
            "type": "receipt",
            "source": "till",
            "id": id,
            "hash": "content-1",
            "time_ms": now_ms,
            "stated_ms": now_ms,
            "ledger_checked": False,
            "payload": "{}",
            "lines": lines or (Line("BAG", "LON", 1),),
            **changes,
        }
        return Fact(**parts)

    async def book(self, *facts: Fact) -> list[Outcome]:
        return await self.booking.book(facts)

    async def ledger_has_all(self) -> None:
        # As Redis has it: the answer to a call that wrote may still be on its way here.
        newest = await self.reads.last_seq()
        assert await self.stores.watermark.wait(newest, PATIENCE_SECONDS), self.stores.writer.last_error

    @asynccontextmanager
    async def ledger_away(self) -> AsyncIterator[None]:
        """The ledger's database lets nobody in."""
        async with closed_database(self.dsn):
            yield


@asynccontextmanager
async def opened(
    redis_url: str,
    dsn: str,
    house: HouseSettings = HOUSE,
    *,
    writes: bool = True,
    folder: Path | None = None,
    **limits: Any,
) -> AsyncIterator[OpenStores]:
    """Open both stores for a house; at the end everything that was started has ended.

    One that does not write posts nothing to the ledger: what is booked is only in Redis. What is noted of answers is
    in the folder; without one it is gone at the end.
    """
    async with AsyncExitStack() as exits:
        own = folder or Path(exits.enter_context(TemporaryDirectory(prefix="hub-stores-")))
        settings = Settings(hub=HubSettings(data_dir=own), limits=LimitsSettings(**limits), house=house)
        stores = Stores(settings, Metrics())
        await stores.open(exits, redis_url, dsn)
        jobs = [stores.batcher.run(), stores.closer.run(), *([stores.writer.run()] if writes else [])]
        tasks = [asyncio.create_task(job) for job in jobs]
        exits.push_async_callback(end, tasks)
        yield OpenStores(stores, dsn)
