"""P8: rows a second that the ledger's writer posts while it catches up, beside a bare COPY of the same rows.

The rows are of one-line sales in a house of five locations and four pools, booked by the kernel. The peer copies them
with asyncpg into the same indexed tables of another database, in transactions of as many entries, and does nothing
else: it reads no journal, decodes no entry and keeps no cursor. Both in turn, each run into a new ledger. The second
row is the CPU that both took, of this process and of the stores: it says more than a rate where others work too.

uv run python tests/load/catching_up.py --runs 5
"""

import asyncio
import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
from bare_stores import BareStores, bare_stores
from figures import Options, Row, print_rows, ratios, spread
from hub_process import LOCATIONS, POOLS, house, sku
from processes import cpu_seconds_by_program
from redis.asyncio import Redis

from hub.domain.command import Fact, Line
from hub.domain.entry import FIELD, Seq
from hub.domain.rules import House
from hub.journal.reader import Tail, reading_client
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.months import Months
from hub.ledger.opening import open_ledger
from hub.ledger.rows import EVENT_COLUMNS, MOVEMENT_COLUMNS, SHOWN_COLUMNS, Booking, booking_of, instant
from hub.ledger.writer import ENTRIES_PER_BATCH_MAX, LedgerWriter
from hub.settings import load
from hub.stock import keys
from hub.stock.kernel import Kernel

SALES = 40_000
SKUS = 1_000
_PER_CALL = 500
_PATIENCE_SECONDS = 600.0


async def fill(client: Redis, folder: Path) -> list[Booking]:
    """Write the journal by selling; answers what the ledger makes of it."""
    config = folder / "hub.toml"
    config.write_text(house(LOCATIONS, POOLS))
    rules = House(load(config, {}).house, datetime.now(UTC))
    kernel = Kernel(client)
    await client.flushall()
    await kernel.open(uuid4(), 1, rules, create=True)
    for first in range(0, SALES, _PER_CALL):
        facts = [_sale(number, kernel.booked_at_ms) for number in range(first, first + _PER_CALL)]
        await kernel.call(facts, rules)
    found: Any = await client.xrange(keys.JOURNAL)
    return [booking_of(Seq.from_stream_id(place), fields[FIELD]) for place, fields in found]


def _sale(number: int, now_ms: int) -> Fact:
    """The first half of the calls brings stock, so that sales change what pools show."""
    verb, quantity = ("receipt", 20) if number < SKUS else ("sale", 1)
    line = Line(sku(number % SKUS), LOCATIONS[0], quantity)
    payload = (
        f'{{"id":"till-7-{number:06}","lines":[{{"quantity":{quantity},"sku":"{line.sku}"}}],'
        f'"location":"{line.location}","pool":"online","time":"2026-11-22T10:00:00Z","type":"{verb}"}}'
    )
    return Fact(
        verb=verb,  # type: ignore[arg-type]
        type=verb,
        source="till-7",
        id=f"till-7-{number:06}",
        hash=f"{number:032x}",
        time_ms=now_ms,
        stated_ms=now_ms,
        ledger_checked=True,
        payload=payload,
        pool="online" if verb == "sale" else "",
        lines=(line,),
    )


async def new_ledger(dsn: str) -> tuple[str, asyncpg.Connection]:
    """Another database with the ledger's tables, and a connection to it."""
    name = f"ledger_{uuid4().hex}"
    outside = await asyncpg.connect(dsn)
    await outside.execute(f"CREATE DATABASE {name}")
    await outside.close()
    address = dsn.replace("/hub?", f"/{name}?")
    connection = await asyncpg.connect(address, server_settings={"jit": "off"})
    await open_ledger(connection)
    return address, connection


async def drop_ledger(dsn: str, connection: asyncpg.Connection) -> None:
    """Take it away again, so that its files are no burden to the next run."""
    name = await connection.fetchval("SELECT current_database()")
    await connection.close()
    outside = await asyncpg.connect(dsn)
    await outside.execute("CHECKPOINT")
    await outside.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await outside.close()


class Cost(NamedTuple):
    """What a run took."""

    seconds: float
    # Of this process and of the stores.
    cpu_seconds: float


def _cpu_seconds() -> float:
    return sum(cpu_seconds_by_program(os.getpid()).values())


