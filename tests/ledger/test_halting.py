"""Where the journal does not go on as the ledger knows it, the writer halts, skips nothing, and looks again."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, Entry, Seq, encode_entry
from hub.ledger import writer as writer_module

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
WriteSales = Callable[[int, int], Awaitable[None]]
RunWriter = Callable[..., Any]
Ledger = asyncpg.Connection


async def booked(ledger: Ledger) -> list[int]:
    rows = await ledger.fetch("SELECT seq FROM hub.event ORDER BY partition, epoch, seq")
    return [row["seq"] for row in rows]


async def cursor(ledger: Ledger) -> tuple[int, int]:
    row = await ledger.fetchrow("SELECT cursor_epoch, cursor_seq FROM hub.hub_state")
    return row["cursor_epoch"], row["cursor_seq"]


async def test_a_gap_halts_the_writer(
    ledger: Ledger, make_sale: MakeSale, write: Write, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 3)
    await write(4, make_sale(4))

    async with run_writer() as running:
        await running.halts()
        assert running.watermark.at == Seq(1, 2)
        assert "0-1-3" in running.writer.last_error

    assert await booked(ledger) == [0, 1, 2]


async def test_a_journal_trimmed_past_the_ledger_halts_the_writer(
    redis_client: Redis, key: str, ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 10)
    await redis_client.xtrim(key, minid="1-4", approximate=False)

    async with run_writer() as running:
        await running.halts()

    assert await booked(ledger) == []


async def test_a_journal_that_came_back_empty_halts_the_writer(
    redis_client: Redis, ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 3)
    async with run_writer() as running:
        await running.reaches(2)
        await redis_client.flushall()
        await running.halts()

    assert await booked(ledger) == [0, 1, 2]


async def test_a_journal_with_another_history_halts_the_writer(
    redis_client: Redis, ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, make_sale(0))
    async with run_writer() as running:
        await running.reaches(0)
    await redis_client.flushall()
    await write(0, make_sale(100), make_sale(101))

    async with run_writer() as running:
        await running.halts()

    assert await booked(ledger) == [0]


async def test_entries_of_an_epoch_that_is_over_are_refused(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    """A master that lost its place goes on writing; the ledger was moved to the next epoch."""
    await write_sales(0, 2)
    async with run_writer() as running:
        await running.reaches(1)
        await ledger.execute("UPDATE hub.hub_state SET epoch = 2")
        await write_sales(2, 4)
        await running.halts()

    assert await booked(ledger) == [0, 1]


async def test_a_raised_epoch_goes_on_from_its_own_beginning(
    ledger: Ledger, make_sale: MakeSale, write: Write, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 2)
    async with run_writer() as running:
        await running.reaches(1)
        await ledger.execute("UPDATE hub.hub_state SET epoch = 2")
        await write(0, make_sale(10), make_sale(11), epoch=2)
        await running.reaches(1, epoch=2)

    assert await cursor(ledger) == (2, 1)
    assert await booked(ledger) == [0, 1, 0, 1]


async def test_a_writer_goes_on_when_the_journal_fits_again(
    redis_client: Redis,
    key: str,
    ledger: Ledger,
    make_sale: MakeSale,
    write_sales: WriteSales,
    run_writer: RunWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replica was promoted that lacked the newest entries, and the one that had them comes back."""
    monkeypatch.setattr(writer_module, "HALTED_SECONDS", 0.02)
    await write_sales(0, 3)
    async with run_writer() as running:
        await running.reaches(2)
        newest = await redis_client.dump(key)
        await redis_client.delete(key)
        await running.halts()
        await redis_client.restore(key, 0, newest or b"")
        await write_sales(3, 5)
        await running.reaches(4)

        await redis_client.delete(key)
        await running.halts()
        await ledger.execute("UPDATE hub.hub_state SET epoch = 2")
        await redis_client.xadd(key, {FIELD: encode_entry(make_sale(7))}, id="2-0")
        await running.reaches(0, epoch=2)

    assert await booked(ledger) == [0, 1, 2, 3, 4, 0]


async def test_a_ledger_ahead_of_its_own_cursor_halts_the_writer(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 3)
    async with run_writer() as running:
        await running.reaches(2)
    async with ledger.transaction():
        await ledger.execute("SET LOCAL session_replication_role = replica")
        await ledger.execute("UPDATE hub.hub_state SET cursor_seq = 0")

    async with run_writer() as running:
        await running.halts()

    assert await booked(ledger) == [0, 1, 2]
