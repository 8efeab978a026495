"""Every journal entry lands in the ledger once, whatever stops on the way."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.domain.entry import Entry, Seq, encode_entry
from hub.faults import Unavailable
from hub.journal.trimming import Trimmer
from hub.ledger import writer as writer_module

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
WriteSales = Callable[[int, int], Awaitable[None]]
RunWriter = Callable[..., Any]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
Ledger = asyncpg.Connection


async def booked(ledger: Ledger) -> list[int]:
    rows = await ledger.fetch("SELECT seq FROM hub.event ORDER BY partition, epoch, seq")
    return [row["seq"] for row in rows]


async def movement_count(ledger: Ledger) -> int:
    count: int = await ledger.fetchval("SELECT count(*) FROM hub.movement")
    return count


async def cursor(ledger: Ledger) -> tuple[int, int]:
    row = await ledger.fetchrow("SELECT cursor_epoch, cursor_seq FROM hub.hub_state")
    return row["cursor_epoch"], row["cursor_seq"]


async def test_an_entry_lands_with_its_answer_and_its_bytes(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    entry = make_sale(0)
    await write(0, entry)

    async with run_writer() as running:
        await running.reaches(0)

    row = await ledger.fetchrow("SELECT * FROM hub.event")
    assert (row["partition"], row["epoch"], row["seq"], row["kind"]) == (0, 1, 0, "fact")
    assert (row["source"], row["id"], row["hash"]) == (entry.source, entry.id, entry.hash)
    assert row["entry"] == encode_entry(entry)
    assert row["booked_at"] == datetime.fromtimestamp(entry.booked_at_ms / 1000, UTC)
    assert json.loads(row["answer"]) == {
        "lines": [["BAG-NOIR", 2]],
        "alerts": [
            {"type": "discrepancy", "sku": "BAG-NOIR", "location": "LON-KNB", "quantity": 1, "pool": "", "hold": ""}
        ],
    }


async def test_an_entrys_movements_land_line_by_line(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 1)

    async with run_writer() as running:
        await running.reaches(0)

    rows = await ledger.fetch("SELECT * FROM hub.movement ORDER BY line")
    assert [(row["from_bucket"], row["to_bucket"], row["quantity"]) for row in rows] == [
        ("free", "customer", 1),
        ("deficit", "customer", 1),
    ]
    assert {(row["sku"], row["location"], row["event_id"], row["event_type"]) for row in rows} == {
        ("BAG-NOIR", "LON-KNB", "sale-0", "sale")
    }


@pytest.mark.parametrize("count", [20, 1_500])
async def test_entries_land_once_in_small_and_in_large_batches(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, count: int
) -> None:
    await write_sales(0, count)

    async with run_writer() as running:
        await running.reaches(count - 1)

    assert await booked(ledger) == list(range(count))
    assert await movement_count(ledger) == 2 * count
    assert await cursor(ledger) == (1, count - 1)


async def test_an_adjustment_keeps_its_reason(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, make_sale(0, type="adjustment", payload='{"reason":"found behind\\u0000the till"}'))

    async with run_writer() as running:
        await running.reaches(0)

    reasons = await ledger.fetch("SELECT DISTINCT reason FROM hub.movement")
    assert [row["reason"] for row in reasons] == ["found behind\ufffdthe till"]


async def test_a_time_of_any_year_can_be_booked(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    oldest, newest = -62_135_596_800_000, 253_402_300_799_999
    await write(0, make_sale(0, time_ms=oldest), make_sale(1, time_ms=newest))

    async with run_writer() as running:
        await running.reaches(1)

    rows = await ledger.fetch("SELECT time FROM hub.event ORDER BY seq")
    assert [row["time"].year for row in rows] == [1, 9999]


async def test_a_writer_goes_on_where_the_last_one_stopped(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 3)
    async with run_writer() as running:
        await running.reaches(2)
    await write_sales(3, 6)

    async with run_writer() as running:
        await running.reaches(5)
        assert running.writer.posted == 3

    assert await booked(ledger) == list(range(6))
    assert await movement_count(ledger) == 12


async def test_what_was_committed_by_a_writer_that_died_is_known_to_the_next(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash lies between the commit and the watermark."""
    await write_sales(0, 3)
    real_post = writer_module.post

    async def post_and_die(*arguments: Any) -> None:
        await real_post(*arguments)
        raise SystemError("the process dies here")

    monkeypatch.setattr(writer_module, "post", post_and_die)
    async with run_writer() as running:
        with pytest.raises(SystemError):
            await asyncio.wait_for(running.task, 10)
        assert running.watermark.at is None
    monkeypatch.setattr(writer_module, "post", real_post)

    async with run_writer() as running:
        await running.reaches(2)
        assert running.writer.posted == 0

    assert await booked(ledger) == [0, 1, 2]
    assert await movement_count(ledger) == 6


async def test_two_writers_at_once_are_harmless(ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter) -> None:
    async with run_writer() as one, run_writer() as other:
        for first in range(0, 400, 10):
            await write_sales(first, first + 10)
        await one.reaches(399)
        await other.reaches(399)
        assert one.writer.posted + other.writer.posted == 400

    assert await booked(ledger) == list(range(400))
    assert await movement_count(ledger) == 800


