"""Movements lie in a table for their month, and booking never waits for it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg

from hub.ledger.months import Months, month_after, table_of

NOVEMBER = datetime(2026, 11, 22, 10, tzinfo=UTC)


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


async def tables(ledger: asyncpg.Connection, parent: str = "movement") -> list[str]:
    rows = await ledger.fetch(
        """SELECT inhrelid::regclass::text AS name FROM pg_inherits
           WHERE inhparent = $1::text::regclass ORDER BY name""",
        f"hub.{parent}",
    )
    return [row["name"].removeprefix("hub.") for row in rows]


async def rows_in(ledger: asyncpg.Connection, table: str) -> int:
    count: int = await ledger.fetchval(f"SELECT count(*) FROM hub.{table}")
    return count


def test_december_is_followed_by_january() -> None:
    assert month_after((2026, 11)) == (2026, 12)
    assert month_after((2026, 12)) == (2027, 1)
    assert table_of("movement", (2027, 1)) == "movement_2027_01"


async def test_a_month_and_the_next_are_made_ahead_of_need(ledger: asyncpg.Connection) -> None:
    await Months().prepare(ledger, NOVEMBER)

    assert await tables(ledger) == ["movement_2026_11", "movement_2026_12", "movement_default"]
    assert await tables(ledger, "shown") == ["shown_2026_11", "shown_2026_12", "shown_default"]


async def test_a_month_that_is_there_is_used_as_it_is(ledger: asyncpg.Connection) -> None:
    await Months().prepare(ledger, NOVEMBER)

    await Months().prepare(ledger, NOVEMBER)

    assert len(await tables(ledger)) == 3


async def test_the_indexes_of_a_month_are_those_of_the_whole(ledger: asyncpg.Connection) -> None:
    await Months().prepare(ledger, NOVEMBER)

    rows = await ledger.fetch(
        """SELECT tablename, count(*) FROM pg_indexes WHERE schemaname = 'hub'
           AND tablename IN ('movement', 'movement_2026_12', 'shown', 'shown_2026_12') GROUP BY tablename"""
    )
    assert dict(map(tuple, rows)) == {"movement": 2, "movement_2026_12": 2, "shown": 1, "shown_2026_12": 1}


async def test_entries_around_midnight_lie_in_their_own_months(
    ledger: asyncpg.Connection,
    make_sale: Callable[..., Any],
    write: Callable[..., Awaitable[None]],
    run_writer: Callable[..., Any],
) -> None:
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    await write(0, make_sale(0, booked_at_ms=ms(midnight) - 1))
    async with run_writer() as running:
        await running.reaches(0)
        await write(1, make_sale(1, booked_at_ms=ms(midnight)))
        await running.reaches(1)

    assert await rows_in(ledger, "movement_2026_11") == 2
    assert await rows_in(ledger, "movement_2026_12") == 2
    assert await rows_in(ledger, "movement_default") == 0
    assert "movement_2027_01" in await tables(ledger)


async def test_what_lies_in_the_default_table_does_not_stop_the_month_from_being_booked(
    ledger: asyncpg.Connection,
    make_sale: Callable[..., Any],
    write: Callable[..., Awaitable[None]],
    run_writer: Callable[..., Any],
) -> None:
    await write(0, make_sale(0, booked_at_ms=ms(NOVEMBER)))
    async with run_writer() as running:
        await running.reaches(0)
    for month in ("movement_2026_11", "movement_2026_12"):
        await ledger.execute(f"ALTER TABLE hub.movement DETACH PARTITION hub.{month}")
    await ledger.execute("INSERT INTO hub.movement SELECT * FROM hub.movement_2026_11")
    await ledger.execute("DROP TABLE hub.movement_2026_11, hub.movement_2026_12")

    await write(1, make_sale(1, booked_at_ms=ms(NOVEMBER) + 1))
    async with run_writer() as running:
        await running.reaches(1)

    assert await rows_in(ledger, "movement_default") == 4


async def test_a_reader_that_takes_its_time_does_not_hold_booking_up(
    ledger: asyncpg.Connection,
    postgres_dsn: str,
    make_sale: Callable[..., Any],
    write: Callable[..., Awaitable[None]],
    run_writer: Callable[..., Any],
) -> None:
    async with ledger.transaction():
        await ledger.fetchval("SELECT count(*) FROM hub.movement")
        await write(0, make_sale(0, booked_at_ms=ms(NOVEMBER)))
        async with run_writer() as running:
            await running.reaches(0)

    assert await rows_in(ledger, "movement") == 2


async def test_a_clock_at_the_end_of_time_is_booked_all_the_same(
    ledger: asyncpg.Connection,
    make_sale: Callable[..., Any],
    write: Callable[..., Awaitable[None]],
    run_writer: Callable[..., Any],
) -> None:
    await write(0, make_sale(0, booked_at_ms=ms(datetime(9999, 12, 31, tzinfo=UTC))))

    async with run_writer() as running:
        await running.reaches(0)

    assert await rows_in(ledger, "movement_default") == 2
