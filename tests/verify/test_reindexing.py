"""What follows from holds and positions is made anew of them by a repair, without an entry and beside others."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from hub.domain.command import Line
from hub.stock import keys
from hub.stock.outcome import Granted
from hub.stock.reindexing import Reindexing
from tests.stock.opened import OpenStores
from tests.stock.test_requesting import request, reserve
from tests.verify.conftest import Verify
from tests.verify.damages import WHOLE
from tests.verify.hand import Hand
from tests.verify.record_damages import RECORDS, held_entry
from tests.verify.test_record_damage import hand, stopped, verified  # noqa: F401
from tests.verify.test_repair import Mender, mender  # noqa: F401

INDEXED = (
    "a hold that is not listed",
    "a hold that is listed for another SKU",
    "a hold that would never be over",
    "a hold that nobody made is over some day",
)


async def indexes(client: Redis) -> list[Any]:
    listed = [await client.zrange(key, 0, -1, withscores=True) for key in (keys.HELD, keys.EXPIRY)]
    places = [await client.smembers(keys.skus_at(place)) for place in ("LON", "PAR")]  # type: ignore[misc]
    return [*listed, *places]


@pytest.mark.parametrize("what", INDEXED)
async def test_an_index_of_holds_is_set_right_without_an_entry(
    hand: Hand,  # noqa: F811
    mender: Mender,  # noqa: F811
    what: str,
) -> None:
    [damage] = [do for name, do, _ in RECORDS if name == what]
    before = await indexes(hand.redis)
    await damage(hand)

    said = await mender.repair(await mender.verify())

    assert said == ["holds: 1 entries of their indexes set right"]
    assert (await mender.verify()).exit_code == 0
    assert await indexes(hand.redis) == before
    assert await mender.repairs() == []


@pytest.mark.parametrize("key", [keys.HELD, keys.EXPIRY])
async def test_an_index_that_is_gone_is_made_anew(hand: Hand, mender: Mender, key: str) -> None:  # noqa: F811
    before = await indexes(hand.redis)
    await hand.redis.delete(key)

    await mender.repair(await mender.verify())

    assert (await mender.verify()).exit_code == 0
    assert await indexes(hand.redis) == before


async def test_what_lists_nothing_that_can_be_a_hold_is_taken_away(hand: Hand, mender: Mender) -> None:  # noqa: F811
    before = await indexes(hand.redis)
    await hand.redis.zadd(keys.HELD, {b"no hold at all": 0, b"BELT\0one NUL": 0, b"BELT\0\0\xff": 0})

    await mender.repair(await mender.verify())

    assert await indexes(hand.redis) == before


async def test_a_hold_that_cannot_be_read_keeps_its_place_in_the_indexes(hand: Hand, mender: Mender) -> None:  # noqa: F811
    entry = await held_entry(hand, "k-held")
    await hand.redis.hset(keys.HOLDS, "reservation:k-held", b"\xc1")  # type: ignore[misc]
    await hand.redis.zadd(keys.EXPIRY, {"reservation:ghost": 5})

    said = await mender.repair(await mender.verify())

    assert "holds: 1 entries of their indexes set right" in said
    assert await hand.redis.zscore(keys.HELD, entry) == 0
    assert await hand.redis.zscore(keys.EXPIRY, "reservation:k-held") is not None


async def test_a_location_lists_what_it_has_and_nothing_else(hand: Hand, mender: Mender) -> None:  # noqa: F811
    before = await indexes(hand.redis)
    await hand.redis.sadd(keys.skus_at("PAR"), "GHOST", b"\xff")  # type: ignore[misc]
    await hand.redis.srem(keys.skus_at("LON"), "BELT")  # type: ignore[misc]

    said = await mender.repair(await mender.verify())

    assert said[0] == "PAR: 2 SKUs without a position taken off its list"
    assert said[1].startswith("BELT: repaired by 0-1-")
    assert (await mender.verify()).exit_code == 0
    assert await indexes(hand.redis) == before


async def test_a_lost_position_stays_listed(hand: Hand, mender: Mender) -> None:  # noqa: F811
    await hand.redis.hdel(keys.sku("BELT"), "l:PAR")  # type: ignore[misc]
    await hand.redis.sadd(keys.skus_at("PAR"), "GHOST")  # type: ignore[misc]

    said = await mender.repair(await mender.verify())

    assert said[0] == "PAR: 1 SKUs without a position taken off its list"
    assert await hand.redis.sismember(keys.skus_at("PAR"), "BELT")  # type: ignore[misc]


async def test_a_lost_position_stays_listed_and_what_is_wrong_goes_where_neither_is_among_what_is_listed(
    hand: Hand,  # noqa: F811
    mender: Mender,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.verify.report.FINDINGS_MAX", 0)
    await hand.redis.hdel(keys.sku("BELT"), "l:PAR")  # type: ignore[misc]
    await hand.redis.sadd(keys.skus_at("PAR"), "GHOST")  # type: ignore[misc]
    await hand.redis.sadd(keys.skus_at("LON"), "GHOST")  # type: ignore[misc]

    said = await mender.repair(await mender.verify())

    assert said[:2] == [f"{place}: 1 SKUs without a position taken off its list" for place in ("LON", "PAR")]
    assert await hand.redis.sismember(keys.skus_at("PAR"), "BELT")  # type: ignore[misc]


async def test_nothing_is_indexed_where_the_partition_is_closed(hand: Hand, mender: Mender) -> None:  # noqa: F811
    [damage] = [do for name, do, _ in WHOLE if name == "a rebuild that broke off"]
    await hand.redis.delete(keys.EXPIRY)
    await damage(hand)

    said = await mender.repair(await mender.verify())

    assert said == ["nothing was repaired, for the ledger's sums may not be the truth: healing"]
    assert not await hand.redis.exists(keys.EXPIRY)


async def test_a_hub_reserves_on_while_its_index_is_made_anew(
    hub: OpenStores, verify: Verify, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await reserve(hub, "h-1", "BAG", is_named=0), Granted)
    await redis_client.delete(keys.HELD)
    reindexing, changed = Reindexing(redis_client), hub.stores.requests.ask
    entries: dict[str, list[bytes]] = {"reservation:h-1": [], "reservation:h-2": [], "reservation:ghost": [b"A\0 1\0g"]}
    await _between(monkeypatch, lambda: changed(request(hub, "release", "h-1")))

    count = await reindexing.holds(entries)

    assert (count, await redis_client.zcard(keys.HELD)) == (0, 0)
    assert (await verify()).findings == []


async def test_a_position_that_comes_meanwhile_stays_listed(
    hub: OpenStores, verify: Verify, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await redis_client.sadd(keys.skus_at("LON"), "NEW")  # type: ignore[misc]

    async def arrives() -> None:
        await hub.book(hub.fact("new", Line("NEW", "LON", 1)))
        await hub.ledger_has_all()

    await _between(monkeypatch, arrives)

    assert not await Reindexing(redis_client).without_position("LON", b"NEW")
    assert (await verify()).findings == []


async def _between(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Awaitable[object]]) -> None:
    """Let something happen once between the first read and the write."""
    execute, waiting = Pipeline.execute, [happens]

    async def interrupted(self: Pipeline, *args: Any, **more: Any) -> Any:
        if self.explicit_transaction and waiting:
            await waiting.pop()()
        return await execute(self, *args, **more)

    monkeypatch.setattr(Pipeline, "execute", interrupted)