async def caught_up(redis_url: str, dsn: str, last: Seq) -> Cost:
    """From a writer's start until the ledger has everything."""
    async with reading_client(redis_url) as client:
        watermark = Watermark()
        link = Link(dsn, "writer", only_adds=True)
        writer = LedgerWriter(link, lambda after: Tail(client, keys.JOURNAL, after), watermark)
        started, cpu = time.perf_counter(), _cpu_seconds()
        task = asyncio.create_task(writer.run())
        assert await watermark.wait(last, _PATIENCE_SECONDS), writer.last_error
        cost = Cost(time.perf_counter() - started, _cpu_seconds() - cpu)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return cost


async def copied(connection: asyncpg.Connection, bookings: Sequence[Booking]) -> Cost:
    """Copying the same rows."""
    newest = instant(bookings[-1].booked_at_ms)
    batches = [
        bookings[first : first + ENTRIES_PER_BATCH_MAX] for first in range(0, len(bookings), ENTRIES_PER_BATCH_MAX)
    ]
    ready = [
        (
            [booking.event for booking in batch],
            [row for booking in batch for row in booking.movements],
            [row for booking in batch for row in booking.shown],
        )
        for batch in batches
    ]
    started, cpu = time.perf_counter(), _cpu_seconds()
    await Months().prepare(connection, newest)
    for events, movements, shown in ready:
        async with connection.transaction():
            await _copy(connection, "event", EVENT_COLUMNS, events)
            await _copy(connection, "movement", MOVEMENT_COLUMNS, movements)
            await _copy(connection, "shown", SHOWN_COLUMNS, shown)
    return Cost(time.perf_counter() - started, _cpu_seconds() - cpu)


async def _copy(connection: asyncpg.Connection, table: str, columns: Iterable[str], rows: list[Any]) -> None:
    if rows:
        await connection.copy_records_to_table(table, schema_name="hub", columns=list(columns), records=rows)


async def one_run(stores: BareStores, bookings: Sequence[Booking]) -> tuple[Cost, Cost]:
    """What it took the writer, and the peer."""
    address, connection = await new_ledger(stores.dsn)
    writer = await caught_up(stores.redis_url, address, bookings[-1].seq)
    assert await connection.fetchval("SELECT count(*) FROM hub.event") == len(bookings)
    await drop_ledger(stores.dsn, connection)
    _, connection = await new_ledger(stores.dsn)
    peer = await copied(connection, bookings)
    await drop_ledger(stores.dsn, connection)
    return writer, peer


async def _filled(stores: BareStores, folder: Path) -> list[Booking]:
    async with Redis.from_url(stores.redis_url) as client:
        return await fill(client, folder)


def measure(given: Options) -> Iterable[Row]:
    """Measure, alternating."""
    with tempfile.TemporaryDirectory() as name, bare_stores(Path(name)) as stores:
        bookings = stores.run(_filled(stores, Path(name)))
        rows = sum(1 + len(booking.movements) + len(booking.shown) for booking in bookings)
        found = [stores.run(one_run(stores, bookings)) for _ in range(given.runs)]
        writers, peers = ([rows / pair[who].seconds for pair in found] for who in (0, 1))
        yield Row(
            "P8",
            f"rows/s while the ledger catches up with {len(bookings):,} entries, {rows / len(bookings):.1f} rows each",
            f"{spread(writers)}/s",
            f"bare COPY {spread(peers)}/s",
            spread(ratios(writers, peers), 2),
            "≥ 0.6",
        )
        spent, bare = ([pair[who].cpu_seconds / len(bookings) * 1e6 for pair in found] for who in (0, 1))
        yield Row(
            "—",
            "CPU for an entry of them, with the stores",
            f"{spread(spent)} µs",
            f"bare COPY {spread(bare)} µs",
            spread(ratios(spent, bare), 2),
            "—",
        )


def profile() -> None:
    """Where the writer's time goes, of one run."""
    with tempfile.TemporaryDirectory() as name, bare_stores(Path(name)) as stores:
        bookings = stores.run(_filled(stores, Path(name)))
        address, connection = stores.run(new_ledger(stores.dsn))
        profiler = cProfile.Profile()
        profiler.enable()
        stores.run(caught_up(stores.redis_url, address, bookings[-1].seq))
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        stores.run(drop_ledger(stores.dsn, connection))


if __name__ == "__main__":
    profile() if "--profile" in sys.argv else print_rows(__doc__, measure)
