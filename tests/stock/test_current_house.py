"""The house changes while several processes work on one partition: nobody is refused, and nobody shows two truths."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings, RuleSettings
from hub.domain.command import Line
from hub.domain.document import decode_document
from hub.domain.entry import FIELD, Entry, decode_entry
from hub.faults import SettingsInvalid, Unavailable
from hub.stock import keys
from hub.stock.outcome import Applied, Duplicate
from hub.tasks import end
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE

CAPPED = msgspec.structs.replace(HOUSE, rules=(RuleSettings(pool="online", cap=3),))


@pytest.fixture
async def two(redis_url: str, postgres_dsn: str) -> AsyncIterator[tuple[OpenStores, OpenStores]]:
    """Two processes of one hub."""
    async with opened(redis_url, postgres_dsn) as one, opened(redis_url, postgres_dsn) as other:
        yield one, other


async def rules_entries(client: Redis) -> list[Entry]:
    found: Any = await client.xrange(keys.JOURNAL)
    entries = [decode_entry(fields[FIELD]) for _, fields in found]
    return [entry for entry in entries if entry.kind == "rules"]


async def shown(hub: OpenStores, sku: str = "BAG") -> int:
    [item] = await hub.reads.read("online", [sku])
    assert item.available is not None
    return item.available


async def test_a_process_that_has_not_heard_books_and_reads_by_the_new_house_at_once(
    two: tuple[OpenStores, OpenStores],
) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))

    assert await one.stores.current.adopt_settings(CAPPED)

    assert await shown(other) == 3
    assert other.stores.house.document == one.stores.house.document
    [outcome] = await other.book(other.fact("more"))
    assert isinstance(outcome, Applied)
    assert [(each.pool, each.view.available) for each in outcome.shown] == [("online", 3)]


async def test_a_booking_that_meets_another_house_is_made_by_that_one(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))
    await one.stores.current.adopt_settings(CAPPED)

    [outcome] = await other.book(other.fact("more"))

    assert isinstance(outcome, Applied)
    assert [each.view.available for each in outcome.shown] == [3]
    assert other.kernel.rules_version == one.kernel.rules_version == 2


async def test_under_concurrent_sales_a_change_of_rules_loses_nothing_and_no_number_comes_back(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, _ = two
    await one.book(one.fact("stock", Line("BAG", "LON", 1_000)))
    done = asyncio.Event()

    async def sell(hub: OpenStores, till: str) -> int:
        number = 0
        while not done.is_set():
            [outcome] = await hub.book(
                hub.fact(f"{till}-{number}", Line("BAG", "LON", 1), verb="sale", type="sale", pool="online")
            )
            assert isinstance(outcome, Applied)
            number += 1
        return number

    async def look(hub: OpenStores) -> None:
        revs = []
        while not done.is_set():
            [item] = await hub.reads.read("online", ["BAG"])
            revs.append(item.rev)
        assert revs == sorted(revs)

    tills = [asyncio.create_task(sell(hub, f"{hub is one}-{n}")) for hub in two for n in range(3)]
    screens = [asyncio.create_task(look(hub)) for hub in two]
    for cap in range(20):
        settings = msgspec.structs.replace(HOUSE, rules=(RuleSettings(pool="online", cap=cap),))
        await two[cap % 2].stores.current.adopt_settings(settings)
    done.set()
    sold = sum(await asyncio.gather(*tills))
    await asyncio.gather(*screens)

    [position] = await one.reads.positions_of("BAG")
    assert (position.free, sold > 0) == (1_000 - sold, True)
    assert [await shown(hub) for hub in two] == [19, 19]
    assert len(await rules_entries(redis_client)) == 21


async def test_the_same_settings_again_change_nothing(hub: OpenStores, redis_client: Redis) -> None:
    assert not await hub.stores.current.adopt_settings(HOUSE)
    assert len(await rules_entries(redis_client)) == 1


async def test_what_shows_no_sku_otherwise_keeps_the_version_and_reaches_the_others(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, other = two
    await one.book(one.fact("one"))
    public = (msgspec.structs.replace(HOUSE.pools[0], public=True), *HOUSE.pools[1:])

    assert await one.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, pools=public))
    await shown(other)

    assert other.stores.house.pools[0].public
    assert (one.kernel.rules_version, len(await rules_entries(redis_client))) == (1, 2)


async def test_two_that_change_the_house_at_once_take_turns(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, other = two

    await asyncio.gather(
        one.stores.current.adopt_settings(CAPPED),
        other.stores.current.set_stale_sources({"till-7"}),
        one.stores.current.set_stale_sources({"till-7"}),
    )

    await other.stores.current.catch_up()
    await one.stores.current.catch_up()
    document = other.stores.house.document
    assert (document.settings.rules, document.stale_sources) == (CAPPED.rules, ("till-7",))
    assert one.stores.house.document == document


async def test_the_journal_has_every_house_that_ever_was(hub: OpenStores, redis_client: Redis) -> None:
    await hub.stores.current.adopt_settings(CAPPED)

    first, second = [decode_document(entry.payload.encode()) for entry in await rules_entries(redis_client)]

    assert (first.settings, second.settings) == (HOUSE, CAPPED)
    assert second.active_at_ms >= first.active_at_ms
    stored: Any = await redis_client.get(keys.HOUSE)
    assert decode_document(stored) == second


async def test_a_rule_for_a_silent_source_holds_while_it_is_silent(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    silent = RuleSettings(pool="online", location="LON", stale_source="till-7", buffer=4)
    await one.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, rules=(silent,)))
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))
    assert await shown(one) == 10

    assert await other.stores.current.set_stale_sources({"till-7", "till-8"})
    assert not await one.stores.current.set_stale_sources({"till-8", "till-7"})
    assert [await shown(hub) for hub in two] == [6, 6]

    assert await one.stores.current.set_stale_sources(set())
    assert [await shown(hub) for hub in two] == [10, 10]


async def test_a_rule_comes_into_force_and_ends_by_itself_in_every_process(
    two: tuple[OpenStores, OpenStores], until: Any
) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))
    now = datetime.now(UTC)
    launch = RuleSettings(pool="online", cap=3, from_=now + timedelta(seconds=0.4), until=now + timedelta(seconds=0.8))
    watching = [asyncio.create_task(hub.stores.current.watch()) for hub in two]
    await one.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, rules=(launch,)))
    one.stores.current.note_news()

    async def shows(wanted: int) -> bool:
        return [await shown(hub) for hub in two] == [wanted, wanted]

    assert await shown(other) == 10
    await until(lambda: shows(3))
    await until(lambda: shows(10))
    assert one.kernel.rules_version == 3
    await end(watching)


async def test_a_boundary_that_was_met_is_not_looked_at_again_from_before_it(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, _ = two
    document = one.stores.house.document
    ahead = msgspec.structs.replace(document, active_at_ms=document.active_at_ms + 3_600_000)
    await redis_client.set(keys.HOUSE, msgspec.json.encode(ahead))
    await redis_client.hset(keys.META, "document", ahead.token())

    await one.stores.current.adopt_settings(CAPPED)

    assert one.stores.house.document.active_at_ms == ahead.active_at_ms


async def test_a_time_at_which_nothing_changes_is_met_once(hub: OpenStores, redis_client: Redis, until: Any) -> None:
    begins = datetime.now(UTC) + timedelta(seconds=0.3)
    silent = RuleSettings(pool="online", buffer=1, from_=begins, stale_source="till-7")
    await hub.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, rules=(silent,)))
    watching = asyncio.create_task(hub.stores.current.watch())

    async def is_met() -> bool:
        return hub.stores.house.document.active_at_ms >= begins.timestamp() * 1000

    await until(is_met)

    assert (hub.kernel.rules_version, len(await rules_entries(redis_client))) == (1, 3)
    await end([watching])


async def test_a_restart_takes_what_the_file_says_and_keeps_what_is_silent(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn) as before:
        await before.stores.current.set_stale_sources({"till-7"})

    async with opened(redis_url, postgres_dsn, CAPPED) as after:
        assert after.stores.house.document.stale_sources == ("till-7",)
        assert after.stores.house.document.settings == CAPPED


async def test_a_pool_that_is_gone_shows_nothing_and_a_new_one_shows_all(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))
    pools = (PoolSettings("market", locations=("LON",)),)

    await one.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, pools=pools))

    assert await other.reads.read("online", ["BAG"]) == []
    [item] = await other.reads.read("market", ["BAG"])
    assert item.available == 10


async def test_a_sale_told_to_both_around_a_change_is_booked_once(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    fact = one.fact("once")

    await one.book(fact)
    await one.stores.current.adopt_settings(CAPPED)
    [again] = await other.book(fact)

    assert isinstance(again, Duplicate)


async def test_a_house_too_large_for_the_journal_is_refused_and_nothing_changes(
    hub: OpenStores, redis_client: Redis
) -> None:
    many = tuple(LocationSettings(f"L-{n}", "store", name="x" * 128) for n in range(60_000))

    with pytest.raises(SettingsInvalid, match="MiB"):
        await hub.stores.current.adopt_settings(HouseSettings(locations=many))

    assert len(await rules_entries(redis_client)) == 1
    [outcome] = await hub.book(hub.fact("one"))
    assert isinstance(outcome, Applied)


async def test_a_house_of_another_version_of_the_hub_is_not_guessed_at(hub: OpenStores, redis_client: Redis) -> None:
    await redis_client.set(keys.HOUSE, b'{"format": 7}')
    await redis_client.hset(keys.META, mapping={"document": "other", "rules": 9})

    with pytest.raises(Unavailable, match="another version"):
        await hub.book(hub.fact("one"))
    with pytest.raises(Unavailable, match="another version"):
        await hub.reads.read("online", ["BAG"])


async def test_what_somebody_watches_is_recomputed_before_all_else(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(*(hub.fact(f"in-{number}", Line(f"SKU-{number}", "LON", 5)) for number in range(300)))
    hub.stores.sweep.watched = lambda: {"SKU-299"}
    before = hub.kernel.floor
    await hub.stores.current.adopt_settings(msgspec.structs.replace(HOUSE, rules=(RuleSettings(buffer=1),)))

    await hub.stores.sweep.once()

    entries = [decode_entry(fields[FIELD]) for _, fields in await redis_client.xrange(keys.JOURNAL, f"1-{before}")]
    refreshed = [entry.about for entry in entries if entry.kind == "refresh"]
    assert refreshed[0] == "SKU-299"
    assert len(refreshed) == len(set(refreshed)) == 300
