"""Pools that are alike share what a call makes for them; each still shows what its own rules say."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings, RuleSettings
from hub.domain.command import Fact, Line
from hub.domain.pools import View, parts_of, shown
from hub.stock import keys
from hub.stock.message import Refresh
from hub.stock.outcome import Applied
from tests.stock.partition import Partition, house_of

PLACES = ("LON", "PAR")
# The first two are alike, the third sees less, and the others show the same units otherwise.
POOLS = (
    PoolSettings("web", locations=PLACES),
    PoolSettings("app", locations=PLACES),
    PoolSettings("paris", locations=("PAR",)),
    PoolSettings("held", locations=PLACES),
    PoolSettings("capped", locations=PLACES),
    PoolSettings("again", locations=PLACES),
)
RULES = (RuleSettings(pool="held", safety=3), RuleSettings(pool="capped", cap=2))
HOUSE = HouseSettings(
    locations=tuple(LocationSettings(name, "store", "FR") for name in PLACES), pools=POOLS, rules=RULES
)

_decode = msgspec.msgpack.Decoder(View).decode


@pytest.fixture
async def alike(redis_client: Redis) -> Partition:
    made = Partition(redis_client, house_of(HOUSE))
    await made.open()
    return made


async def views(partition: Partition) -> dict[str, View]:
    packed: Any = await partition.client.hmget(keys.sku("BAG"), ["p:" + pool.id for pool in POOLS])
    return {pool.id: _decode(found) for pool, found in zip(POOLS, packed, strict=True) if found is not None}


async def assert_each_shows_its_own(partition: Partition) -> None:
    """As computed from all positions of the SKU, pool by pool."""
    found = await views(partition)
    positions = {place: await partition.position("BAG", place) for place in PLACES}
    profile = partition.house.profile("BAG")
    for number, terms in enumerate(profile.terms):
        view = found[terms.pool]
        assert view.parts == parts_of(positions, profile, number)
        told = shown(terms, view.parts)
        assert (view.available, view.capped, view.status) == (told.available, told.capped, told.status)


def stocked(partition: Partition) -> Fact:
    return partition.fact("stock", Line("BAG", "LON", 5), Line("BAG", "PAR", 4))


async def test_each_pool_shows_its_own_when_both_places_change_in_one_event(alike: Partition) -> None:
    both = alike.fact("sold", Line("BAG", "LON", 1), Line("BAG", "PAR", 2), verb="sale", type="sale", pool="web")

    outcomes = await alike.call(stocked(alike), alike.sale("one"), both)

    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    await assert_each_shows_its_own(alike)
    assert {name: view.available for name, view in (await views(alike)).items()} == {
        "web": 5, "app": 5, "paris": 2, "held": 2, "capped": 2, "again": 5,
    }  # fmt: skip


async def test_a_fence_parts_pools_that_were_alike(alike: Partition) -> None:
    fenced = alike.fact("fence", Line("BAG", "LON", 2), verb="ring_fence", type="ring_fence", pool="app")

    await alike.call(stocked(alike), fenced, alike.sale("sold", 3))

    await assert_each_shows_its_own(alike)
    found = await views(alike)
    assert found["app"].available != found["web"].available


async def test_a_refresh_gives_each_pool_its_own(alike: Partition) -> None:
    await alike.call(stocked(alike))
    changed = HouseSettings(HOUSE.locations, POOLS, rules=(RuleSettings(pool="app", safety=1), *RULES))
    alike.house = house_of(changed)
    await alike.kernel.adopt(alike.house, "")

    [outcome] = await alike.call(Refresh("BAG"))

    assert isinstance(outcome, Applied)
    await assert_each_shows_its_own(alike)
    await alike.call(alike.sale("sold"))
    await assert_each_shows_its_own(alike)
