"""What is over is given back without being asked for: at once, by whoever comes first, and whatever stands in front."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.command import Asking, Fact, Line
from hub.domain.entry import FIELD, decode_entry
from hub.domain.holding.due import Due, GivenBack
from hub.domain.holding.hold import State, reservation_name
from hub.embedded.servers import EmbeddedServers
from hub.stock import keys
from hub.stock.outcome import Granted
from hub.telemetry import Metrics
from hub.watching.expiry import LOOK_SECONDS, ExpiryWatch
from tests.stock.opened import OpenStores, opened

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

HOUR_MS = 3_600_000


async def reserve(hub: OpenStores, id: str, ttl_ms: int, *skus: str) -> None:
    asked = tuple((sku, "", 1) for sku in skus or ("BAG",))
    asking = Asking(reservation_name(id), asked, ttl_ms, owner="anna", kind="cart")
    outcome = await hub.stores.requests.ask(request(hub, "reserve", id, asking))
    assert isinstance(outcome, Granted), outcome


def request(hub: OpenStores, verb: Any, id: str, asking: Asking) -> Fact:
    made = hub.fact(id, verb=verb, type="reservation.reserved", pool="online", detail=asking)
    return msgspec.structs.replace(made, lines=())


async def is_over(redis: Redis) -> int:
    """How many holds are over by Redis's clock, given back or not."""
    clock = await redis.time()
    return int(await redis.zcount(keys.EXPIRY, 0, int(clock[0]) * 1000 + int(clock[1]) // 1000))


async def available(hub: OpenStores, sku: str = "BAG") -> int | None:
    [item] = await hub.reads.read("online", [sku])
    return item.available


async def test_what_is_over_is_given_back_and_the_rest_is_left_alone(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        await hub.book(hub.fact("in", Line("BAG", "LON", 5)))
        await reserve(hub, "short", 1)
        await reserve(hub, "long", HOUR_MS)

        async def one_is_over() -> bool:
            return await is_over(redis_client) == 1

        await until(one_is_over)
        assert await available(hub) == 3
        wait_seconds = await hub.stores.expiry.look()

        assert (wait_seconds, await available(hub)) == (LOOK_SECONDS, 4)
        # The count is as of the look that found nothing more.
        assert hub.stores.expiry.live == 1
        holds = await hub.stores.held.find([reservation_name("short"), reservation_name("long")])
        assert [hold.state for hold in holds.values()] == [State.expired, State.held]
        newest = (await redis_client.xrevrange(keys.JOURNAL, count=1))[0][1][FIELD]
        entry = decode_entry(newest)
        assert (entry.kind, entry.type, entry.source) == ("request", "reservation.expired", "~hub")


async def test_several_watches_at_once_give_back_once(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub, opened(servers.redis_url, postgres_dsn) as other:
        await hub.book(hub.fact("in", Line("BAG", "LON", 50), Line("BOX", "LON", 50)))
        for number in range(30):
            await reserve(hub, f"r-{number}", 1, "BAG", "BOX")

        async def all_are_over() -> bool:
            return await is_over(redis_client) == 30

        await until(all_are_over)
        before = await redis_client.xlen(keys.JOURNAL)

        async def nothing_is_left() -> bool:
            await asyncio.gather(*(each.stores.expiry.look() for each in (hub, other)))
            return not await redis_client.exists(keys.EXPIRY)

        await until(nothing_is_left)

        assert await redis_client.xlen(keys.JOURNAL) == before + 30
        assert (await available(hub), await available(other, "BOX")) == (50, 50)
        assert await redis_client.hlen(keys.HOLDS) == 0


async def test_a_hold_that_is_due_soon_is_looked_at_when_it_is_due() -> None:
    async def due(passed: int, count: int) -> Due:
        return Due((), next_in_ms=40, live=1)

    watch = ExpiryWatch(due, expire=never)

    assert await watch.look() == 0.04


async def test_what_cannot_be_given_back_does_not_hide_the_others() -> None:
    left = ["broken", "a", "b", "c"]

    async def due(passed: int, count: int) -> Due:
        return Due(tuple(left[passed : passed + 2]), None, len(left))

    async def expire(names: Any, share: float) -> GivenBack:
        fine = [name for name in names if name != "broken"]
        for name in fine:
            left.remove(name)
        return GivenBack(len(fine), len(names) - len(fine), "it is broken")

    metrics = Metrics()
    watch = ExpiryWatch(due, expire=expire, on_expired=metrics.reservations_expired.inc)

    assert await watch.look() == LOOK_SECONDS

    assert left == ["broken"]
    assert metrics.registry.get_sample_value("hub_reservations_expired_total") == 3


async def test_a_name_whose_hold_is_gone_is_told_and_not_tried_for_ever(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        await redis_client.zadd(keys.EXPIRY, {"reservation:ghost": 1})

        assert await hub.stores.expiry.look() == LOOK_SECONDS
        assert (await hub.stores.requests.expire(["reservation:ghost"], 1)).why == "reservation:ghost is not known"


async def never(names: Any, share: float) -> GivenBack:
    raise AssertionError("nothing is due")
