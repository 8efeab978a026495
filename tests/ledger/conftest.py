"""What the ledger's tests share: an open ledger, sales written to the journal, and writers that run meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, FORMAT, Entry, EntryAlert, Movement, Seq, encode_entry
from hub.journal.reader import Tail, reading_client
from hub.journal.watermark import Watermark
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.opening import open_ledger
from hub.ledger.writer import ENTRIES_PER_BATCH_MAX, LedgerWriter, Trims
from tests.conftest import until_holds

KEY = "hub:{0}:journal"
NOVEMBER_MS = 1_795_600_000_000

PATIENCE_SECONDS = 60


def sale(number: int, **changes: object) -> Entry:
    """A sale of two bags of which the book had one."""
    fields: dict[str, object] = {
        "format": FORMAT,
        "kind": "fact",
        "type": "sale",
        "source": "till-7",
        "id": f"sale-{number}",
        "hash": "0123456789abcdef",
        "time_ms": NOVEMBER_MS + number,
        "booked_at_ms": NOVEMBER_MS + number,
        "rules_version": 1,
        "payload": '{"id":"sale"}',
        "skus": ("BAG-NOIR",),
        "lines": ((0, 2),),
        "movements": (
            Movement(0, "LON-KNB", "free", "customer", 1),
            Movement(0, "LON-KNB", "deficit", "customer", 1),
        ),
        "alerts": (EntryAlert("discrepancy", 0, "LON-KNB", 1),),
    }
    return Entry(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
async def asking(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[Asking]:
    """Who asks the ledger, as the hub's doors do."""
    opened = Asking(Link(postgres_dsn, "asking"), deadline_seconds=5)
    yield opened
    await opened.aclose()


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture
def make_sale() -> Callable[..., Entry]:
    return sale


@pytest.fixture
def write(redis_client: Redis) -> Callable[..., Awaitable[None]]:
    """Write entries, or raw bytes, to the journal from a number on."""

    async def append(first: int, *entries: Entry | bytes, epoch: int = 1) -> None:
        async with redis_client.pipeline(transaction=False) as pipeline:
            for number, entry in enumerate(entries, first):
                raw = entry if isinstance(entry, bytes) else encode_entry(entry)
                pipeline.xadd(KEY, {FIELD: raw}, id=f"{epoch}-{number}")
            await pipeline.execute()

    return append


@pytest.fixture
def write_sales(write: Callable[..., Awaitable[None]]) -> Callable[[int, int], Awaitable[None]]:
    """Write the sales from one number up to, not including, another."""

    async def append(first: int, end: int) -> None:
        await write(first, *(sale(number) for number in range(first, end)))

    return append


@pytest.fixture
async def ledger(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to look into a ledger that has been opened."""
    connection = await asyncpg.connect(postgres_dsn)
    await open_ledger(connection)
    yield connection
    await connection.close(timeout=5)


class Running:
    """A writer that runs, and what it has committed."""

    def __init__(self, writer: LedgerWriter, watermark: Watermark, task: asyncio.Task[None]) -> None:
        self.writer = writer
        self.watermark = watermark
        self.task = task

    async def reaches(self, number: int, epoch: int = 1) -> None:
        """Wait until the entry is in the ledger."""
        assert await self.watermark.wait(Seq(epoch, number), PATIENCE_SECONDS), self.writer.last_error

    async def halts(self) -> None:
        """Wait until the writer posts nothing any more."""

        async def is_halted() -> bool:
            return self.writer.state == "halted"

        await until_holds(is_halted)


@pytest.fixture
def run_writer(
    ledger: asyncpg.Connection, postgres_dsn: str, redis_url: str
) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """Run a writer while the block lasts."""

    @asynccontextmanager
    async def run(
        trim: Trims | None = None, dsn: str = postgres_dsn, batch_max: int = ENTRIES_PER_BATCH_MAX
    ) -> AsyncIterator[Running]:
        async with reading_client(redis_url) as client:
            watermark = Watermark()
            link = Link(dsn, "writer", only_adds=True)
            writer = LedgerWriter(
                link, lambda after: Tail(client, KEY, after), watermark, trim=trim, entries_per_batch_max=batch_max
            )
            task = asyncio.create_task(writer.run())
            try:
                yield Running(writer, watermark, task)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return run
