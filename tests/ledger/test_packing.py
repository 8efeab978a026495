"""Entries that are packed for COPY become the very rows that they would be one by one."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import msgspec
import pytest

from hub.domain.entry import Counted, Entry, Movement, Seq, SetView, encode_entry
from hub.domain.pools import News, Status, View
from hub.ledger.packing import PACKED, Packer
from hub.ledger.posting import post
from hub.ledger.rows import Booking, booking_of

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]
Ledger = asyncpg.Connection

NOON_MS = 1_795_600_000_000
OLDEST_MS, NEWEST_MS = -62_135_596_800_000, 253_402_300_799_999
LARGEST = 2**63 - 1
SHOWN = (
    SetView(0, "online", View(changes=7, at_ms=NOON_MS, available=0), News.sold_out),
    SetView(1, "vip", View(changes=3, at_ms=NOON_MS, available=2, status=Status.low_stock), News.none),
    SetView(1, "gulf", View(2, NOON_MS, -1, Status.backorder, 0, NOON_MS + 1_000), News.changed),
    SetView(0, "shop", View(LARGEST, NOON_MS, LARGEST, Status.in_stock, 1), News.back_in_stock),
)
MOVED = (
    Movement(1, "PAR-FSH", "free", "in_transit:t-1", 3, NOON_MS - 86_400_001, ("S-1", "S-2")),
    Movement(0, "LON-KNB", "supplier", "ring_fenced:vip", LARGEST),
)
UNUSUAL: list[dict[str, object]] = [
    {},
    {"skus": ("BAG-NOIR", "SHOE-ÉTÉ-靴"), "views": SHOWN, "movements": MOVED},
    {"type": "adjustment", "payload": '{"reason":"found behind\\u0000the till, naïve 👜"}'},
    {"type": "adjustment", "payload": "{}"},
    {"kind": "refresh", "type": "", "source": "", "movements": (), "alerts": (), "lines": (), "about": "BAG-NOIR"},
    {"kind": "parked", "movements": (), "lines": (), "hash": "", "payload": ""},
    {"time_ms": OLDEST_MS, "rules_version": LARGEST},
    {"time_ms": NEWEST_MS, "about": "sale-0"},
    {"time_ms": 946_684_800_000 - 1},
    {"alerts": (), "lines": ()},
]


def same(table: str, row: tuple[Any, ...] | asyncpg.Record) -> dict[str, Any]:
    """A row by its columns; JSON as what it says."""
    named = dict(zip(PACKED[table], row, strict=True))
    return named | ({"answer": msgspec.json.decode(named["answer"])} if "answer" in named else {})


async def found_in(ledger: Ledger, table: str, types: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = await ledger.fetch(f"SELECT {', '.join(types)} FROM hub.{table} ORDER BY seq, ctid")
    return [same(table, row) for row in rows]


def rows_of(bookings: list[Booking]) -> dict[str, list[dict[str, Any]]]:
    rows = {
        "event": [booking.event for booking in bookings],
        "movement": [row for booking in bookings for row in booking.movements],
        "shown": [row for booking in bookings for row in booking.shown],
    }
    return {table: [same(table, row) for row in rows[table]] for table in rows}


async def test_packed_entries_become_the_rows_that_they_are_one_by_one(ledger: Ledger, make_sale: MakeSale) -> None:
    entries = [make_sale(number, **unusual) for number, unusual in enumerate(UNUSUAL)]
    found = [(Seq(1, number), encode_entry(entry)) for number, entry in enumerate(entries)]
    packer = Packer()
    packed = packer.take(found[:3]) + packer.take(found[3:])
    assert packer.is_whole
    assert not any(booking.event for booking in packed)

    posted = await post(ledger, None, packed, packer)

    assert [booking.seq for booking in posted] == [seq for seq, _ in found]
    expected = rows_of([booking_of(seq, raw) for seq, raw in found])
    assert {table: await found_in(ledger, table, types) for table, types in PACKED.items()} == expected


async def test_packed_entries_behind_another_cursor_are_refused(ledger: Ledger, make_sale: MakeSale) -> None:
    packer = Packer()
    packed = packer.take([(Seq(1, 5), encode_entry(make_sale(5)))])
    with pytest.raises(Exception, match="cursor is not at"):
        await post(ledger, Seq(1, 4), packed, packer)
    assert await ledger.fetchval("SELECT count(*) FROM hub.event") == 0


@pytest.mark.parametrize(
    "unusual",
    [
        {"time_ms": NEWEST_MS + 1},
        {"time_ms": OLDEST_MS - 1},
        {"booked_at_ms": 2**62},
        {"rules_version": 2**63},
        {"lines": ((7, 1),)},
        {"movements": (Movement(0, "LON-KNB", "free", "customer", 2**63),)},
        {"movements": (Movement(9, "LON-KNB", "free", "customer", 1),)},
        {"views": (SetView(0, "online", View(1, NOON_MS, 1, 9), News.changed),)},
        {"counted": (Counted(0, "LON-KNB", NOON_MS, "physical", 3, 5, 1, 17),)},
    ],
)
def test_what_has_no_usual_rows_is_not_packed(make_sale: MakeSale, unusual: dict[str, object]) -> None:
    found = [(Seq(1, number), encode_entry(make_sale(number))) for number in range(3)]
    found[1] = (Seq(1, 1), encode_entry(make_sale(1, **unusual)))
    packer = Packer()
    bookings = packer.take(found)
    assert not packer.is_whole
    assert [booking.seq.number for booking in bookings] == [0, 1, 2]
    assert bookings[1] == booking_of(*found[1])


async def test_a_count_among_many_entries_lands_with_them(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    counted = Counted(0, "LON-KNB", NOON_MS, "physical", 3, 5, 1, 17)
    await write(0, *(make_sale(number, counted=(counted,) if number == 40 else ()) for number in range(60)))

    async with run_writer() as running:
        await running.reaches(59)

    assert await ledger.fetchval("SELECT array_agg(seq) FROM hub.count_line") == [40]
    assert await ledger.fetchval("SELECT count(*) FROM hub.event") == 60
    assert await ledger.fetchval("SELECT count(*) FROM hub.movement") == 120
