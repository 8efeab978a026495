"""An id takes effect once, for ever: fresh events ask the ledger nothing, and what Redis forgot the ledger knows."""

from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Line
from hub.domain.remembering import DAY_MS
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.outcome import Applied, Conflict, Duplicate, Parked
from tests.stock.opened import OpenStores
from tests.stock.test_booking import LAST_YEAR_MS, SALE_OF_TWO, forget

IN_2030_MS = int(datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)


async def lookups(dsn: str) -> int:
    """Sessions of the ledger that ids are looked up in; the first question makes one."""
    connection = await asyncpg.connect(dsn)
    try:
        found: int = await connection.fetchval(
            """SELECT count(*) FROM pg_stat_activity
               WHERE application_name = 'hub lookup' AND datname = current_database()"""
        )
        return found
    finally:
        await connection.close()


async def on_hand(hub: OpenStores) -> int:
    [position] = await hub.reads.positions_of("BAG")
    return position.on_hand - position.deficit


async def test_fresh_events_and_their_repeats_ask_the_ledger_nothing(hub: OpenStores, postgres_dsn: str) -> None:
    now_ms = hub.kernel.booked_at_ms
    fresh = [hub.fact(f"fresh-{n}", stated_ms=now_ms - n * 60_000, time_ms=now_ms - n * 60_000) for n in range(300)]
    fresh += [hub.fact("days-ago", stated_ms=now_ms - 6 * DAY_MS, time_ms=now_ms - 6 * DAY_MS)]
    fresh += [hub.fact("sold", **SALE_OF_TWO)]

    outcomes = await hub.book(*fresh, hub.fact("early", verb="park", lines=()))
    assert {type(outcome) for outcome in outcomes} == {Applied, Parked}
    outcomes = await hub.book(*fresh, msgspec.structs.replace(fresh[0], hash="content-2"))
    assert [type(outcome) for outcome in outcomes] == [Duplicate] * len(fresh) + [Conflict]
    assert await lookups(postgres_dsn) == 0

    await hub.book(hub.fact("old", stated_ms=LAST_YEAR_MS))
    assert await lookups(postgres_dsn) == 1


@pytest.mark.parametrize("stated_ms", [LAST_YEAR_MS, IN_2030_MS])
async def test_a_clock_of_another_year_books_once_whenever_the_id_comes_again(
    hub: OpenStores, redis_client: Redis, stated_ms: int
) -> None:
    sale = hub.fact("sale", **{**SALE_OF_TWO, "stated_ms": stated_ms, "time_ms": stated_ms})
    [first] = await hub.book(sale)
    assert isinstance(first, Applied)
    [again] = await hub.book(sale)
    assert (type(again), again.seq) == (Duplicate, first.seq)
    await hub.ledger_has_all()
    await forget(redis_client)

    for _ in range(2):
        [later] = await hub.book(sale)
        assert later == again
    assert await on_hand(hub) == -2


async def test_what_was_forgotten_during_an_outage_is_unknown_until_the_ledger_is_back(
    hub: OpenStores, redis_client: Redis
) -> None:
    sent_ms = hub.kernel.booked_at_ms - 8 * DAY_MS
    late = hub.fact("late", **{**SALE_OF_TWO, "stated_ms": sent_ms, "time_ms": sent_ms})
    [first] = await hub.book(late)
    await hub.ledger_has_all()
    async with hub.ledger_away():
        await forget(redis_client)
        for number in range(5):
            [fresh] = await hub.book(hub.fact(f"meanwhile-{number}"))
            assert isinstance(fresh, Applied)
            with pytest.raises(Unavailable):
                await hub.book(late)

    [again] = await hub.book(late)
    assert isinstance(again, Duplicate)
    assert isinstance(first, Applied)
    assert again.seq == first.seq
    assert await on_hand(hub) == 5 - 2


async def test_nothing_is_forgotten_that_the_ledger_does_not_have_however_long_it_is_away(
    hub: OpenStores, redis_client: Redis
) -> None:
    """Booked before the outage, and 30 days later by the clock of whoever would trim."""
    await hub.book(hub.fact("before", Line("BAG", "LON", 3)))
    await hub.ledger_has_all()
    async with hub.ledger_away():
        [first] = await hub.book(hub.fact("during"))
        assert isinstance(first, Applied)
        trim, cursor = hub.stores.writer._trim, hub.stores.watermark.at
        assert trim is not None
        assert cursor is not None
        assert cursor < first.seq
        await trim(cursor, hub.stores.writer.booked_until_ms)
        [again] = await hub.book(hub.fact("during"))

    assert isinstance(again, Duplicate)
    assert await redis_client.exists(keys.seen(hub.kernel.booked_at_ms // DAY_MS))
