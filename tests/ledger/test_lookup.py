"""The ledger remembers every booked fact, and many questions at once cost few SELECTs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.entry import EntryAlert, Seq
from hub.faults import Unavailable
from hub.ledger.connection import Link
from hub.ledger.lookup import IDS_PER_SELECT_MAX, Lookup

Booked = Callable[..., Awaitable[None]]


@pytest.fixture
async def lookup(postgres_dsn: str, ledger: asyncpg.Connection) -> AsyncIterator[Lookup]:
    asked = Lookup(Link(postgres_dsn, "lookup", command_seconds=2))
    yield asked
    await asked.aclose()


@pytest.fixture
def book(write: Callable[..., Awaitable[None]], run_writer: Callable[..., Any]) -> Booked:
    """Write entries to the journal and wait until the ledger has them."""

    async def through_the_journal(*entries: Any) -> None:
        await write(0, *entries)
        async with run_writer() as running:
            await running.reaches(len(entries) - 1)

    return through_the_journal


async def test_a_booked_fact_is_recalled_with_its_first_answer(
    lookup: Lookup, book: Booked, make_sale: Callable[..., Any]
) -> None:
    await book(make_sale(0), make_sale(1, alerts=(EntryAlert("fence_broken", 0, "LON-KNB", 1, "vip"),)))

    recalled = await lookup.recall([("till-7", "sale-1"), ("till-7", "unknown")])

    assert list(recalled) == [("till-7", "sale-1")]
    found = recalled["till-7", "sale-1"]
    assert (found.kind, found.hash, found.seq) == ("fact", "0123456789abcdef", Seq(1, 1))
    assert found.answer.lines == (("BAG-NOIR", 2),)
    assert found.answer.alerts == (AnsweredAlert("fence_broken", "BAG-NOIR", "LON-KNB", 1, "vip"),)


async def test_an_id_belongs_to_its_source(lookup: Lookup, book: Booked, make_sale: Callable[..., Any]) -> None:
    await book(make_sale(0))

    assert await lookup.recall([("till-8", "sale-0")]) == {}


async def test_only_facts_count_as_booked(lookup: Lookup, book: Booked, make_sale: Callable[..., Any]) -> None:
    await book(make_sale(0, kind="parked"), make_sale(1, kind="conflict"), make_sale(2), make_sale(2))

    ids = [("till-7", f"sale-{number}") for number in range(3)]
    recalled = await lookup.recall(ids)

    assert {event_id[1]: found.seq.number for event_id, found in recalled.items()} == {"sale-2": 2}


async def test_questions_that_come_during_a_select_share_the_next_one(
    lookup: Lookup, book: Booked, make_sale: Callable[..., Any]
) -> None:
    await book(*(make_sale(number) for number in range(50)))

    answers = await asyncio.gather(*(lookup.recall([("till-7", f"sale-{number}")]) for number in range(50)))

    assert [found["till-7", f"sale-{i}"].seq.number for i, found in enumerate(answers)] == list(range(50))
    assert lookup.selects <= 2


async def test_a_question_without_ids_asks_nobody(lookup: Lookup) -> None:
    assert await lookup.recall([]) == {}
    assert lookup.selects == 0


async def test_many_large_questions_are_all_answered(lookup: Lookup, ledger: asyncpg.Connection) -> None:
    ids = [("till-7", f"none-{number}") for number in range(IDS_PER_SELECT_MAX)]

    assert await asyncio.gather(*(lookup.recall(ids) for _ in range(3))) == [{}, {}, {}]
    assert lookup.selects == 3


async def test_more_ids_than_the_limit_are_refused(lookup: Lookup) -> None:
    with pytest.raises(ValueError, match="1000"):
        await lookup.recall([("till-7", str(number)) for number in range(IDS_PER_SELECT_MAX + 1)])


async def test_a_caller_that_goes_away_does_not_disturb_the_others(
    lookup: Lookup, book: Booked, make_sale: Callable[..., Any]
) -> None:
    await book(make_sale(0))
    gone, kept = (asyncio.create_task(lookup.recall([("till-7", "sale-0")])) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()

    assert ("till-7", "sale-0") in await kept


async def test_a_locked_ledger_is_unavailable_in_time(postgres_dsn: str, ledger: asyncpg.Connection) -> None:
    asked = Lookup(Link(postgres_dsn, "lookup", command_seconds=2), deadline_seconds=0.2)
    async with ledger.transaction():
        await ledger.execute("LOCK TABLE hub.event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable):
            await asyncio.wait_for(asked.recall([("till-7", "sale-0")]), 5)
    await asked.aclose()


async def test_a_lookup_recovers_when_its_backend_is_terminated(
    lookup: Lookup, ledger: asyncpg.Connection, book: Booked, make_sale: Callable[..., Any]
) -> None:
    await book(make_sale(0))
    ids = [("till-7", "sale-0")]
    assert await lookup.recall(ids)
    ended = await ledger.fetchval(
        """SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
           WHERE application_name = 'hub lookup' AND datname = current_database()"""
    )

    # The first question may meet the dead connection; the next one has a new connection.
    await asyncio.gather(lookup.recall(ids), return_exceptions=True)

    assert ended == 1
    assert ("till-7", "sale-0") in await lookup.recall(ids)


async def test_a_closed_lookup_leaves_nobody_waiting(postgres_dsn: str, ledger: asyncpg.Connection) -> None:
    asked = Lookup(Link(postgres_dsn, "lookup", command_seconds=2))
    async with ledger.transaction():
        await ledger.execute("LOCK TABLE hub.event IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(asked.recall([("till-7", "sale-0")]))
        await asyncio.sleep(0)
        await asked.aclose()

        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 5)
