"""Read what the partition remembers beside positions and views, byte for byte, for whoever checks it.

A value that stands where Redis cannot read it is `NO_RECORD`, bytes that are no record.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hub.domain.entry import FIELD, Seq
from hub.domain.remembering import DAY_MS
from hub.domain.verifying_records import (
    ALIASES,
    CATALOGUE,
    COUNTS,
    EXPECTED,
    HOLDS,
    OF_THE_DAY,
    ORDERS,
    OWNERS,
    SERIALS,
    SHORTFALLS,
    TRANSFERS,
    VOIDS,
    Remembered,
    Seen,
)
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.inspecting import META_FIELDS, SCAN_COUNT, before_of, meta_of
from hub.stock.reading import reading

NO_RECORD = b"\xc1"
# Live days of dedupe records that are looked at, the newest.
DAYS_MAX = 10
# Each a hash of its own.
HASHES = {
    TRANSFERS: keys.TRANSFERS,
    VOIDS: keys.VOIDS,
    COUNTS: keys.COUNTS,
    SERIALS: keys.SERIALS,
    CATALOGUE: keys.CATALOGUE,
    ALIASES: keys.ALIASES,
    HOLDS: keys.HOLDS,
    OWNERS: keys.OWNERS,
    ORDERS: keys.ORDERS,
    SHORTFALLS: keys.SHORTFALLS,
}


class Moment(msgspec.Struct, frozen=True):
    """Some values, and where the partition was when they were read."""

    # Entries before it are in what was read, none after.
    before: Seq
    # The first live day of dedupe records, and the one of the newest entry.
    seen_from: int
    today: int
    # In the order of the question.
    values: list[bytes | None]


class Remembering:
    """Reads of one partition's records; for one user at a time."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def moment(self, reads: Iterable[tuple[str, str]] = ()) -> Moment:
        """The fields of some hashes, given as (key, field), at one moment.

        Raises:
            ServerRefused: what the partition says of itself cannot be read.
            Unavailable: Redis did not answer, here and below.
        """
        with reading():
            async with self._client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.META, [*META_FIELDS, "seen_from", "booked_at"])
                transaction.xrevrange(keys.JOURNAL, count=1)
                for key, field in reads:
                    transaction.hget(key, field)
                told, last, *values = await transaction.execute(raise_on_error=False)
        *about, seen_from, booked_at = told
        try:
            days = int(seen_from or b"0"), int(booked_at or b"0") // DAY_MS
        except ValueError:
            raise ServerRefused(f"what {keys.META} says of days cannot be read") from None
        readable = [NO_RECORD if isinstance(value, Exception) else value for value in values]
        return Moment(before_of(meta_of(about), last), *days, readable)

    async def records(self, records: Iterable[Remembered]) -> Moment:
        """What is stored of these records now."""
        return await self.moment(place_of(each.table, each.field, each.day) for each in records)

    async def table(self, table: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """The fields and values of one of `HASHES`, in pages; one may come twice.

        Raises:
            ServerRefused: it is no hash.
        """
        cursor = 0
        while True:
            with reading():
                try:
                    found: Any = await self._client.hscan(HASHES[table], cursor, count=SCAN_COUNT)
                except ResponseError as error:
                    raise ServerRefused(f"the table {table} cannot be read: {error}") from error
            cursor, page = int(found[0]), list(found[1].items())
            if page:
                yield page
            if not cursor:
                return

    async def some_seen(self, count_per_day: int) -> tuple[Moment, list[Seen]]:
        """Some dedupe records of each live day, taken at random, and a moment after they were read."""
        days = await self.moment()
        found: list[Seen] = []
        for day in range(max(days.seen_from, days.today - DAYS_MAX + 1), days.today + 1):
            with reading():
                try:
                    flat: Any = await self._client.hrandfield(keys.seen(day), count_per_day, withvalues=True)
                except ResponseError as error:
                    raise ServerRefused(f"the dedupe records of the day {day} cannot be read: {error}") from error
            found += [Seen(field, packed) for field, packed in zip(flat[::2], flat[1::2], strict=True)]
        return await self.moment(), found

    async def journalled(self, places: Sequence[Seq]) -> dict[Seq, bytes]:
        """The journal's entries at some places, as far as it has them."""
        with reading():
            async with self._client.pipeline(transaction=False) as pipeline:
                for place in places:
                    pipeline.xrange(keys.JOURNAL, place.stream_id, place.stream_id)
                rows = await pipeline.execute()
        return {place: row[0][1].get(FIELD, b"") for place, row in zip(places, rows, strict=True) if row}

    async def open_counts(self) -> set[Seq]:
        """The counts that are open: the entries that opened them; what names none is left out."""
        with reading():
            try:
                found: Any = await self._client.hkeys(keys.COUNTS)
            except ResponseError:
                return set()
        return {place for name in found if (place := _place(name)) is not None}


def place_of(table: str, field: str, day: int = 0) -> tuple[str, str]:
    """The key and field of a record; `day` is the one that a record among the dedupe records was booked on."""
    if table == EXPECTED:
        return keys.sku(field), keys.EXPECTED_FIELD.decode()
    if table in OF_THE_DAY:
        return keys.seen(day), keys.day_field(table, field)
    return HASHES[table], field


def revision_of(sku: str) -> tuple[str, str]:
    """The key and field of what a SKU's hash says of its description."""
    return keys.sku(sku), keys.REVISION_FIELD.decode()


def _place(name: bytes) -> Seq | None:
    try:
        return Seq.from_stream_id(name)
    except ValueError:
        return None
