"""Booking with a real ledger: what happened long ago is known for ever, and a ledger that is away stops no sale."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from unittest.mock import ANY

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.answer import Answer, AnsweredAlert
from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Line
from hub.domain.remembering import DAY_MS
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.outcome import Applied, Conflict, Duplicate, Parked
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE

LAST_YEAR_MS = int(datetime(2025, 11, 22, tzinfo=UTC).timestamp() * 1000)
SALE_OF_TWO = {"verb": "sale", "type": "sale", "pool": "online", "lines": (Line("BAG", "LON", 2),)}


async def forget(client: Redis) -> None:
    """Redis has dropped what it knew of ids, and the journal is trimmed, as after a week."""
    async for key in client.scan_iter(match=keys.PREFIX + "seen:*"):
        await client.delete(key)
    await client.xtrim(keys.JOURNAL, maxlen=1, approximate=False)


async def test_an_id_of_last_year_is_found_in_the_ledger_with_its_first_answer(
    hub: OpenStores, redis_client: Redis
) -> None:
    old = hub.fact("old", stated_ms=LAST_YEAR_MS, time_ms=LAST_YEAR_MS, **SALE_OF_TWO)
    [first] = await hub.book(old)
    assert isinstance(first, Applied)
    await hub.ledger_has_all()
    await forget(redis_client)

    [again] = await hub.book(old)

    alerts = (AnsweredAlert("discrepancy", "BAG", "LON", 2),)
    assert again == Duplicate(first.seq, Answer((("BAG", 2),), alerts))
    [position] = await hub.reads.positions_of("BAG")
    assert (position.on_hand, position.deficit) == (0, 2)


async def test_an_id_of_last_year_with_another_content_is_a_conflict_and_is_kept(
    hub: OpenStores, redis_client: Redis
) -> None:
    old = hub.fact("old", stated_ms=LAST_YEAR_MS)
    await hub.book(old)
    await hub.ledger_has_all()
    await forget(redis_client)

    other = msgspec.structs.replace(old, hash="content-2")
    first, second = [*await hub.book(other), *await hub.book(other)]

    assert isinstance(first, Conflict)
    assert second == first
    [position] = await hub.reads.positions_of("BAG")
    assert position.on_hand == 1


async def test_many_old_events_in_one_array_are_asked_about_at_once_and_booked_in_order(hub: OpenStores) -> None:
    facts = [hub.fact(f"old-{n}", stated_ms=LAST_YEAR_MS + n) for n in range(500)]

    outcomes = await hub.book(*facts, facts[0], hub.fact("fresh"))

    assert [type(outcome) for outcome in outcomes] == [Applied] * 500 + [Duplicate, Applied]
    [position] = await hub.reads.positions_of("BAG")
    assert position.on_hand == 501


async def test_a_parked_event_of_last_year_is_booked_when_it_is_mended(hub: OpenStores, redis_client: Redis) -> None:
    old = hub.fact("old", stated_ms=LAST_YEAR_MS)
    [parked] = await hub.book(msgspec.structs.replace(old, verb="park", lines=()))
    assert isinstance(parked, Parked)
    await hub.ledger_has_all()
    await forget(redis_client)

    [mended] = await hub.book(old)

    assert isinstance(mended, Applied)


async def test_while_the_ledger_is_away_fresh_events_are_booked_and_old_ids_are_unknown(hub: OpenStores) -> None:
    old = hub.fact("old", stated_ms=LAST_YEAR_MS)
    async with hub.ledger_away():
        with pytest.raises(Unavailable):
            await hub.book(old)
        with pytest.raises(Unavailable):
            await hub.book(hub.fact("fresh-0"), old)
        [fresh, parked] = await hub.book(hub.fact("fresh-1"), hub.fact("early", verb="park", lines=()))
        assert isinstance(fresh, Applied)
        assert isinstance(parked, Parked)
        assert not hub.stores.watermark.covers(fresh.seq)

    await hub.ledger_has_all()
    [outcome] = await hub.book(old)
    assert isinstance(outcome, Applied)


async def test_an_idle_hub_books_a_fresh_event_while_the_ledger_is_away(hub: OpenStores) -> None:
    # The last call of the kernel was half an hour ago.
    fresh = hub.fact("fresh")
    hub.kernel.booked_at_ms -= 30 * 60 * 1000
    async with hub.ledger_away():
        [outcome] = await hub.book(fresh)

    assert isinstance(outcome, Applied)


async def test_a_hub_idle_for_days_books_a_fresh_event_while_the_ledger_is_away(hub: OpenStores) -> None:
    fresh = hub.fact("fresh")
    hub.kernel.booked_at_ms -= 3 * DAY_MS
    async with hub.ledger_away():
        [outcome] = await hub.book(fresh)

    assert isinstance(outcome, Applied)


async def test_the_first_answer_comes_from_the_ledger_when_the_journal_is_trimmed(
    hub: OpenStores, redis_client: Redis
) -> None:
    sale = hub.fact("sale", **SALE_OF_TWO)
    [first] = await hub.book(sale)
    assert isinstance(first, Applied)
    await hub.book(hub.fact("later"))
    await hub.ledger_has_all()
    await redis_client.xtrim(keys.JOURNAL, maxlen=1, approximate=False)

    [again] = await hub.book(sale)

    alerts = (AnsweredAlert("discrepancy", "BAG", "LON", 2),)
    assert again == Duplicate(first.seq, Answer((("BAG", 2),), alerts))
    async with hub.ledger_away():
        with pytest.raises(Unavailable):
            await hub.book(sale)


async def test_an_old_event_in_an_array_holds_back_none_of_todays_while_the_ledger_is_away(hub: OpenStores) -> None:
    old = hub.fact("old", stated_ms=LAST_YEAR_MS)
    today = [hub.fact("fresh-1"), hub.fact("fresh-2")]
    array = [today[0], old, today[1]]
    async with hub.ledger_away():
        with pytest.raises(Unavailable):
            await hub.book(*array)
        [position] = await hub.reads.positions_of("BAG")
        assert position.on_hand == 2

    await hub.ledger_has_all()
    again = await hub.book(*array)
    assert [type(outcome) for outcome in again] == [Duplicate, Applied, Duplicate]


async def test_an_id_that_came_again_after_its_memory_is_answered_by_its_own_lines(
    hub: OpenStores, redis_client: Redis
) -> None:
    [first] = await hub.book(hub.fact("reused", **SALE_OF_TWO))
    await hub.ledger_has_all()
    await forget(redis_client)
    reused = hub.fact("reused", Line("BAG", "LON", 7), Line("BELT", "LON", 1), hash="content-2")
    [second] = await hub.book(reused)
    assert isinstance(first, Applied)
    assert isinstance(second, Applied)
    await hub.book(hub.fact("later"))
    await hub.ledger_has_all()
    await redis_client.xtrim(keys.JOURNAL, maxlen=1, approximate=False)

    [again] = await hub.book(reused)

    assert again == Duplicate(second.seq, Answer((("BAG", 7), ("BELT", 1)), ()))


async def test_new_rules_at_a_restart_are_used_when_a_sku_is_touched(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn) as before:
        await before.book(before.fact("one", Line("BAG", "LON", 5)))
        [item] = await before.reads.read("online", ["BAG"])
        assert (item.available, item.status) == (5, "in_stock")

    async with opened(redis_url, postgres_dsn, capped()) as after:
        assert after.kernel.rules_version == 2
        [outcome] = await after.book(after.fact("two"))

    assert isinstance(outcome, Applied)
    [shown] = outcome.shown
    assert (shown.pool, shown.view.available, shown.view.capped, shown.view.changes) == ("online", 3, 1, 2)


async def test_new_rules_at_a_restart_are_used_when_a_sku_is_read(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn) as before:
        await before.book(before.fact("one", Line("BAG", "LON", 5)))
        [old] = await before.reads.read("online", ["BAG"])

    async with opened(redis_url, postgres_dsn, capped()) as after:
        [bag, never] = await after.reads.read("online", ["BAG", "NEVER"])
        [again, _] = await after.reads.read("online", ["BAG", "BAG"])

    assert (bag.available, bag.capped, bag.rev) == (3, True, old.rev + 1)
    assert again == bag
    assert (never.available, never.rev, never.status) == (0, 0, "out_of_stock")


async def test_new_rules_at_a_restart_reach_every_sku_by_the_sweep(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn) as before:
        await before.book(*[before.fact(f"{n}", Line(f"SKU-{n}", "LON", 5)) for n in range(450)])

    swept: list[int] = []
    async with opened(redis_url, postgres_dsn, capped()) as after:
        await after.stores.sweep.once(swept.append)
        again: list[int] = []
        await after.stores.sweep.once(again.append)
        versions = [await redis_client.hget(keys.sku(f"SKU-{n}"), "r") for n in range(450)]
        items = await after.reads.read("online", [f"SKU-{n}" for n in range(450)])

    assert (sum(swept), sum(again)) == (450, 0)
    assert set(versions) == {b"2"}
    assert {(item.available, item.capped) for item in items} == {(3, True)}


async def test_the_same_house_again_refreshes_nothing(redis_url: str, postgres_dsn: str, redis_client: Redis) -> None:
    async with opened(redis_url, postgres_dsn) as before:
        await before.book(before.fact("one"))
        floor = before.kernel.floor

    async with opened(redis_url, postgres_dsn) as after:
        await after.stores.sweep.once()
        assert (after.kernel.floor, after.kernel.rules_version) == (floor, 1)


async def is_flushed(client: Redis) -> None:
    await client.flushall()


async def is_behind(client: Redis) -> None:
    await client.hset(keys.META, "next", 1)


@pytest.mark.parametrize("what_happens", [is_flushed, is_behind])
async def test_a_redis_that_lacks_what_the_ledger_has_is_given_it_at_the_start(
    redis_url: str,
    postgres_dsn: str,
    redis_client: Redis,
    what_happens: Callable[[Redis], Awaitable[None]],
) -> None:
    async with opened(redis_url, postgres_dsn) as hub:
        fact = hub.fact("one")
        [first] = await hub.book(fact)
        await hub.ledger_has_all()
    await what_happens(redis_client)

    async with opened(redis_url, postgres_dsn) as hub:
        assert (hub.kernel.epoch, await hub.book(fact)) == (2, [Duplicate(first.seq, ANY)])


async def test_a_redis_from_before_a_recovery_is_healed_at_the_start_once_nobody_works_in_a_newer_epoch(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn) as hub:
        fact = hub.fact("one")
        [first] = await hub.book(fact)
        await hub.ledger_has_all()
    older = await redis_client.hgetall(keys.META)
    await redis_client.hset(keys.META, "next", 1)
    async with opened(redis_url, postgres_dsn) as hub:
        await hub.ledger_has_all()
    await redis_client.hset(keys.META, mapping=older)

    async with opened(redis_url, postgres_dsn) as hub:
        assert (hub.kernel.epoch, await hub.book(fact)) == (3, [Duplicate(first.seq, ANY)])


def capped() -> HouseSettings:
    online = PoolSettings("online", locations=("LON", "PAR"), cap=3)
    return msgspec.structs.replace(HOUSE, pools=(online, *HOUSE.pools[1:]))
