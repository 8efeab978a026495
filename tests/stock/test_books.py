"""The book of many SKUs at one moment, and which moment that is."""

import pytest
from redis.asyncio import Redis

from hub.domain.command import Counting, Line
from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.books import SKUS_AT_ONCE_MAX, Books
from tests.stock.opened import OpenStores


async def test_a_page_has_positions_in_order_and_the_number_of_what_comes_next(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(hub.fact("a", Line("A", "LON", 3)), hub.fact("b", Line("B", "PAR", 1)))
    books = Books(redis_client, hub.kernel)

    page = await books.page("LON", ["B", "A"])

    assert page.following == Seq(1, 3)
    [absent, found] = page.positions
    assert absent is None
    assert found is not None
    assert (found.on_hand, page.waits_for_count(found)) == (3, False)


async def test_a_position_whose_newest_count_is_not_closed_is_not_final(hub: OpenStores, redis_client: Redis) -> None:
    books = Books(redis_client, hub.kernel)
    detail = Counting(hub.kernel.booked_at_ms, "system")
    async with hub.ledger_away():
        await hub.book(hub.fact("counted", Line("A", "LON", 3), verb="count", type="count", detail=detail))
        page = await books.page("LON", ["A"])

    [found] = page.positions
    assert found is not None
    assert page.waits_for_count(found)


async def test_a_redis_that_lost_what_was_answered_has_no_book(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("a", Line("A", "LON", 3)))
    await redis_client.hset(keys.META, "next", 1)

    with pytest.raises(Unavailable, match="lost"):
        await Books(redis_client, hub.kernel).page("LON", ["A"])


async def test_a_page_is_bounded(hub: OpenStores, redis_client: Redis) -> None:
    with pytest.raises(ValueError, match="at once"):
        await Books(redis_client, hub.kernel).page("LON", ["A"] * (SKUS_AT_ONCE_MAX + 1))