async def test_two_writers_under_load_of_which_one_dies_after_its_commit_post_everything_once(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_post, calls = writer_module.post, 0

    async def post(*arguments: Any) -> Any:
        nonlocal calls
        posted = await real_post(*arguments)
        calls += 1
        if calls == 7:
            raise SystemError("this process dies here, before it tells anybody")
        return posted

    monkeypatch.setattr(writer_module, "post", post)
    async with run_writer(batch_max=50) as one, run_writer(batch_max=50) as other:
        for first in range(0, 3_000, 50):
            await write_sales(first, first + 50)
        await asyncio.wait({one.task, other.task}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        died, alive = (one, other) if one.task.done() else (other, one)
        await alive.reaches(2_999)
        with pytest.raises(SystemError):
            await asyncio.wait_for(asyncio.shield(died.task), 10)
        async with run_writer() as third:
            await write_sales(3_000, 3_010)
            await third.reaches(3_009)
            await alive.reaches(3_009)

    assert await booked(ledger) == list(range(3_010))
    assert await movement_count(ledger) == 2 * 3_010
    assert await cursor(ledger) == (1, 3_009)


async def test_a_writer_recovers_when_its_backend_is_terminated(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    async with run_writer() as running:
        await write_sales(0, 2)
        await running.reaches(1)
        ended = await ledger.fetchval(
            """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'hub writer' AND datname = current_database()"""
        )
        await write_sales(2, 4)
        await running.reaches(3)

    assert ended == 1
    assert await booked(ledger) == [0, 1, 2, 3]


async def test_a_locked_ledger_is_waited_for(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, until: Until
) -> None:
    with capture_logs() as logs:
        async with run_writer() as running:
            async with ledger.transaction():
                await ledger.execute("LOCK TABLE hub.event IN ACCESS EXCLUSIVE MODE")
                await write_sales(0, 2)

                async def is_waiting() -> bool:
                    return running.writer.state == "waiting"

                await until(is_waiting)
            await running.reaches(1)

    assert await booked(ledger) == [0, 1]
    assert [log["event"] for log in logs] == [
        "the ledger does not follow the journal for now",
        "the ledger follows the journal again",
    ]


async def test_a_writer_starts_before_its_ledger_is_opened(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, until: Until
) -> None:
    state = await ledger.fetchrow("DELETE FROM hub.hub_state RETURNING *")
    await write_sales(0, 1)

    async with run_writer() as running:

        async def is_waiting() -> bool:
            return running.writer.state == "waiting" and running.writer.lag_entries == 1

        await until(is_waiting)
        await ledger.execute("INSERT INTO hub.hub_state VALUES (0, $1, 1)", state["hub"])
        await running.reaches(0)

    assert await booked(ledger) == [0]


async def test_the_journal_is_trimmed_behind_the_ledger_only(
    redis_client: Redis,
    key: str,
    ledger: Ledger,
    write_sales: WriteSales,
    run_writer: RunWriter,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer_module, "TIDY_SECONDS", 0.0)
    trims: list[Seq] = []
    trimmer = Trimmer(redis_client, journal=key, meta="hub:{0}:meta", seen=str, ahead="hub:{0}:ahead", keep=10)

    async def trim(behind: Seq, ledger_booked_at_ms: int) -> None:
        committed = await ledger.fetchval("SELECT max(seq) FROM hub.event")
        assert behind.number <= committed
        await trimmer(behind, ledger_booked_at_ms)
        trims.append(behind)

    async with run_writer(trim) as running:
        await write_sales(0, 2_500)
        await running.reaches(2_499)

        async def is_trimmed() -> bool:
            return bool(trims) and trims[-1] == Seq(1, 2_499)

        await until(is_trimmed)

    assert 10 <= await redis_client.xlen(key) < 1_000
    assert await booked(ledger) == list(range(2_500))


async def test_a_redis_that_cannot_be_trimmed_does_not_stop_the_ledger(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "TIDY_SECONDS", 0.0)

    async def trim(behind: Seq, ledger_booked_at_ms: int) -> None:
        raise Unavailable("not now")

    async with run_writer(trim) as running:
        for number in range(3):
            await write_sales(number, number + 1)
            await running.reaches(number)

    assert await booked(ledger) == [0, 1, 2]


async def test_a_cancelled_writer_leaves_no_connection_behind(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter, until: Until
) -> None:
    async with run_writer() as running:
        await write_sales(0, 1)
        await running.reaches(0)
    assert running.writer.state == "stopped"

    async def is_alone() -> bool:
        others: int = await ledger.fetchval(
            """SELECT count(*) FROM pg_stat_activity
               WHERE application_name = 'hub writer' AND datname = current_database()"""
        )
        return others == 0

    await until(is_alone)
    assert running.task.done()


async def test_a_writer_that_ended_goes_on_where_another_stopped(
    ledger: Ledger, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 5)
    async with run_writer() as first:
        await first.reaches(4)
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
        async with run_writer() as second:
            await write_sales(5, 8)
            await second.reaches(7)
        assert first.writer.booked_until_ms

        again = asyncio.create_task(first.writer.run())
        await write_sales(8, 10)
        await first.reaches(9)

        assert first.writer.state == "following"
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)

    assert await booked(ledger) == list(range(10))
