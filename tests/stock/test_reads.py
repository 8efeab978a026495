"""Reads from a real partition: nothing older than what was answered, and a whole location page by page."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Line
from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.message import Refresh
from hub.stock.outcome import Unchanged
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE


async def test_a_sku_nobody_ever_booked_is_shown_as_nothing(hub: OpenStores) -> None:
    [item] = await hub.reads.read("online", ["NEVER"])

    assert (item.available, item.status, item.rev) == (0, "out_of_stock", 0)
    assert await hub.reads.positions_of("NEVER") == []


async def test_items_come_in_the_order_of_the_question_and_as_often(hub: OpenStores) -> None:
    await hub.book(hub.fact("a", Line("A", "LON", 1)), hub.fact("b", Line("B", "PAR", 3)))

    items = await hub.reads.read("online", ["B", "NEVER", "A", "B"])

    assert [(item.sku, item.available) for item in items] == [("B", 3), ("NEVER", 0), ("A", 1), ("B", 3)]


async def test_the_positions_of_a_sku_come_by_location(hub: OpenStores) -> None:
    await hub.book(
        hub.fact("p", Line("BAG", "PAR", 2)),
        hub.fact("l", Line("BAG", "LON", 1)),
        hub.fact("aside", Line("BAG", "LON", 4, "damaged"), verb="return", type="return"),
        hub.fact("vip", Line("BAG", "LON", 1), verb="ring_fence", type="ring_fence", pool="vip"),
    )

    london, paris = await hub.reads.positions_of("BAG")

    assert (london.location, london.on_hand, london.free) == ("LON", 5, 0)
    assert (london.ring_fenced, london.aside) == ({"vip": 1}, {"damaged": 4})
    assert (paris.location, paris.on_hand, paris.deficit) == ("PAR", 2, 0)
    assert await hub.reads.positions_at("PAR") == [paris]
    assert await hub.reads.positions_at("NOWHERE") == []


async def test_the_newest_change_is_where_the_journal_ends(hub: OpenStores) -> None:
    await hub.book(hub.fact("one"))

    assert await hub.reads.last_seq() == Seq(1, 1)


async def test_a_redis_that_lost_what_was_answered_is_not_read(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("one"))
    await redis_client.hset(keys.META, "next", 1)

    for read in (hub.reads.read("online", ["BAG"]), hub.reads.positions_among("LON", ["BAG"]), hub.reads.last_seq()):
        with pytest.raises(Unavailable, match="lost"):
            await read

    await redis_client.flushall()
    with pytest.raises(Unavailable, match="lost"):
        await hub.reads.read("online", ["BAG"])


async def test_a_key_of_a_wrong_type_makes_a_read_unavailable(hub: OpenStores, redis_client: Redis) -> None:
    await redis_client.set(keys.sku("BAG"), "something else")
    await redis_client.set(keys.skus_at("LON"), "something else")

    with pytest.raises(Unavailable):
        await hub.reads.read("online", ["BAG"])
    with pytest.raises(Unavailable):
        await hub.reads.positions_of("BAG")
    with pytest.raises(Unavailable):
        await hub.reads.skus_at("LON", 0, 10)


async def test_hundreds_of_reads_at_once_are_all_answered(hub: OpenStores) -> None:
    await hub.book(hub.fact("one"))

    answers = await asyncio.gather(*(hub.reads.read("online", ["BAG"]) for _ in range(400)))

    assert {item.available for [item] in answers} == {1}


async def test_reads_beside_bookings_are_all_answered_and_never_go_back(hub: OpenStores) -> None:
    async def book() -> None:
        for number in range(150):
            await hub.book(hub.fact(f"beside-{number}"))

    booking = asyncio.create_task(book())
    seen = [0]
    while not booking.done():
        [[item], _, _] = await asyncio.gather(
            hub.reads.read("online", ["BAG"]), hub.reads.last_seq(), hub.reads.positions_among("LON", ["BAG"])
        )
        seen.append(item.rev)

    await booking
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


async def test_reads_go_on_while_redis_is_full(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("one"))
    await redis_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="memory"):
            await hub.book(hub.fact("two"))
        [item] = await hub.reads.read("online", ["BAG"])
        assert item.available == 1
    finally:
        await redis_client.config_set("maxmemory", 0)


async def test_a_refresh_of_what_is_current_changes_nothing(hub: OpenStores) -> None:
    await hub.book(hub.fact("one"))

    assert await hub.stores.batcher.submit([Refresh("BAG"), Refresh("NEVER")]) == [Unchanged(), Unchanged()]
    assert await hub.reads.last_seq() == Seq(1, 1)


@pytest.fixture
async def wide_hub(redis_url: str, postgres_dsn: str) -> AsyncIterator[OpenStores]:
    """A house of many pools whose rules have just changed, with little room in front of the kernel."""
    pools = [PoolSettings(f"pool-{n}", locations=("LON", "PAR")) for n in range(50)]
    async with opened(redis_url, postgres_dsn, HouseSettings(HOUSE.locations, tuple(pools))) as before:
        await before.book(*[before.fact(str(n), Line(f"SKU-{n}", "LON", 5)) for n in range(120)])
    house = HouseSettings(HOUSE.locations, (PoolSettings("pool-0", locations=("LON",)), *pools[1:]))
    async with opened(redis_url, postgres_dsn, house, batch_weight_max=500, waiting_weight_max=1_000) as stores:
        yield stores


async def test_a_sweep_in_a_busy_hub_neither_gives_up_nor_keeps_sales_out(wide_hub: OpenStores) -> None:
    async def sell() -> int:
        refused = 0
        number = 0
        while not swept.done():
            number += 1
            try:
                await wide_hub.book(wide_hub.fact(f"sale-{number}", Line("OTHER", "LON", 1)))
            except Unavailable:
                refused += 1
        return refused

    swept = asyncio.create_task(wide_hub.stores.sweep.once())
    refused = await sell()

    await swept
    assert refused == 0


async def test_a_sweep_outlives_a_redis_that_is_away_for_a_moment(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("one"))
    next_number = await redis_client.hget(keys.META, "next")
    # As good as away: reads refuse it.
    await redis_client.hset(keys.META, "next", 0)
    swept = asyncio.create_task(hub.stores.sweep.once())
    done, _ = await asyncio.wait([swept], timeout=0.3)
    assert not done

    await redis_client.hset(keys.META, "next", next_number)

    await asyncio.wait_for(swept, 20)
