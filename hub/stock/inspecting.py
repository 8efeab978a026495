"""Read the partition as it stands, byte for byte, for whoever checks it; nothing here writes or decodes.

Values that must fit each other are read in one transaction. Positions, views and members of locations are never taken
away again, so what needs no more than that is read in a pipeline.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hub.domain.entry import FIELD, Seq
from hub.domain.verifying import RawSku, readable
from hub.domain.verifying_order import GAPS_TOLD_MAX, Gap, Journal, Meta, gaps_between
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.asked_many import asked_many
from hub.stock.reading import reading

# What one step of a scan looks at.
SCAN_COUNT = 500
_JOURNAL_PAGE = 500
META_FIELDS = ("hub", "epoch", "next", "rules", "house", "halted")


class Batch(msgspec.Struct, frozen=True):
    """Some SKUs, and where the journal was at that moment."""

    # Entries before it are in what was read, none after.
    before: Seq
    meta: Meta
    skus: list[RawSku]


class Inspection:
    """Reads of one partition for checks; for one user at a time."""

    def __init__(self, client: Redis) -> None:
        # Whoever reads something else of the partition does so beside it.
        self.client = client

    async def partition(self) -> tuple[Meta | None, Journal]:
        """What the partition says of itself, and its journal.

        Raises:
            ServerRefused: what it says of itself cannot be read.
            Unavailable: Redis did not answer.
        """
        with reading():
            async with self.client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.META, META_FIELDS)
                transaction.xlen(keys.JOURNAL)
                transaction.xrange(keys.JOURNAL, count=1)
                transaction.xrevrange(keys.JOURNAL, count=1)
                meta, length, first, last = await transaction.execute()
        journal = Journal(length, _place(first), _place(last))
        if not journal.is_dense:
            gaps = await self._gaps(journal)
            journal = msgspec.structs.replace(journal, gaps=tuple(gaps))
        return (meta_of(meta) if any(meta) else None), journal

    async def _gaps(self, journal: Journal) -> list[Gap]:
        """Look for missing numbers from the journal's first entry to its last."""
        found: list[Gap] = []
        at = None
        assert journal.last is not None
        while (at is None or at < journal.last) and len(found) < GAPS_TOLD_MAX:
            with reading():
                after = f"({at.stream_id}" if at else "-"
                page: Any = await self.client.xrange(keys.JOURNAL, after, journal.last.stream_id, count=_JOURNAL_PAGE)
            if not page:
                break
            places = [Seq.from_stream_id(place) for place, _ in page]
            found += gaps_between(places, at)
            at = places[-1]
        return found

    async def was_begun_anew(self) -> bool:
        """Whether an attempt to make the partition anew is under way, or was broken off."""
        with reading():
            return bool(await self.client.exists(keys.HEALING))

    async def house(self) -> bytes | None:
        """The document of the house that the partition holds."""
        with reading():
            found: Any = await self.client.get(keys.HOUSE)
        return None if found is None else bytes(found)

    async def newest(self, count: int) -> dict[Seq, bytes]:
        """The newest entries of the journal; one without its field is empty bytes."""
        with reading():
            found: Any = await self.client.xrevrange(keys.JOURNAL, count=count)
        return {Seq.from_stream_id(place): fields.get(FIELD, b"") for place, fields in found}

    async def entries(self, first: Seq, before: Seq) -> AsyncIterator[list[bytes]]:
        """The entries from one place on and before another, in pages."""
        at = first.stream_id
        while True:
            with reading():
                page: Any = await self.client.xrange(keys.JOURNAL, at, f"({before.stream_id}", count=_JOURNAL_PAGE)
            if not page:
                return
            yield [fields.get(FIELD, b"") for _, fields in page]
            at = f"({page[-1][0].decode()}"

    async def skus(self, names: Sequence[str]) -> Batch:
        """Everything that is stored of some SKUs, at one moment.

        Raises:
            ServerRefused: the partition is not there any more.
            Unavailable: Redis did not answer.
        """
        with reading():
            async with self.client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.META, META_FIELDS)
                transaction.xrevrange(keys.JOURNAL, count=1)
                for name in names:
                    transaction.hgetall(keys.sku(name))
                told, last, *rows = await transaction.execute(raise_on_error=False)
        meta = meta_of(told)
        return Batch(before_of(meta, last), meta, [raw_sku(*pair) for pair in zip(names, rows, strict=True)])

    async def fingerprints(self, names: Sequence[str]) -> list[int]:
        """A hash of what is stored of each SKU, each of another moment; 0 where it cannot be read."""
        hashes = await asked_many(self.client, ((b"HGETALL", keys.sku(name).encode()) for name in names))
        return [fingerprint_of(fields) for fields in hashes]

    async def transfers(self, names: Sequence[str]) -> tuple[Seq, list[bytes | None]]:
        """The records of some transfers, None where there is none, and the place of the journal they stand before."""
        with reading():
            async with self.client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.META, META_FIELDS)
                transaction.xrevrange(keys.JOURNAL, count=1)
                transaction.hmget(keys.TRANSFERS, list(names))
                told, last, records = await transaction.execute()
        return before_of(meta_of(told), last), records

    async def transfer_names(self) -> AsyncIterator[list[str]]:
        """The transfers under way, in pages; one may come twice."""
        cursor = 0
        while True:
            with reading():
                found: Any = await self.client.hscan(keys.TRANSFERS, cursor, count=SCAN_COUNT)
            cursor, page = int(found[0]), [readable(name) for name in found[1]]
            if page:
                yield page
            if not cursor:
                return

    async def sku_names(self) -> AsyncIterator[list[bytes]]:
        """The keys of all SKUs, in pages; one may come twice."""
        async for page in self._keys(keys.ANY_SKU):
            yield page

    async def place_keys(self) -> AsyncIterator[list[bytes]]:
        """The keys of all sets of SKUs at a location, in pages; one may come twice."""
        async for page in self._keys(keys.ANY_PLACE):
            yield page

    async def _keys(self, pattern: str) -> AsyncIterator[list[bytes]]:
        cursor = 0
        while True:
            with reading():
                found: Any = await self.client.scan(cursor, match=pattern, count=SCAN_COUNT)
            cursor, page = int(found[0]), list(found[1])
            if page:
                yield page
            if not cursor:
                return

    async def members(self, location: str) -> AsyncIterator[list[bytes]]:
        """The SKUs that are said to have a position at the location, in pages; one may come twice.

        Raises:
            ServerRefused: it is no set.
        """
        cursor = 0
        while True:
            with reading():
                try:
                    found: Any = await self.client.sscan(keys.skus_at(location), cursor, count=SCAN_COUNT)
                except ResponseError as error:
                    raise ServerRefused(f"the set of SKUs at {location} cannot be read: {error}") from error
            cursor, page = int(found[0]), list(found[1])
            if page:
                yield page
            if not cursor:
                return

    async def without_position(self, location: str, skus: Sequence[bytes]) -> list[bytes]:
        """Those of the SKUs that have no position at the location."""
        field = keys.POSITION_FIELD + location.encode()
        with reading():
            async with self.client.pipeline(transaction=False) as pipeline:
                for sku in skus:
                    pipeline.hexists(keys.sku(readable(sku)), field)
                there = await pipeline.execute(raise_on_error=False)
        return [sku for sku, is_there in zip(skus, there, strict=True) if is_there != 1]

    async def not_members(self, by_location: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
        """Those (SKU, location) that the location's set does not name."""
        places = list(by_location)
        with reading():
            async with self.client.pipeline(transaction=False) as pipeline:
                for location in places:
                    pipeline.smismember(keys.skus_at(location), list(by_location[location]))
                rows = await pipeline.execute(raise_on_error=False)
        missing: list[tuple[str, str]] = []
        for location, row in zip(places, rows, strict=True):
            flags: Iterable[int] = [0] * len(by_location[location]) if isinstance(row, Exception) else row
            missing += [
                (sku, location) for sku, flag in zip(by_location[location], flags, strict=True) if not int(flag)
            ]
        return missing

    async def member_count(self, location: str) -> int:
        """How many SKUs are said to have a position at the location; -1 where it is no set."""
        with reading():
            try:
                return int(await self.client.scard(keys.skus_at(location)))
            except ResponseError:
                return -1

    async def unknown(self, skus: Sequence[str]) -> list[str]:
        """Those of the SKUs that have no hash."""
        with reading():
            # One answer for all of them is the usual one.
            if await self.client.exists(*(keys.sku(sku) for sku in skus)) == len(skus):
                return []
            async with self.client.pipeline(transaction=False) as pipeline:
                for sku in skus:
                    pipeline.exists(keys.sku(sku))
                there = await pipeline.execute()
        return [sku for sku, is_there in zip(skus, there, strict=True) if not is_there]


def _place(entries: Sequence[tuple[bytes, Any]]) -> Seq | None:
    return Seq.from_stream_id(entries[0][0]) if entries else None


def meta_of(values: Sequence[bytes | None]) -> Meta:
    """What the partition says of itself, of the values of META_FIELDS.

    Raises:
        ServerRefused: it cannot be read.
    """
    hub, epoch, following, rules, house, halted = values
    try:
        return Meta(
            readable(hub or b""),
            int(epoch or b""),
            int(following or b""),
            int(rules or b""),
            readable(house or b""),
            halted,
        )
    except ValueError:
        raise ServerRefused(f"what {keys.META} says of the partition cannot be read") from None


def before_of(meta: Meta, last: Sequence[tuple[bytes, Any]]) -> Seq:
    """The place behind the journal's `last` entry, which tells better than `next`: somebody may have changed that."""
    place = _place(last)
    return Seq(place.epoch, place.number + 1) if place is not None else Seq(meta.epoch, meta.next)


def fingerprint_of(fields: Any) -> int:
    """A hash of all that is stored of a SKU, whatever order Redis keeps it in; for this process only."""
    if isinstance(fields, Exception):
        return 0
    # As it comes from Redis without a client's help, in the older protocol, names and values take turns.
    return hash(frozenset(zip(fields[::2], fields[1::2], strict=True) if isinstance(fields, list) else fields.items()))


def raw_sku(name: str, fields: Any) -> RawSku:
    """What is stored of a SKU, of the fields of its hash or the error that came instead."""
    if isinstance(fields, Exception):
        return RawSku(name, unreadable=f"what is stored of the SKU cannot be read: {fields}")
    return RawSku(
        name,
        fields.get(keys.RULES_FIELD),
        fields.get(keys.REVISION_FIELD),
        fields.get(keys.EXPECTED_FIELD),
        {field[2:]: packed for field, packed in fields.items() if field.startswith(keys.POSITION_FIELD)},
        {field[2:]: packed for field, packed in fields.items() if field.startswith(keys.VIEW_FIELD)},
        fingerprint=fingerprint_of(fields),
    )
