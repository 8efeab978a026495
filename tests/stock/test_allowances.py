"""What vendors let one account ask is one bucket for all who ask."""

import asyncio

import pytest
from redis.asyncio import Redis

from adapters.offering import Allowance
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.allowances import Allowances


def allowances(client: Redis, per_second: float = 0.001, burst: float = 5.0) -> Allowances:
    return Allowances(client, lambda account: Allowance(per_second, burst))


async def test_what_is_saved_up_is_shared_and_of_each_account_its_own(redis_client: Redis) -> None:
    one, other = allowances(redis_client), allowances(redis_client)

    waits = [await each.take("shop") for each in (one, other) * 4]

    assert [wait == 0 for wait in waits] == [True] * 5 + [False] * 3
    assert waits[5] > 900
    assert await one.take("another") == 0


async def test_many_at_once_never_take_more_than_there_is(redis_client: Redis) -> None:
    asking = allowances(redis_client, burst=20.0)

    waits = await asyncio.gather(*(asking.take("shop", 3.0) for _ in range(50)))

    assert sum(wait == 0 for wait in waits) == 6


async def test_units_come_back(redis_client: Redis) -> None:
    asking = allowances(redis_client, per_second=20.0, burst=1.0)
    assert await asking.take("shop") == 0

    wait_seconds = await asking.take("shop")
    assert 0 < wait_seconds <= 0.05
    assert await asking.turn("shop", patience_seconds=5.0) == 0


async def test_nobody_waits_longer_than_there_is_patience(redis_client: Redis) -> None:
    asking = allowances(redis_client, burst=1.0)
    await asking.take("shop")

    assert await asking.turn("shop", patience_seconds=0.5) > 900


async def test_an_account_that_is_left_alone_is_left_alone_by_all(redis_client: Redis) -> None:
    one, other = allowances(redis_client), allowances(redis_client)
    await one.rest("shop", 60)
    await other.rest("shop", 1)

    assert 59 < await other.take("shop") <= 60
    await one.rest("shop", 1e9)
    assert await one.take("shop") <= 3_600


async def test_the_vendors_own_count_is_believed_where_it_is_less(redis_client: Redis) -> None:
    asking = allowances(redis_client, per_second=10.0)
    await asking.hear("shop", 100.0, None)
    await asking.hear("shop", 1.0, 0.01)

    assert await asking.take("shop") == 0
    assert await asking.take("shop") > 90


async def test_what_costs_more_than_can_be_saved_up_is_taken_when_all_is_there_and_owed(redis_client: Redis) -> None:
    asking = allowances(redis_client, per_second=1.0)

    assert await asking.take("shop", 12.0) == 0
    assert 7 < await asking.take("shop") <= 8


async def test_fewer_requests_a_second_than_the_vendor_allows(redis_client: Redis) -> None:
    asking = allowances(redis_client, per_second=100.0, burst=1_000.0)
    asking.slowed = {"shop": 2.0}

    waits = [await asking.take("shop", 10.0) for _ in range(4)]

    assert [wait == 0 for wait in waits] == [True, True, False, False]
    assert [await asking.take("another", 10.0) for _ in range(4)] == [0] * 4


async def test_an_account_nobody_asks_leaves_nothing_behind(redis_client: Redis) -> None:
    asking = allowances(redis_client, per_second=1.0)
    await asking.take("shop")

    assert 60 <= await redis_client.ttl(keys.allowance("shop")) <= 62


async def test_without_redis_nobody_is_asked() -> None:
    async with Redis.from_url("redis://127.0.0.1:1") as nowhere:
        with pytest.raises(Unavailable):
            await allowances(nowhere).take("shop")
