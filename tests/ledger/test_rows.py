"""What an entry moved, showed and counted lies in rows of its own, so that it can be asked about."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from hub.domain.entry import Counted, Entry, EntryAlert, Movement, Seq, SetView, encode_entry
from hub.domain.pools import News, Status, View
from hub.ledger.rows import booking_of

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]
Ledger = asyncpg.Connection

NOON_MS = 1_795_600_000_000
SOLD_OUT = SetView(0, "online", View(changes=7, at_ms=NOON_MS, available=0), News.sold_out)
INSIDE = SetView(0, "vip", View(changes=3, at_ms=NOON_MS, available=2, status=Status.low_stock), News.none)
STATUS = SetView(0, "gulf", View(2, NOON_MS, -1, Status.backorder, 0, NOON_MS + 1_000), News.changed)
CAPPED = SetView(0, "shop", View(2, NOON_MS, 10, Status.in_stock, 1), News.back_in_stock)
COUNTED = Counted(0, "LON-KNB", NOON_MS - 60_000, "physical", 3, 5, 1, 17)


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


@pytest.mark.parametrize("others", [0, 100], ids=["one statement", "copy"])
async def test_every_value_that_a_pool_showed_lies_in_the_ledger(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter, others: int
) -> None:
    entry = make_sale(0, booked_at_ms=NOON_MS, views=(SOLD_OUT, INSIDE, STATUS, CAPPED))
    await write(0, entry, *(make_sale(number) for number in range(1, others + 1)))

    async with run_writer() as running:
        await running.reaches(others)

    rows = await ledger.fetch("SELECT * FROM hub.shown ORDER BY pool")
    assert [tuple(row) for row in rows] == [
        (0, 1, 0, "BAG-NOIR", "gulf", instant(NOON_MS), 2, -1, False, "backorder", instant(NOON_MS + 1_000)),
        (0, 1, 0, "BAG-NOIR", "online", instant(NOON_MS), 7, 0, False, "out_of_stock", None),
        (0, 1, 0, "BAG-NOIR", "shop", instant(NOON_MS), 2, 10, True, "in_stock", None),
    ]


@pytest.mark.parametrize("others", [0, 100], ids=["alone", "among many"])
async def test_every_counted_position_lies_in_the_ledger(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter, others: int
) -> None:
    older = msgspec.structs.replace(COUNTED, kind="system", is_newest=0)
    entry = make_sale(0, kind="closed", type="count", booked_at_ms=NOON_MS, counted=(COUNTED, older))
    await write(0, entry, *(make_sale(number) for number in range(1, others + 1)))

    async with run_writer() as running:
        await running.reaches(others)

    at = (instant(NOON_MS - 60_000), instant(NOON_MS))
    rows = await ledger.fetch("SELECT * FROM hub.count_line ORDER BY line")
    assert [tuple(row) for row in rows] == [
        (0, 1, 0, 0, "BAG-NOIR", "LON-KNB", *at, "physical", 3, 5, True, 17, "till-7", "sale-0"),
        (0, 1, 0, 1, "BAG-NOIR", "LON-KNB", *at, "system", 3, 5, False, 17, "till-7", "sale-0"),
    ]


async def test_a_movement_keeps_its_own_time_where_it_has_one(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    own = Movement(0, "LON-KNB", "free", "customer", 1, NOON_MS - 5_000)
    entrys = Movement(0, "LON-KNB", "free", "customer", 1)
    await write(0, make_sale(0, time_ms=NOON_MS, movements=(own, entrys)))

    async with run_writer() as running:
        await running.reaches(0)

    rows = await ledger.fetch("SELECT time FROM hub.movement ORDER BY line")
    assert [row["time"] for row in rows] == [instant(NOON_MS - 5_000), instant(NOON_MS)]


async def test_what_an_event_is_about_can_be_looked_up(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, make_sale(0), make_sale(1, type="sale.voided", about="sale-0"))

    async with run_writer() as running:
        await running.reaches(1)

    rows = await ledger.fetch("SELECT id, about FROM hub.event ORDER BY seq")
    assert [tuple(row) for row in rows] == [("sale-0", None), ("sale-1", "sale-0")]
    await ledger.execute("SET enable_seqscan = off")
    plan = await ledger.fetch("EXPLAIN SELECT 1 FROM hub.event WHERE kind = 'fact' AND about = 'sale-0'")
    assert "event_about" in str(plan)


def test_an_entry_of_an_older_version_is_read_as_it_was(make_sale: MakeSale) -> None:
    whole = msgspec.msgpack.decode(encode_entry(make_sale(0, views=(INSIDE,))))
    older = [*whole[:16]]
    older[14] = [movement[:5] for movement in older[14]]

    booking = booking_of(Seq(1, 0), msgspec.msgpack.encode(older))

    assert booking.poison == ()
    assert len(booking.movements) == 2
    assert (booking.shown, booking.counted, booking.event[-1]) == ([], [], None)


def test_an_alert_about_the_event_as_a_whole_names_no_sku(make_sale: MakeSale) -> None:
    entry = make_sale(0, alerts=(EntryAlert("clock_skew", -1, "", 90),), views=(SOLD_OUT, STATUS, CAPPED))

    answer = msgspec.json.decode(booking_of(Seq(1, 0), encode_entry(entry)).event[12])

    told = [
        (alert["type"], alert["sku"], alert["location"], alert["quantity"], alert["pool"]) for alert in answer["alerts"]
    ]
    assert told == [
        ("clock_skew", "", "", 90, ""),
        ("sold_out", "BAG-NOIR", "", 0, "online"),
        ("back_in_stock", "BAG-NOIR", "", 10, "shop"),
    ]
