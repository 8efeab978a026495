"""Requests reach the kernel with all that they may touch, whatever others change meanwhile."""

import asyncio
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.catalogue import RuleSettings, SkuSettings
from hub.domain.command import Asking, Fact, Line, Verb
from hub.domain.holding.hold import OWNED_MAX, State, reservation_name
from hub.embedded.servers import EmbeddedServers
from hub.stock import keys
from hub.stock.outcome import AsItIs, Denied, Granted, Outcome
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE

HOUR_MS = 3_600_000


def request(hub: OpenStores, verb: Verb, id: str, *asked: tuple[str, str, int], **more: Any) -> Fact:
    asking = Asking(reservation_name(id), asked, HOUR_MS, **more)
    made = hub.fact(id, verb=verb, type=f"reservation.{verb}", pool="online", detail=asking)
    return msgspec.structs.replace(made, lines=())


async def reserve(hub: OpenStores, id: str, *skus: str, **more: Any) -> Outcome:
    asked = tuple((sku, "", 1) for sku in skus)
    return await hub.stores.requests.ask(
        request(hub, "reserve", id, *asked, **{"owner": "anna", "kind": "cart", "is_named": 1, **more})
    )


async def state(hub: OpenStores, id: str) -> State:
    name = reservation_name(id)
    return (await hub.stores.held.find([name]))[name].state


async def test_an_owners_baskets_at_the_same_moment_leave_one(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub, opened(servers.redis_url, postgres_dsn) as other:
        skus = [f"SKU-{number}" for number in range(20)]
        await hub.book(*(hub.fact(sku, Line(sku, "LON", 1)) for sku in skus))

        # Each one's place in the call was looked up before the others were held, with another SKU.
        outcomes = await asyncio.gather(
            *(reserve((hub, other)[number % 2], f"r-{number}", sku) for number, sku in enumerate(skus))
        )

        assert all(isinstance(outcome, Granted) for outcome in outcomes)
        states = [await state(hub, f"r-{number}") for number in range(20)]
        assert sorted(states) == [State.held] + [State.released] * 19
        assert await redis_client.zcard(keys.HELD) == 1


async def test_a_reservation_survives_other_rules_of_another_process(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub, opened(servers.redis_url, postgres_dsn) as other:
        await hub.book(hub.fact("in", Line("BAG", "LON", 2), Line("BOX", "LON", 2)))
        assert isinstance(await reserve(hub, "before", "BAG", "BOX"), Granted)
        await other.stores.adopting.adopt(
            msgspec.structs.replace(HOUSE, rules=(RuleSettings(pool="online", safety=1),))
        )

        # The last one is held back now; what is held stays held.
        denied = await reserve(hub, "after", "BAG", "BOX", is_named=0)
        released = await hub.stores.requests.ask(request(hub, "release", "before"))
        granted = await reserve(hub, "again", "BAG", "BOX", is_named=0)

        assert denied == Denied("insufficient", (("BAG", 1, 0), ("BOX", 1, 0)))
        assert isinstance(released, Granted)
        assert isinstance(granted, Granted)


async def test_a_name_that_became_an_alias_elsewhere_is_the_house_sku(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub, opened(servers.redis_url, postgres_dsn) as other:
        await hub.book(hub.fact("in", Line("BAG", "LON", 2)))
        await other.stores.adopting.describe([SkuSettings("BAG", aliases=("3607340000001",))])

        granted = await reserve(hub, "r-1", "3607340000001")

        assert isinstance(granted, Granted)
        assert granted.hold.skus == ["BAG"]


async def test_what_is_so_already_is_told_as_it_is(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        await hub.book(hub.fact("in", Line("BAG", "LON", 2)))
        granted = await reserve(hub, "r-1", "BAG")
        before = await redis_client.xlen(keys.JOURNAL)

        again = await reserve(hub, "r-1", "BAG")
        unknown = await hub.stores.requests.ask(request(hub, "confirm", "r-2"))

        assert isinstance(granted, Granted)
        assert again == AsItIs(granted.hold)
        assert unknown == Denied("unknown_reservation")
        assert await redis_client.xlen(keys.JOURNAL) == before


async def test_an_owners_basket_is_replaced_however_many_confirmed_ones_of_another_kind_came_since(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        await hub.book(hub.fact("in", Line("BAG", "LON", 200)), hub.fact("box", Line("BOX", "LON", 1)))
        await reserve(hub, "cart", "BAG")
        for number in range(OWNED_MAX + 1):
            await reserve(hub, f"r-{number}", "BAG", kind="checkout")
            await hub.stores.requests.ask(request(hub, "confirm", f"r-{number}"))

        assert isinstance(await reserve(hub, "next", "BOX"), Granted)

        assert await state(hub, "cart") == State.released
        assert len((await hub.stores.held.owned([("anna", "online")]))[0]) == OWNED_MAX


async def test_of_two_baskets_of_a_kind_all_take_the_one_that_is_listed_first(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        skus = ("BAG", "BOX", "HAT")
        await hub.book(*(hub.fact(sku, Line(sku, "LON", 200)) for sku in skus))
        # So many kinds that the first of them is listed no more, nor replaced, until its time is prolonged.
        await reserve(hub, "first", "BAG")
        for number in range(OWNED_MAX):
            await reserve(hub, f"r-{number}", "BAG", kind=f"kind-{number}")
        await reserve(hub, "second", "BOX")
        await hub.stores.requests.ask(request(hub, "extend", "first"))
        assert [await state(hub, id) for id in ("first", "second")] == [State.held, State.held]

        assert isinstance(await reserve(hub, "next", "HAT"), Granted)

        assert [await state(hub, id) for id in ("first", "second")] == [State.held, State.released]
