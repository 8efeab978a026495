"""Stretches of the ledger's entries: in order, from any place on, and quickly however deep that is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from hub.domain.entry import Entry, Seq
from hub.domain.feed import happening_of
from hub.domain.findings import EntriesWanted, EntryStretch
from hub.faults import Unavailable
from hub.ledger import feed
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.feed import FeedEntries

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]


@pytest.fixture
def entries(asking: Asking) -> FeedEntries:
    return FeedEntries(asking)


async def test_entries_come_in_the_order_of_the_journal_from_any_place_on(
    entries: FeedEntries, write_sales: Callable[[int, int], Awaitable[None]], run_writer: RunWriter
) -> None:
    await write_sales(0, 12)
    async with run_writer() as running:
        await running.reaches(11)

    first, second = await entries.stretch((0, 0), 10), await entries.stretch((1, 10), 10)

    assert [seq for seq, _ in (*first.entries, *second.entries)] == [Seq(1, number) for number in range(12)]
    assert (first.is_last, second.is_last) == (False, True)
    assert (await entries.stretch((1, 12), 10)).entries == ()
    assert (await entries.stretch((7, 0), 10)).is_last
    told = happening_of(*first.entries[3])
    assert told is not None
    assert told.entry.id == "sale-3"


async def test_what_was_set_aside_has_its_place_among_the_others(
    entries: FeedEntries, make_sale: MakeSale, write: Write, run_writer: RunWriter
) -> None:
    # Postgres keeps no NUL in a text, and Redis has what this sale did.
    await write(0, make_sale(0), make_sale(1, id="a\0b"), b"no entry", make_sale(3))
    async with run_writer() as running:
        await running.reaches(3)

    stretch = await entries.stretch((1, 0), 10)

    told = [happening_of(*entry) for entry in stretch.entries]
    assert [each and each.entry.id for each in told] == ["sale-0", "a\0b", None, "sale-3"]


async def test_a_stretch_is_bounded_in_bytes_but_for_one_that_is_larger(
    entries: FeedEntries, make_sale: MakeSale, write: Write, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = "x" * 1_000
    await write(0, *(make_sale(number, payload=f'{{"id":"{large}"}}') for number in range(3)))
    async with run_writer() as running:
        await running.reaches(2)

    async def numbers(bytes_max: int) -> tuple[list[int], bool]:
        monkeypatch.setattr("hub.ledger.feed.BYTES_MAX", bytes_max)
        stretch = await entries.stretch((1, 0), 10)
        return [seq.number for seq, _ in stretch.entries], stretch.is_last

    assert [await numbers(size) for size in (10, 2_900, 100_000)] == [
        ([0], False),
        ([0, 1], False),
        ([0, 1, 2], True),
    ]


async def test_what_is_not_wanted_is_passed_over_and_the_end_is_told_all_the_same(
    entries: FeedEntries, make_sale: MakeSale, write: Write, run_writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quiet(number: int, type: str = "sale") -> Entry:
        return make_sale(number, type=type, alerts=())

    await write(0, quiet(0), make_sale(1), b"no entry", quiet(3, "return"), quiet(4), make_sale(5))
    await write(6, quiet(6), quiet(7))
    async with run_writer() as running:
        await running.reaches(7)

    async def told(first: int, most: int, **wanted: Any) -> tuple[list[int], bool, int | None]:
        stretch: EntryStretch = await entries.stretch((1, first), most, EntriesWanted(**wanted))
        end = stretch.end
        return [seq.number for seq, _ in stretch.entries], stretch.is_last, None if end is None else end.number

    # What cannot be read is looked at by whoever asks.
    assert await told(0, 100, alerting=True) == ([1, 2, 5], True, 7)
    assert await told(3, 100, types=frozenset({"return"})) == ([3], True, 7)
    assert await told(3, 100, types=frozenset({"return"}), alerting=True) == ([3, 5], True, 7)
    assert await told(3, 100, ruling=True) == ([], True, 7)
    assert await told(0, 5, alerting=True) == ([1, 2], False, 4)
    assert await told(6, 2, alerting=True) == ([], False, 7)
    assert await told(8, 2, alerting=True) == ([], True, None)
    monkeypatch.setattr("hub.ledger.feed.BYTES_MAX", 10)
    assert await told(0, 100, alerting=True) == ([1], False, 1)
    assert await told(2, 100, alerting=True) == ([2], False, 2)
    assert await told(6, 100, alerting=True) == ([], True, 7)


async def test_those_who_ask_the_same_at_once_share_one_answer(
    entries: FeedEntries, ledger: asyncpg.Connection, write_sales: Any, run_writer: RunWriter
) -> None:
    await write_sales(0, 2)
    async with run_writer() as running:
        await running.reaches(1)
    async with ledger.transaction():
        await ledger.execute("LOCK TABLE hub.event IN ACCESS EXCLUSIVE MODE")
        alike = [asyncio.create_task(entries.stretch((1, 0), 10)) for _ in range(100)]
        given_up = asyncio.create_task(entries.stretch((1, 0), 10))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
    told = await asyncio.gather(*alike)

    assert len({id(stretch) for stretch in told}) == 1
    assert len(told[0].entries) == 2
    assert await entries.stretch((1, 0), 10) is not told[0]


async def test_a_ledger_that_is_slow_is_not_waited_for_without_end(
    ledger: asyncpg.Connection, postgres_dsn: str
) -> None:
    asking = Asking(Link(postgres_dsn, "feed"), deadline_seconds=0.2)
    try:
        async with ledger.transaction():
            await ledger.execute("LOCK TABLE hub.event IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable):
                await FeedEntries(asking).stretch((1, 0), 10)
    finally:
        await asking.aclose()


async def test_deep_in_a_large_ledger_only_the_entries_asked_for_are_looked_at(ledger: asyncpg.Connection) -> None:
    await ledger.execute(
        """INSERT INTO hub.event (partition, epoch, seq, kind, type, source, id, hash, time, booked_at, rules_version,
                                  payload, answer, entry)
           SELECT 0, 1 + n / 30000, n % 30000, 'fact', 'sale', 'till', 'e' || n, '', now(), now(), 1, '', '{}', '\\x90'
           FROM generate_series(0, 59999) AS n"""
    )
    await ledger.execute("ANALYZE hub.event")

    for question, wanted in ((feed._SELECT_ALL, ()), (feed._SELECT_WANTED, (["return"], True, False))):
        asked = (0, 2, 15_000, 100, feed.BYTES_MAX, *wanted)
        rows = await ledger.fetch("EXPLAIN (ANALYZE, TIMING OFF) " + question, *asked)

        plan = "\n".join(row[0] for row in rows)
        assert "Seq Scan" not in plan
        [scanned] = [row[0] for row in rows if "Index Scan using event_pkey" in row[0]]
        assert "actual rows=100" in scanned, plan
