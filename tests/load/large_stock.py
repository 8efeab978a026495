"""A hub of very many positions in minutes: one SKU is booked by the kernel, and copied in both stores.

Each SKU has a receipt at four locations and one sale, and is shown by four pools. Copied are its hash, its place in the
locations' sets, and its rows of events, movements and what was shown, so that a verification reads as much as of a hub
that booked them; the copies' events have no dedupe records, of which a verification looks at some hundreds.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from bare_stores import BareStores
from hub_process import LOCATIONS, PLENTY, POOLS, house, now, sku
from redis.asyncio import Redis

from hub.domain.command import Fact, Line
from hub.domain.entry import Seq
from hub.domain.rules import House
from hub.journal.reader import Tail, reading_client
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.opening import open_ledger
from hub.ledger.rows import EVENT_COLUMNS, MOVEMENT_COLUMNS, SHOWN_COLUMNS
from hub.ledger.writer import LedgerWriter
from hub.settings import load
from hub.stock import keys
from hub.stock.kernel import Kernel

PLACES = LOCATIONS[:4]
# Events of each SKU: the receipt and the sale.
_EVENTS = 2
_PATIENCE_SECONDS = 60.0
_PER_PIPELINE = 5_000
_COPY_SECONDS = 1_800

# Table → its columns, and what a copy has in them where that is not the same; `number` is the copy's.
_SKU = "'SKU-' || lpad(number::text, 6, '0')"
_COPIES = {
    "event": (EVENT_COLUMNS, {"id": "id || '-' || number"}),
    "movement": (MOVEMENT_COLUMNS, {"sku": _SKU}),
    "shown": (SHOWN_COLUMNS, {"sku": _SKU}),
}


def rules_of(folder: Path) -> House:
    """The measured house."""
    config = folder / "hub.toml"
    config.write_text(house(PLACES, POOLS))
    return House(load(config, {}).house, datetime.now(UTC))


async def fill(stores: BareStores, folder: Path, skus: int) -> None:
    """Make stock of so many SKUs in both stores, which are empty."""
    rules = rules_of(folder)
    connection = await asyncpg.connect(stores.dsn, server_settings={"jit": "off"})
    hub = (await open_ledger(connection)).hub
    async with Redis.from_url(stores.redis_url) as client:
        await client.flushall()
        kernel = Kernel(client)
        await kernel.open(hub, 1, rules, create=True)
        lines = [Line(sku(0), place, PLENTY) for place in PLACES]
        await kernel.call([_fact("receipt", lines, kernel), _fact("sale", lines[:1], kernel)], rules)
        await _posted(stores, Seq(1, _EVENTS))
        await asyncio.gather(_copy_rows(connection, skus), _copy_hashes(client, skus))
        # One more by the kernel itself, so that the journal ends in what the ledger has.
        await client.hset(keys.META, "next", _EVENTS * skus + 1)  # type: ignore[misc]
        await client.xtrim(keys.JOURNAL, 0, approximate=False)
        kernel = Kernel(client)
        await kernel.open(hub, 1, rules, create=False)
        await kernel.call([_fact("return", lines[:1], kernel)], rules)
        await _posted(stores, Seq(1, _EVENTS * skus + 1))
    await connection.execute("VACUUM (ANALYZE) hub.movement, hub.shown, hub.event", timeout=_COPY_SECONDS)
    await connection.close()


async def _copy_rows(connection: asyncpg.Connection, skus: int) -> None:
    for table, (columns, changed) in _COPIES.items():
        copied = [changed.get(column, column) for column in columns]
        copied[copied.index("seq")] = f"seq + {_EVENTS} * number"
        await connection.execute(
            f"""INSERT INTO hub.{table} ({", ".join(columns)}) SELECT {", ".join(copied)}
            FROM hub.{table}, generate_series(1, $1::integer) AS number WHERE seq > 0 ORDER BY number, seq""",
            skus - 1,
            timeout=_COPY_SECONDS,
        )
    await connection.execute("UPDATE hub.hub_state SET cursor_seq = $1", _EVENTS * skus)


async def _copy_hashes(client: Redis, skus: int) -> None:
    dump: Any = await client.dump(keys.sku(sku(0)))
    for first in range(1, skus, _PER_PIPELINE):
        numbers = range(first, min(first + _PER_PIPELINE, skus))
        async with client.pipeline(transaction=False) as pipeline:
            for number in numbers:
                pipeline.restore(keys.sku(sku(number)), 0, dump)
            for place in PLACES:
                pipeline.sadd(keys.skus_at(place), *map(sku, numbers))
            await pipeline.execute()


async def _posted(stores: BareStores, last: Seq) -> None:
    """Let the ledger's writer take the journal up to a place."""
    async with reading_client(stores.redis_url) as client:
        watermark, link = Watermark(), Link(stores.dsn, "writer", only_adds=True)
        writer = LedgerWriter(link, lambda after: Tail(client, keys.JOURNAL, after), watermark)
        task = asyncio.create_task(writer.run())
        assert await watermark.wait(last, _PATIENCE_SECONDS), writer.last_error
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await link.aclose()


def _fact(verb: Any, lines: Sequence[Line], kernel: Kernel) -> Fact:
    changed = tuple(line if verb == "receipt" else Line(line.sku, line.location, 1) for line in lines)
    payload = (
        f'{{"id":"till-7-{verb}","lines":[{{"quantity":1,"sku":"{sku(0)}"}}],"location":"{PLACES[0]}",'
        f'"pool":"online","time":"{now()}","type":"{verb}"}}'
    )
    return Fact(
        *(verb, verb, "till-7", f"till-7-{verb}", f"{len(verb):032x}", kernel.booked_at_ms, kernel.booked_at_ms),
        ledger_checked=True,
        payload=payload,
        pool="online" if verb == "sale" else "",
        lines=changed,
    )
