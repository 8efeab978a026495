"""Ask the ledger which records its entries set, for whoever checks them: the entries themselves, newest first.

Most entries set none. Postgres leaves those out by looking for the tables' names in their bytes, so that a check of a
large ledger reads all of it once, and sends and decodes little of it.
"""

from collections.abc import AsyncIterator, Iterable, Sequence

import asyncpg

from hub.domain.entry import PARTITION, Seq
from hub.ledger.connection import Link

# Numbers that one question is about.
NUMBERS_PER_SELECT = 2_000
_DOING = "The ledger cannot be asked what is remembered"

# What may set a record is never left out; a payload that happens to say a table's name comes along.
_NAMES = "position({} in entry) > 0"

_RANGE = "partition = $1 AND epoch = $2 AND seq >= $3 AND seq < $4"
# What was set aside is no entry for the ledger, but the kernel wrote it.
_ENTRIES = f"""SELECT seq, entry FROM hub.event WHERE {_RANGE} AND ({{names}})
    UNION ALL SELECT seq, entry FROM hub.poison WHERE {_RANGE} AND ({{names}})
    ORDER BY seq"""

_LAST_OF = "SELECT max(seq) FROM hub.event WHERE partition = $1 AND epoch = $2"

_AT = """SELECT epoch, seq, entry FROM hub.event
    WHERE partition = $1 AND (epoch, seq) IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))
    UNION ALL SELECT epoch, seq, entry FROM hub.poison
    WHERE partition = $1 AND (epoch, seq) IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))"""

_SALES = """SELECT asked.source, asked.id, found.entry
    FROM unnest($2::text[], $3::text[]) AS asked(source, id)
    CROSS JOIN LATERAL (
        SELECT entry FROM hub.event
        WHERE event.source = asked.source AND event.id = asked.id AND partition = $1 AND kind = 'fact'
          AND type = 'sale' AND (epoch, seq) < ($4, $5)
        LIMIT 1) AS found"""

_RECEIVED = """SELECT movement.sku, movement.location, event.about, sum(movement.quantity) AS units
    FROM hub.movement
    JOIN hub.event USING (partition, epoch, seq)
    WHERE movement.sku = ANY($2::text[]) AND partition = $1 AND (epoch, seq) < ($3, $4)
      AND movement.from_bucket = 'supplier' AND event.type = 'receipt' AND event.about IS NOT NULL
    GROUP BY movement.sku, movement.location, event.about"""


class Recorded:
    """What one partition's entries set. For one user at a time; its link is another's to close."""

    def __init__(self, link: Link, partition: int = PARTITION) -> None:
        self._link = link
        self._partition = partition

    async def newest_first(self, tables: Sequence[str], before: Seq) -> AsyncIterator[list[tuple[Seq, bytes]]]:
        """The entries before a place that may have set a record of these tables, in pages, the newest first.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        for epoch in range(before.epoch, 0, -1):
            end = before.number if epoch == before.epoch else await self._after_last(epoch)
            while end > 0:
                first = max(0, end - NUMBERS_PER_SELECT)
                if page := await self._between(tables, epoch, first, end):
                    yield page[::-1]
                end = first

    async def between(self, tables: Sequence[str], first: Seq, before: Seq) -> AsyncIterator[list[tuple[Seq, bytes]]]:
        """Those from one place on and before another of the same epoch, in pages and in order."""
        for start in range(first.number, before.number, NUMBERS_PER_SELECT):
            end = min(start + NUMBERS_PER_SELECT, before.number)
            if page := await self._between(tables, before.epoch, start, end):
                yield page

    async def _after_last(self, epoch: int) -> int:
        async with self._link.use(_DOING) as connection:
            last = await connection.fetchval(_LAST_OF, self._partition, epoch)
        return 0 if last is None else int(last) + 1

    async def _between(self, tables: Sequence[str], epoch: int, first: int, end: int) -> list[tuple[Seq, bytes]]:
        names = [_packed(table) for table in tables]
        select = _ENTRIES.format(
            names=" OR ".join(_NAMES.format(f"${5 + number}::bytea") for number in range(len(names)))
        )
        async with self._link.use(_DOING) as connection:
            rows = await connection.fetch(select, self._partition, epoch, first, end, *names)
        return [(Seq(epoch, row["seq"], self._partition), row["entry"]) for row in rows]

    async def at(self, places: Iterable[Seq]) -> dict[Seq, bytes]:
        """The entries at some places, as far as they are there."""
        asked = list(places)
        epochs, numbers = [place.epoch for place in asked], [place.number for place in asked]
        async with self._link.use(_DOING) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(_AT, self._partition, epochs, numbers)
        return {Seq(row["epoch"], row["seq"], self._partition): row["entry"] for row in rows}

    async def sales(self, ids: Iterable[tuple[str, str]], before: Seq) -> dict[tuple[str, str], bytes]:
        """The entries of those (source, id) that are sales and were booked before a place."""
        asked = [(source, id) for source, id in ids if "\0" not in source + id]
        sources, names = [source for source, _ in asked], [id for _, id in asked]
        async with self._link.use(_DOING) as connection:
            rows = await connection.fetch(_SALES, self._partition, sources, names, before.epoch, before.number)
        return {(row["source"], row["id"]): row["entry"] for row in rows}

    async def received(self, skus: Iterable[str], before: Seq) -> dict[str, dict[tuple[str, str], int]]:
        """By SKU and (location, purchase order): units that receipts before a place brought."""
        asked = [sku for sku in skus if "\0" not in sku]
        async with self._link.use(_DOING) as connection:
            rows = await connection.fetch(_RECEIVED, self._partition, asked, before.epoch, before.number)
        found: dict[str, dict[tuple[str, str], int]] = {}
        for row in rows:
            found.setdefault(row["sku"], {})[row["location"], row["about"]] = int(row["units"])
        return found


def _packed(table: str) -> bytes:
    """A table's name as an entry has it: text of less than 32 bytes, packed."""
    name = table.encode()
    assert len(name) < 32
    return bytes((0xA0 | len(name),)) + name
