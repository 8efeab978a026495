"""A running hub whose stock somebody's hand damaged, and which sold from it since."""

from typing import Any

import pytest
from redis.asyncio import Redis

from hub.commands.verify import repaired
from hub.domain.catalogue import SkuSettings
from hub.domain.command import Line
from hub.faults import Unavailable
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.inspecting import Inspection
from hub.stock.outcome import Applied
from tests.stock.opened import OpenStores
from tests.verify.conftest import Verify, sale
from tests.verify.hand import decode_position

KEY, FIELD = keys.sku("BAG"), "l:LON"


async def repair(client: Redis, dsn: str, verify: Verify) -> list[str]:
    sums = Sums(Link(dsn, "verify"))
    try:
        return await repaired(Inspection(client), sums, await verify(), verify, is_live=False)
    finally:
        await sums.aclose()


@pytest.mark.parametrize("sales", [0, 1, 2])
async def test_a_lost_position_that_was_sold_from_is_what_the_shelf_can_give(
    hub: OpenStores, verify: Verify, redis_client: Redis, postgres_dsn: str, sales: int
) -> None:
    right = await position(redis_client)
    assert right.free > sales
    await redis_client.hdel(KEY, FIELD)  # type: ignore[misc]
    for number in range(sales):
        [outcome] = await hub.book(sale(hub, f"from-nothing-{number}", Line("BAG", "LON", 1)))
        assert isinstance(outcome, Applied)
    await hub.ledger_has_all()
    assert (await verify()).exit_code == 1

    [said] = await repair(redis_client, postgres_dsn, verify)

    assert said.startswith("BAG: repaired by ")
    await hub.ledger_has_all()
    assert (await verify()).findings == []
    now = await position(redis_client)
    assert (now.free, now.deficit) == (right.free - sales, 0)
    assert sum(fence.quantity for fence in now.fences) == sum(fence.quantity for fence in right.fences)


async def test_a_lost_revision_is_set_again_by_the_sale_that_meets_it(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    await describe(hub)
    await redis_client.hdel(KEY, "c")  # type: ignore[misc]
    assert set((await verify()).kinds) == {"description_differs"}

    [outcome] = await hub.book(sale(hub, "met", Line("BAG", "LON", 1)))

    assert isinstance(outcome, Applied)
    await hub.ledger_has_all()
    assert (await verify()).findings == []


async def test_a_sku_that_was_only_described_sells_although_its_hash_is_lost(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    await hub.stores.describing.describe([SkuSettings("GLOVE", category="gloves")])
    await redis_client.delete(keys.sku("GLOVE"))

    [outcome] = await hub.book(hub.fact("gloves", Line("GLOVE", "LON", 1)))

    assert isinstance(outcome, Applied)
    await hub.ledger_has_all()
    assert (await verify()).findings == []


async def test_a_repair_sets_a_lost_revision_and_a_lost_position_at_once(
    hub: OpenStores, verify: Verify, redis_client: Redis, postgres_dsn: str
) -> None:
    await describe(hub)
    right = await position(redis_client)
    await redis_client.hdel(KEY, "c", FIELD)  # type: ignore[misc]

    [said] = await repair(redis_client, postgres_dsn, verify)

    assert said.startswith("BAG: repaired by ")
    await hub.ledger_has_all()
    assert (await verify()).findings == []
    assert await position(redis_client) == right


async def test_a_sender_is_told_to_verify_where_the_position_cannot_be_read(
    hub: OpenStores, redis_client: Redis
) -> None:
    await redis_client.hset(KEY, FIELD, "\xc1")  # type: ignore[misc]

    with pytest.raises(Unavailable) as told:
        await hub.book(sale(hub, "unread", Line("BAG", "LON", 1)))

    sentence = "Redis holds something unexpected of BAG: a stored value cannot be read; `hub verify` says where"
    assert str(told.value) == sentence


async def describe(hub: OpenStores) -> None:
    await hub.stores.describing.describe([SkuSettings("BAG", category="bags")])
    await hub.ledger_has_all()


async def position(client: Redis) -> Any:
    packed: Any = await client.hget(KEY, FIELD)  # type: ignore[misc]
    return decode_position(packed)
