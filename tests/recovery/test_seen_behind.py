"""What a process saw lacking in Redis is known to the next one, though it was stopped before it could be healed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.entry import decode_entry
from hub.domain.losing import Doubt
from hub.domain.standing import BEHIND
from hub.faults import Unavailable
from hub.recovery.rebuilding import Rebuild
from hub.recovery.stopping import come_to_rest
from hub.stock import keys
from hub.stock.restoring import Restoring
from tests.recovery.contents import journal
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE

Copy = dict[bytes, bytes]


async def copy_of(client: Redis) -> Copy:
    return {key: await client.dump(key) async for key in client.scan_iter(match=keys.ANY)}


async def bring_back(client: Redis, copy: Copy) -> None:
    """Redis as it was, of which the last part was lost."""
    await client.flushall()
    for key, value in copy.items():
        await client.restore(key, 0, value)


async def sell_and_lose(hub: OpenStores) -> None:
    """Two events are answered while the ledger is away, then Redis has only the first of them."""
    await hub.book(hub.fact("kept", source="web-shop"))
    copy = await copy_of(hub.kernel.client)
    await hub.book(hub.fact("lost", source="till-7"))
    await bring_back(hub.kernel.client, copy)


async def test_a_hub_that_is_stopped_before_the_ledger_is_back_leaves_it_to_the_next_to_heal_and_tell(
    redis_client: Redis, redis_url: str, postgres_dsn: str, findings: Callable[[], Awaitable[list[Any]]]
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.ledger_has_all()
    # It posts nothing, so only Redis has what it books.
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        await hub.stores.healing.look()
        async with hub.ledger_away():
            await sell_and_lose(hub)
            with pytest.raises(Unavailable):
                await hub.stores.healing.look()
            assert await redis_client.hget(keys.META, "halted") == BEHIND
            with pytest.raises(Unavailable):
                await hub.stores.healing.keep_lost()
        # As if it had never heard that the ledger is back.
        assert await come_to_rest(hub.kernel, hub.stores.epochs, hub.stores.watermark, 0.1) is None

    async with opened(redis_url, postgres_dsn, HOUSE) as following:
        assert following.kernel.epoch == 2
        assert await redis_client.hget(keys.META, "halted") is None
        told = [entry for _, raw in await journal(redis_client) if (entry := decode_entry(raw)).type == "answers_lost"]
        assert len(told) == 1
        await following.ledger_has_all()
    assert await findings() == []


async def test_it_is_closed_at_a_stop_also_where_nobody_looked_before(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        await hub.stores.healing.look()
        async with hub.ledger_away():
            await sell_and_lose(hub)
            with pytest.raises(Unavailable):
                await hub.stores.healing.keep_lost()
        assert await hub.kernel.client.hget(keys.META, "halted") == BEHIND


async def test_a_redis_that_was_only_seen_behind_is_topped_up(
    redis_client: Redis, redis_url: str, postgres_dsn: str
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("one"))
        await hub.ledger_has_all()
        await bring_back(redis_client, copy)
        await redis_client.hset(keys.META, "halted", BEHIND)
        done = await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub)
        assert (done.how, done.new_epoch) == ("topped_up", 2)


async def test_one_who_died_while_healing_knew_of_something_so_what_may_be_lost_is_told(
    redis_client: Redis, redis_url: str, postgres_dsn: str
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.stores.healing.look()
        await hub.book(hub.fact("of-the-till", source="till-7"))
        await hub.ledger_has_all()
        # It closed the partition, and died before it raised the epoch.
        await Restoring(redis_client).close()
        done = await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub, names_lost=True)

    [doubt] = done.lost
    assert isinstance(doubt, Doubt)
    assert "till-7" in doubt.sources
