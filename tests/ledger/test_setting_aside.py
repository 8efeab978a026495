"""One bad entry never stops the ledger: it is kept apart, and the rest lands."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from hub.domain.entry import Entry, encode_entry

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]
Ledger = asyncpg.Connection


async def booked(ledger: Ledger) -> list[int]:
    rows = await ledger.fetch("SELECT seq FROM hub.event ORDER BY partition, epoch, seq")
    return [row["seq"] for row in rows]


async def kinds(ledger: Ledger) -> dict[int, str]:
    return {row["seq"]: row["kind"] for row in await ledger.fetch("SELECT seq, kind FROM hub.event")}


async def movement_count(ledger: Ledger) -> int:
    count: int = await ledger.fetchval("SELECT count(*) FROM hub.movement")
    return count


async def test_an_unreadable_entry_is_set_aside_and_the_rest_lands(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, make_sale(0), b"\xc1 no entry", make_sale(2))

    async with run_writer() as running:
        await running.reaches(2)
        assert running.writer.poisoned == 1

    assert await booked(ledger) == [0, 2]
    poison = await ledger.fetchrow("SELECT seq, entry, problem FROM hub.poison")
    assert (poison["seq"], poison["entry"]) == (1, b"\xc1 no entry")
    assert "DecodeError" in poison["problem"]


@pytest.mark.parametrize("count", [5, 100])
@pytest.mark.parametrize(
    "hostile",
    [
        {"rules_version": 2**63},
        {"source": "nul\x00"},
        {"time_ms": 10**17},
        {"lines": ((7, 1),)},
        {"payload": "nul\x00"},
    ],
)
async def test_an_entry_postgres_does_not_take_is_set_aside_alone(
    ledger: Ledger,
    make_sale: MakeSale,
    write: Write,
    run_writer: RunWriter,
    count: int,
    hostile: dict[str, object],
) -> None:
    bad = make_sale(3, **hostile)
    entries = [make_sale(number) for number in range(count)]
    entries[3] = bad
    await write(0, *entries)

    async with run_writer() as running:
        await running.reaches(count - 1)

    assert await booked(ledger) == [number for number in range(count) if number != 3]
    assert await ledger.fetchval("SELECT entry FROM hub.poison WHERE seq = 3") == encode_entry(bad)


@pytest.mark.parametrize("between", [0, 60])
async def test_a_fact_applied_twice_is_kept_as_doubled(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter, between: int
) -> None:
    entries = [make_sale(number) for number in range(between + 1)]
    doubled = msgspec.structs.replace(entries[0], booked_at_ms=entries[0].booked_at_ms + 1_000)
    await write(0, *entries, doubled, make_sale(between + 2))

    async with run_writer() as running:
        await running.reaches(between + 2)
        assert running.writer.doubled == 1

    found = await kinds(ledger)
    assert found.pop(between + 1) == "doubled"
    assert set(found.values()) == {"fact"}


async def test_a_fact_the_ledger_has_from_long_ago_is_kept_as_doubled(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    await write(0, make_sale(0))
    async with run_writer() as running:
        await running.reaches(0)
        await write(1, make_sale(0), make_sale(2))
        await running.reaches(2)

    assert await kinds(ledger) == {0: "fact", 1: "doubled", 2: "fact"}
    assert await movement_count(ledger) == 6


async def test_a_conflicting_attempt_may_have_the_id_of_a_booked_fact(
    ledger: Ledger, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    attempt = make_sale(0, kind="conflict", movements=(), alerts=())
    await write(0, make_sale(0), attempt, attempt)

    async with run_writer() as running:
        await running.reaches(2)
        assert running.writer.doubled == 0

    assert await kinds(ledger) == {0: "fact", 1: "conflict", 2: "conflict"}
